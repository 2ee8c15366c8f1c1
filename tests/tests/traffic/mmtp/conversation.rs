//! A whole conversation as bytes: what a client sends before it hears anything, and what it makes of the answer.

use bytes::BytesMut;
use paifang_mmtp::{
    greeting::Hello,
    session::{ClosedBy, Config, Event, Millis, NewRequest, Operation, Session},
};
use paifang_tests::harness::mmtp_hello;

/// Where both forms within HTTP are spoken.
pub(super) const PATH: &str = "/.well-known/mmtp";

/// A client that sends these calls at once.
pub(super) struct Conversation {
    pub(super) session: Session,
    /// What it sends.
    pub(super) bytes: Vec<u8>,
}

/// What a server has said in all.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) welcomed: bool,
    /// Status and body of each answer, in the order of their calls.
    pub(super) answers: Vec<(u16, String)>,
    /// Calls that were broken off.
    pub(super) cancelled: Vec<u32>,
    /// The code of its CLOSE.
    pub(super) closed: Option<u32>,
}

impl Conversation {
    /// HELLO of a device, and calls of these operations with these bodies.
    pub(super) fn new(device: u8, calls: &[(&str, &str)]) -> Self {
        Self::of(&mmtp_hello(device), calls)
    }

    pub(super) fn of(hello: &Hello, calls: &[(&str, &str)]) -> Self {
        let mut session = Session::client(Config::default(), hello, Millis(0));
        for (name, body) in calls {
            let body = body.to_string().into();
            session.request(NewRequest::new(Operation::Name(name), body)).unwrap();
        }
        let mut bytes = BytesMut::new();
        while session.poll_transmit(&mut bytes, 16_384) {}
        Self { session, bytes: bytes.to_vec() }
    }

    /// Hears all that a server has to say.
    pub(super) fn hear(mut self, bytes: &[u8]) -> Said {
        self.session.receive(bytes, Millis(0));
        let mut said = Said::default();
        let mut answers = Vec::<(u32, u16, Vec<u8>)>::new();
        while let Some(event) = self.session.poll_event() {
            match event {
                Event::Welcome(_) => said.welcomed = true,
                Event::Response(answer) => {
                    answers.push((answer.key.sequence, answer.status, answer.data.to_vec()));
                }
                Event::Data { key, data, .. } => {
                    let own = answers.iter_mut().find(|own| own.0 == key.sequence).unwrap();
                    own.2.extend_from_slice(&data);
                }
                Event::Cancelled { key, .. } => said.cancelled.push(key.sequence),
                Event::Closed(closed) => {
                    assert_eq!(closed.by, ClosedBy::Peer, "{closed:?}");
                    said.closed = Some(closed.closing.code.0);
                }
                other => panic!("{other:?}"),
            }
        }
        answers.sort_unstable();
        let text = |body| String::from_utf8(body).unwrap();
        said.answers = answers.into_iter().map(|(_, status, body)| (status, text(body))).collect();
        said
    }
}
