//! A client and a server of MMTP, joined by a connection that the input plays with, and drivers that hold each event against the model.

use std::collections::{BTreeMap, VecDeque};

use bytes::{Bytes, BytesMut};
use paifang_mmtp::{
    code::{CancelCode, CloseCode},
    frame::{MAX_FRAME, Split, split},
    greeting::{Hello, UserResult, Welcome},
    session::{Called, Config, Event, Key, Millis, Session},
};

use crate::mmtp_model::{Call, Messages};

/// One way of the connection: bytes in the order in which they arrive.
#[derive(Default)]
struct Pipe(VecDeque<(Millis, Vec<u8>)>);

/// One side and its driver.
pub struct Side {
    pub session: Session,
    /// Credit that the driver has not given back.
    owed: Vec<(u8, u32)>,
    /// Deliveries that it has not acknowledged.
    unacked: Vec<Key>,
    pub closed: Option<CloseCode>,
}

pub struct World {
    pub client: Side,
    pub server: Side,
    pub now: Millis,
    /// Milliseconds of one way, bytes of a read and of a write.
    pub latency: u64,
    pub read: usize,
    pub room: usize,
    /// Whether drivers wait to be told before they give credit back, acknowledge, and decide.
    pub lazy: bool,
    /// Nothing arrives any more.
    pub dead: bool,
    /// Why the connection may end though both sides are good.
    pub excused: bool,
    up: Pipe,
    down: Pipe,
    pub calls: BTreeMap<Key, Call>,
    /// Of the client, of the server.
    pub sent: [Messages; 2],
    /// The client's last user epoch; the server's; those that the server has not decided; those that the client awaits.
    pub epoch: u32,
    server_epoch: u32,
    undecided: VecDeque<u32>,
    pub awaited: VecDeque<u32>,
    hello: Option<u32>,
    pub welcomed: bool,
    pub going: bool,
}

impl World {
    pub fn new(client: Config, server: Config) -> Self {
        let hello =
            Hello { app: "a".into(), device: [1].into(), nonce: [7; 16], ..Hello::default() };
        let side = |session| Side { session, owed: Vec::new(), unacked: Vec::new(), closed: None };
        Self {
            client: side(Session::client(client, &hello, Millis(0))),
            server: side(Session::server(server, Millis(0))),
            now: Millis(0),
            latency: 20,
            read: usize::MAX,
            room: 16_384,
            lazy: false,
            dead: false,
            excused: false,
            up: Pipe::default(),
            down: Pipe::default(),
            calls: BTreeMap::new(),
            sent: [Messages::default(), Messages::default()],
            epoch: 0,
            server_epoch: 0,
            undecided: VecDeque::new(),
            awaited: VecDeque::new(),
            hello: None,
            welcomed: false,
            going: false,
        }
    }

    pub fn is_over(&self) -> bool {
        self.client.closed.is_some() && self.server.closed.is_some()
    }

    /// Lets time pass, with everything that happens in it.
    pub fn run(&mut self, milliseconds: u64) {
        let until = self.now.plus(milliseconds);
        loop {
            while self.step() {}
            let due = [&self.up, &self.down].map(|pipe| pipe.0.front().map(|(at, _)| *at));
            let timers = [self.client.session.timeout(), self.server.session.timeout()];
            match due.into_iter().chain(timers).flatten().min() {
                Some(at) if at <= until => self.tick(self.now.max(at)),
                _ => break,
            }
        }
        self.tick(until);
        while self.step() {}
    }

    /// The clock moves: what has come is read, then timers see it.
    fn tick(&mut self, now: Millis) {
        self.now = now;
        while self.step() {}
        for side in [&mut self.client, &mut self.server] {
            // A first and a second PING may be due at once, then it must wait.
            (0..3).for_each(|_| side.session.handle_timeout(now));
            let next = side.session.timeout();
            assert!(next.is_none_or(|next| next > now), "a timer that is due at once: {next:?}");
        }
    }

    /// The clock of the whole machine jumps: timers come late.
    pub fn jump(&mut self, milliseconds: u64) {
        // Before it is greeted a side does not wait for long.
        self.excused |= !self.welcomed;
        let now = self.now.plus(milliseconds);
        self.tick(now);
    }

    /// Moves what is due now; says whether anything moved.
    fn step(&mut self) -> bool {
        let mut moved = false;
        for up in [true, false] {
            let (from, to, pipe) = match up {
                true => (&mut self.client, &mut self.server, &mut self.up),
                false => (&mut self.server, &mut self.client, &mut self.down),
            };
            let mut out = BytesMut::new();
            loop {
                let wants = from.session.wants_write();
                let wrote = from.session.poll_transmit(&mut out, self.room);
                assert_eq!(wants, wrote, "wants_write");
                if !wrote {
                    break;
                }
            }
            if !out.is_empty() {
                moved = true;
                whole_frames(&out);
                let soonest = self.now.plus(self.latency);
                let last = pipe.0.back().map_or(soonest, |(at, _)| *at);
                pipe.0.push_back((soonest.max(last), out.to_vec()));
            }
            while pipe.0.front().is_some_and(|(at, _)| *at <= self.now) {
                let Some((_, bytes)) = pipe.0.pop_front() else { break };
                moved = true;
                if !self.dead {
                    bytes.chunks(self.read).for_each(|some| to.session.receive(some, self.now));
                }
            }
        }
        while let Some(event) = self.client.session.poll_event() {
            moved = true;
            self.at_client(event);
        }
        while let Some(event) = self.server.session.poll_event() {
            moved = true;
            self.at_server(event);
        }
        if !self.lazy {
            moved |= self.catch_up();
        }
        moved
    }

    /// Drivers do what they owe: credit, acknowledgements, decisions. Says whether there was anything.
    pub fn catch_up(&mut self) -> bool {
        let mut did = false;
        for side in [&mut self.client, &mut self.server] {
            for (channel, cost) in side.owed.drain(..) {
                side.session.consumed(channel, cost);
                did = true;
            }
            for key in side.unacked.drain(..) {
                side.session.acknowledge(key);
                did = true;
            }
        }
        if let Some(epoch) = self.hello.take() {
            self.server.session.accept(Welcome::default(), epoch);
            did = true;
        }
        if let Some(epoch) = self.undecided.pop_front() {
            let status = if epoch.is_multiple_of(3) { 401 } else { 0 };
            self.server.session.user(&UserResult { epoch, status, ..UserResult::default() });
            did = true;
        }
        did
    }

    fn at_client(&mut self, event: Event) {
        assert!(self.client.closed.is_none(), "behind the end: {event:?}");
        match event {
            Event::Response(response) => {
                let key = response.key;
                self.client.owed.push((key.channel, response.cost));
                let call = self.open_at_client(key);
                assert!(
                    call.answered && !call.answer_seen,
                    "{key:?}: an answer that was not given"
                );
                call.answer_seen = true;
                assert_eq!(response.status, status(key));
                call.response.receive(key, false, &response.data, response.end);
            }
            Event::Data { key, data, end, tlvs, cost } => {
                self.client.owed.push((key.channel, cost));
                let call = self.open_at_client(key);
                assert_eq!(!tlvs.is_empty(), end && call.trailers, "{key:?}: trailers");
                call.response.receive(key, false, &data, end);
            }
            Event::Cancelled { key, code } => {
                let call = self.open_at_client(key);
                let unseen = code == CancelCode::NOT_LOOKED_AT && !call.seen;
                assert!(call.over_at_server || unseen, "{key:?}");
                call.over_at_client = true;
            }
            Event::Message(message) => {
                self.client.owed.push((message.key.channel, message.cost));
                let (key, delivery) = (message.key, message.delivery);
                self.sent[1].receive(key, false, delivery, &message.data);
                if delivery {
                    self.client.unacked.push(key);
                }
            }
            Event::Acked(key) => self.sent[0].acked(key),
            Event::User(result) => assert_eq!(self.awaited.pop_front(), Some(result.epoch)),
            Event::Closed(closed) => self.client.closed = Some(closed.closing.code),
            Event::Welcome(_) => self.welcomed = true,
            Event::Drained(_) | Event::Update(_) | Event::Suspect => {}
            Event::Goaway(_) => self.going = true,
            other => panic!("no event of a client: {other:?}"),
        }
    }

    fn at_server(&mut self, event: Event) {
        assert!(self.server.closed.is_none(), "behind the end: {event:?}");
        match event {
            Event::Hello(hello) => self.hello = Some(hello.epoch),
            Event::Request(request) => {
                let key = request.key;
                self.server.owed.push((key.channel, request.cost));
                let epoch = self.server_epoch;
                let call = self.calls.get_mut(&key).expect("a call that was made");
                assert!(!call.seen && !call.over_at_server, "{key:?} came twice");
                call.seen = true;
                assert_eq!(call.epoch, epoch, "{key:?} belongs to another user");
                let name = match &request.called {
                    Called::Operation(_, name) => &**name,
                    Called::Target => "",
                };
                assert_eq!(name, call.name, "{key:?}");
                // What is broken off before it began has nothing in it.
                call.request.receive(key, true, &request.data, request.end);
            }
            Event::Data { key, data, end, cost, .. } => {
                self.server.owed.push((key.channel, cost));
                let call = self.calls.get_mut(&key).expect("a call that was made");
                assert!(call.seen && !call.over_at_server, "{key:?}: data of what is over");
                call.request.receive(key, true, &data, end);
            }
            Event::Cancelled { key, .. } => {
                let call = self.calls.get_mut(&key).expect("a call that was made");
                // The client's own doing, or its upload was for nobody.
                assert!(call.over_at_client || call.response.ended, "{key:?}");
                call.over_at_server = true;
            }
            Event::Message(message) => {
                self.server.owed.push((message.key.channel, message.cost));
                let (key, delivery) = (message.key, message.delivery);
                let epoch = self.sent[0].receive(key, true, delivery, &message.data);
                assert_eq!(epoch, self.server_epoch, "{key:?} belongs to another user");
                if delivery {
                    self.server.unacked.push(key);
                }
            }
            Event::Acked(key) => self.sent[1].acked(key),
            Event::Login(change) => {
                assert_eq!(change.epoch, self.server_epoch + 1);
                self.server_epoch = change.epoch;
                self.undecided.push_back(change.epoch);
            }
            Event::Closed(closed) => self.server.closed = Some(closed.closing.code),
            Event::Drained(_) | Event::Update(_) | Event::Suspect => {}
            other => panic!("no event of a server with a good client: {other:?}"),
        }
    }

    /// A call of which the client may still hear.
    fn open_at_client(&mut self, key: Key) -> &mut Call {
        let call = self.calls.get_mut(&key).expect("a call that was made");
        assert!(!call.over_at_client, "{key:?}: an event of what is over");
        call
    }
}

/// The status of a call's answer.
pub fn status(key: Key) -> u16 {
    if key.sequence.is_multiple_of(2) { 200 } else { 404 }
}

/// TLVs that stand for trailers.
pub fn trailers() -> Bytes {
    // FIELD, five bytes: `t` with its length, and a value.
    Bytes::from_static(&[0x15, 5, 1, b't', b'a', b'b', b'c'])
}

/// What a side writes is whole frames, none of which is too large.
fn whole_frames(mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match split(bytes, MAX_FRAME) {
            Ok(Split::Frame(_, length)) => bytes = &bytes[length..],
            other => panic!("a side wrote {other:?}"),
        }
    }
}
