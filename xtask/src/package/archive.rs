//! The archive: for every Linux, unpacked anywhere.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    program::{self, Program},
    stage::Stage,
};
use crate::{
    failure::{Failure, Result},
    run, say,
};

/// What must be in it, or it is not what docs/install.md says.
const MUST: [&str; 6] = [
    "bin/paifang",
    "LICENSE",
    "docs/operations.md",
    "conf/paifang.yaml",
    "conf/systemd/paifang.service",
    "share/man/man1/paifang-run.1",
];

pub(super) fn make(program: &Program, out: &Path, fast: bool) -> Result<PathBuf> {
    say::step("the archive");
    let name = format!("paifang-{}-linux-{}", program.version, program.machine);
    let stage = Stage::new(out, "archive")?;
    let at = |path: &str| format!("{name}/{path}");
    stage.program(program, &at("bin/paifang"))?;
    stage.copy("LICENSE", &at("LICENSE"))?;
    stage.documents(&at(""), &at("conf/"))?;
    extras(&stage, program, &at("share/"))?;
    let archive = out.join(format!("{name}.tar.gz"));
    tar(&stage, &name, &archive, fast)?;
    check(&archive, &name)?;
    Ok(archive)
}

/// The manual and what shells complete.
pub(super) fn extras(stage: &Stage, program: &Program, share: &str) -> Result<()> {
    for (name, text) in program.man(stage)? {
        stage.write(&format!("{share}man/man1/{name}"), text)?;
    }
    for (shell, place) in [
        ("bash", "bash-completion/completions/paifang"),
        ("zsh", "zsh/vendor-completions/_paifang"),
        ("fish", "fish/vendor_completions.d/paifang.fish"),
    ] {
        stage.write(&format!("{share}{place}"), program.completions(shell)?)?;
    }
    Ok(())
}

/// Packs a folder of the stage; the same files give the same bytes.
fn tar(stage: &Stage, folder: &str, archive: &Path, fast: bool) -> Result<()> {
    let packed = archive.with_extension("");
    let mut tar = Command::new("tar");
    tar.args(["--create", "--sort=name", "--format=gnu", "--owner=0", "--group=0"]);
    tar.args(["--numeric-owner", &format!("--mtime=@{}", program::epoch())]);
    tar.arg("--file").arg(&packed).arg("--directory").arg(stage.path()).arg(folder);
    run::shown(&mut tar)?;
    let level = if fast { "--fast" } else { "--best" };
    run::shown(Command::new("gzip").args(["--force", "--no-name", level]).arg(&packed))
}

fn check(archive: &Path, name: &str) -> Result<()> {
    let listed = run::captured(Command::new("tar").arg("--list").arg("--file").arg(archive))?;
    let lines: Vec<&str> = listed.text.lines().collect();
    let absent = MUST.iter().find(|must| !lines.contains(&&*format!("{name}/{must}")));
    match absent {
        None if listed.success => Ok(()),
        None => Err(Failure::Failed(listed.text)),
        Some(absent) => Err(Failure::Failed(format!("{} lacks {absent}", archive.display()))),
    }
}
