//! One attempt on one server, over HTTP/1.1 or HTTP/2.

mod h1;
mod h2;
pub(super) mod head;

use super::{
    eject,
    endpoint::Endpoint,
    hop,
    limits::{Connection, InFlight},
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
///
/// The session comes first: its connection is given back before its place among the attempts is.
pub struct UpstreamCall {
    wire: Session,
    in_flight: InFlight,
    /// The request's end is with the session.
    request_ended: bool,
}

/// Boxed: the engine moves a call several times.
enum Session {
    H1(Box<h1::H1Call>),
    H2(Box<h2::H2Call>),
}

/// Opens an attempt at its place: on a kept connection where there is one. `None` where the endpoint
/// has as many connections as it may and all are full; it is not chosen again until one is freed.
pub(super) async fn open(
    place: InFlight,
    head: &RequestHead,
) -> Option<Result<UpstreamCall, OriginError>> {
    let endpoint = &place.endpoint;
    let connector = &endpoint.common.connector;
    // What asks for another protocol needs a connection of its own, unless only HTTP/2 is spoken.
    let only_h1 = connector.may_be_h2()
        && connector.protocol != super::spec::Protocol::H2
        && hop::asks_upgrade(Fields::of(&head.headers), &head.headers);
    let mut opened = session(endpoint, only_h1).await;
    if opened.is_none() {
        // What is freed from here on takes this back; what was freed before, the second look finds.
        endpoint.gate.saturated(true);
        opened = session(endpoint, only_h1).await;
        if opened.is_some() {
            endpoint.gate.saturated(false);
        }
    }
    let Some(opened) = opened else {
        place.give_up();
        return None;
    };
    Some(match opened {
        Ok(wire) => {
            endpoint.stats.calls.count();
            Ok(UpstreamCall { wire, in_flight: place, request_ended: false })
        }
        Err(error) => {
            endpoint.went_wrong();
            Err(error)
        }
    })
}

/// `None` where there is no room for a connection that would be needed.
async fn session(endpoint: &Arc<Endpoint>, only_h1: bool) -> Option<Result<Session, OriginError>> {
    if endpoint.common.connector.may_be_h2() && !only_h1 {
        return open_shared(endpoint).await;
    }
    match kept(endpoint) {
        Some(wire) => Some(Ok(wire)),
        None => fresh(endpoint, only_h1).await,
    }
}

/// Opens an attempt over a connection of its own, as probes do.
pub(super) async fn open_fresh(endpoint: &Arc<Endpoint>) -> Result<UpstreamCall, OriginError> {
    let in_flight = InFlight::uncounted(endpoint);
    let connected = endpoint.connect(false).await?;
    let wire = if connected.h2 {
        // A pool of its own, so that the connection ends with the call.
        let alone = super::streams::Streams::new(endpoint.common.spec.pool);
        let slot = alone.add(connected.wire, None, &*endpoint.common.spawn).await?;
        Session::H2(Box::new(h2::H2Call::new(endpoint, slot)))
    } else {
        Session::H1(Box::new(h1::H1Call::fresh(endpoint, connected.wire, None)))
    };
    Ok(UpstreamCall { wire, in_flight, request_ended: false })
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
async fn open_shared(endpoint: &Arc<Endpoint>) -> Option<Result<Session, OriginError>> {
    if let Some(slot) = endpoint.streams.take() {
        return Some(Ok(shared(endpoint, slot)));
    }
    let only_h2 = endpoint.common.connector.protocol == super::spec::Protocol::H2;
    if !only_h2 && let Some(wire) = kept(endpoint) {
        return Some(Ok(wire));
    }
    if !only_h2 && !endpoint.speaks_h2.load(Relaxed) {
        return fresh(endpoint, false).await;
    }
    match endpoint.streams.turn().await {
        Err(error) => Some(Err(error)),
        Ok(Turn::Slot(slot)) => Some(Ok(shared(endpoint, slot))),
        Ok(Turn::Open(opening)) => match fresh(endpoint, false).await {
            Some(Err(error)) => {
                opening.failed(&error);
                Some(Err(error))
            }
            opened => opened,
        },
    }
}

/// A new connection; one that speaks HTTP/2 is shared from here on. `None` where there may be no
/// more connections.
async fn fresh(endpoint: &Arc<Endpoint>, only_h1: bool) -> Option<Result<Session, OriginError>> {
    let Some(counted) = endpoint.gate.connect() else {
        if only_h1 {
            // They are of no use for this call, and closing them makes room.
            endpoint.streams.close_unused();
        }
        return None;
    };
    Some(connect(endpoint, only_h1, counted).await)
}

async fn connect(
    endpoint: &Arc<Endpoint>,
    only_h1: bool,
    counted: Connection,
) -> Result<Session, OriginError> {
    let connected =
        endpoint.connect(only_h1).await.inspect_err(|error| endpoint.not_connected(error))?;
    endpoint.connected();
    if !only_h1 {
        endpoint.speaks_h2.store(connected.h2, Relaxed);
    }
    if connected.h2 {
        let spawn = &*endpoint.common.spawn;
        let slot = endpoint.streams.add(connected.wire, Some(counted), spawn).await?;
        return Ok(Session::H2(Box::new(h2::H2Call::new(endpoint, slot))));
    }
    Ok(Session::H1(Box::new(h1::H1Call::fresh(endpoint, connected.wire, Some(counted)))))
}

impl UpstreamCall {
    /// Where it goes to.
    pub(super) fn endpoint_handle(&self) -> Arc<Endpoint> {
        Arc::clone(&self.in_flight.endpoint)
    }

    /// Whether HTTP/2 is spoken.
    pub(super) fn is_h2(&self) -> bool {
        matches!(self.wire, Session::H2(_))
    }

    /// Sends a head.
    pub(super) async fn start(&mut self, head: Prepared) -> Result<(), OriginError> {
        self.request_ended = !head.has_body;
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
        Some(self.in_flight.endpoint.address)
    }

    async fn send_head(
        &mut self,
        call: &Exchange,
        head: Cow<'_, RequestHead>,
        body: BodySize,
    ) -> Result<(), OriginError> {
        let h1 = matches!(self.wire, Session::H1(_));
        let prepared = head::prepare(call, head, body, &self.in_flight.endpoint, h1);
        let started = self.start(prepared).await;
        started.inspect_err(|error| self.in_flight.endpoint.stats.failed(error))
    }

    fn backlog(&self) -> Backlog {
        match &self.wire {
            Session::H1(call) => call.backlog(),
            Session::H2(call) => call.backlog(),
        }
    }

    async fn send(&mut self, frame: Frame) -> Result<(), OriginError> {
        self.request_ended |= frame.end;
        match &mut self.wire {
            Session::H1(call) => call.send(frame).await,
            Session::H2(call) => call.send(frame).await,
        }
    }

    async fn recv(&mut self) -> Result<OriginEvent, OriginError> {
        let event = self.next().await;
        let endpoint = &self.in_flight.endpoint;
        match &event {
            Ok(OriginEvent::Head(head, _)) => endpoint.answered(head.status),
            Ok(_) => {}
            Err(error) => {
                endpoint.stats.failed(error);
                if eject::is_its_fault(error, self.request_ended) {
                    endpoint.went_wrong();
                }
            }
        }
        event
    }

    fn overdue(&mut self) {
        if self.request_ended {
            self.in_flight.endpoint.went_wrong();
        }
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
