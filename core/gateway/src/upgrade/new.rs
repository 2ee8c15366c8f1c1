//! The new process's side: takes what it is handed, says when it is ready, serves when it is told to.

use super::wire::{self, FromNew, FromOld, Inheritance};
use crate::edge::Listening;
use paifang_config::snapshot::PlanOn;
use rustix::net::{AddressFamily, getsockname};
use std::{
    env,
    fs::File,
    io,
    os::{fd::AsFd, unix::net::UnixStream},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// The variable that says where the old process is to be heard: `stdin`.
pub(super) const TAKE_OVER: &str = "PAIFANG_TAKE_OVER";

/// For the old process to send everything, and to say `go`. It waits for nothing but us.
const SAID_WITHIN: Duration = Duration::from_secs(30);

/// Another process's place, about to be taken.
#[derive(Debug)]
pub(crate) struct Takeover {
    stream: UnixStream,
    /// The old process.
    pub(crate) pid: u32,
    /// Its release.
    pub(crate) release: u64,
    /// The plans that are on.
    pub(crate) plans: Vec<PlanOn>,
    /// Its sockets, until they are taken.
    pub(crate) listening: Vec<Listening>,
    /// The lock of its releases' directory.
    pub(crate) lock: Option<(PathBuf, File)>,
}

/// The process before, while its last calls end.
#[derive(Debug)]
pub(crate) struct Predecessor {
    pub(crate) pid: u32,
    /// Its connections and one; 0 when it is gone.
    left: AtomicU64,
}

impl Predecessor {
    /// Its connections; `None` when it is gone.
    pub(crate) fn connections(&self) -> Option<u64> {
        self.left.load(Relaxed).checked_sub(1)
    }
}

impl Takeover {
    /// Takes over where this process was started to. Blocks until everything is here.
    ///
    /// # Errors
    /// Why nothing can be taken over.
    pub(crate) fn from_environment() -> io::Result<Option<Self>> {
        match env::var_os(TAKE_OVER) {
            None => return Ok(None),
            Some(place) if place == "stdin" => {}
            Some(_) => return Err(refused("it is a variable between processes of a gateway")),
        }
        let stdin = io::stdin().as_fd().try_clone_to_owned()?;
        check(&stdin)?;
        let stream = UnixStream::from(stdin);
        // What else may read standard input reads nothing.
        rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
        Self::take(stream).map(Some)
    }

    fn take(stream: UnixStream) -> io::Result<Self> {
        stream.set_read_timeout(Some(SAID_WITHIN))?;
        stream.set_write_timeout(Some(SAID_WITHIN))?;
        let inherited = wire::inherit(&stream).inspect_err(|why| {
            // It may be gone.
            let _ = wire::send(&stream, &FromNew::Failed { why: why.to_string() });
        })?;
        let Inheritance { manifest, listening, lock } = inherited;
        let version = env!("CARGO_PKG_VERSION").to_owned();
        wire::send(&stream, &FromNew::Hello { version })?;
        let wire::Manifest { pid, release, plans, .. } = manifest;
        Ok(Self { stream, pid, release, plans, listening, lock })
    }

    /// Everything that can fail is done. Returns when the old process wants us to serve.
    ///
    /// # Errors
    /// When it does not.
    pub(crate) async fn ready(&self, release: u64) -> io::Result<()> {
        let stream = self.stream.try_clone()?;
        let told = tokio::task::spawn_blocking(move || {
            wire::send(&stream, &FromNew::Ready { release })?;
            match wire::receive(&stream)? {
                FromOld::Go => Ok(()),
                FromOld::Left { .. } => Err(io::Error::other("it has left too early")),
            }
        });
        let told = told.await.map_err(io::Error::other)?;
        told.map_err(|why| io::Error::other(format!("the process before has given up: {why}")))
    }

    /// We serve. What the old process tells from now on is its end.
    ///
    /// # Errors
    /// When it is gone, or has given us up.
    pub(crate) fn serving(self) -> io::Result<Arc<Predecessor>> {
        wire::send(&self.stream, &FromNew::Serving)?;
        let left = AtomicU64::new(1);
        let predecessor = Arc::new(Predecessor { pid: self.pid, left });
        let watched = predecessor.clone();
        std::thread::Builder::new().name("paifang-before".to_owned()).spawn(move || {
            let _ = self.stream.set_read_timeout(None);
            while let Ok(FromOld::Left { connections }) = wire::receive(&self.stream) {
                watched.left.store(connections.saturating_add(1), Relaxed);
            }
            watched.left.store(0, Relaxed);
            tracing::info!(pid = watched.pid, "upgrade: the process before has ended");
        })?;
        Ok(predecessor)
    }

    /// We do not get to serve.
    pub(crate) fn failed(stream: &UnixStream, why: &str) {
        // It will see our end in any case.
        let _ = wire::send(stream, &FromNew::Failed { why: why.to_owned() });
    }

    /// Where to say so: a copy, for the takeover itself goes into the gateway.
    ///
    /// # Errors
    /// Where the system gives no more descriptors.
    pub(crate) fn voice(&self) -> io::Result<UnixStream> {
        self.stream.try_clone()
    }
}

/// Only another process of our own user may hand something over: whoever can make us listen decides who is served.
fn check(stdin: impl AsFd) -> io::Result<()> {
    let is_unix =
        getsockname(&stdin).is_ok_and(|name| name.address_family() == AddressFamily::UNIX);
    if !is_unix {
        return Err(refused("standard input is no socket of a gateway"));
    }
    match is_of_our_user(stdin)? {
        true => Ok(()),
        false => Err(refused("the other process belongs to another user")),
    }
}

#[cfg(target_os = "linux")]
fn is_of_our_user(stdin: impl AsFd) -> io::Result<bool> {
    let peer = rustix::net::sockopt::socket_peercred(&stdin)?;
    Ok(peer.uid == rustix::process::geteuid())
}

/// Where the system does not say, it is the one that started us.
#[cfg(not(target_os = "linux"))]
fn is_of_our_user(_: impl AsFd) -> io::Result<bool> {
    Ok(true)
}

fn refused(why: &str) -> io::Error {
    io::Error::other(format!("{TAKE_OVER} is set, but nothing can be taken over: {why}"))
}
