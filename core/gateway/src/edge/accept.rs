//! One listener at work: takes connections, hands them over, and at its end waits for them.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinError, JoinSet};

use super::address::canonical;
use super::handler::{DrainState, ErasedHandler};
use super::limits::{ConnectionCounts, Permit};
use super::settings::{ListenerSpec, ProxyProtocol, Trust};
use super::setup::{Accepted, SetupError, establish};
use super::stats::{EdgeStats, Refusal};
use super::tls::Turns;

/// What a listener, its connections and its owner share.
pub(super) struct ListenerShared {
    pub(super) local_addr: SocketAddr,
    /// Replaced by reloads; a connection keeps what it came under.
    pub(super) spec: ArcSwap<ListenerSpec>,
    /// The spec's trust, replaced with it, but seen by open connections too.
    pub(super) trust: Arc<ArcSwap<Trust>>,
    pub(super) stats: Arc<EdgeStats>,
    pub(super) counts: Arc<ConnectionCounts>,
    /// Of TLS handshakes.
    pub(super) turns: Turns,
}

impl ListenerShared {
    pub(super) fn new(local_addr: SocketAddr, spec: ListenerSpec) -> Self {
        Self {
            local_addr,
            trust: Arc::new(ArcSwap::from_pointee(spec.trust.clone())),
            spec: ArcSwap::from_pointee(spec),
            stats: Arc::default(),
            counts: ConnectionCounts::new(),
            turns: Turns::default(),
        }
    }
}

/// Where connections come from; a seam for tests of what a kernel rarely does.
pub(super) trait Accept: Send + 'static {
    fn accept(&self) -> impl Future<Output = io::Result<(TcpStream, SocketAddr)>> + Send;
}

impl Accept for Arc<TcpListener> {
    fn accept(&self) -> impl Future<Output = io::Result<(TcpStream, SocketAddr)>> + Send {
        TcpListener::accept(self)
    }
}

/// Accepts until `drain` says otherwise, then closes the socket, says so by `closed`, and waits for the
/// connections until the deadline. Dropping this future drops them all at once.
pub(super) async fn run(
    listener: impl Accept,
    shared: Arc<ListenerShared>,
    handler: Arc<dyn ErasedHandler>,
    mut drain: watch::Receiver<DrainState>,
    closed: oneshot::Sender<()>,
) {
    let mut connections = JoinSet::new();
    let connection_drain = drain.clone();
    let mut pause = Pause::default();
    loop {
        tokio::select! {
            biased;
            () = ending(&mut drain) => break,
            accepted = accept_after(&pause, &listener) => match accepted {
                Ok((tcp, peer)) => {
                    pause = Pause::default();
                    if let Some((accepted, permit)) = admit(tcp, peer, &shared) {
                        let (shared, handler) = (Arc::clone(&shared), Arc::clone(&handler));
                        let drain = connection_drain.clone();
                        connections.spawn(connection(accepted, permit, shared, handler, drain));
                    }
                }
                // The connection failed, not the listener.
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    shared.stats.accept_errors.increment();
                    if pause.begin_or_extend() {
                        let listener = &*shared.spec.load().name;
                        tracing::error!(listener, %error, "cannot accept connections; pausing");
                    }
                }
            },
            Some(ended) = connections.join_next() => note_end(ended, &shared),
        }
        // Under a flood `accept` is always ready; ended connections must not pile up meanwhile.
        while let Some(ended) = connections.try_join_next() {
            note_end(ended, &shared);
        }
    }
    drop(listener);
    // Whoever asked may have gone.
    let _ = closed.send(());
    wait_for(connections, &shared, drain).await;
}

/// Ready when connections should come to an end, or nobody is left to say so.
async fn ending(drain: &mut watch::Receiver<DrainState>) {
    let _ = drain.wait_for(DrainState::is_ending).await;
}

/// Ready when idle connections should end at once, or nobody is left to say so.
pub(super) async fn draining(drain: &mut watch::Receiver<DrainState>) {
    let _ = drain.wait_for(DrainState::is_draining).await;
}

async fn accept_after(
    pause: &Pause,
    listener: &impl Accept,
) -> io::Result<(TcpStream, SocketAddr)> {
    if let Some(until) = pause.until {
        tokio::time::sleep_until(until).await;
    }
    listener.accept().await
}

/// Counts a connection, or closes it.
fn admit(tcp: TcpStream, peer: SocketAddr, shared: &ListenerShared) -> Option<(Accepted, Permit)> {
    shared.stats.accepted.increment();
    let spec = shared.spec.load_full();
    let peer = canonical(peer);
    let refuse = |reason| {
        shared.stats.refuse(reason);
        None
    };
    let Some(mut permit) = shared.counts.admit(spec.limits.connections) else {
        return refuse(Refusal::TooManyConnections);
    };
    match spec.proxy_protocol {
        ProxyProtocol::Off => {
            if !permit.admit_client(peer.ip(), spec.limits.connections_per_ip) {
                return refuse(Refusal::TooManyFromClient);
            }
        }
        ProxyProtocol::Required => {
            if !spec.trust.proxies.contains(peer.ip()) {
                return refuse(Refusal::UntrustedProxy);
            }
        }
    }
    Some((Accepted { tcp, peer, accepted_at: Instant::now(), spec }, permit))
}

/// One connection's task. `permit` lives as long as the task does.
async fn connection(
    accepted: Accepted,
    mut permit: Permit,
    shared: Arc<ListenerShared>,
    handler: Arc<dyn ErasedHandler>,
    mut drain: watch::Receiver<DrainState>,
) {
    let (peer, spec) = (accepted.peer, Arc::clone(&accepted.spec));
    // Boxed: what a handshake needs is freed before the connection is served, which may take hours.
    let established = Box::pin(establish(accepted, &mut permit, &shared, &mut drain)).await;
    let error = match established {
        Ok((stream, info)) => {
            drop(spec);
            shared.stats.served.increment();
            return handler.serve(stream, info, drain).await;
        }
        Err(error) => error,
    };
    match &error {
        SetupError::Refused(reason) => shared.stats.refuse(*reason),
        SetupError::Handshake(_) => shared.stats.handshakes_failed.increment(),
        SetupError::HandshakeTimeout => shared.stats.handshakes_timed_out.increment(),
        SetupError::Gone => {}
    }
    tracing::debug!(listener = &*spec.name, %peer, %error, "connection not served");
}

fn note_end(ended: Result<(), JoinError>, shared: &ListenerShared) {
    if let Err(error) = ended
        && error.is_panic()
    {
        shared.stats.panics.increment();
        let listener = &*shared.spec.load().name;
        tracing::error!(listener, %error, "a connection ended by a panic");
    }
}

/// Waits for `connections` until the deadline, which a later state may bring forward; then drops them.
async fn wait_for(
    mut connections: JoinSet<()>,
    shared: &ListenerShared,
    mut drain: watch::Receiver<DrainState>,
) {
    loop {
        let Some(until) = drain.borrow_and_update().until() else { break };
        tokio::select! {
            ended = connections.join_next() => match ended {
                Some(ended) => note_end(ended, shared),
                None => return,
            },
            () = tokio::time::sleep_until(until) => break,
            changed = drain.changed() => if changed.is_err() { break },
        }
    }
    shared.stats.aborted.add(connections.len() as u64);
    connections.shutdown().await;
}

/// Whether accepting failed for reasons of the one connection (Linux accept(2) passes its network errors on).
/// All else is about us: no descriptors, no memory.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::*;
    matches!(
        error.kind(),
        ConnectionAborted
            | ConnectionReset
            | ConnectionRefused
            | Interrupted
            | TimedOut
            | HostUnreachable
            | NetworkUnreachable
            | NetworkDown
            | PermissionDenied
    )
}

/// How long to leave the kernel alone after failures: 10 ms, doubled up to a second. Trying at once would spin,
/// because the connection that couldn't be accepted is still there.
#[derive(Debug, Default)]
struct Pause {
    failures: u32,
    until: Option<tokio::time::Instant>,
}

impl Pause {
    const FIRST: Duration = Duration::from_millis(10);
    const LONGEST: Duration = Duration::from_secs(1);

    /// True for the first failure of a streak.
    fn begin_or_extend(&mut self) -> bool {
        let pause = Self::FIRST.saturating_mul(1 << self.failures.min(16)).min(Self::LONGEST);
        self.until = Some(tokio::time::Instant::now() + pause);
        self.failures = self.failures.saturating_add(1);
        self.failures == 1
    }
}

#[cfg(test)]
#[path = "accept_tests.rs"]
mod tests;
