//! Running other programs: shown, captured, or shown and captured at once.

use std::{
    env,
    io::{self, BufRead, BufReader, Read, Write},
    path::Path,
    process::{Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{
    failure::{Failure, Result},
    say, tree,
};

/// Which of a program's streams [`tee`] reads.
#[derive(Clone, Copy)]
pub(crate) enum Stream {
    Out,
    Err,
}

/// What a program that ran to its end left behind.
pub(crate) struct Output {
    /// It exited with 0.
    pub(crate) success: bool,
    /// What it printed (see the function that made this).
    pub(crate) text: String,
}

/// A cargo command at the workspace's root, with the target directory that all share.
pub(crate) fn cargo(args: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args).current_dir(tree::root()).env("CARGO_TARGET_DIR", tree::target());
    // They are about this program. Build scripts such as ring's are run again when they change, and everything
    // above them is built again with them.
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command
}

/// A cargo command on a package outside the workspace. It is built with the workspace's profile, so
/// that the dependencies which the workspace has built already serve it too.
pub(crate) fn cargo_outside(task: &str, manifest: &Path) -> Command {
    let mut command = cargo(&[task, "--manifest-path"]);
    command.arg(manifest);
    command.args(["--config", "profile.dev.debug=0"]);
    command.args(["--config", "profile.dev.package.\"*\".opt-level=1"]);
    command
}

/// A command as one would type it.
pub(crate) fn line(command: &Command) -> String {
    let program = command.get_program().to_string_lossy();
    // Cargo hands us its own full path, which says nothing.
    let program = if program.ends_with("/cargo") { "cargo".into() } else { program };
    let words = std::iter::once(program).chain(command.get_args().map(|a| a.to_string_lossy()));
    words.map(|word| quoted(&word)).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// Runs a command with our own streams, so that its progress shows.
///
/// # Errors
/// When it cannot be started, or exits with anything but 0.
pub(crate) fn shown(command: &mut Command) -> Result<()> {
    let line = line(command);
    say::note(&format!("$ {line}"));
    let status = command.status().map_err(|e| Failure::Failed(format!("{line}: {e}")))?;
    if status.success() { Ok(()) } else { Err(Failure::Failed(format!("{line}: {status}"))) }
}

/// Runs a command with our own streams for at most so long; then it is ended, and `None` returned.
///
/// # Errors
/// When it cannot be started or waited for.
pub(crate) fn within(command: &mut Command, limit: Duration) -> Result<Option<ExitStatus>> {
    let line = line(command);
    say::note(&format!("$ {line}"));
    let failed = |e: io::Error| Failure::Failed(format!("{line}: {e}"));
    let mut child = command.stdin(Stdio::null()).spawn().map_err(failed)?;
    let began = Instant::now();
    while began.elapsed() < limit {
        if let Some(status) = child.try_wait().map_err(failed)? {
            return Ok(Some(status));
        }
        thread::sleep(Duration::from_millis(20));
    }
    let _ = child.kill();
    child.wait().map_err(failed)?;
    Ok(None)
}

/// Runs a command unseen; the text is its standard output, then its standard error.
///
/// # Errors
/// When it cannot be started. A failing exit is in the output, not an error.
pub(crate) fn captured(command: &mut Command) -> Result<Output> {
    let line = line(command);
    let done = command
        .stdin(Stdio::null())
        .output()
        .map_err(|e| Failure::Failed(format!("{line}: {e}")))?;
    let mut text = String::from_utf8_lossy(&done.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&done.stderr));
    Ok(Output { success: done.status.success(), text })
}

/// Whether a command can be started and exits with 0; nothing of it is seen.
pub(crate) fn succeeds(program: &str, args: &[&str]) -> bool {
    captured(Command::new(program).args(args)).is_ok_and(|output| output.success)
}

/// Runs a command, passing one of its streams on line by line and keeping it too.
///
/// # Errors
/// When it cannot be started or read from. A failing exit is in the output, not an error.
pub(crate) fn tee(command: &mut Command, stream: Stream) -> Result<Output> {
    let line = line(command);
    say::note(&format!("$ {line}"));
    let failed = |e: io::Error| Failure::Failed(format!("{line}: {e}"));
    match stream {
        Stream::Out => command.stdout(Stdio::piped()),
        Stream::Err => command.stderr(Stdio::piped()),
    };
    let mut child = command.spawn().map_err(failed)?;
    let text = match stream {
        Stream::Out => child.stdout.take().map(|from| pass_on(from, io::stdout())),
        Stream::Err => child.stderr.take().map(|from| pass_on(from, io::stderr())),
    };
    let text = text.transpose().map_err(failed)?.unwrap_or_default();
    let status = child.wait().map_err(failed)?;
    Ok(Output { success: status.success(), text })
}

fn pass_on(from: impl Read, mut to: impl Write) -> io::Result<String> {
    let mut kept = String::new();
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line)? > 0 {
        // Our own reader may be gone (`| head`); what is counted must not depend on it.
        let _ = to.write_all(&line);
        kept.push_str(&String::from_utf8_lossy(&line));
        line.clear();
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_line_can_be_typed_as_shown() {
        let mut command = Command::new("/opt/bin/cargo");
        command.args(["test", "a b", "it's", ""]);
        assert_eq!(line(&command), r"cargo test 'a b' 'it'\''s' ''");
    }

    #[test]
    fn what_takes_too_long_is_ended() {
        let began = Instant::now();
        let slow = within(Command::new("sleep").arg("600"), Duration::from_millis(50)).unwrap();
        assert_eq!(slow, None);
        assert!(began.elapsed() < Duration::from_secs(60));
        let quick = within(&mut Command::new("false"), Duration::from_secs(600)).unwrap();
        assert_eq!(quick.map(|status| status.success()), Some(false));
    }

    #[test]
    fn tee_keeps_the_stream_it_was_told_and_the_exit() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo out; echo err >&2; exit 3"]).stderr(Stdio::null());
        let output = tee(&mut command, Stream::Out).unwrap();
        assert_eq!(output.text, "out\n");
        assert!(!output.success);
    }
}
