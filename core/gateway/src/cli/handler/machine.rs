//! What `paifang handler` does on this machine for a compiler of handlers; which one it is,
//! `toolchain` decides.

use super::toolchain::{self, Hands, Toolchain};
use crate::cli::{Failed, terminal::complain};
use std::{
    env,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Finds a compiler for the package in a folder, or gets one, unless nothing may be fetched.
///
/// # Errors
/// There is none; with the line to type.
pub(super) fn toolchain(folder: &Path, offline: bool) -> Result<Toolchain, Failed> {
    let hands = Shell { folder };
    let found = if offline { toolchain::present(&hands) } else { toolchain::fetched(&hands) };
    found.map_err(|missing| Failed::Said(format!("missing: {missing}")))
}

struct Shell<'a> {
    folder: &'a Path,
}

impl Hands for Shell<'_> {
    fn folder(&self) -> &Path {
        self.folder
    }

    fn find(&self, program: &str) -> Option<PathBuf> {
        let runs = |file: &PathBuf| {
            file.metadata().is_ok_and(|of| of.is_file() && of.permissions().mode() & 0o111 != 0)
        };
        let path = env::var_os("PATH")?;
        env::split_paths(&path).map(|dir| dir.join(program)).find(runs)
    }

    fn may_install(&self) -> bool {
        self.find("apt-get").is_some() && as_root().is_some()
    }

    fn run(&self, command: &mut Command, patience: Duration) {
        if let Err(why) = within(command, patience) {
            complain(&format!("{}: {why}", line(command)));
        }
    }

    fn install(&self, packages: &[&str]) {
        const UPDATE: [&str; 3] = ["apt-get", "update", "-q"];
        const INSTALL: [&str; 5] =
            ["apt-get", "install", "-y", "--no-install-recommends", "--no-remove"];
        let Some(root) = as_root() else { return };
        let apt = |words: &[&str]| {
            let words: Vec<&str> = root.iter().chain(words).copied().collect();
            let mut command = Command::new(words[0]);
            command.args(&words[1..]).env("DEBIAN_FRONTEND", "noninteractive");
            command
        };
        // An old package list still serves often.
        self.run(&mut apt(&UPDATE), INSTALLING);
        self.run(apt(&INSTALL).args(packages), INSTALLING);
    }
}

/// How long apt may take, on a slow line too.
const INSTALLING: Duration = Duration::from_secs(900);

/// What stands before a command for it to run as root without a question; `None` where one is asked.
fn as_root() -> Option<&'static [&'static str]> {
    let run = |words: &[&str]| {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()
    };
    if run(&["id", "-u"]).is_some_and(|id| id.stdout.trim_ascii() == b"0") {
        return Some(&[]);
    }
    run(&["sudo", "-n", "true"]).filter(|done| done.status.success()).map(|_| &["sudo", "-n"][..])
}

/// Runs a command, shown, for at most so long.
// A command line has no serving threads.
#[allow(clippy::disallowed_methods)]
fn within(command: &mut Command, patience: Duration) -> Result<(), String> {
    complain(&format!("$ {}", line(command)));
    let failed = |why: std::io::Error| why.to_string();
    let mut child = command.stdin(Stdio::null()).spawn().map_err(failed)?;
    let end = Instant::now() + patience;
    while Instant::now() < end {
        match child.try_wait().map_err(failed)? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(status.to_string()),
            None => thread::sleep(Duration::from_millis(20)),
        }
    }
    // It may have ended meanwhile.
    let _ = child.kill();
    child.wait().map_err(failed)?;
    Err(format!("not done after {} s: ended", patience.as_secs()))
}

/// A command as one would type it.
fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_on_the_path_alone() {
        let shell = Shell { folder: Path::new("/") };
        assert!(shell.find("sh").is_some_and(|file| file.is_absolute()));
        assert_eq!(shell.find("no-such-program-as-this"), None);
    }

    #[test]
    fn what_takes_too_long_is_ended() {
        let mut slow = Command::new("sleep");
        let ended = within(slow.arg("600"), Duration::from_millis(50));
        assert!(ended.is_err_and(|why| why.contains("ended")));
        assert_eq!(line(&slow), "sleep 600");
        assert!(within(&mut Command::new("false"), Duration::from_secs(60)).is_err());
        assert_eq!(within(&mut Command::new("true"), Duration::from_secs(60)), Ok(()));
    }
}
