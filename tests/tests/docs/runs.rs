//! The commands in documents are run as printed, from the root of the tree, with `paifang` on the
//! PATH and the demo's gateway and upstream up: anew for every page, its blocks in their order.

use std::{collections::BTreeMap, env, ffi::OsString, path::Path, process::Stdio, time::Duration};

use paifang_tests::tidy::{Fence, root};
use tokio::{process::Command, time::timeout};

use crate::{
    demo::{Demo, Machine},
    no_faults, tagged,
};

/// How long one block may take.
const LONGEST: Duration = Duration::from_secs(60);

#[tokio::test]
async fn commands_in_documents_run_as_printed() {
    let mut pages: BTreeMap<String, Vec<Fence>> = BTreeMap::new();
    for (page, block) in tagged("sh run") {
        pages.entry(page).or_default().push(block);
    }
    assert!(!pages.is_empty(), "the blocks are gone");
    let machine = Machine::ready();
    let mut faults = Vec::new();
    for (page, blocks) in pages {
        let demo = Demo::start(&machine).await;
        for block in blocks {
            if let Err(why) = run(&block.text, &machine.binaries).await {
                let log = demo.log();
                faults.push(format!("{page}:{}: {why}\nthe gateway's log:\n{log}", block.line));
                // What follows may build on it.
                break;
            }
        }
        demo.stop().await;
    }
    no_faults(&faults);
}

async fn run(script: &str, binaries: &Path) -> Result<(), String> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut folders = vec![binaries.to_owned()];
    folders.extend(env::split_paths(&path));
    let path: OsString = env::join_paths(folders).map_err(|cause| cause.to_string())?;
    let mut bash = Command::new("bash");
    bash.args(["-euo", "pipefail", "-c", script]).env("PATH", path).current_dir(root());
    // A variable of ours must not change what the commands do.
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().contains("PAIFANG")) {
        bash.env_remove(name);
    }
    bash.stdin(Stdio::null()).kill_on_drop(true);
    let output = match timeout(LONGEST, bash.output()).await {
        Ok(output) => output.map_err(|cause| format!("bash: {cause}"))?,
        Err(_) => return Err(format!("not done after {LONGEST:?}:\n{script}")),
    };
    if output.status.success() {
        return Ok(());
    }
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Err(format!("{}:\n{script}\n{out}{err}", output.status))
}
