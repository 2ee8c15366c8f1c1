//! The fronts: connections in, calls out.
//!
//! ```text
//! EdgeStream ─> Fronts ─┬─> HttpFront ─┬─ http1: one call after the other ─┐
//!                       │              └─ http2: a task for every stream ──┴─> Service::serve(head, Front)
//!                       └─> what serves MMTP
//! ```
//!
//! An HTTP front reads a request's head, refuses what two readers could understand in two ways, takes out
//! what concerns the connection alone (`hop`), and hands the call to the [`Service`] together with a
//! `paifang_pipeline::Front` to read its body from and answer it through. Requests that are refused
//! here never become calls: [`Service::refuse`] says how the answer looks and accounts for it.
//!
//! What a client is told never holds bytes of its request, nor do the logs.

mod authority;
mod date;
mod deadline;
mod drain;
pub mod fields;
pub mod hop;
mod http1;
mod http2;
pub(crate) mod method;
mod mmtp;
mod pace;
mod refusal;
mod response;
mod service;
mod switch;

#[cfg(test)]
mod tests;

pub(crate) use drain::WatchDrain;
pub use mmtp::{Fronts, NoMmtp};
pub use service::{HttpLimits, Incoming, Service};
pub(crate) use switch::CarriesMmtp;

use crate::edge::{ConnInfo, ConnectionHandler, DrainState, EdgeStream, Protocol};
use drain::Drain;
use std::sync::Arc;
use tokio::sync::watch;

/// Serves HTTP connections of either version with one [`Service`].
#[derive(Debug)]
pub struct HttpFront<S> {
    service: Arc<S>,
}

impl<S: Service> HttpFront<S> {
    /// A front whose calls `service` serves.
    pub fn new(service: Arc<S>) -> Self {
        Self { service }
    }
}

impl<S: Service> ConnectionHandler for HttpFront<S> {
    /// Serves one connection. While it drains, HTTP/1 answers the call in flight with
    /// `Connection: close`, an idle connection is closed at once, and HTTP/2 sends GOAWAY and
    /// finishes the streams it has. While its listener leaves, an idle connection may ask once more.
    async fn serve(
        &self,
        stream: Box<EdgeStream>,
        info: Arc<ConnInfo>,
        drain: watch::Receiver<DrainState>,
    ) {
        let drain = Drain::new(drain);
        match info.protocol {
            Protocol::Http1 => http1::serve(stream, info, &*self.service, drain).await,
            Protocol::Http2 => http2::serve(stream, info, &self.service, drain).await,
            Protocol::Mmtp => mmtp::turn_away(&info),
        }
    }
}
