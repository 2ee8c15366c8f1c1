//! The front: what all connections have in common.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use futures::{Stream, stream};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{Form, Host, Learnt, Registry, Stats, connection::Serving, gathered::Gathered};

/// The front. See the crate.
pub struct Server<H: Host> {
    host: Arc<H>,
    registry: Registry<H::Transport>,
    stats: Arc<Stats>,
    gathered: Gathered,
    connections: AtomicU64,
}

impl<H: Host> std::fmt::Debug for Server<H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("stats", &self.stats).finish_non_exhaustive()
    }
}

impl<H: Host> Server<H> {
    /// A front that `host` runs.
    #[must_use]
    pub fn new(host: Arc<H>) -> Self {
        let (registry, stats) = (Registry::default(), Arc::default());
        let gathered = Gathered::default();
        Self { host, registry, stats, gathered, connections: AtomicU64::new(0) }
    }

    /// Serves one connection to its end. Dropping the future drops the connection with what is in flight.
    ///
    /// `leave` has an item when the connection should come to an end: it says GOAWAY at a random moment within that time, finishes what
    /// is in flight, and closes. Another item may bring the moment forward. See [`Drain::spreads`](crate::Drain::spreads) for who has a
    /// channel that says so.
    pub fn serve<'a, S, L>(
        self: &'a Arc<Self>,
        stream: S,
        transport: H::Transport,
        leave: L,
    ) -> impl Future<Output = ()> + Send
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'a,
        L: Stream<Item = Duration> + Send + 'a,
    {
        self.serve_as(Form::Long, stream, transport, leave)
    }

    /// Serves one connection, or one conversation of the short form, to its end; see [`Self::serve`].
    pub fn serve_as<'a, S, L>(
        self: &'a Arc<Self>,
        form: Form,
        stream: S,
        transport: H::Transport,
        leave: L,
    ) -> impl Future<Output = ()> + Send
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'a,
        L: Stream<Item = Duration> + Send + 'a,
    {
        Serving::new(self, form, stream, transport, leave)
    }

    /// Serves one conversation of the short form to its end. The end of what can be read is the end of the requests alone; an error of
    /// the kind `TimedOut` there tells the client that it was too slow. It takes no part in drains: it ends by itself.
    pub async fn converse<S: AsyncRead + AsyncWrite + Send + Unpin>(
        self: &Arc<Self>,
        stream: S,
        transport: H::Transport,
    ) {
        self.serve_as(Form::Post, stream, transport, stream::pending()).await;
    }

    /// Who is connected.
    #[must_use]
    pub fn registry(&self) -> &Registry<H::Transport> {
        &self.registry
    }

    /// What was counted.
    #[must_use]
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// What clients have learnt about networks, those that most have spoken of first; no more than `most`.
    #[must_use]
    pub fn learnt(&self, most: usize) -> Vec<Learnt> {
        self.gathered.all(most)
    }

    pub(crate) fn gathered(&self) -> &Gathered {
        &self.gathered
    }

    pub(crate) fn shared_stats(&self) -> &Arc<Stats> {
        &self.stats
    }

    /// Who runs it.
    #[must_use]
    pub fn host(&self) -> &Arc<H> {
        &self.host
    }

    /// A number for a new connection, from 1 on.
    pub(crate) fn next_connection(&self) -> u64 {
        self.connections.fetch_add(1, Relaxed) + 1
    }
}
