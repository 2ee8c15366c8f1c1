//! The old process's side: starts the new one, hands over, and believes nothing but `serving`.

use super::{
    Program,
    wire::{self, FromNew, FromOld, Manifest},
};
use crate::edge::Handed;
use std::{
    fs::File,
    io,
    os::unix::net::UnixStream,
    path::PathBuf,
    process::{Child, ExitStatus},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// For the new process to load and take what it is handed.
const HELLO_WITHIN: Duration = Duration::from_secs(20);
/// For it to check, compile and warm up. Modules may have to be compiled anew.
const READY_WITHIN: Duration = Duration::from_secs(300);
/// For it to begin to accept, and to keep its release on disk.
const SERVING_WITHIN: Duration = Duration::from_secs(60);
/// For what is sent to be taken.
const TAKEN_WITHIN: Duration = Duration::from_secs(10);

/// Why another process did not take this one's place. This one serves on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpgradeError {
    #[error("an upgrade is under way already")]
    UnderWay,
    #[error("the gateway is stopping")]
    Stopping,
    #[error("this gateway is part of another program, which must be upgraded as it wants to be")]
    NoProcess,
    /// The kernel ends a container with its first process.
    #[error(
        "this gateway is process 1, with whose end the container ends; start a container of the new version instead"
    )]
    FirstProcess,
    #[error("what the new process needs cannot be handed over: {0}")]
    HandOver(io::Error),
    #[error("{} cannot be started: {source}", program.display())]
    Start { program: PathBuf, source: io::Error },
    #[error("the new process was not {what} within {} s", within.as_secs())]
    TooSlow { what: &'static str, within: Duration },
    #[error("the new process ended before it was {what}: {how}")]
    Ended { what: &'static str, how: String },
    #[error("the new process refused")]
    Refused { why: String },
}

impl UpgradeError {
    /// More, for people: what is wrong with the config.
    pub(crate) fn details(&self) -> Option<&str> {
        match self {
            Self::Refused { why } => Some(why),
            _ => None,
        }
    }

    /// All that is known of it.
    pub(crate) fn told(&self) -> String {
        match self.details() {
            Some(details) => format!("{self}: {details}"),
            None => self.to_string(),
        }
    }
}

/// A new process on its way. Dropping it ends that process.
pub(crate) struct Attempt {
    child: Arc<Mutex<Option<Child>>>,
    stream: UnixStream,
}

/// The process that serves now.
#[derive(Debug)]
pub(crate) struct Successor {
    pub(crate) pid: u32,
    pub(crate) version: String,
    pub(crate) release: u64,
    stream: UnixStream,
}

impl Attempt {
    /// Starts the program. Blocks, but not for long.
    pub(crate) fn begin(program: &Program) -> Result<Self, UpgradeError> {
        let started = program.start();
        let (child, stream) = started
            .map_err(|source| UpgradeError::Start { program: program.path().to_owned(), source })?;
        tracing::info!(pid = child.id(), program = %program.path().display(), "upgrade: started");
        Ok(Self { child: Arc::new(Mutex::new(Some(child))), stream })
    }

    /// Hands over and waits until the new process serves.
    ///
    /// # Errors
    /// Why it does not; it is gone then.
    pub(crate) async fn finish(
        self,
        manifest: Manifest,
        handed: Vec<Handed>,
        lock: Option<(PathBuf, File)>,
    ) -> Result<Successor, UpgradeError> {
        let child = self.child.clone();
        let stream = self.stream.try_clone().map_err(UpgradeError::HandOver)?;
        let told = tokio::task::spawn_blocking(move || {
            // Whoever waits may have gone away, and the new process with it: then this ends, too.
            converse(&stream, manifest, &handed, lock.as_ref(), &child)
        });
        let told = told.await.unwrap_or_else(|panic| {
            Err(UpgradeError::HandOver(io::Error::other(panic.to_string())))
        });
        let (version, release) = told?;
        let child = self.child.lock().unwrap_or_else(PoisonError::into_inner).take();
        let pid = child.map(|child| child.id()).unwrap_or_default();
        let stream = self.stream.try_clone().map_err(UpgradeError::HandOver)?;
        Ok(Successor { pid, version, release, stream })
    }
}

impl Drop for Attempt {
    /// Ends a new process that did not get to serve.
    fn drop(&mut self) {
        let child = self.child.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut child) = child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Successor {
    /// Tells how many connections are left. How the new process takes it is its own business.
    pub(crate) fn tell(&self, connections: u64) {
        let _ = self.stream.set_nonblocking(true);
        let _ = wire::send(&self.stream, &FromOld::Left { connections });
    }
}

/// All that is said until the new process serves: its version and its release.
fn converse(
    stream: &UnixStream,
    manifest: Manifest,
    handed: &[Handed],
    lock: Option<&(PathBuf, File)>,
    child: &Mutex<Option<Child>>,
) -> Result<(String, u64), UpgradeError> {
    let hear = |what: &'static str, within: Duration| match hear(stream, within) {
        Ok(FromNew::Failed { why }) => Err(UpgradeError::Refused { why }),
        Ok(said) => Ok(said),
        Err(error) if is_timeout(&error) => Err(UpgradeError::TooSlow { what, within }),
        Err(error) => {
            let how = ended(child).map_or_else(|| error.to_string(), |status| status.to_string());
            Err(UpgradeError::Ended { what, how })
        }
    };
    let other = |what, said: FromNew| {
        Err(UpgradeError::Ended { what, how: format!("it said {said:?} at the wrong time") })
    };
    let sent = stream
        .set_write_timeout(Some(TAKEN_WITHIN))
        .and_then(|()| wire::bequeath(stream, manifest, handed, lock));
    // A program that reads nothing tells more by how it ends.
    if let Err(error) = sent {
        hear("loaded", HELLO_WITHIN)?;
        return Err(UpgradeError::HandOver(error));
    }
    let version = match hear("loaded", HELLO_WITHIN)? {
        FromNew::Hello { version } => {
            tracing::info!(version, "upgrade: the new process checks and compiles");
            version
        }
        said => return other("loaded", said),
    };
    let release = match hear("ready", READY_WITHIN)? {
        FromNew::Ready { release } => release,
        said => return other("ready", said),
    };
    wire::send(stream, &FromOld::Go).map_err(UpgradeError::HandOver)?;
    match hear("serving", SERVING_WITHIN)? {
        FromNew::Serving => Ok((version, release)),
        said => other("serving", said),
    }
}

fn hear(stream: &UnixStream, within: Duration) -> io::Result<FromNew> {
    stream.set_read_timeout(Some(within))?;
    wire::receive(stream)
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// How the new process ended, where it has. Its socket closes a moment before.
fn ended(child: &Mutex<Option<Child>>) -> Option<ExitStatus> {
    let mut child = child.lock().unwrap_or_else(PoisonError::into_inner).take()?;
    // One that has closed its end alone is of no use either.
    let exited = (0..50).find_map(|_| match child.try_wait() {
        Ok(None) => {
            #[allow(clippy::disallowed_methods, reason = "a blocking thread")]
            std::thread::sleep(Duration::from_millis(10));
            None
        }
        exited => Some(exited.ok().flatten()),
    });
    if exited.is_none() {
        let _ = child.kill();
        let _ = child.wait();
    }
    exited.flatten()
}
