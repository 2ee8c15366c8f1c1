//! One attempt on one server, over HTTP/1.1 or HTTP/2.

mod h1;
mod h2;
pub(super) mod head;

use super::{
    endpoint::{Endpoint, InFlight},
    hop,
    streams::Turn,
    timer::Timer,
};
use crate::front::fields::Fields;
use head::Prepared;
use paifang_pipeline::{
    Backlog, BodySize, Exchange, Frame, OriginCall, OriginError, OriginEvent, RequestHead,
};
use std::{
    borrow::Cow,
    net::SocketAddr,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::Instant;

/// So many interim responses are passed on; a server that sends more is broken.
const MAX_INFORMATIONAL: u8 = 16;

/// One attempt on one server.
pub struct UpstreamCall {
    wire: Session,
    in_flight: InFlight,
}

/// Boxed: the engine moves a call several times.
enum Session {
    H1(Box<h1::H1Call>),
    H2(Box<h2::H2Call>),
}

/// Opens an attempt on `endpoint`: on a kept connection where there is one.
pub(super) async fn open(
    endpoint: &Arc<Endpoint>,
    head: &RequestHead,
) -> Result<UpstreamCall, OriginError> {
    let in_flight = InFlight::new(Arc::clone(endpoint));
    let connector = &endpoint.common.connector;
    // What asks for another protocol needs a connection of its own, unless only HTTP/2 is spoken.
    let only_h1 = connector.may_be_h2()
        && connector.protocol != super::spec::Protocol::H2
        && hop::asks_upgrade(Fields::of(&head.headers), &head.headers);
    let wire = if connector.may_be_h2() && !only_h1 {
        open_shared(endpoint).await?
    } else {
        match kept(endpoint) {
            Some(wire) => wire,
            None => fresh(endpoint, only_h1).await?,
        }
    };
    endpoint.stats.calls.count();
    Ok(UpstreamCall { wire, in_flight })
}

/// Opens an attempt over a connection of its own, as probes do.
pub(super) async fn open_fresh(endpoint: &Arc<Endpoint>) -> Result<UpstreamCall, OriginError> {
    let in_flight = InFlight::new(Arc::clone(endpoint));
    let connected = endpoint.connect(false).await?;
    let wire = if connected.h2 {
        // A pool of its own, so that the connection ends with the call.
        let alone = super::streams::Streams::new(endpoint.common.spec.pool);
        let slot = alone.add(connected.wire, &*endpoint.common.spawn).await?;
        Session::H2(Box::new(h2::H2Call::new(endpoint, slot)))
    } else {
        Session::H1(Box::new(h1::H1Call::fresh(endpoint, connected.wire)))
    };
    Ok(UpstreamCall { wire, in_flight })
}

/// A kept HTTP/1.1 connection.
fn kept(endpoint: &Arc<Endpoint>) -> Option<Session> {
    let idle = endpoint.idle.take(|| endpoint.stats.dead_reuses.count())?;
    endpoint.stats.reuses.count();
    Some(Session::H1(Box::new(h1::H1Call::kept(endpoint, idle))))
}

fn shared(endpoint: &Arc<Endpoint>, slot: super::streams::Slot) -> Session {
    if slot.reused {
        endpoint.stats.reuses.count();
    }
    Session::H2(Box::new(h2::H2Call::new(endpoint, slot)))
}

/// Where HTTP/2 may be spoken: a slot of an open connection, or a kept HTTP/1.1 one, or a new one.
async fn open_shared(endpoint: &Arc<Endpoint>) -> Result<Session, OriginError> {
    if let Some(slot) = endpoint.streams.take() {
        return Ok(shared(endpoint, slot));
    }
    let only_h2 = endpoint.common.connector.protocol == super::spec::Protocol::H2;
    if !only_h2 && let Some(wire) = kept(endpoint) {
        return Ok(wire);
    }
    if !only_h2 && !endpoint.speaks_h2.load(Relaxed) {
        return fresh(endpoint, false).await;
    }
    match endpoint.streams.turn().await? {
        Turn::Slot(slot) => Ok(shared(endpoint, slot)),
        Turn::Open(opening) => match fresh(endpoint, false).await {
            Ok(wire) => Ok(wire),
            Err(error) => {
                opening.failed(&error);
                Err(error)
            }
        },
    }
}

/// A new connection; one that speaks HTTP/2 is shared from here on.
async fn fresh(endpoint: &Arc<Endpoint>, only_h1: bool) -> Result<Session, OriginError> {
    let connected =
        endpoint.connect(only_h1).await.inspect_err(|error| endpoint.not_connected(error))?;
    endpoint.connected();
    if !only_h1 {
        endpoint.speaks_h2.store(connected.h2, Relaxed);
    }
    if connected.h2 {
        let slot = endpoint.streams.add(connected.wire, &*endpoint.common.spawn).await?;
        return Ok(Session::H2(Box::new(h2::H2Call::new(endpoint, slot))));
    }
    Ok(Session::H1(Box::new(h1::H1Call::fresh(endpoint, connected.wire))))
}

impl UpstreamCall {
    /// Sends a head.
    pub(super) async fn start(&mut self, head: Prepared) -> Result<(), OriginError> {
        match &mut self.wire {
            Session::H1(call) => call.start(head).await,
            Session::H2(call) => call.start(head),
        }
    }

    /// The next event. Cancel-safe.
    pub(super) async fn next(&mut self) -> Result<OriginEvent, OriginError> {
        match &mut self.wire {
            Session::H1(call) => call.recv().await,
            Session::H2(call) => call.recv().await,
        }
    }
}

impl OriginCall for UpstreamCall {
    fn endpoint(&self) -> Option<SocketAddr> {
        Some(self.in_flight.0.address)
    }

    async fn send_head(
        &mut self,
        call: &Exchange,
        head: Cow<'_, RequestHead>,
        body: BodySize,
    ) -> Result<(), OriginError> {
        let h1 = matches!(self.wire, Session::H1(_));
        let prepared = head::prepare(call, head, body, &self.in_flight.0, h1);
        let started = self.start(prepared).await;
        started.inspect_err(|error| self.in_flight.0.stats.failed(error))
    }

    fn backlog(&self) -> Backlog {
        match &self.wire {
            Session::H1(call) => call.backlog(),
            Session::H2(call) => call.backlog(),
        }
    }

    async fn send(&mut self, frame: Frame) -> Result<(), OriginError> {
        match &mut self.wire {
            Session::H1(call) => call.send(frame).await,
            Session::H2(call) => call.send(frame).await,
        }
    }

    async fn recv(&mut self) -> Result<OriginEvent, OriginError> {
        let event = self.next().await;
        event.inspect_err(|error| self.in_flight.0.stats.failed(error))
    }

    async fn finish(self, complete: bool) {
        match self.wire {
            Session::H1(call) => call.finish(complete).await,
            Session::H2(call) => call.finish(complete),
        }
    }
}

/// Where an attempt stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Until the final head.
    Head,
    /// Until the end of the response.
    Body,
    /// After 101.
    Tunnel,
}

/// Bounds how long a call may wait for its server; see [`super::spec::Timeouts`].
struct Patience {
    deadline: Option<(Instant, Duration, &'static str)>,
    /// Of [`Self::poll`]: how much was on the wire when the deadline was set.
    sent: u64,
}

impl Patience {
    fn new() -> Self {
        Self { deadline: None, sent: 0 }
    }

    /// Ready with an error once nothing has happened for too long. Asked while the server is
    /// silent; `sent` tells that it still takes what we send, `pending` that we wait for just that.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        timer: &mut Timer,
        limits: &super::spec::Timeouts,
        phase: Phase,
        (sent, pending): (u64, usize),
    ) -> Poll<OriginError> {
        let writing = pending > 0;
        let moved = sent != self.sent;
        let (_, after, what) = *match &mut self.deadline {
            Some(deadline) if !moved && (deadline.2 == NOT_TAKEN) == writing => deadline,
            deadline => {
                let (after, what) = match phase {
                    _ if writing => (limits.write, NOT_TAKEN),
                    Phase::Head => (limits.first_byte, "no response head came"),
                    Phase::Body => (limits.idle, "nothing more of the response came"),
                    Phase::Tunnel => (limits.tunnel_idle, "nothing came through the tunnel"),
                };
                self.sent = sent;
                deadline.insert((Instant::now() + after, after, what))
            }
        };
        let Some((at, ..)) = self.deadline else { return Poll::Pending };
        timer.poll_until(cx, at).map(|()| super::error::timeout(what, after))
    }
}

const NOT_TAKEN: &str = "the request was not taken";
