//! The admin listener: bound while a release is prepared, serving once it is live, moved by the
//! next one that names another address.

use super::{Access, auth::Guard, routes};
use crate::{
    control::Controller,
    edge::{Handed, Role, Sockets},
};
use arc_swap::ArcSwap;
use axum::{
    Extension, Router,
    extract::{Request, State},
    http::{HeaderValue, header},
    middleware::{Next, from_fn_with_state},
    response::Response,
};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

/// How long a client may take for a request's head, and stay idle between two requests.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// Connections at once. Beyond them new ones wait in the kernel's queue.
const CONNECTIONS: usize = 256;

/// How long to wait when the system has no more descriptors.
const BREATHER: Duration = Duration::from_millis(100);

/// A running admin API. Dropping it closes it at once, with all connections.
pub(crate) struct Admin {
    /// As the config has it: the port may be 0.
    wished: SocketAddr,
    address: SocketAddr,
    access: Arc<ArcSwap<Access>>,
    socket: Arc<TcpListener>,
    /// Its sender goes with the socket that accepts.
    closed: watch::Receiver<()>,
    /// Told how it ends; its own end means now.
    stop: watch::Sender<Option<Ending>>,
    task: JoinHandle<()>,
}

/// How an admin API ends.
#[derive(Debug, Clone, Copy)]
struct Ending {
    /// How long requests in flight may take.
    grace: Duration,
    /// Whether idle connections close at once, or after one more request.
    at_once: bool,
}

/// The address that a request came from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) SocketAddr);

/// Why the admin API cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("the admin API cannot listen on {address}: {source}{}", hint(source))]
pub struct AdminError {
    /// Where it should have listened.
    pub address: SocketAddr,
    /// What the system says.
    pub source: io::Error,
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "; does another gateway run here? `paifang status` asks it; set `admin.address` for a second one"
        }
        _ => "",
    }
}

/// What a release does to the admin API.
pub(crate) enum AdminChange {
    /// It stays where it is.
    Keep,
    /// The config has none any more.
    End,
    /// It is at an address that is new.
    Begin(Bound),
}

/// An address that was bound; nobody answers there yet.
pub(crate) struct Bound {
    wished: SocketAddr,
    address: SocketAddr,
    listener: TcpListener,
}

impl AdminChange {
    /// From the address that is to the one that the config has.
    pub(crate) async fn prepare(
        now: Option<SocketAddr>,
        wished: Option<SocketAddr>,
        sockets: &Sockets,
    ) -> Result<Self, AdminError> {
        match wished {
            None => Ok(Self::End),
            Some(wished) if now == Some(wished) => Ok(Self::Keep),
            Some(wished) => Bound::bind(wished, sockets).await.map(Self::Begin),
        }
    }
}

impl Bound {
    async fn bind(wished: SocketAddr, sockets: &Sockets) -> Result<Self, AdminError> {
        let failed = |source| AdminError { address: wished, source };
        let listener = match sockets.take(&Role::Admin, wished).map_err(failed)? {
            Some(listens) => listens,
            None => TcpListener::bind(wished).await.map_err(failed)?,
        };
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { wished, address, listener })
    }

    /// Begins to answer.
    pub(crate) fn serve(self, access: Access, controller: Weak<Controller>) -> Admin {
        let Self { wished, address, listener } = self;
        let access = Arc::new(ArcSwap::from_pointee(access));
        let guard = Guard { access: access.clone(), loopback: address.ip().is_loopback() };
        let router = routes::router(controller, guard);
        let (stop, stopped) = watch::channel(None);
        let router = router.layer(from_fn_with_state(stopped.clone(), close_when_ending));
        tracing::info!(%address, "admin API");
        let socket = Arc::new(listener);
        let (open, closed) = watch::channel(());
        let task = tokio::spawn(run(Arc::clone(&socket), router, stopped, open));
        Admin { wished, address, access, socket, closed, stop, task }
    }
}

impl Admin {
    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address that the config asked for.
    pub(crate) fn wished(&self) -> SocketAddr {
        self.wished
    }

    /// Is for these from now on.
    pub(crate) fn admit(&self, access: Access) {
        self.access.store(Arc::new(access));
    }

    /// The socket, for another process.
    ///
    /// # Errors
    /// Where the system gives no more descriptors.
    pub(crate) fn hand_over(&self) -> io::Result<Handed> {
        Handed::of(Role::Admin, self.wished, &self.socket)
    }

    /// Ends it: no new connections; requests in flight have `grace`.
    pub(crate) async fn stop(self, grace: Duration) {
        self.end(Ending { grace, at_once: true }).await;
    }

    /// Begins to end it gently, for another process has its socket: a connection may ask once more. Returns when nobody
    /// new is answered here.
    pub(crate) async fn begin_to_leave(&mut self, grace: Duration) {
        self.stop.send_replace(Some(Ending { grace, at_once: false }));
        // Nothing is ever sent: the error is the end.
        while self.closed.changed().await.is_ok() {}
    }

    /// The like, and waits until it has ended.
    pub(crate) async fn leave(self, grace: Duration) {
        self.end(Ending { grace, at_once: false }).await;
    }

    async fn end(self, how: Ending) {
        let Self { socket, stop, task, .. } = self;
        drop(socket);
        stop.send_replace(Some(how));
        // A panic in there has ended it as well.
        let _ = task.await;
    }
}

/// Accepts until told to stop, then waits for what is in flight.
async fn run(
    listener: Arc<TcpListener>,
    router: Router,
    mut stop: watch::Receiver<Option<Ending>>,
    open: watch::Sender<()>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            told = stop.changed() => {
                if told.is_err() {
                    return;
                }
                break;
            }
            accepted = listener.accept(), if connections.len() < CONNECTIONS => match accepted {
                Ok((stream, peer)) => {
                    let router = router.clone().layer(Extension(Peer(peer)));
                    connections.spawn(connection(stream, router, stop.clone()));
                }
                Err(error) => {
                    tracing::debug!(%error, "the admin API cannot accept");
                    tokio::time::sleep(BREATHER).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    drop(open);
    let grace = stop.borrow().map_or(Duration::ZERO, |how| how.grace);
    let ended = async { while connections.join_next().await.is_some() {} };
    // What is left is cut with the set.
    let _ = tokio::time::timeout(grace, ended).await;
}

/// One connection to its end.
async fn connection(stream: TcpStream, router: Router, mut stop: watch::Receiver<Option<Ending>>) {
    let service = TowerToHyperService::new(router);
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(served);
    tokio::select! {
        // How a client goes away is its own business.
        _ = &mut served => return,
        _ = stop.wait_for(|how| how.is_some_and(|how| how.at_once)) => {
            served.as_mut().graceful_shutdown();
        }
    }
    let _ = served.await;
}

/// The answer that a connection gets while the API ends is its last.
async fn close_when_ending(
    State(stop): State<watch::Receiver<Option<Ending>>>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = next.run(request).await;
    if stop.borrow().is_some() {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
