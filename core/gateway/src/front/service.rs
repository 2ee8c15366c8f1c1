//! What a front hands its calls to: the live gateway, or a test's stand-in for it.

use crate::edge::ConnInfo;
use paifang_pipeline::{ErrorCode, Front, FrontKind, HostName, RequestHead, Response, Served};
use std::{future::Future, sync::Arc, time::Duration};
use tokio::time::Instant;

/// A request head as it came off the wire: framing and host checked, the path not yet normalised.
#[derive(Debug)]
pub struct Incoming {
    /// Method, target, version, headers. For HTTP/1 the target stands in `uri` as it was sent; for
    /// HTTP/2 the authority is in `uri`, and in `host` where the client sent both.
    pub head: RequestHead,
    /// The host that the call is for, in normal form. Empty where HTTP/1.0 names none.
    pub host: HostName,
    /// The connection it came over.
    pub connection: Arc<ConnInfo>,
    /// Which door.
    pub front: FrontKind,
    /// Until when the caller waits, where its protocol says so; what its fields say counts as well.
    pub deadline: Option<Instant>,
    /// The upstream that answers in place of the API's own: a gateway of the user's zone.
    pub elsewhere: Option<Arc<str>>,
}

impl Incoming {
    /// A head with nothing said beside it.
    pub fn new(
        head: RequestHead,
        host: HostName,
        connection: Arc<ConnInfo>,
        front: FrontKind,
    ) -> Self {
        Self { head, host, connection, front, deadline: None, elsewhere: None }
    }
}

/// Bounds of what a front takes in; a listener's settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpLimits {
    /// From the first byte of a request to the end of its header section.
    pub header_timeout: Duration,
    /// How long a connection may be idle between requests.
    pub idle_timeout: Duration,
    /// The longest pause within a request body, and within the client's reading of a response.
    pub stall_timeout: Duration,
    /// From the first byte of a request body to its end.
    pub body_timeout: Duration,
    /// The largest header section, in bytes, request line included.
    pub header_bytes: usize,
    /// The most header fields.
    pub header_count: usize,
    /// The longest target, in bytes.
    pub target_bytes: usize,
    /// HTTP/2: streams open at once on a connection.
    pub h2_streams: u32,
    /// HTTP/2: streams that the client may reset before they were served, pending at once.
    pub h2_pending_resets: usize,
    /// Requests on one connection before it is closed (HTTP/1) or drained (HTTP/2).
    pub requests_per_connection: u64,
}

/// Serves calls. One value serves all connections.
pub trait Service: Send + Sync + 'static {
    /// The bounds for a connection's next request; read at every request, so reloads reach it.
    fn limits(&self, connection: &ConnInfo) -> Arc<HttpLimits>;

    /// Serves one call to its end.
    fn serve<F: Front>(
        &self,
        incoming: Incoming,
        front: &mut F,
    ) -> impl Future<Output = Served> + Send;

    /// The answer to a request that is refused before it is a call, and its entry in the account.
    fn refuse(&self, connection: &ConnInfo, code: &'static ErrorCode, detail: &str) -> Response;
}
