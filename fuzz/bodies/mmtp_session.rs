//! One side of MMTP and a peer that sends whatever it likes: it ends the connection or goes on, and keeps no more than it may.

use bytes::{Bytes, BytesMut};
use paifang_mmtp::{
    code::{CancelCode, CloseCode},
    frame::{Frame, MAX_FRAME, Split, split},
    greeting::{Closing, Hello, UserResult, Welcome},
    session::{
        Config, Event, Key, Millis, NewMessage, NewRequest, NewResponse, Operation, Session,
    },
};

/// The side under test with what its driver knows.
struct Side {
    session: Session,
    now: Millis,
    keys: Vec<Key>,
    /// Bytes of data that were handed out and are not given back.
    held: usize,
    owed: Vec<(u8, u32)>,
    closed: bool,
    /// Answers to a HELLO or LOGIN at once.
    decides: bool,
}

/// The first byte says which side, how it is cut and what its driver is like. Then operations: a byte each, which says how many
/// bytes of the peer follow, or what the driver does.
pub fn run(data: &[u8]) {
    let [how, rest @ ..] = data else { return };
    let hello = Hello { app: "a".into(), device: [1].into(), nonce: [7; 16], ..Hello::default() };
    let session = match how & 1 {
        0 => Session::server(Config::default(), Millis(0)),
        _ => Session::client(Config::default(), &hello, Millis(0)),
    };
    let mut side = Side {
        session,
        now: Millis(0),
        keys: Vec::new(),
        held: 0,
        owed: Vec::new(),
        closed: false,
        decides: how & 2 == 0,
    };
    if how & 4 == 0 {
        side.greet(how & 1 == 0, &hello);
    }
    let piece = if how & 8 == 0 { usize::MAX } else { 1 };
    let mut rest = rest;
    while let [operation, behind @ ..] = rest {
        rest = behind;
        match operation {
            0..=0xdf => {
                let length = usize::from(*operation).min(rest.len());
                let (bytes, behind) = rest.split_at(length);
                bytes.chunks(piece).for_each(|some| side.session.receive(some, side.now));
                rest = behind;
            }
            _ => side.act(*operation),
        }
        side.drive();
    }
    side.session.lost();
    side.drive();
    assert!(side.closed && side.session.is_closed());
}

impl Side {
    /// The peer's greeting, so that more than the greeting is tried.
    fn greet(&mut self, server: bool, hello: &Hello) {
        let mut bytes = BytesMut::new();
        match server {
            true => Hello { versions: (1, 1), ..hello.clone() }.encode(&mut bytes),
            false => Welcome { version: 1, ..Welcome::default() }.encode(&mut bytes),
        }
        self.session.receive(&bytes, self.now);
        self.drive();
    }

    /// What a driver does of its own.
    fn act(&mut self, operation: u8) {
        let key = self.keys.last().copied().unwrap_or(Key { channel: 1, sequence: 1 });
        let data = Bytes::from(vec![b'd'; usize::from(operation) * 30]);
        match operation {
            0xe0..=0xe3 => {
                let new = NewRequest {
                    end: operation & 1 == 0,
                    ..NewRequest::new(Operation::Name("o"), data)
                };
                self.keys.extend(self.session.request(new));
            }
            0xe4..=0xe7 => {
                let end = operation & 1 == 0;
                self.session.respond(
                    key,
                    NewResponse { status: 200, tlvs: Bytes::new(), zstd: false, data, end },
                );
            }
            0xe8 => {
                self.session.send(key, data, false, Bytes::new());
            }
            0xe9 => {
                self.session.send(key, data, true, Bytes::new());
            }
            0xea => self.session.cancel(key, CancelCode::UNWANTED),
            0xeb => {
                let channel = if self.keys.len().is_multiple_of(2) { 3 } else { 2 };
                self.session
                    .message(channel, NewMessage { delivery: true, data, ..NewMessage::default() });
            }
            0xec => self.session.acknowledge(key),
            0xed => {
                self.session.login(None);
            }
            0xee => self.session.user(&UserResult::default()),
            0xef => self.session.discard(key),
            0xf0 => self.session.goaway(Closing::new(CloseCode::DRAINING)),
            0xf1 => {
                self.keys.pop();
            }
            0xf2 => {
                for (channel, cost) in self.owed.drain(..) {
                    self.session.consumed(channel, cost);
                }
                self.held = 0;
            }
            0xf3 => self.session.consumed(key.channel, u32::MAX),
            other => {
                let wait = [1, 1_500, 60_000, 3_600_000][usize::from(other % 4)];
                self.now = self.now.plus(wait);
                self.session.handle_timeout(self.now);
            }
        }
    }

    /// Takes events and bytes, and holds what must be true of any side.
    fn drive(&mut self) {
        while let Some(event) = self.session.poll_event() {
            assert!(!self.closed, "behind the end: {event:?}");
            let cost = match event {
                Event::Closed(_) => {
                    self.closed = true;
                    continue;
                }
                Event::Hello(hello) if self.decides => {
                    self.session.accept(Welcome::default(), hello.epoch);
                    continue;
                }
                Event::Login(change) if self.decides => {
                    self.session.user(&UserResult { epoch: change.epoch, ..UserResult::default() });
                    continue;
                }
                Event::Request(request) => {
                    self.keys.push(request.key);
                    // What a driver asks of it makes no panic.
                    let _ = (request.target(), request.query(), request.call_id(&[0; 16]));
                    request
                        .fields()
                        .chain(paifang_mmtp::session::fields(request.tlvs()))
                        .for_each(drop);
                    request.params().for_each(drop);
                    (request.key.channel, request.cost, request.data.len() + request.tlvs.len())
                }
                Event::Response(response) => {
                    (response.key.channel, response.cost, response.data.len() + response.tlvs.len())
                }
                Event::Data { key, cost, data, tlvs, .. } => {
                    (key.channel, cost, data.len() + tlvs.len())
                }
                Event::Message(message) => (message.key.channel, message.cost, 0),
                _ => continue,
            };
            self.owed.push((cost.0, cost.1));
            self.held += cost.2;
        }
        // A peer cannot make it hold more than the credit that it has.
        assert!(self.held <= 65_536, "{} bytes are held", self.held);
        assert!(self.session.calls_in_flight() <= 2 * 64);
        let mut out = BytesMut::new();
        while self.session.poll_transmit(&mut out, 4096) {}
        assert!(!self.session.wants_write());
        let mut rest = &out[..];
        let mut last = None;
        while !rest.is_empty() {
            let Ok(Split::Frame(frame, length)) = split(rest, MAX_FRAME) else {
                panic!("it wrote no frame")
            };
            assert!(
                last.is_none_or(|last| !matches!(last, Frame::Close { .. })),
                "frames behind CLOSE"
            );
            last = Some(frame);
            rest = &rest[length..];
        }
        assert_eq!(self.closed, self.session.is_closed());
        assert!(self.session.timeout().is_some() || self.closed || !self.decides);
    }
}
