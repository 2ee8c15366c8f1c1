//! The edge's two seams: who serves a connection, and who may refuse one.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::Instant;

use super::info::ConnInfo;
use super::stream::EdgeStream;

/// Serves connections; the HTTP front.
pub trait ConnectionHandler: Send + Sync + 'static {
    /// Serves one connection to its end. It counts against the limits until the future ends or is dropped, which
    /// happens when a drain's deadline passes. A panic is caught and counted; it closes this connection only.
    ///
    /// `drain` tells when to finish: see [`DrainState`].
    fn serve(
        &self,
        stream: Box<EdgeStream>,
        info: Arc<ConnInfo>,
        drain: watch::Receiver<DrainState>,
    ) -> impl Future<Output = ()> + Send;
}

/// Whether a listener's connections should come to an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrainState {
    /// No.
    Running,
    /// Gently, for another process takes the new connections: a connection is served what it asks next, as its last
    /// call, and an idle one ends when it would have ended anyway. So no client loses a request that it sends
    /// while its connection closes. What is left at `until` is dropped.
    Leaving {
        /// When connections are dropped.
        until: Instant,
    },
    /// Yes: take no new request, finish those in flight, close. What is left at `until` is dropped. A later state may
    /// bring `until` forward.
    Draining {
        /// When connections are dropped.
        until: Instant,
    },
}

impl DrainState {
    /// Whether connections should come to an end at once: idle ones close.
    pub fn is_draining(&self) -> bool {
        matches!(self, Self::Draining { .. })
    }

    /// Whether the call in flight, or the next one, is a connection's last.
    pub fn is_ending(&self) -> bool {
        self.until().is_some()
    }

    /// When connections are dropped.
    pub fn until(&self) -> Option<Instant> {
        match self {
            Self::Running => None,
            Self::Leaving { until } | Self::Draining { until } => Some(*until),
        }
    }
}

/// Asked about every connection after the limits and the PROXY header, before TLS.
pub trait AcceptGate: Send + Sync {
    /// False closes the connection. It runs on the serving threads and must not block. `info` holds no TLS
    /// facts yet, and its protocol isn't decided. A panic closes the connection.
    fn admit(&self, info: &ConnInfo) -> bool;
}

impl<F: Fn(&ConnInfo) -> bool + Send + Sync> AcceptGate for F {
    fn admit(&self, info: &ConnInfo) -> bool {
        self(info)
    }
}

/// [`ConnectionHandler`] with its type erased, at one allocation per connection.
pub(super) trait ErasedHandler: Send + Sync {
    fn serve(
        self: Arc<Self>,
        stream: Box<EdgeStream>,
        info: Arc<ConnInfo>,
        drain: watch::Receiver<DrainState>,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

impl<H: ConnectionHandler> ErasedHandler for H {
    fn serve(
        self: Arc<Self>,
        stream: Box<EdgeStream>,
        info: Arc<ConnInfo>,
        drain: watch::Receiver<DrainState>,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move { ConnectionHandler::serve(&*self, stream, info, drain).await })
    }
}
