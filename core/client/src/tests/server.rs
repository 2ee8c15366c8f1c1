//! A server's side over a simulated network: the real session machine, and a few operations.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::{Bytes, BytesMut};
use paifang_mmtp::{
    greeting::{Closing, Heartbeat, Hello, Token, UserResult, Welcome},
    session::{CallId, Called, Config, Event, Key, Millis, NewResponse, Session, fields},
    tlv::{TlvWriter, Tlvs, kind},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
    time::{Instant, sleep_until},
};

use super::at;
use crate::simnet::{End, SimNet};

type Order = Box<dyn FnOnce(&mut Session) + Send>;

/// A server at any number of addresses.
///
/// Its operations: `echo` answers with the body; `never` does not answer; `large` answers with as many bytes as the body says in
/// decimal; `broken` is broken off; `fields` answers with its own fields and query in the body.
#[derive(Clone, Default)]
pub(super) struct Server(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    /// How each HELLO is answered, when otherwise than with WELCOME. Taken from the front.
    refusals: Vec<Closing>,
    welcome: Welcome,
    hellos: Vec<Hello>,
    calls: Vec<Seen>,
    cancelled: Vec<Key>,
    acked: Vec<Key>,
    messages: Vec<Bytes>,
    learnt: Vec<u32>,
    orders: Vec<mpsc::UnboundedSender<Order>>,
    /// What requests cost, while it is kept from clients.
    kept: Option<Vec<(u8, u32)>>,
}

/// A call that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// Of the connection, from 0.
    pub(super) connection: usize,
    pub(super) name: String,
    pub(super) id: CallId,
    pub(super) attempt: u32,
    pub(super) deadline_ms: Option<u32>,
    /// The credential of the user whose it is.
    pub(super) user: Option<String>,
}

/// What a connection's client has said of itself.
#[derive(Default)]
struct Peer {
    nonce: [u8; 16],
    user: Option<String>,
}

impl Server {
    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn serve(&self, net: &SimNet, address: &str) {
        let server = self.clone();
        net.serve(at(address), move |end| {
            let server = server.clone();
            tokio::spawn(async move { server.drive(end).await });
        });
    }

    /// The next HELLO is answered with this.
    pub(super) fn refuse(&self, closing: Closing) {
        self.lock().refusals.push(closing);
    }

    /// What WELCOME says from now on, beside heartbeat, number and user.
    pub(super) fn welcome(&self, welcome: Welcome) {
        self.lock().welcome = welcome;
    }

    pub(super) fn hellos(&self) -> Vec<Hello> {
        self.lock().hellos.clone()
    }

    pub(super) fn calls(&self) -> Vec<Seen> {
        self.lock().calls.clone()
    }

    pub(super) fn cancelled(&self) -> Vec<Key> {
        self.lock().cancelled.clone()
    }

    pub(super) fn acked(&self) -> Vec<Key> {
        self.lock().acked.clone()
    }

    pub(super) fn messages(&self) -> Vec<Bytes> {
        self.lock().messages.clone()
    }

    /// Intervals that clients have settled on.
    pub(super) fn learnt(&self) -> Vec<u32> {
        self.lock().learnt.clone()
    }

    /// Whether clients get no credit back for what they send; what was kept goes to the first of them.
    pub(super) fn keep_credit(&self, keep: bool) {
        let kept = std::mem::replace(&mut self.lock().kept, keep.then(Vec::new));
        for (channel, cost) in kept.into_iter().flatten() {
            self.order(0, move |session| session.consumed(channel, cost));
        }
    }

    /// Has something done on the connection of this number, from 0.
    pub(super) fn order(
        &self,
        connection: usize,
        order: impl FnOnce(&mut Session) + Send + 'static,
    ) {
        // A connection that is gone takes no orders.
        let _ = self.lock().orders[connection].send(Box::new(order));
    }

    async fn drive(&self, mut end: End) {
        let (sender, mut orders) = mpsc::unbounded_channel();
        let number = {
            let mut inner = self.lock();
            inner.orders.push(sender);
            inner.orders.len() - 1
        };
        let began = Instant::now();
        let now = || Millis(began.elapsed().as_millis() as u64);
        let mut session = Session::server(Config::default(), Millis(0));
        let mut bodies = HashMap::new();
        let mut peer = Peer::default();
        loop {
            while let Some(event) = session.poll_event() {
                self.on_event(number, &mut session, event, &mut bodies, &mut peer);
            }
            let mut out = BytesMut::new();
            while session.poll_transmit(&mut out, 16_384) {}
            if end.write_all(&out).await.is_err() || session.is_closed() {
                break;
            }
            let mut read = [0; 16_384];
            let timeout = session.timeout().map_or(3_600_000, |at| at.0);
            tokio::select! {
                got = end.read(&mut read) => match got {
                    Ok(0) | Err(_) => session.lost(),
                    Ok(length) => session.receive(&read[..length], now()),
                },
                Some(order) = orders.recv() => {
                    session.handle_timeout(now());
                    order(&mut session);
                }
                () = sleep_until(began + super::ms(timeout)) => session.handle_timeout(now()),
            }
        }
        let _ = end.shutdown().await;
    }

    fn on_event(
        &self,
        number: usize,
        session: &mut Session,
        event: Event,
        bodies: &mut HashMap<Key, (String, BytesMut)>,
        peer: &mut Peer,
    ) {
        let mut inner = self.lock();
        match event {
            Event::Hello(hello) => {
                peer.nonce = hello.nonce;
                let epoch = hello.epoch;
                let credential = hello.auth.as_ref().map(|auth| auth.credential.clone());
                peer.user = credential.as_deref().map(|own| String::from_utf8_lossy(own).into());
                inner.hellos.push(*hello);
                if !inner.refusals.is_empty() {
                    let closing = inner.refusals.remove(0);
                    session.close(closing);
                    return;
                }
                let user = credential.map(|own| String::from_utf8_lossy(&own).into());
                let welcome = Welcome {
                    user,
                    connection: number as u64,
                    heartbeat: Some(Heartbeat { initial: 60, least: 20, most: 300 }),
                    token: Some(Token { lifetime: 3600, bytes: vec![number as u8 + 1; 8].into() }),
                    ..inner.welcome.clone()
                };
                session.accept(welcome, epoch);
            }
            Event::Request(request) => {
                let name = match &request.called {
                    Called::Operation(_, name) => name.to_string(),
                    Called::Target => {
                        let (method, path) = request.target().unwrap().unwrap();
                        format!("{method} {path}")
                    }
                };
                inner.calls.push(Seen {
                    connection: number,
                    name: name.clone(),
                    id: request.call_id(&peer.nonce),
                    attempt: request.attempt,
                    deadline_ms: request.deadline_ms,
                    user: peer.user.clone(),
                });
                inner.consumed(session, request.key.channel, request.cost);
                let mut body = BytesMut::from(&request.data[..]);
                if name == "fields" {
                    let tlvs = Tlvs::trusted(&request.tlvs);
                    for (name, value) in fields(tlvs).map(Result::unwrap) {
                        let line = format!("{name}: {}\n", String::from_utf8_lossy(value));
                        body.extend_from_slice(line.as_bytes());
                    }
                    body.extend_from_slice(request.query().unwrap_or_default());
                }
                bodies.insert(request.key, (name, body));
                if request.end {
                    answer(session, request.key, bodies);
                }
            }
            Event::Data { key, data, end, cost, .. } => {
                inner.consumed(session, key.channel, cost);
                let Some((_, body)) = bodies.get_mut(&key) else { return };
                body.extend_from_slice(&data);
                if end {
                    answer(session, key, bodies);
                }
            }
            Event::Message(message) => {
                session.consumed(message.key.channel, message.cost);
                if message.delivery {
                    session.acknowledge(message.key);
                }
                inner.messages.push(message.data);
            }
            Event::Login(change) => {
                let credential = change.auth.map(|auth| auth.credential);
                let bad = credential.as_deref() == Some(b"bad");
                peer.user = credential.as_deref().map(|own| String::from_utf8_lossy(own).into());
                let user = peer.user.as_deref().map(Into::into);
                let result = match bad {
                    false => UserResult { epoch: change.epoch, user, ..UserResult::default() },
                    true => {
                        UserResult { epoch: change.epoch, status: 401, ..UserResult::default() }
                    }
                };
                session.user(&result);
            }
            Event::Cancelled { key, .. } => inner.cancelled.push(key),
            Event::Acked(key) => inner.acked.push(key),
            Event::Update(update) => inner.learnt.extend(update.learnt),
            _ => {}
        }
    }
}

impl Inner {
    fn consumed(&mut self, session: &mut Session, channel: u8, cost: u32) {
        match &mut self.kept {
            Some(kept) => kept.push((channel, cost)),
            None => session.consumed(channel, cost),
        }
    }
}

/// Answers a call whose body is whole.
fn answer(session: &mut Session, key: Key, bodies: &mut HashMap<Key, (String, BytesMut)>) {
    let Some((name, body)) = bodies.remove(&key) else { return };
    let mut tlvs = Vec::new();
    let mut status = 200;
    let data = match &*name {
        "never" => return,
        "broken" => return session.cancel(key, paifang_mmtp::code::CancelCode::BROKEN),
        "large" => vec![b'x'; std::str::from_utf8(&body).unwrap().parse().unwrap()].into(),
        "missing" => {
            status = 404;
            TlvWriter(&mut tlvs).integer(kind::ERROR, 1101).integer(kind::AFTER, 300);
            Bytes::new()
        }
        _ => {
            TlvWriter(&mut tlvs).pair(kind::FIELD, b"x-name", name.as_bytes());
            body.freeze()
        }
    };
    session.respond(key, NewResponse { status, tlvs: tlvs.into(), zstd: false, data, end: true });
}
