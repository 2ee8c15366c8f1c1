//! What only a server's side does: it decides on HELLO and LOGIN, answers calls, and says when to go away.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;

use super::{
    Config, Event, Greeting, Key, Millis, Role, Session,
    calls::Inbound,
    channel::{Carries, carries},
    outgoing::{First, Outgoing},
    receive::{Fault, Received},
};
use crate::{
    code::{CancelCode, CloseCode},
    greeting::{Closing, FEATURE_ZSTD, Hello, UserChange, UserResult, Welcome},
    tlv::{MAX_BLOCK, Tlvs},
};

/// The version that is spoken here.
pub(super) const VERSION: u8 = 1;
/// The most bytes of messages that wait for a change of the user.
const HELD_BYTES: usize = 4 << 20;
/// Changes of the user that may wait behind one another.
const MAX_LOGINS: usize = 8;

#[derive(Debug, Default)]
pub(super) struct Server {
    /// Names of operations, by their number less one.
    operations: Vec<Option<Arc<str>>>,
    most_operations: u32,
    /// HELLO or a LOGIN is being decided: what comes behind it.
    holding: bool,
    held: VecDeque<Event>,
    /// Bytes of messages among them.
    held_bytes: usize,
    logins: usize,
    /// The last user epoch that was asked for.
    epoch: u32,
    /// What GOAWAY has said, where it was said.
    going: Option<Box<Closing>>,
}

impl Server {
    pub(super) fn operation(&self, number: u32) -> Option<&Arc<str>> {
        self.operations.get((number as usize).checked_sub(1)?)?.as_ref()
    }

    pub(super) fn holds(&self) -> bool {
        self.holding
    }

    /// Drops held events that are not to be kept.
    pub(super) fn retain_held(&mut self, keep: impl FnMut(&Event) -> bool) {
        self.held.retain(keep);
    }

    /// False when there are too many.
    pub(super) fn hold(&mut self, event: Event, most: usize) -> bool {
        // What calls hold is bounded by credit; whole messages are not.
        if let Event::Message(message) = &event {
            self.held_bytes += message.data.len();
        }
        let room = self.held.len() < most && self.held_bytes <= HELD_BYTES;
        if room {
            self.held.push_back(event);
        }
        room
    }
}

/// An answer to be sent.
#[derive(Clone, Debug)]
pub struct NewResponse {
    /// The HTTP status: 201 to 999, or 200.
    pub status: u16,
    /// TLVs, as [`TlvWriter`](crate::tlv::TlvWriter) writes them; at most [`MAX_BLOCK`](crate::tlv::MAX_BLOCK) bytes.
    pub tlvs: Bytes,
    /// Whether the data, all of it joined, is compressed.
    pub zstd: bool,
    /// The first bytes.
    pub data: Bytes,
    /// Whether they are all.
    pub end: bool,
}

impl Session {
    /// A server's side of a new connection.
    #[must_use]
    pub fn server(config: Config, now: Millis) -> Self {
        let server = Server {
            most_operations: config.settings.bounded().max_operations,
            ..Server::default()
        };
        Self::new(config, Role::Server(Box::new(server)), now)
    }

    fn as_server(&mut self) -> Option<&mut Server> {
        match &mut self.role {
            Role::Server(server) => Some(server),
            Role::Client(_) => None,
        }
    }

    pub(super) fn on_hello(&mut self, lowest: u8, highest: u8, tlvs: Tlvs<'_>) -> Received {
        self.only(!self.is_client(), "HELLO")?;
        if !matches!(self.greeting, Greeting::Awaited { .. }) {
            return Err(Fault::new(CloseCode::MALFORMED, "a second HELLO"));
        }
        if !(lowest..=highest).contains(&VERSION) {
            return Err(Fault::new(CloseCode::VERSION, "the version here is 1"));
        }
        let hello = Hello::decode((lowest, highest), tlvs)?;
        self.greeting = Greeting::Deciding;
        self.learn(hello.settings);
        self.peer_takes_zstd = hello.features & FEATURE_ZSTD != 0;
        let epoch = hello.epoch;
        self.events.push_back(Event::Hello(Box::new(hello)));
        let Some(server) = self.as_server() else { return Ok(()) };
        (server.holding, server.epoch) = (true, epoch);
        Ok(())
    }

    /// Accepts the client: `welcome` is sent, and what came behind HELLO is handed on. Version and settings are filled in. `epoch` is the
    /// user epoch that begins, that of HELLO. What does not fit in a frame is left out ([`Welcome::shorten`]). A client that is not accepted is told by [`Self::close`].
    pub fn accept(&mut self, mut welcome: Welcome, epoch: u32) {
        if self.closed || self.greeting != Greeting::Deciding {
            return;
        }
        welcome.version = VERSION;
        welcome.settings = self.config.settings;
        self.takes_zstd = welcome.features & FEATURE_ZSTD != 0;
        // What early frames have led to goes behind it.
        welcome.shorten();
        let answers = std::mem::take(&mut self.control);
        welcome.encode(&mut self.control);
        self.control.extend_from_slice(&answers);
        self.greeting = Greeting::Done;
        self.alive.begin(self.now);
        self.widen();
        // An early LOGIN has gone on from HELLO's epoch.
        if let Some(server) = self.as_server().filter(|server| server.logins == 0) {
            server.epoch = epoch;
        }
        self.release();
    }

    pub(super) fn on_login(&mut self, epoch: u32, tlvs: Tlvs<'_>) -> Received {
        self.only(!self.is_client(), "LOGIN")?;
        let change = UserChange::decode(epoch, tlvs)?;
        if self.channels.iter().any(|channel| channel.partial.is_some()) {
            return Err(Fault::new(CloseCode::MALFORMED, "a LOGIN within a message"));
        }
        let Some(server) = self.as_server() else { return Ok(()) };
        if server.epoch.checked_add(1) != Some(epoch) {
            return Err(Fault::new(CloseCode::MALFORMED, "not the next user epoch"));
        }
        server.logins += 1;
        if server.logins > MAX_LOGINS {
            return Err(Fault::new(CloseCode::TOO_FAST, "too many changes of the user"));
        }
        server.epoch = epoch;
        self.tell(Event::Login(change))?;
        if let Some(server) = self.as_server() {
            server.holding = true;
        }
        Ok(())
    }

    /// Decides on a LOGIN: `result` is sent, and what came behind it is handed on.
    pub fn user(&mut self, result: &UserResult) {
        if self.closed || self.greeting != Greeting::Done {
            return;
        }
        let Some(server) = self.as_server() else { return };
        if !server.holding {
            return;
        }
        server.logins = server.logins.saturating_sub(1);
        result.encode(&mut self.control);
        self.release();
    }

    /// Hands on what was held, up to the next LOGIN.
    fn release(&mut self) {
        let Role::Server(server) = &mut self.role else { return };
        server.holding = false;
        while let Some(event) = server.held.pop_front() {
            let login = matches!(event, Event::Login(_));
            if let Event::Message(message) = &event {
                server.held_bytes = server.held_bytes.saturating_sub(message.data.len());
            }
            self.events.push_back(event);
            if login {
                server.holding = true;
                return;
            }
        }
        server.held = VecDeque::new();
        server.held_bytes = 0;
    }

    /// The name for a number, learnt where the number is not 0; `None` when it is too large.
    pub(super) fn learn_operation(&mut self, number: u32, name: &str) -> Option<Arc<str>> {
        let server = self.as_server()?;
        let Some(place) = (number as usize).checked_sub(1) else { return Some(name.into()) };
        if number > server.most_operations {
            return None;
        }
        if server.operations.len() <= place {
            server.operations.resize(place + 1, None);
        }
        let slot = &mut server.operations[place];
        match slot {
            Some(known) if &**known == name => Some(known.clone()),
            _ => slot.insert(name.into()).clone().into(),
        }
    }

    /// Answers a call. What of it is not there goes in [`Self::send`]. False: the call has ended, or has an answer already, or its TLVs
    /// are larger than [`MAX_BLOCK`]; then it is broken off (CANCEL 5).
    pub fn respond(&mut self, key: Key, response: NewResponse) -> bool {
        let Ok(index) = self.find_call(key) else { return false };
        let call = &self.calls[index];
        if self.is_client() || !call.sending || self.flowing.iter().any(|out| out.key == key) {
            return false;
        }
        if response.tlvs.len() > MAX_BLOCK {
            self.cancel(key, CancelCode::TOO_LARGE);
            return false;
        }
        let first = First::Response(response.status);
        let mut out = Outgoing::new(key, first, response.tlvs, call.priority);
        out.zstd = response.zstd;
        out.end = response.end;
        out.push(response.data);
        self.flowing.push(out);
        true
    }

    /// Does not want the rest of a request.
    pub fn discard(&mut self, key: Key) {
        if let Ok(index) = self.find_call(key)
            && self.calls[index].inbound == Inbound::Open
        {
            self.calls[index].inbound = Inbound::Discarded;
        }
    }

    /// Asks the client to go: calls that have come are answered, later ones are not looked at. A second one says where to go anew.
    pub fn goaway(&mut self, mut closing: Closing) {
        if self.closed || self.greeting != Greeting::Done {
            return;
        }
        let channels =
            self.channels.iter().filter(|own| carries(own.number) == Some(Carries::Calls));
        let last: Vec<_> = channels.map(|own| (own.number, own.received)).collect();
        let Role::Server(server) = &mut self.role else { return };
        closing.last = server.going.take().map_or(last, |before| before.last);
        closing.encode_goaway(&mut self.control);
        server.going = Some(Box::new(closing));
    }

    /// Ends the connection for the reason that GOAWAY has told: a client that was to go and has not hears nothing else.
    pub fn close_as_told(&mut self) {
        let told = self.as_server().and_then(|server| server.going.as_deref().cloned());
        self.close(told.unwrap_or_else(|| Closing::new(CloseCode::DONE)));
    }

    /// Whether GOAWAY was said.
    #[must_use]
    pub fn is_going(&self) -> bool {
        matches!(&self.role, Role::Server(server) if server.going.is_some())
    }

    /// Whether GOAWAY has said that this call is not looked at.
    pub(super) fn is_past_goaway(&self, key: Key) -> bool {
        let Role::Server(server) = &self.role else { return false };
        let Some(going) = &server.going else { return false };
        let last = going.last.iter().find(|(channel, _)| *channel == key.channel);
        key.sequence > last.map_or(0, |(_, sequence)| *sequence)
    }
}
