//! The session machine: one side of one connection.
//!
//! ```text
//! bytes ─> receive ─> poll_event ─> driver ─> request, respond, send, message … ─> poll_transmit ─> bytes
//! time  ─> handle_timeout <─ timeout
//! ```
//!
//! A driver reads bytes and hands them to [`Session::receive`]; takes every [`Event`]; writes what
//! [`Session::poll_transmit`] gives; and calls [`Session::handle_timeout`] when [`Session::timeout`] has come. Nothing here
//! waits, and nothing reads a clock: [`Session::advance`] tells the time to what is begun. After [`Event::Closed`] what
//! is left to write is written, and the connection is closed.
//!
//! What is kept is bounded: by credit for what was received, by [`Session::queued`] for what the driver wants sent.

mod calls;
mod channel;
mod client;
mod config;
mod event;
mod liveness;
mod messages;
mod outgoing;
mod pace;
mod pieces;
mod receive;
mod server;
mod short;
#[cfg(test)]
mod tests;
mod traffic;

pub use channel::{Carries, carries};
pub use client::{NewRequest, Operation, Refusal};
pub use config::{Config, Millis};
pub use event::{CallId, Called, Closed, ClosedBy, Event, Key, Message, Request, Response, fields};
pub use messages::NewMessage;
pub use pace::FrameRate;
pub use server::NewResponse;
pub use traffic::Traffic;

use std::{collections::VecDeque, sync::Arc};

use bytes::BytesMut;

use crate::{
    code::{CancelCode, CloseCode},
    frame::Frame,
    greeting::{Closing, Settings, Update},
};
use calls::Call;
use channel::{Channel, ReceiveCredit, SendCredit};
use liveness::{Due, Liveness};
use outgoing::Outgoing;
use pace::Pace;

/// One side of one connection. See the module.
#[derive(Debug)]
pub struct Session {
    config: Config,
    /// What the other side is ready to receive.
    peer: Settings,
    role: Role,
    now: Millis,
    /// Bytes of a frame that is not whole.
    partial: BytesMut,
    /// Bytes that this frame needs at least.
    needed: usize,
    events: VecDeque<Event>,
    /// Frames that are exempt from credit, ready to be sent.
    control: BytesMut,
    channels: Vec<Channel>,
    send: SendCredit,
    receive: ReceiveCredit,
    /// In the order of their keys.
    calls: Vec<Call>,
    /// Calls that have begun to be sent and are not finished.
    flowing: Vec<Outgoing>,
    frames_sent: u32,
    traffic: traffic::Account,
    pace: Pace,
    alive: Liveness,
    greeting: Greeting,
    /// Whether this side, and the other, has said that it takes compressed messages.
    takes_zstd: bool,
    peer_takes_zstd: bool,
    closed: bool,
}

/// Where the greeting stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Greeting {
    /// Nothing came yet; until when.
    Awaited { until: Millis },
    /// A server has HELLO and has not decided.
    Deciding,
    /// It is over.
    Done,
}

/// What only one side has.
#[derive(Debug)]
enum Role {
    Client(Box<client::Client>),
    Server(Box<server::Server>),
}

impl Session {
    fn new(config: Config, role: Role, now: Millis) -> Self {
        let settings = config.settings.bounded();
        let config = Config { settings, fragment: config.fragment.max(512), ..config };
        let initial = Settings::default();
        Self {
            config,
            peer: initial,
            role,
            now,
            partial: BytesMut::new(),
            needed: 0,
            events: VecDeque::new(),
            control: BytesMut::new(),
            channels: Vec::new(),
            send: SendCredit::initial(initial.connection_window),
            receive: ReceiveCredit::new(initial.connection_window),
            calls: Vec::new(),
            flowing: Vec::new(),
            frames_sent: 0,
            traffic: traffic::Account::default(),
            pace: Pace::default(),
            alive: Liveness::new(now),
            greeting: Greeting::Awaited { until: now.plus(config.greeting_ms) },
            takes_zstd: false,
            peer_takes_zstd: false,
            closed: false,
        }
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front();
        if event.is_none() && self.events.capacity() > 0 {
            self.events = VecDeque::new();
        }
        event
    }

    /// Whether [`Self::poll_event`] has one.
    #[must_use]
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// Whether the connection is at its end: what [`Self::poll_transmit`] still gives is the last.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether no call is in flight and nothing waits to be sent.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.calls.is_empty()
            && self.flowing.is_empty()
            && self.channels.iter().all(|channel| channel.waiting.is_empty())
    }

    /// Whether the other side has said in its greeting that it takes compressed messages. Others end the connection.
    #[must_use]
    pub fn peer_takes_zstd(&self) -> bool {
        self.peer_takes_zstd
    }

    /// Calls in flight.
    #[must_use]
    pub fn calls_in_flight(&self) -> usize {
        self.calls.len()
    }

    /// Bytes that wait to be sent: of one call, or in all.
    #[must_use]
    pub fn queued(&self, key: Option<Key>) -> usize {
        let waiting = self.channels.iter().flat_map(|channel| &channel.waiting);
        let all = self.flowing.iter().chain(waiting);
        all.filter(|out| key.is_none_or(|key| out.key == key)).map(|out| out.queued).sum()
    }

    /// Whether a DELIVERY was sent, or waits to be, and is not acknowledged.
    #[must_use]
    pub fn awaits_ack(&self) -> bool {
        self.channels.iter().any(|channel| !channel.unacked.is_empty())
    }

    /// When [`Self::handle_timeout`] is due.
    #[must_use]
    pub fn timeout(&self) -> Option<Millis> {
        if self.closed {
            return None;
        }
        let alive = self.alive.next(&self.config, self.is_client());
        match self.greeting {
            Greeting::Awaited { until } => Some(until),
            // Who decides has deadlines of his own.
            Greeting::Deciding => None,
            Greeting::Done => Some(alive),
        }
    }

    /// The time has come, or any other.
    pub fn handle_timeout(&mut self, now: Millis) {
        self.advance(now);
        if self.closed {
            return;
        }
        match self.greeting {
            Greeting::Awaited { until } if self.now >= until => {
                self.close(Closing::new(CloseCode::IDLE).detail("no greeting came in time"));
                return;
            }
            Greeting::Done => {}
            _ => return,
        }
        match self.alive.due(&self.config, self.is_client(), self.now) {
            None => {}
            Some(Due::Ping { number, suspect }) => {
                self.put(&Frame::Ping(number));
                if suspect {
                    self.events.push_back(Event::Suspect);
                }
            }
            Some(Due::Dead) => self.close(Closing::new(CloseCode::HALF_DEAD)),
            Some(Due::Idle) => self.close(Closing::new(CloseCode::IDLE)),
        }
    }

    /// Ends the connection: CLOSE is sent, calls are dropped on both sides.
    pub fn close(&mut self, closing: Closing) {
        if self.closed {
            return;
        }
        if !self.greeting_sent() {
            // CLOSE stands in WELCOME's place, and nothing before it.
            self.control.clear();
        }
        closing.encode_close(&mut self.control);
        self.end(ClosedBy::Us, closing);
    }

    /// The connection has gone away.
    pub fn lost(&mut self) {
        if !self.closed {
            self.end(ClosedBy::Lost, Closing::new(CloseCode::DONE));
        }
    }

    fn end(&mut self, by: ClosedBy, closing: Closing) {
        self.closed = true;
        if self.is_client() {
            self.tell_unsent();
        }
        self.calls = Vec::new();
        self.flowing = Vec::new();
        self.channels = Vec::new();
        self.partial = BytesMut::new();
        self.events.push_back(Event::Closed(Closed { by, closing }));
    }

    /// Calls of which nothing was written: they may be made again elsewhere, whatever they do.
    fn tell_unsent(&mut self) {
        let calls = self.channels.iter().filter(|own| carries(own.number) == Some(Carries::Calls));
        let waiting = calls.flat_map(|channel| &channel.waiting);
        let unsent = waiting.filter(|out| out.first.is_some() && out.abandoned.is_none());
        let code = CancelCode::NOT_LOOKED_AT;
        self.events.extend(unsent.map(|out| Event::Cancelled { key: out.key, code }));
    }

    /// Tells the other side what is another now.
    pub fn update(&mut self, update: &Update) {
        if !self.closed {
            update.encode(&mut self.control);
        }
    }

    /// Breaks a call or message off: what was not sent of it is dropped, and the other side forgets it. Of a call no events come
    /// after that, not even of what is here already.
    pub fn cancel(&mut self, key: Key, code: CancelCode) {
        if channel::carries(key.channel) == Some(Carries::Calls) {
            self.drop_events(key);
        }
        self.break_off(key, code);
    }

    /// Drops what was not sent, and tells the other side.
    fn break_off(&mut self, key: Key, code: CancelCode) {
        if self.forget(key, code) {
            let (channel, sequence) = (key.channel, key.sequence);
            self.put(&Frame::Cancel { channel, sequence, code });
        }
    }

    /// Events of a call that nobody wants any more; what they cost is given back.
    fn drop_events(&mut self, key: Key) {
        let mut cost = 0;
        let mut keep = |event: &Event| {
            let of_call = match event {
                Event::Response(response) if response.key == key => response.cost,
                Event::Data { key: found, cost, .. } if *found == key => *cost,
                Event::Cancelled { key: found, .. } if *found == key => 0,
                _ => return true,
            };
            cost += of_call;
            false
        };
        self.events.retain(&mut keep);
        if let Role::Server(server) = &mut self.role {
            server.retain_held(&mut keep);
        }
        self.consumed(key.channel, cost);
    }

    /// The driver has taken data that cost so much: the other side may send as much again.
    pub fn consumed(&mut self, channel: u8, cost: u32) {
        if self.closed || cost == 0 {
            return;
        }
        if let Some(bytes) = self.receive.consume(cost) {
            self.put(&Frame::Credit { channel: 0, bytes });
        }
        if let Some(bytes) = self.channel_mut(channel).and_then(|own| own.receive.consume(cost)) {
            self.put(&Frame::Credit { channel, bytes });
        }
    }

    /// Writes a control frame.
    fn put(&mut self, frame: &Frame<'_>) {
        frame.encode(&mut self.control);
        if self.control.len() > self.config.control_bytes && !self.closed {
            let why = Closing::new(CloseCode::FLOW_CONTROL);
            self.close(why.detail("it does not take what it asks for"));
        }
    }

    /// Tells the time, which never goes back. A driver does so before it begins something that is waited for: a call, a login, a delivery.
    pub fn advance(&mut self, now: Millis) {
        self.now = self.now.max(now);
    }

    fn is_client(&self) -> bool {
        matches!(self.role, Role::Client(_))
    }

    /// Whether something is waited for may have changed.
    fn reconsider(&mut self) {
        let waits = self.awaits_ack()
            || self.is_client() && !self.calls.is_empty()
            || matches!(&self.role, Role::Client(client) if client.is_waiting());
        self.alive.wait(waits, self.now);
    }

    fn channel(&self, number: u8) -> Option<&Channel> {
        self.channels.iter().find(|channel| channel.number == number)
    }

    fn channel_mut(&mut self, number: u8) -> Option<&mut Channel> {
        self.channels.iter_mut().find(|channel| channel.number == number)
    }

    /// The channel, made where it is new. The caller has seen that such a channel may be.
    fn open_channel(&mut self, number: u8) -> &mut Channel {
        let index = match self.channels.iter().position(|channel| channel.number == number) {
            Some(index) => index,
            None => {
                let receive = match self.greeting_sent() {
                    true => self.config.settings.channel_window,
                    false => Settings::default().channel_window,
                };
                self.channels.push(Channel::new(number, self.peer.channel_window, receive));
                self.channels.len() - 1
            }
        };
        &mut self.channels[index]
    }

    /// Whether the other side is told this side's settings before it reads anything that follows.
    fn greeting_sent(&self) -> bool {
        self.is_client() || self.greeting == Greeting::Done
    }

    /// The other side's settings have come. Windows grow by what they say more than was assumed.
    fn learn(&mut self, settings: Settings) {
        let before = std::mem::replace(&mut self.peer, settings);
        let more = settings.connection_window - before.connection_window;
        // Both are below the largest.
        let _ = self.send.add(more);
        let more = settings.channel_window - before.channel_window;
        for channel in &mut self.channels {
            let _ = channel.send.add(more);
        }
    }

    /// This side's windows are in force.
    fn widen(&mut self) {
        let settings = self.config.settings;
        self.receive.widen(settings.connection_window);
        for channel in &mut self.channels {
            channel.receive.widen(settings.channel_window);
        }
    }

    fn outgoing_mut(&mut self, key: Key) -> Option<&mut Outgoing> {
        if let Some(index) = self.flowing.iter().position(|out| out.key == key) {
            return self.flowing.get_mut(index);
        }
        let channel = self.channel_mut(key.channel)?;
        channel.waiting.iter_mut().find(|out| out.key == key)
    }

    /// Drops a call or message on its way out; says whether the other side must be told now.
    fn forget(&mut self, key: Key, code: CancelCode) -> bool {
        let known = self.take_call(key).is_some();
        let flowing = self.flowing.iter().position(|out| out.key == key);
        if let Some(index) = flowing {
            self.flowing.remove(index);
        }
        let mut told = known || flowing.is_some();
        if let Some(channel) = self.channel_mut(key.channel)
            && let Some(index) = channel.waiting.iter().position(|out| out.key == key)
        {
            // What is not sent whole is never acknowledged.
            channel.unacked.retain(|sequence| *sequence != key.sequence);
            if channel.waiting[index].first.is_some() {
                // Its number is given, and there may be no gaps: CANCEL goes behind its first frame.
                channel.waiting[index].abandon(code);
                told = false;
            } else {
                channel.waiting.remove(index);
                told = true;
            }
        }
        self.reconsider();
        told
    }

    /// The operation's name by its number, of a server.
    fn operation(&self, number: u32) -> Option<&Arc<str>> {
        match &self.role {
            Role::Server(server) => server.operation(number),
            Role::Client(_) => None,
        }
    }
}
