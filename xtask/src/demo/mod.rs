//! `cargo xtask demo`: the shipped demo config, served for real, and each of its chains shown at
//! work by a line that can be typed again.
//!
//! It is a test too: each line says what must come back, and the task fails when it does not.

mod line;
mod steps;

use std::{
    fs,
    io::{self, BufRead, IsTerminal},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use crate::{
    failure::{Failure, Result},
    handlers, run, say,
    server::{self, Server},
    setup, tree,
};
use line::Line;

/// Where the demo's gateway takes calls; conf/demo.yaml says the same.
const PUBLIC: u16 = 8080;
/// Where its admin API listens.
const ADMIN: u16 = 9900;
/// Where its upstream listens.
const UPSTREAM: u16 = 7001;
/// How long a server may take until it is ready.
const READY: Duration = Duration::from_secs(30);

/// Builds the gateway, runs it on conf/demo.yaml with a small upstream, and shows each chain at work.
///
/// All on loopback: calls on 8080, the admin API on 9900, the upstream on 7001. The files it edits
/// for the reloads are copies under target/demo.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    cargo xtask demo                   shows the chains; at a terminal, stays up to be played with\n  \
    cargo xtask demo --once            stops when the last line is shown (so does CI)\n  \
    cargo xtask demo --keep            stays up until Enter or Ctrl-C")]
pub(crate) struct Args {
    /// Stay up afterwards, until Enter or Ctrl-C. The default at a terminal.
    #[arg(long, conflicts_with = "once")]
    keep: bool,
    /// Stop afterwards. The default without a terminal.
    #[arg(long)]
    once: bool,
}

/// Builds, starts, shows, checks.
///
/// # Errors
/// When a tool or a port is missing, the build fails, a server does not come up, or a line's answer
/// is not the expected one.
pub(crate) fn task(args: &Args) -> Result<()> {
    setup::ready(setup::Use::Demo)?;
    ports_are_free()?;
    handlers::ready()?;
    build()?;
    let dir = copied_config()?;

    say::step("starting the upstream and the gateway");
    let (_upstream, mut gateway) = start(&dir)?;
    say::note(&format!("calls http://127.0.0.1:{PUBLIC}  admin http://127.0.0.1:{ADMIN}"));

    let (passed, failed) = show(&steps::all(&dir));
    println!("\ndemo: {passed} passed, {failed} failed");
    if failed > 0 {
        let log = dir.join("gateway.log");
        return Err(Failure::Failed(format!("{failed} lines; the log is {}", log.display())));
    }
    if args.keep || (!args.once && io::stdin().is_terminal()) {
        say::step("still up; type the lines above again, or end with Enter or Ctrl-C");
        let _ = io::stdin().lock().read_line(&mut String::new());
    }
    if !gateway.runs() {
        return Err(Failure::Failed("the gateway ended by itself".to_owned()));
    }
    Ok(())
}

fn ports_are_free() -> Result<()> {
    match [PUBLIC, ADMIN, UPSTREAM].into_iter().find(|port| server::listens(*port)) {
        None => Ok(()),
        Some(port) => {
            Err(Failure::Failed(format!("port {port} is in use; the demo needs it on 127.0.0.1")))
        }
    }
}

/// The whole workspace is selected, so that features resolve as in the tests and nothing is built
/// twice.
fn build() -> Result<()> {
    say::step("building the gateway (the first time some minutes, afterwards seconds)");
    let began = Instant::now();
    run::shown(&mut run::cargo(&[
        "build",
        "--workspace",
        "--bin",
        "paifang",
        "--example",
        "demo_upstream",
    ]))?;
    say::note(&format!("built in {} s", began.elapsed().as_secs()));
    Ok(())
}

fn copied_config() -> Result<PathBuf> {
    let dir = tree::scratch("demo")?;
    let shipped = tree::root().join("conf/demo.yaml");
    // Releases are kept beside the copy; the shipped config leaves no files where it lies.
    let text = format!("{}\nreleases: {{ directory: releases }}\n", tree::read(&shipped)?);
    tree::write(&dir.join("demo.yaml"), &text)?;
    let overlay = tree::read(&tree::root().join("conf/handlers.yaml"))?;
    tree::write(&dir.join("handlers.yaml"), &overlay)?;
    let modules = dir.join("handlers");
    fs::create_dir_all(&modules).map_err(|e| Failure::file(&modules, &e))?;
    for name in ["risk-score.wasm", "throttle.wasm"] {
        let built = tree::target().join("handlers").join(name);
        fs::copy(&built, modules.join(name)).map_err(|e| Failure::file(&built, &e))?;
    }
    Ok(dir)
}

fn start(dir: &Path) -> Result<(Server, Server)> {
    let mut upstream = Server::start(
        "the upstream",
        Command::new(tree::example("debug", "demo_upstream")).arg(format!("127.0.0.1:{UPSTREAM}")),
        &dir.join("upstream.log"),
    )?;
    upstream.wait(READY, || server::listens(UPSTREAM))?;
    let mut gateway = Server::start(
        "the gateway",
        Command::new(tree::binary("debug", "paifang"))
            .args(["run", "--config"])
            .arg(dir.join("demo.yaml"))
            .arg("--overlay")
            .arg(dir.join("handlers.yaml"))
            .envs(steps::SECRETS.iter().copied()),
        &dir.join("gateway.log"),
    )?;
    let probe = format!("http://127.0.0.1:{ADMIN}/readyz");
    gateway
        .wait(READY, || run::succeeds("curl", &["--fail", "--silent", "--max-time", "2", &probe]))
        .map_err(|failure| {
            let log = fs::read_to_string(dir.join("gateway.log")).unwrap_or_default();
            Failure::Failed(format!("{failure}\n{log}"))
        })?;
    Ok((upstream, gateway))
}

fn show(lines: &[Line]) -> (u32, u32) {
    let (mut passed, mut failed) = (0, 0);
    for line in lines {
        println!("\n# {}\n$ {}", line.title, line.command);
        let output = match line.run() {
            Ok(output) => output,
            Err(failure) => failure.to_string(),
        };
        for shown in output.trim_end().lines() {
            println!("  {}", shown.trim_end());
        }
        match line.judge(&output) {
            Ok(()) => passed += 1,
            Err(why) => {
                println!("  ^ NOT AS EXPECTED: {why}");
                failed += 1;
            }
        }
    }
    (passed, failed)
}
