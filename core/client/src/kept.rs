//! Connections of HTTP over which a conversation of the short form has come to its end, kept for the next one.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::{
    io::ReadBuf,
    time::{Instant, sleep_until},
};

use crate::{
    connect::{Wire, split_address},
    shared::Shared,
};

/// How long one may be idle: less than servers and what is on the way usually wait, for one that was forgotten costs a call its deadline.
pub(crate) const IDLE: Duration = Duration::from_secs(15);
/// The same for a call that may not be made again: what is lost on such a connection has an unknown outcome.
pub(crate) const IDLE_ONCE: Duration = Duration::from_secs(5);
/// How many are kept of one origin, and in all; the oldest goes first.
const OF_ORIGIN: usize = 4;
const IN_ALL: usize = 8;

/// Where a connection goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) host: Arc<str>,
    pub(crate) address: SocketAddr,
}

impl Origin {
    /// Whether `host:port` names it.
    fn is(&self, name: &str) -> bool {
        split_address(name) == Some((&*self.host, self.address.port()))
    }
}

/// Those of a client.
#[derive(Default)]
pub(crate) struct Kept(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    /// The oldest first.
    idle: Vec<Idle>,
    /// A task closes those whose time has come.
    watched: bool,
}

struct Idle {
    origin: Origin,
    wire: Box<dyn Wire>,
    since: Instant,
}

impl Kept {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One to the first of these names that has one; the newest of it. `safe`: the call may be made again.
    pub(crate) fn take(&self, names: &[Arc<str>], safe: bool) -> Option<(Origin, Box<dyn Wire>)> {
        let most = if safe { IDLE } else { IDLE_ONCE };
        let mut inner = self.lock();
        for name in names {
            while let Some(place) = inner.idle.iter().rposition(|own| own.origin.is(name)) {
                if inner.idle[place].since.elapsed() > most {
                    // Older ones of this name come before it.
                    break;
                }
                let mut one = inner.idle.remove(place);
                if is_quiet(&mut *one.wire) {
                    return Some((one.origin, one.wire));
                }
            }
        }
        None
    }

    /// Closes all of them: another network, or a server that has closed one without a word.
    pub(crate) fn clear(&self) {
        self.lock().idle.clear();
    }

    fn put(&self, one: Idle) {
        let mut inner = self.lock();
        let mut same = inner.idle.iter().filter(|own| own.origin == one.origin);
        let crowded = same.by_ref().count() >= OF_ORIGIN;
        let oldest = inner.idle.iter().position(|own| !crowded || own.origin == one.origin);
        if let Some(oldest) = oldest.filter(|_| crowded || inner.idle.len() >= IN_ALL) {
            inner.idle.remove(oldest);
        }
        inner.idle.push(one);
    }

    /// Closes those that were idle for too long; when to look again.
    fn expire(&self) -> Option<Instant> {
        let mut inner = self.lock();
        let now = Instant::now();
        inner.idle.retain(|own| own.since + IDLE > now);
        let next = inner.idle.first().map(|own| own.since + IDLE);
        inner.watched = next.is_some();
        next
    }
}

impl Shared {
    /// Keeps a connection for the next conversation.
    pub(crate) fn keep(self: &Arc<Self>, origin: Origin, wire: Box<dyn Wire>) {
        if self.is_closed() {
            return;
        }
        self.kept.put(Idle { origin, wire, since: Instant::now() });
        if std::mem::replace(&mut self.kept.lock().watched, true) {
            return;
        }
        let shared = Arc::downgrade(self);
        tokio::spawn(async move {
            while let Some(next) = shared.upgrade().and_then(|shared| shared.kept.expire()) {
                sleep_until(next).await;
            }
        });
    }
}

/// Whether nothing has come on it: neither its end, nor what nobody has asked for.
fn is_quiet(wire: &mut dyn Wire) -> bool {
    let (mut space, mut cx) = ([0; 1], Context::from_waker(Waker::noop()));
    let read: Poll<io::Result<()>> =
        Pin::new(wire).poll_read(&mut cx, &mut ReadBuf::new(&mut space));
    read.is_pending()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    impl Wire for DuplexStream {}

    fn origin(host: &str) -> Origin {
        Origin { host: host.into(), address: "10.0.0.1:443".parse().unwrap() }
    }

    fn put(kept: &Kept, host: &str) -> DuplexStream {
        let (ours, theirs) = duplex(64);
        kept.put(Idle { origin: origin(host), wire: Box::new(ours), since: Instant::now() });
        theirs
    }

    fn names(hosts: &[&str]) -> Vec<Arc<str>> {
        hosts.iter().map(|host| format!("{host}:443").into()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_name_that_has_one_gives_its_newest() {
        let kept = Kept::default();
        let _theirs: Vec<_> = ["a", "b", "a"].map(|host| put(&kept, host)).into();
        let taken = |hosts: &[&str]| kept.take(&names(hosts), true).map(|(origin, _)| origin);
        assert_eq!(taken(&["x", "b", "a"]), Some(origin("b")));
        assert_eq!((taken(&["b"]), taken(&["a:1"])), (None, None));
        assert_eq!((taken(&["a"]), taken(&["a"]), taken(&["a"])).1, Some(origin("a")));
        assert!(taken(&["a"]).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_ended_or_talks_is_not_taken() {
        let kept = Kept::default();
        let quiet = put(&kept, "a");
        drop(put(&kept, "a"));
        let mut talks = put(&kept, "a");
        talks.write_all(b"408").await.unwrap();
        let (_, mut wire) = kept.take(&names(&["a"]), true).unwrap();
        assert!(kept.take(&names(&["a"]), true).is_none());
        let mut quiet = quiet;
        quiet.write_all(b"x").await.unwrap();
        assert!(!is_quiet(&mut *wire));
    }

    #[tokio::test(start_paused = true)]
    async fn none_is_kept_for_long_nor_are_many() {
        let kept = Kept::default();
        let many: Vec<_> = (0..20).map(|number| put(&kept, &format!("{}", number % 7))).collect();
        assert_eq!(kept.lock().idle.len(), IN_ALL);
        let same: Vec<_> = (0..20).map(|_| put(&kept, "a")).collect();
        let of_a = kept.lock().idle.iter().filter(|own| own.origin == origin("a")).count();
        assert_eq!(of_a, OF_ORIGIN);
        tokio::time::advance(IDLE_ONCE + Duration::from_secs(1)).await;
        assert!(kept.take(&names(&["a"]), false).is_none());
        assert!(kept.take(&names(&["a"]), true).is_some());
        tokio::time::advance(IDLE).await;
        assert!(kept.take(&names(&["a"]), true).is_none());
        assert_eq!((kept.expire(), kept.lock().idle.len()), (None, 0));
        drop((many, same));
    }
}
