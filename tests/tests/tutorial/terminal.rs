//! A terminal: a shell into which blocks are typed, and what it prints.

use crate::expected::taken;
use std::{
    env,
    ffi::OsString,
    io::{BufRead, BufReader, Write},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

/// What takes longer hangs. The first build of a handler may make the standard library too.
const PATIENCE: Duration = Duration::from_secs(300);
/// Printed by the shell behind each block that ends.
const END: &str = "@@ the block has ended @@";

/// Lines as they come; and whether no more can come.
type Lines = Arc<(Mutex<(Vec<String>, bool)>, Condvar)>;

/// A shell. What it runs ends with it, when it is dropped.
pub(crate) struct Terminal {
    shell: Child,
    keys: ChildStdin,
    lines: Lines,
    /// How many lines have been compared.
    seen: usize,
    /// Whether something stays in the foreground.
    busy: bool,
}

impl Terminal {
    /// Begins one in a folder.
    ///
    /// # Panics
    /// When there is no shell.
    pub(crate) fn begin(folder: &Path, binaries: &Path) -> Self {
        let path = env::var_os("PATH").unwrap_or_default();
        let path = std::iter::once(binaries.to_owned()).chain(env::split_paths(&path));
        let path: OsString = env::join_paths(path).unwrap_or_default();
        let mut bash = Command::new("bash");
        bash.args(["--noprofile", "--norc"]).current_dir(folder).env("PATH", path);
        // A variable of ours must not change what the commands do.
        for (name, _) in env::vars_os() {
            if name == "RUST_LOG" || name.to_string_lossy().starts_with("PAIFANG_") {
                bash.env_remove(name);
            }
        }
        // One for all handlers that tests build: the kit and the standard library are built once.
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("packages/target");
        bash.env("CARGO_TARGET_DIR", target).env("LC_ALL", "C.UTF-8");
        // A group of its own gets the signals of its terminal.
        bash.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        let mut shell = match bash.spawn() {
            Ok(shell) => shell,
            Err(why) => panic!("bash: {why}"),
        };
        let (Some(mut keys), Some(out)) = (shell.stdin.take(), shell.stdout.take()) else {
            panic!("the shell has no pipes");
        };
        let lines = Lines::default();
        let to = lines.clone();
        thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                keep(&to, |(lines, _)| match line.strip_suffix(END) {
                    // What it stands behind has ended without a new line.
                    Some(rest) if !rest.is_empty() => {
                        lines.extend([rest.to_owned(), END.to_owned()])
                    }
                    _ => lines.push(line),
                });
            }
            keep(&to, |(_, over)| *over = true);
        });
        // Errors in the order in which they come among the rest; a command that fails ends the
        // shell; a signal ends what stays, and not the shell.
        let first = "exec 2>&1; set -euo pipefail; trap : INT\n\
            # Where the test is killed, what stays in a terminal ends too.\n\
            (while kill -0 $PPID; do sleep 1; done; kill -KILL 0) > /dev/null 2>&1 < /dev/null &\n";
        if let Err(why) = keys.write_all(first.as_bytes()) {
            panic!("the shell is gone: {why}");
        }
        Self { shell, keys, lines, seen: 0, busy: false }
    }

    /// Types a block, and waits for its end unless it stays. What was printed before and not
    /// compared is forgotten.
    pub(crate) fn type_in(&mut self, block: &str, stays: bool) -> Result<(), String> {
        if self.busy {
            return Err("something still stays in that terminal".to_owned());
        }
        self.seen = self.count();
        // What stays reads none of what is typed after it.
        let text = match stays {
            true => format!("{{\n{block}}} < /dev/null || true\necho '{END}'\n"),
            false => format!("{{\n{block}}} < /dev/null\necho '{END}'\n"),
        };
        self.keys.write_all(text.as_bytes()).map_err(|why| format!("the shell is gone: {why}"))?;
        self.busy = stays;
        if stays { Ok(()) } else { self.wait("the end", |lines| lines.contains(&END.to_owned())) }
    }

    /// Waits until it has printed this: of what stays, so far; of what has ended or `ends`, all of it.
    pub(crate) fn printed(&mut self, pattern: &[String], ends: bool) -> Result<(), String> {
        let goes_on = self.busy && !ends;
        let mut found = None;
        self.wait("what the page says", |lines| {
            let end = lines.iter().position(|line| line == END);
            let upto = end.unwrap_or(lines.len());
            if goes_on || end.is_some() {
                found = taken(pattern, &lines[..upto], !goes_on);
            }
            found.is_some() || end.is_some()
        })?;
        let count = found.ok_or("that is not what was printed")?;
        self.seen += count;
        self.busy = goes_on;
        Ok(())
    }

    /// Ends what stays, as Ctrl-C does.
    pub(crate) fn interrupt(&mut self) -> Result<(), String> {
        self.signal("INT")?;
        self.wait("the end after Ctrl-C", |lines| lines.contains(&END.to_owned()))?;
        self.busy = false;
        Ok(())
    }

    /// All that it has printed.
    pub(crate) fn all(&self) -> String {
        self.lines.0.lock().map(|lines| lines.0.join("\n")).unwrap_or_default()
    }

    fn count(&self) -> usize {
        self.lines.0.lock().map(|lines| lines.0.len()).unwrap_or_default()
    }

    /// Waits until the lines that have not been compared are as wanted.
    fn wait(&self, what: &str, mut holds: impl FnMut(&[String]) -> bool) -> Result<(), String> {
        let end = Instant::now() + PATIENCE;
        let gone = || "the reader of the shell has panicked".to_owned();
        let mut lines = self.lines.0.lock().map_err(|_| gone())?;
        loop {
            if holds(&lines.0[self.seen..]) {
                return Ok(());
            }
            let left = end.saturating_duration_since(Instant::now());
            if lines.1 || left.is_zero() {
                let why = if lines.1 { "a command has failed" } else { "it takes too long" };
                return Err(format!("{what} did not come: {why}"));
            }
            lines = self.lines.1.wait_timeout(lines, left).map_err(|_| gone())?.0;
        }
    }

    /// Sends a signal to all that runs in it.
    fn signal(&self, name: &str) -> Result<(), String> {
        let group = format!("-{}", self.shell.id());
        let sent = Command::new("kill").args([&format!("-{name}"), "--", &group]).status();
        match sent {
            Ok(status) if status.success() => Ok(()),
            other => Err(format!("kill: {other:?}")),
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.signal("KILL");
        let _ = self.shell.wait();
    }
}

fn keep(lines: &Lines, how: impl FnOnce(&mut (Vec<String>, bool))) {
    if let Ok(mut lines_now) = lines.0.lock() {
        how(&mut lines_now);
    }
    lines.1.notify_all();
}
