//! A client and a server that are joined by two pipes of bytes with a latency, on a clock that the test moves.

use std::collections::VecDeque;

use bytes::BytesMut;

use crate::{
    greeting::{Hello, Welcome},
    session::{Config, Event, Millis, Session},
};

/// One way of a connection: bytes that arrive at a time.
#[derive(Debug, Default)]
struct Pipe(VecDeque<(Millis, Vec<u8>)>);

pub(super) struct Pair {
    pub(super) client: Session,
    pub(super) server: Session,
    pub(super) now: Millis,
    /// Milliseconds of one way.
    pub(super) latency: u64,
    /// The most bytes of one read; 1 delivers byte by byte.
    pub(super) read: usize,
    /// Bytes that are put into one write.
    pub(super) room: usize,
    /// Nothing arrives any more, and nobody is told.
    pub(super) dead: bool,
    up: Pipe,
    down: Pipe,
    /// Events that the test has not taken.
    pub(super) at_client: VecDeque<Event>,
    pub(super) at_server: VecDeque<Event>,
    /// The server accepts HELLO by itself.
    pub(super) accepts: bool,
}

pub(super) fn hello() -> Hello {
    Hello { app: "a".into(), device: [1].into(), nonce: [7; 16], ..Hello::default() }
}

impl Pair {
    pub(super) fn new() -> Self {
        Self::with(Config::default(), Config::default(), &hello())
    }

    pub(super) fn with(client: Config, server: Config, hello: &Hello) -> Self {
        Self {
            client: Session::client(client, hello, Millis(0)),
            server: Session::server(server, Millis(0)),
            now: Millis(0),
            latency: 20,
            read: usize::MAX,
            room: 16_384,
            dead: false,
            up: Pipe::default(),
            down: Pipe::default(),
            at_client: VecDeque::new(),
            at_server: VecDeque::new(),
            accepts: true,
        }
    }

    /// Both sides are greeted.
    pub(super) fn greeted() -> Self {
        let mut pair = Self::new();
        pair.settle();
        assert!(matches!(pair.client_event(), Event::Welcome(_)));
        pair
    }

    /// Moves bytes that are due and takes events, at this moment.
    fn step(&mut self) -> bool {
        let mut moved = false;
        for up in [true, false] {
            let (from, to, pipe) = match up {
                true => (&mut self.client, &mut self.server, &mut self.up),
                false => (&mut self.server, &mut self.client, &mut self.down),
            };
            let mut out = BytesMut::new();
            while from.poll_transmit(&mut out, self.room) {}
            if !out.is_empty() {
                moved = true;
                pipe.0.push_back((self.now.plus(self.latency), out.to_vec()));
            }
            while pipe.0.front().is_some_and(|(at, _)| *at <= self.now) {
                let Some((_, bytes)) = pipe.0.pop_front() else { break };
                moved = true;
                if !self.dead {
                    bytes
                        .chunks(self.read.min(bytes.len()))
                        .for_each(|some| to.receive(some, self.now));
                }
            }
        }
        while let Some(event) = self.client.poll_event() {
            self.at_client.push_back(event);
        }
        while let Some(event) = self.server.poll_event() {
            moved = true;
            match event {
                Event::Hello(hello) if self.accepts => {
                    self.server.accept(Welcome::default(), hello.epoch)
                }
                event => self.at_server.push_back(event),
            }
        }
        moved
    }

    /// Lets `milliseconds` pass.
    pub(super) fn run(&mut self, milliseconds: u64) {
        let until = self.now.plus(milliseconds);
        loop {
            while self.step() {}
            let due = [&self.up, &self.down].map(|pipe| pipe.0.front().map(|(at, _)| *at));
            let timers = [self.client.timeout(), self.server.timeout()];
            let next = due.into_iter().chain(timers).flatten().min();
            match next {
                Some(at) if at <= until => {
                    self.now = self.now.max(at);
                    self.client.handle_timeout(self.now);
                    self.server.handle_timeout(self.now);
                }
                _ => break,
            }
        }
        self.now = until;
    }

    /// Lets everything arrive that is on its way, and what follows from it at once.
    pub(super) fn settle(&mut self) {
        self.run(10 * self.latency);
    }

    #[track_caller]
    pub(super) fn client_event(&mut self) -> Event {
        self.at_client.pop_front().expect("the client has seen nothing")
    }

    #[track_caller]
    pub(super) fn server_event(&mut self) -> Event {
        self.at_server.pop_front().expect("the server has seen nothing")
    }
}
