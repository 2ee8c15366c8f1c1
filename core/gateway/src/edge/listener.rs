//! The set of listeners, changed as a whole: a reload binds what is new first, and only when everything could be
//! bound does anything change.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Handle;
use tokio::sync::{Mutex, OwnedMutexGuard, oneshot, watch};
use tokio::time::Instant;

use super::accept::{ListenerShared, run};
use super::handler::{ConnectionHandler, DrainState, ErasedHandler};
use super::settings::{ListenerSpec, ProxyProtocol};
use super::sockets::{Handed, Role, Sockets};
use super::stats::EdgeStats;
use super::tls::{SessionStats, TlsConfig};

/// The gateway's listeners and their connections. Dropping it closes them all at once; for less
/// than that see [`Edge::drain`].
pub struct Edge {
    handler: Arc<dyn ErasedHandler>,
    runtime: Handle,
    /// Held through a whole transaction, so that two reloads don't mix.
    state: Arc<Mutex<State>>,
    /// For those who only look.
    published: Arc<ArcSwap<Vec<Arc<ListenerShared>>>>,
    /// Those that listen already.
    sockets: Arc<Sockets>,
}

#[derive(Default)]
struct State {
    running: Vec<Running>,
    /// Removed listeners whose connections are still ending.
    retired: Vec<Running>,
    stopped: bool,
}

/// A listener at work. Dropping it closes the socket and drops the connections: its task sees that nobody is left
/// to say otherwise.
struct Running {
    key: Key,
    shared: Arc<ListenerShared>,
    /// The socket, until it is to be closed.
    socket: Option<Arc<TcpListener>>,
    drain: watch::Sender<DrainState>,
    /// Told when the socket is closed.
    closed: Option<oneshot::Receiver<()>>,
    /// Its sender is dropped with the last connection.
    ended: watch::Receiver<()>,
}

/// What makes a listener of the next set the same as one of this set.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Key {
    /// A socket is its address; its name is but a setting.
    Fixed(SocketAddr),
    /// Port 0 is a wish for a port, told from others by name.
    AnyPort(Arc<str>, SocketAddr),
}

impl Key {
    fn of(spec: &ListenerSpec) -> Self {
        match spec.address.port() {
            0 => Self::AnyPort(Arc::clone(&spec.name), spec.address),
            _ => Self::Fixed(spec.address),
        }
    }
}

/// A set of listeners that could be bound. Nothing serves yet; dropping it closes the new sockets and leaves the edge
/// as it was.
pub struct Prepared {
    state: OwnedMutexGuard<State>,
    handler: Arc<dyn ErasedHandler>,
    runtime: Handle,
    published: Arc<ArcSwap<Vec<Arc<ListenerShared>>>>,
    specs: Vec<(Key, ListenerSpec)>,
    bound: HashMap<Key, (TcpListener, SocketAddr)>,
    sockets: Arc<Sockets>,
}

/// A listener as it is now.
#[derive(Clone, Debug)]
pub struct ListenerStatus {
    /// Its name in config.
    pub name: Arc<str>,
    /// Where it really listens; the port is never 0.
    pub address: SocketAddr,
    /// Whether it speaks TLS.
    pub tls: bool,
    /// Connections held now, those still in their handshake included.
    pub active: u32,
    /// Its counts.
    pub stats: Arc<EdgeStats>,
    /// The sessions that it keeps for its clients, where it does; from zero on when a reload changes which clients it takes.
    pub sessions: Option<Arc<SessionStats>>,
}

/// Why a set of listeners can't be.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Two listeners have one name.
    #[error("two listeners are named {name}")]
    SameName {
        /// The name.
        name: Arc<str>,
    },
    /// Two listeners have one address.
    #[error("listeners {first} and {second} have the same address {address}")]
    SameAddress {
        /// One's name.
        first: Arc<str>,
        /// The other's.
        second: Arc<str>,
        /// Their address.
        address: SocketAddr,
    },
    /// The PROXY header is required, but nobody is trusted to send it: no connection could pass.
    #[error("listener {name} requires the PROXY protocol but trusts no proxy")]
    NobodyTrusted {
        /// The listener's name.
        name: Arc<str>,
    },
    /// The system refused the address. One that overlaps a running listener's (`0.0.0.0` and `127.0.0.1`
    /// with one port) is in use until that one is gone: take two reloads.
    #[error("listener {name} cannot listen on {address}: {source}")]
    Bind {
        /// The listener's name.
        name: Arc<str>,
        /// Its address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The edge was drained; it takes no listeners any more.
    #[error("the edge has stopped")]
    Stopped,
}

impl Edge {
    /// An edge without listeners. `handler` serves all connections; they, and the accepting, run on `runtime`, which
    /// must have I/O and time enabled.
    pub fn new<H: ConnectionHandler>(handler: Arc<H>, runtime: Handle) -> Self {
        let (state, published) = (Arc::default(), Arc::default());
        Self { handler, runtime, state, published, sockets: Arc::default() }
    }

    /// Takes a socket from `sockets` where one listens at a listener's address already, instead of binding it.
    #[must_use]
    pub fn with_sockets(mut self, sockets: Arc<Sockets>) -> Self {
        self.sockets = sockets;
        self
    }

    /// Checks a set and binds what is new in it; waits for a transaction under way. Clients may connect to the new
    /// sockets from now on, but nobody answers before [`Prepared::commit`].
    ///
    /// # Errors
    /// Then nothing has changed.
    pub async fn prepare(&self, specs: Vec<ListenerSpec>) -> Result<Prepared, ListenError> {
        check(&specs)?;
        let state = Arc::clone(&self.state).lock_owned().await;
        if state.stopped {
            return Err(ListenError::Stopped);
        }
        let specs: Vec<(Key, ListenerSpec)> =
            specs.into_iter().map(|spec| (Key::of(&spec), spec)).collect();
        let alive = state.running.iter().filter(|running| !running.has_ended());
        let kept: HashSet<&Key> = alive.map(|running| &running.key).collect();
        // Sockets register with the runtime they are made in.
        let _context = self.runtime.enter();
        let bound = specs
            .iter()
            .filter(|(key, _)| !kept.contains(key))
            .map(|(key, spec)| {
                let role = Role::Listener(Arc::clone(&spec.name));
                let listens = self.sockets.take(&role, spec.address).transpose();
                let bound = listens.unwrap_or_else(|| bind(spec.address, spec.backlog));
                let bound = bound.and_then(|listener| {
                    let address = listener.local_addr()?;
                    Ok((listener, address))
                });
                let bound = bound.map_err(|source| ListenError::Bind {
                    name: Arc::clone(&spec.name),
                    address: spec.address,
                    source,
                })?;
                Ok((key.clone(), bound))
            })
            .collect::<Result<_, _>>()?;
        Ok(Prepared {
            state,
            handler: Arc::clone(&self.handler),
            runtime: self.runtime.clone(),
            published: Arc::clone(&self.published),
            specs,
            bound,
            sockets: Arc::clone(&self.sockets),
        })
    }

    /// [`Self::prepare`] and [`Prepared::commit`].
    ///
    /// # Errors
    /// Then nothing has changed.
    pub async fn apply(
        &self,
        specs: Vec<ListenerSpec>,
        drain: Duration,
    ) -> Result<(), ListenError> {
        self.prepare(specs).await?.commit(drain).await;
        Ok(())
    }

    /// The listeners now, in the order of the set. Never waits.
    pub fn listeners(&self) -> Vec<ListenerStatus> {
        self.published.load().iter().map(|shared| status(shared)).collect()
    }

    /// Stops for good: closes all listening sockets, tells the connections, waits for them up to `timeout`,
    /// drops the rest. Returns how many were dropped. Called again while it runs, the shorter deadline holds
    /// for both.
    pub async fn drain(&self, timeout: Duration) -> u64 {
        self.end(DrainState::Draining { until: Instant::now() + timeout }).await
    }

    /// Like [`Self::drain`], but for [`DrainState::Leaving`]: another process has the sockets already, and connections
    /// end by themselves. A drain that is called meanwhile ends them sooner.
    pub async fn leave(&self, timeout: Duration) -> u64 {
        self.end(DrainState::Leaving { until: Instant::now() + timeout }).await
    }

    /// What another process needs to go on listening. Nothing changes here.
    ///
    /// # Errors
    /// Where the system gives no more descriptors.
    pub async fn hand_over(&self) -> io::Result<Vec<Handed>> {
        let state = self.state.lock().await;
        let mut handed = Vec::new();
        for running in &state.running {
            let Some(socket) = &running.socket else { continue };
            let spec = running.shared.spec.load();
            let role = Role::Listener(Arc::clone(&spec.name));
            handed.push(Handed::of(role, spec.address, socket)?);
        }
        Ok(handed)
    }

    async fn end(&self, how: DrainState) -> u64 {
        let leaving = {
            let mut state = self.state.lock().await;
            state.stopped = true;
            let state = &mut *state;
            state.retired.append(&mut state.running);
            state.retired.iter_mut().for_each(|running| running.end(how));
            state.retired.iter().map(|running| running.ended.clone()).collect::<Vec<_>>()
        };
        for mut ended in leaving {
            // Nothing is ever sent: the error is the end.
            while ended.changed().await.is_ok() {}
        }
        self.published.store(Arc::default());
        let mut state = self.state.lock().await;
        let dropped = state.retired.iter().map(|running| running.shared.stats.aborted.get()).sum();
        state.retired.clear();
        dropped
    }
}

impl Prepared {
    /// Goes live: new listeners begin to accept, kept ones take their new settings for connections to come,
    /// removed ones close; their connections are told, and dropped after `drain`. Returns when the removed
    /// sockets are closed, without waiting for connections. Certificates, limits and deadlines of open
    /// connections stay as they were; whom to believe changes for them too. A kept socket keeps its backlog.
    pub async fn commit(mut self, drain: Duration) {
        let state = &mut *self.state;
        let mut old: HashMap<Key, Running> =
            state.running.drain(..).map(|running| (running.key.clone(), running)).collect();
        for (key, spec) in self.specs {
            let running = match (self.bound.remove(&key), old.remove(&key)) {
                (Some(bound), _) => start(key, spec, bound, &self.handler, &self.runtime),
                (None, Some(running)) => {
                    running.take(spec);
                    running
                }
                // What wasn't running was bound, under the lock that is still held.
                (None, None) => continue,
            };
            state.running.push(running);
        }
        state.retired.retain(|running| !running.has_ended());
        self.sockets.settle();
        let how = DrainState::Draining { until: Instant::now() + drain };
        let closed: Vec<_> = old
            .values_mut()
            .filter_map(|running| {
                running.end(how);
                running.closed.take()
            })
            .collect();
        state.retired.extend(old.into_values());
        let live = state.running.iter().map(|running| Arc::clone(&running.shared)).collect();
        self.published.store(Arc::new(live));
        for closed in closed {
            // An error is a task that is gone, and its socket with it.
            let _ = closed.await;
        }
    }

    /// The addresses of the set in its order, with the ports that port 0 was given.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let address = |key: &Key, spec: &ListenerSpec| {
            match self.bound.get(key) {
                Some((_, address)) => Some(*address),
                None => self
                    .state
                    .running
                    .iter()
                    .find(|running| running.key == *key)
                    .map(|running| running.shared.local_addr),
            }
            .unwrap_or(spec.address)
        };
        self.specs.iter().map(|(key, spec)| address(key, spec)).collect()
    }
}

impl Running {
    /// Closes the socket and tells the connections. What was said before holds where it ends them sooner.
    fn end(&mut self, how: DrainState) {
        self.socket = None;
        self.drain.send_if_modified(|state| {
            let sooner = [state.until(), how.until()].into_iter().flatten().min();
            let next = match (sooner, state.is_draining() || how.is_draining()) {
                (None, _) => DrainState::Running,
                (Some(until), true) => DrainState::Draining { until },
                (Some(until), false) => DrainState::Leaving { until },
            };
            std::mem::replace(state, next) != next
        });
    }

    fn has_ended(&self) -> bool {
        self.ended.has_changed().is_err()
    }

    /// Takes new settings.
    fn take(&self, mut spec: ListenerSpec) {
        let old = self.shared.spec.load();
        spec.tls = match (spec.tls, &old.tls) {
            (Some(new), Some(old)) => Some(new.succeeding(old)),
            (tls, _) => tls,
        };
        self.shared.trust.store(Arc::new(spec.trust.clone()));
        self.shared.spec.store(Arc::new(spec));
    }
}

fn check(specs: &[ListenerSpec]) -> Result<(), ListenError> {
    let mut names = HashSet::new();
    let mut addresses: HashMap<Key, &ListenerSpec> = HashMap::new();
    for spec in specs {
        if !names.insert(&spec.name) {
            return Err(ListenError::SameName { name: Arc::clone(&spec.name) });
        }
        if let Some(first) = addresses.insert(Key::of(spec), spec) {
            return Err(ListenError::SameAddress {
                first: Arc::clone(&first.name),
                second: Arc::clone(&spec.name),
                address: spec.address,
            });
        }
        if spec.proxy_protocol == ProxyProtocol::Required && spec.trust.proxies.is_empty() {
            return Err(ListenError::NobodyTrusted { name: Arc::clone(&spec.name) });
        }
    }
    Ok(())
}

/// `SO_REUSEADDR` lets a restart bind although connections of the last run still linger; it doesn't let two processes
/// listen on one address.
fn bind(address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(backlog)
}

fn start(
    key: Key,
    spec: ListenerSpec,
    (listener, local_addr): (TcpListener, SocketAddr),
    handler: &Arc<dyn ErasedHandler>,
    runtime: &Handle,
) -> Running {
    let shared = Arc::new(ListenerShared::new(local_addr, spec));
    let (drain, watch_drain) = watch::channel(DrainState::Running);
    let (say_closed, closed) = oneshot::channel();
    let (end, ended) = watch::channel(());
    let socket = Arc::new(listener);
    let accepting = Arc::clone(&socket);
    let accepting =
        run(accepting, Arc::clone(&shared), Arc::clone(handler), watch_drain, say_closed);
    runtime.spawn(async move {
        accepting.await;
        drop(end);
    });
    Running { key, shared, socket: Some(socket), drain, closed: Some(closed), ended }
}

fn status(shared: &ListenerShared) -> ListenerStatus {
    let spec = shared.spec.load();
    ListenerStatus {
        name: Arc::clone(&spec.name),
        address: shared.local_addr,
        tls: spec.tls.is_some(),
        active: shared.counts.total(),
        stats: Arc::clone(&shared.stats),
        sessions: spec.tls.as_ref().and_then(TlsConfig::session_stats).cloned(),
    }
}
