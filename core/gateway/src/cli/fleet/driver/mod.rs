//! What a protocol does on a connection: one small trait, an implementation for each.

mod h1;
mod h2;

use async_trait::async_trait;
use bytes::Bytes;
use http::Request;

use super::{args::Protocol, dial::Line, trouble::Trouble};

/// A connection that calls are made over, one at a time.
#[async_trait]
pub(super) trait Session: Send {
    /// Makes a call and reads its answer whole; gives its status, as HTTP counts them.
    async fn call(&mut self, request: &Request<Bytes>) -> Result<u16, Trouble>;

    /// Asks for a sign of life.
    async fn heartbeat(&mut self) -> Result<(), Trouble>;

    /// Whether calls may still be made over it.
    fn alive(&self) -> bool;
}

/// Begins a session on a connection.
pub(super) async fn open(protocol: Protocol, line: Line) -> Result<Box<dyn Session>, Trouble> {
    match protocol {
        Protocol::H1 => h1::open(line).await,
        Protocol::H2 => h2::open(line).await,
    }
}

/// What is offered by ALPN.
pub(super) fn alpn(protocol: Protocol) -> &'static [u8] {
    match protocol {
        Protocol::H1 => b"http/1.1",
        Protocol::H2 => b"h2",
    }
}

/// Whether it has heartbeats.
pub(super) fn has_heartbeat(protocol: Protocol) -> bool {
    protocol == Protocol::H2
}
