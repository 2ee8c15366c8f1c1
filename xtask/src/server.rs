//! A server that runs as long as its guard lives, and no longer.

use std::{
    fs::File,
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{
    failure::{Failure, Result},
    run,
};

/// How long a server may take from SIGTERM to its end before it is killed.
const STOP: Duration = Duration::from_secs(10);

/// A child process; dropping the guard asks it to stop, and kills it when it does not.
pub(crate) struct Server {
    name: String,
    child: Child,
    reaper: Option<Child>,
}

impl Server {
    /// Starts a server whose output goes to a log file.
    ///
    /// # Errors
    /// When it cannot be started or the log not be made.
    pub(crate) fn start(name: &str, command: &mut Command, log: &Path) -> Result<Self> {
        let line = run::line(command);
        let failed = |e: std::io::Error| Failure::Failed(format!("{line}: {e}"));
        let out = File::create(log).map_err(|e| Failure::file(log, &e))?;
        let err = out.try_clone().map_err(|e| Failure::file(log, &e))?;
        let child = command.stdin(Stdio::null()).stdout(out).stderr(err).spawn().map_err(failed)?;
        let reaper = reaper(child.id());
        Ok(Self { name: name.to_owned(), child, reaper })
    }

    /// The process id; the same as the server's even behind `taskset`, which executes it in place.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `ready` says yes.
    ///
    /// # Errors
    /// When the server ends before, or `limit` passes.
    pub(crate) fn wait(&mut self, limit: Duration, mut ready: impl FnMut() -> bool) -> Result<()> {
        let began = Instant::now();
        while !ready() {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(Failure::Failed(format!("{} ended early: {status}", self.name)));
            }
            if began.elapsed() > limit {
                let limit = limit.as_secs();
                return Err(Failure::Failed(format!("{} not ready after {limit} s", self.name)));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Whether the server still runs.
    pub(crate) fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut reaper) = self.reaper.take() {
            let _ = reaper.kill();
            let _ = reaper.wait();
        }
        if !self.runs() {
            return;
        }
        run::succeeds("kill", &["-TERM", &self.child.id().to_string()]);
        let began = Instant::now();
        while self.runs() && began.elapsed() < STOP {
            thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Stops the server when we die without running `drop`: our end of its input closes with us.
fn reaper(pid: u32) -> Option<Child> {
    let script = format!("read _; kill -TERM {pid} 2>/dev/null");
    Command::new("sh")
        .args(["-c", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()
}

/// Whether something accepts connections on a loopback port.
pub(crate) fn listens(port: u16) -> bool {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_ok()
}

/// A loopback port that was free a moment ago.
///
/// # Errors
/// When the system has none.
pub(crate) fn free_port() -> Result<u16> {
    TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|e| Failure::Failed(format!("no free port: {e}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn log(name: &str) -> std::path::PathBuf {
        std::env::temp_dir().join(format!("xtask-{name}-{}.log", std::process::id()))
    }

    #[test]
    fn dropping_the_guard_ends_the_server() {
        let log = log("drop");
        let server = Server::start("sleep", Command::new("sleep").arg("600"), &log).unwrap();
        let pid = server.pid().to_string();
        assert!(run::succeeds("kill", &["-0", &pid]));
        drop(server);
        assert!(!run::succeeds("kill", &["-0", &pid]));
        std::fs::remove_file(log).unwrap();
    }

    #[test]
    fn a_server_that_ends_early_is_told_at_once() {
        let log = log("early");
        let mut server = Server::start("false", &mut Command::new("false"), &log).unwrap();
        let failure = server.wait(Duration::from_secs(60), || false).unwrap_err();
        assert!(failure.to_string().contains("false ended early"), "{failure}");
        std::fs::remove_file(log).unwrap();
    }
}
