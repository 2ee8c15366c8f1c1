//! What a protocol does on a connection: one small trait, an implementation for each.

mod h1;
mod h2;
mod mmtp;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::Request;
use tokio::time::Instant;

use super::{
    args::Protocol,
    dial::OwnDialer,
    plan::Plan,
    tally::{Present, Tally},
    trouble::Trouble,
    wire::Wire,
};

/// A connection that calls are made over, one at a time.
#[async_trait]
pub(super) trait Session: Send {
    /// Makes a call and reads its answer whole; gives its status, as HTTP counts them.
    async fn call(&mut self, request: &Request<Bytes>) -> Result<u16, Trouble>;

    /// Waits until calls can be made; a protocol whose first call goes with its first bytes need not be waited for.
    async fn ready(&mut self) -> Result<(), Trouble> {
        Ok(())
    }

    /// Asks for a sign of life.
    async fn heartbeat(&mut self) -> Result<(), Trouble>;

    /// Whether calls may still be made over it.
    fn alive(&self) -> bool;

    /// Whether it connects again by itself, so that a call that was not sent need not be made over another one.
    fn keeps_itself(&self) -> bool {
        false
    }

    /// Why there is no connection, where it is made beneath a call and could not be.
    fn why(&self) -> Option<Trouble> {
        None
    }
}

/// Whose session it is.
#[derive(Clone)]
pub(super) struct Whose {
    pub(super) plan: Arc<Plan>,
    pub(super) tally: Arc<Tally>,
    pub(super) number: u32,
}

/// A session that has begun.
pub(super) struct Opened {
    pub(super) session: Box<dyn Session>,
    /// Bytes of all its connections.
    pub(super) wire: Arc<Wire>,
    /// Takes its connection out of the count, where it does not do so itself.
    pub(super) _present: Option<Present>,
}

/// Begins a session, and counts its connections.
pub(super) async fn open(whose: &Whose, dialer: &Arc<OwnDialer>) -> Result<Opened, Trouble> {
    let Whose { plan, tally, number } = whose;
    let wire = Arc::new(Wire::default());
    let begun = Instant::now();
    let session = match plan.protocol {
        Protocol::Mmtp => {
            let session = mmtp::open(whose, dialer, &wire)?;
            return Ok(Opened { session, wire, _present: None });
        }
        http => {
            let (stream, handshake) = dialer.dial(&wire).await?.into_stream();
            let session = match http {
                Protocol::H1 => h1::open(stream).await?,
                _ => h2::open(stream).await?,
            };
            tally.connected(*number, handshake, begun.elapsed(), wire.now());
            session
        }
    };
    Ok(Opened { session, wire, _present: Some(Present::new(tally.clone())) })
}

/// What is offered by ALPN.
pub(super) fn alpn(protocol: Protocol) -> &'static [u8] {
    match protocol {
        Protocol::H1 => b"http/1.1",
        Protocol::H2 => b"h2",
        Protocol::Mmtp => b"mmtp/1",
    }
}

/// Whether it has heartbeats.
pub(super) fn has_heartbeat(protocol: Protocol) -> bool {
    protocol == Protocol::H2
}
