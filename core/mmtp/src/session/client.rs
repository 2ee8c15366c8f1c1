//! What only a client's side does: it says HELLO, makes calls, and changes its user.

use std::collections::{HashMap, VecDeque};

use bytes::{Bytes, BytesMut};

use super::{
    Config, Event, Greeting, Key, Millis, Role, Session,
    calls::{Call, Inbound},
    channel::{Carries, Channel, carries},
    outgoing::{First, Outgoing},
    receive::{Fault, Received},
    server::VERSION,
};
use crate::{
    code::{CancelCode, CloseCode},
    greeting::{Auth, Closing, FEATURE_ZSTD, Hello, UserChange, UserResult, Welcome},
    tlv::{MAX_BLOCK, MAX_COUNT, TlvWriter, Tlvs, kind},
};

#[derive(Debug, Default)]
pub(super) struct Client {
    /// Numbers that names were given on this connection, and the call that gave it.
    operations: HashMap<Box<str>, (u32, Key)>,
    epoch: u32,
    /// LOGINs without their USER.
    changes: u32,
    going: bool,
    /// Changes that wait until what was begun before them has been sent.
    logins: VecDeque<Login>,
}

/// A LOGIN that is not sent. It must not overtake calls of the user before.
#[derive(Debug)]
struct Login {
    frame: BytesMut,
    /// The last sequence of each channel that was begun before it.
    before: Vec<(u8, u32)>,
}

impl Login {
    fn last(&self, channel: u8) -> u32 {
        let named = self.before.iter().find(|(number, _)| *number == channel);
        named.map_or(0, |(_, sequence)| *sequence)
    }
}

impl Client {
    pub(super) fn is_waiting(&self) -> bool {
        self.changes > 0
    }
}

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation<'a> {
    /// A named operation.
    Name(&'a str),
    /// A method and a path with its query.
    Target(&'a str, &'a str),
}

/// A call to be made.
#[derive(Clone, Debug)]
pub struct NewRequest<'a> {
    /// 1, or 16 to 31.
    pub channel: u8,
    /// What it is for.
    pub operation: Operation<'a>,
    /// Parameters of the operation's path.
    pub params: &'a [(&'a str, &'a str)],
    /// The query, encoded as in a URI; of an operation only.
    pub query: Option<&'a str>,
    /// Fields beside those of HELLO: names in lower case.
    pub fields: &'a [(&'a str, &'a [u8])],
    /// Milliseconds that are left now. The frame says what is left when it is written.
    pub deadline_ms: Option<u32>,
    /// 0 is first, 7 last; 3 where nothing speaks for another.
    pub priority: u8,
    /// The identity of the call's first attempt; none for the first.
    pub call_id: Option<&'a [u8]>,
    /// Number of the attempt, from 1.
    pub attempt: u32,
    /// The number of the dictionary that `data` is compressed with.
    pub dictionary: Option<u32>,
    /// Whether the data, all of it joined, is compressed.
    pub zstd: bool,
    /// The first bytes.
    pub data: Bytes,
    /// Whether they are all.
    pub end: bool,
}

impl<'a> NewRequest<'a> {
    /// A whole call of `operation` on channel 1.
    #[must_use]
    pub fn new(operation: Operation<'a>, data: Bytes) -> Self {
        Self {
            channel: 1,
            operation,
            params: &[],
            query: None,
            fields: &[],
            deadline_ms: None,
            priority: 3,
            call_id: None,
            attempt: 1,
            dictionary: None,
            zstd: false,
            data,
            end: true,
        }
    }
}

/// Why a call was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The connection is closed, or the server wants it to end. The call may be made on another.
    #[error("the connection takes no more calls")]
    Going,
    /// As many calls are in flight as the server takes.
    #[error("as many calls are in flight as the server takes")]
    TooMany,
    /// The channel carries no calls, or its numbers have run out.
    #[error("the channel takes no calls")]
    Channel,
    /// Fields, parameters and names together are too large.
    #[error("the call's head is larger than {MAX_BLOCK} bytes or has more than {MAX_COUNT} parts")]
    TooLarge,
}

impl Session {
    /// A client's side of a new connection: its first frame is `hello`, with this side's settings and version filled in.
    #[must_use]
    pub fn client(config: Config, hello: &Hello, now: Millis) -> Self {
        let client = Client { epoch: hello.epoch, ..Client::default() };
        let mut session = Self::new(config, Role::Client(Box::new(client)), now);
        let settings = session.config.settings;
        let hello = Hello { versions: (VERSION, VERSION), settings, ..hello.clone() };
        hello.encode(&mut session.control);
        session.takes_zstd = hello.features & FEATURE_ZSTD != 0;
        session.widen();
        session
    }

    fn as_client(&mut self) -> Option<&mut Client> {
        match &mut self.role {
            Role::Client(client) => Some(client),
            Role::Server(_) => None,
        }
    }

    pub(super) fn on_welcome(&mut self, version: u8, tlvs: Tlvs<'_>) -> Received {
        self.only(self.is_client(), "WELCOME")?;
        if !matches!(self.greeting, Greeting::Awaited { .. }) {
            return Err(Fault::new(CloseCode::MALFORMED, "a second WELCOME"));
        }
        if version != VERSION {
            return Err(Fault::new(CloseCode::VERSION, "the version here is 1"));
        }
        let welcome = Welcome::decode(version, tlvs)?;
        self.greeting = Greeting::Done;
        self.learn(welcome.settings);
        self.peer_takes_zstd = welcome.features & FEATURE_ZSTD != 0;
        if let Some(heartbeat) = welcome.heartbeat {
            self.config.heartbeat_ms = u64::from(heartbeat.initial) * 1000;
        }
        self.tell(Event::Welcome(Box::new(welcome)))
    }

    /// Milliseconds between heartbeats, as the client has learnt it.
    pub fn set_heartbeat(&mut self, milliseconds: u64) {
        self.config.heartbeat_ms = milliseconds.max(1000);
    }

    /// Makes a call. It needs no WELCOME. What of its data is not there goes in [`Self::send`].
    ///
    /// # Errors
    /// When it cannot be made on this connection; nothing was sent then.
    pub fn request(&mut self, request: NewRequest<'_>) -> Result<Key, Refusal> {
        let (closed, now, most_calls) = (self.closed, self.now, self.peer.max_calls);
        let most_operations = self.peer.max_operations;
        let in_flight = self.calls.len();
        if carries(request.channel) != Some(Carries::Calls) {
            return Err(Refusal::Channel);
        }
        let waits = |key: Key| {
            let own = self.channel(key.channel);
            own.is_some_and(|own| own.waiting.iter().any(|out| out.key == key))
        };
        // A number means nothing yet where the call that gives it may be overtaken: order holds within a channel only.
        let overtaken = match (&self.role, request.operation) {
            (Role::Client(client), Operation::Name(name)) => {
                let by = client.operations.get(name).map(|(_, by)| *by);
                by.is_some_and(|by| by.channel != request.channel && waits(by))
            }
            _ => false,
        };
        let Some(client) = self.as_client() else { return Err(Refusal::Channel) };
        if closed || client.going {
            return Err(Refusal::Going);
        }
        if in_flight >= most_calls as usize {
            return Err(Refusal::TooMany);
        }
        let (number, name) = match request.operation {
            Operation::Target(..) => (0, None),
            Operation::Name(name) => match client.operations.get(name) {
                Some((number, _)) => (*number, overtaken.then_some(name)),
                None if (client.operations.len() as u32) < most_operations => {
                    (client.operations.len() as u32 + 1, Some(name))
                }
                None => (0, Some(name)),
            },
        };
        let tlvs = block(&request, name);
        let count = Tlvs::new(&tlvs, MAX_COUNT);
        if tlvs.len() > MAX_BLOCK || count.is_err() {
            return Err(Refusal::TooLarge);
        }
        let channel = self.open_channel(request.channel);
        let Some(sequence) = channel.begun.checked_add(1) else { return Err(Refusal::Channel) };
        channel.begun = sequence;
        let key = Key { channel: request.channel, sequence };
        if let (Some(name), true, Some(client)) = (name, number > 0, self.as_client()) {
            client.operations.entry(name.into()).or_insert((number, key));
        }
        let mut out = Outgoing::new(key, First::Request(number), tlvs.into(), request.priority);
        out.zstd = request.zstd;
        out.end = request.end;
        out.deadline = request.deadline_ms.map(|left| (now, left));
        out.push(request.data);
        let priority = out.priority;
        self.open_channel(request.channel).waiting.push_back(out);
        self.add_call(Call { key, inbound: Inbound::Head, sending: true, priority });
        self.reconsider();
        Ok(key)
    }

    /// Changes the user: to who owns the credential, or to nobody. What is sent from here on belongs to the new one. The epoch
    /// that begins; `None` when the connection is closed.
    pub fn login(&mut self, auth: Option<Auth>) -> Option<u32> {
        if self.closed {
            return None;
        }
        let before = self.channels.iter().map(|channel| (channel.number, channel.begun)).collect();
        let client = self.as_client()?;
        client.epoch = client.epoch.checked_add(1)?;
        client.changes += 1;
        let epoch = client.epoch;
        let mut frame = BytesMut::new();
        UserChange { epoch, auth }.encode(&mut frame);
        client.logins.push_back(Login { frame, before });
        self.reconsider();
        Some(epoch)
    }

    /// Whether a LOGIN waits, and what was begun before it has been sent.
    pub(super) fn login_is_due(&self) -> bool {
        let Role::Client(client) = &self.role else { return false };
        let Some(login) = client.logins.front() else { return false };
        let old = |channel: &Channel| {
            let last = login.last(channel.number);
            // Calls leave the queue when they begin, messages when they are sent whole: a LOGIN within one would leave open whose it is.
            channel.waiting.iter().any(|out| out.key.sequence <= last)
        };
        !self.channels.iter().any(old)
    }

    /// The LOGIN whose turn has come.
    pub(super) fn due_login(&mut self) -> Option<BytesMut> {
        let due = self.login_is_due();
        let client = self.as_client().filter(|_| due)?;
        client.logins.pop_front().map(|login| login.frame)
    }

    /// The last sequence of a channel that may begin before the next LOGIN.
    pub(super) fn login_limit(&self, channel: u8) -> Option<u32> {
        let Role::Client(client) = &self.role else { return None };
        client.logins.front().map(|login| login.last(channel))
    }

    pub(super) fn on_user(&mut self, epoch: u32, status: u16, tlvs: Tlvs<'_>) -> Received {
        self.only(self.is_client(), "USER")?;
        let result = UserResult::decode(epoch, status, tlvs)?;
        if let Some(client) = self.as_client() {
            client.changes = client.changes.saturating_sub(1);
        }
        self.tell(Event::User(result))
    }

    pub(super) fn on_goaway(&mut self, closing: Closing) -> Received {
        let Some(client) = self.as_client() else { return Ok(()) };
        client.going = true;
        let last = |channel| {
            let named = closing.last.iter().find(|(number, _)| *number == channel);
            named.map_or(0, |(_, sequence)| *sequence)
        };
        let keys = self.calls.iter().map(|call| call.key);
        let lost: Vec<Key> = keys.filter(|key| key.sequence > last(key.channel)).collect();
        // Nothing that waits will be looked at. The numbers of those that were cancelled go too, or they would be sent behind a gap.
        for channel in
            self.channels.iter_mut().filter(|own| carries(own.number) == Some(Carries::Calls))
        {
            let last = last(channel.number);
            channel.waiting.retain(|out| out.key.sequence <= last);
        }
        self.events.push_back(Event::Goaway(Box::new(closing)));
        for key in lost {
            // The server does not look at them, so there is nothing to tell it.
            self.take_call(key);
            self.flowing.retain(|out| out.key != key);
            self.events.push_back(Event::Cancelled { key, code: CancelCode::NOT_LOOKED_AT });
        }
        Ok(())
    }
}

/// The TLVs of a request, in ascending order.
fn block(request: &NewRequest<'_>, name: Option<&str>) -> Vec<u8> {
    let mut tlvs = Vec::new();
    let mut put = TlvWriter(&mut tlvs);
    for (name, value) in request.fields {
        put.pair(kind::FIELD, name.as_bytes(), value);
    }
    if let Some(number) = request.dictionary {
        put.integer(kind::ENCODED_WITH, u64::from(number));
    }
    if let Some(name) = name {
        put.bytes(kind::OPERATION, name.as_bytes());
    }
    match request.operation {
        Operation::Target(method, path) => {
            put.pair(kind::TARGET, method.as_bytes(), path.as_bytes());
        }
        Operation::Name(_) => {
            for (name, value) in request.params {
                put.pair(kind::PARAM, name.as_bytes(), value.as_bytes());
            }
            if let Some(query) = request.query {
                put.bytes(kind::QUERY, query.as_bytes());
            }
        }
    }
    if let Some(milliseconds) = request.deadline_ms {
        put.integer(kind::DEADLINE, u64::from(milliseconds));
    }
    if request.priority != 3 {
        put.bytes(kind::PRIORITY, &[request.priority.min(7)]);
    }
    if let Some(id) = request.call_id {
        put.bytes(kind::CALL_ID, id);
    }
    if request.attempt > 1 {
        put.integer(kind::ATTEMPT, u64::from(request.attempt));
    }
    tlvs
}
