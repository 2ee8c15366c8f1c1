//! A host whose calls echo, and a client.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Response, StatusCode};
use paifang_access::{
    Admission, Call, Client, Delivery, Denied, Drain, Encoding, Form, Host, Limits, Server, Target,
    Tokens, User,
};
use paifang_mmtp::{
    code::CloseCode,
    greeting::{Auth, Closing, DeviceKey, DeviceKeyKind, Hello, Welcome, proof_text},
    session::{Config, Event, Millis, Session},
};
use paifang_pipeline::{BodySize, Frame, Front, FrontError, Inbound};
use parking_lot::Mutex;
use ring::{
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    sync::{Notify, watch},
    time::Instant,
};

/// Answers calls by what they are for.
#[derive(Default)]
pub(crate) struct Echo {
    pub(crate) limits: Arc<Limits>,
    pub(crate) calls: Mutex<Vec<String>>,
    pub(crate) messages: Mutex<Vec<Vec<u8>>>,
    pub(crate) aborted: AtomicBool,
    /// What `wait` waits for.
    pub(crate) go: Notify,
    pub(crate) refuse: Option<Closing>,
    pub(crate) tokens: Option<Arc<Tokens>>,
    /// Whether the handshake of connections is over; it is without.
    pub(crate) confirmed: Option<watch::Receiver<bool>>,
    pub(crate) encoding: Option<Arc<Encoding>>,
}

impl Host for Echo {
    type Transport = &'static str;

    fn limits(&self, _: &Self::Transport) -> Arc<Limits> {
        self.limits.clone()
    }

    async fn admit(&self, _: &&'static str, _: &Hello) -> Result<Admission, Box<Closing>> {
        match &self.refuse {
            Some(closing) => Err(Box::new(closing.clone())),
            None => {
                let encoding = self.encoding.clone();
                Ok(Admission { encoding, ..Admission::default() })
            }
        }
    }

    async fn authenticate(
        &self,
        _: &Arc<Client<&'static str>>,
        auth: &Auth,
    ) -> Result<Option<User>, Denied> {
        match &*auth.credential {
            b"bad" => Err(Denied::new(401, 2010, "no")),
            b"never" => std::future::pending().await,
            other => Ok(Some(User { id: String::from_utf8_lossy(other).into(), zone: None })),
        }
    }

    async fn serve<F: Front>(&self, call: Call<&'static str>, front: &mut F) {
        let name = match &call.target {
            Target::Operation { name, params, query } => format!("{name} {params:?} {query:?}"),
            Target::Path { method, path } => format!("{method} {path}"),
        };
        let user = call.user.as_ref().map_or("nobody".into(), |user| user.id.to_string());
        self.calls.lock().push(format!("{name} by {user} {:?}", call.headers));
        let mut head = Response::new(()).into_parts().0;
        match name.split(' ').next().unwrap() {
            "panic" => panic!("as asked"),
            "wait" => {
                tokio::select! {
                    () = self.go.notified() => {}
                    () = front.closed() => {
                        self.aborted.store(true, Ordering::SeqCst);
                        return;
                    }
                }
            }
            // It does not look whether anybody wants it any more.
            "stubborn" => self.go.notified().await,
            "empty" => {
                head.status = StatusCode::NO_CONTENT;
                front.send_head(head, BodySize::Empty).await.unwrap();
                return;
            }
            // The whole body is needed before there is an answer.
            "whole" => {
                let mut length = 0;
                while !front.body_ended() {
                    match front.recv().await {
                        Ok(Inbound::Frame(frame)) => length += frame.data.len(),
                        Ok(Inbound::Gone) => return,
                        Err(error) => {
                            let late = matches!(error, FrontError::Stalled);
                            head.status =
                                StatusCode::from_u16(if late { 408 } else { 400 }).unwrap();
                            front.send_head(head, BodySize::Empty).await.unwrap();
                            return;
                        }
                    }
                }
                let size = BodySize::Unknown;
                front.send_head(head, size).await.unwrap();
                front.send(Frame::last(length.to_string().into())).await.unwrap();
                return;
            }
            // The body back, of a length that nobody knows: at once, or the second half when all may go on.
            "open" | "drips" => {
                let mut body = BytesMut::new();
                while !front.body_ended() {
                    let Ok(Inbound::Frame(frame)) = front.recv().await else { return };
                    body.extend_from_slice(&frame.data);
                }
                front.send_head(head, BodySize::Unknown).await.unwrap();
                let rest = body.split_off(body.len() / 2);
                front.send(Frame::data(body.freeze())).await.unwrap();
                if name.starts_with("drips") {
                    self.go.notified().await;
                }
                front.send(Frame::data(rest.freeze())).await.unwrap();
                front.send(Frame::last(Bytes::new())).await.unwrap();
                return;
            }
            // An answer larger than any window.
            "large" => {
                front.send_head(head, BodySize::Unknown).await.unwrap();
                let frame = || Frame::data(vec![0; 10_000].into());
                while front.send(frame()).await.is_ok() {}
                self.aborted.store(true, Ordering::SeqCst);
                return;
            }
            // A length that is known, and half of it; the other half when all may go on.
            "halves" => {
                let half: String =
                    (0..3750).map(|index| format!("{:08x}", index * index)).collect();
                let frame = |end| Frame { data: half.clone().into(), end, trailers: None };
                front.send_head(head, BodySize::Exact(60_000)).await.unwrap();
                front.send(frame(false)).await.unwrap();
                self.go.notified().await;
                front.send(frame(true)).await.unwrap();
                return;
            }
            // The body back, of a length that is known.
            "exact" | "secret" => {
                let mut body = BytesMut::new();
                while !front.body_ended() {
                    let Ok(Inbound::Frame(frame)) = front.recv().await else { return };
                    body.extend_from_slice(&frame.data);
                }
                if name.starts_with("secret") {
                    front.keep_length_secret();
                }
                let size = BodySize::Exact(body.len() as u64);
                front.send_head(head, size).await.unwrap();
                let (first, rest) = body.split_at(body.len() / 2);
                let frame =
                    |part: &[u8], end| Frame { data: part.to_vec().into(), end, trailers: None };
                front.send(frame(first, false)).await.unwrap();
                front.send(frame(rest, true)).await.unwrap();
                return;
            }
            _ => {}
        }
        head.headers.insert("x-call", HeaderValue::try_from(call.id.to_string()).unwrap());
        head.headers.insert("date", HeaderValue::from_static("never sent"));
        if let Some(kind) = call.headers.get("content-type") {
            head.headers.insert("content-type", kind.clone());
        }
        if front.send_head(head, BodySize::Unknown).await.is_err() {
            return;
        }
        while !front.body_ended() {
            match front.recv().await {
                Ok(Inbound::Frame(frame)) => {
                    if front.send(Frame { end: false, ..frame }).await.is_err() {
                        return;
                    }
                }
                _ => return,
            }
        }
        let _ = front.send(Frame::last("!".into())).await;
    }

    async fn confirmed(&self, _: &&'static str) -> bool {
        match self.confirmed.clone() {
            Some(mut confirmed) => confirmed.wait_for(|over| *over).await.is_ok(),
            None => true,
        }
    }

    fn server_name<'a>(&self, _: &'a &'static str) -> Option<&'a str> {
        Some("a.example")
    }

    fn tokens(&self, _: &&'static str) -> Option<Arc<Tokens>> {
        self.tokens.clone()
    }

    async fn deliver(&self, _: &Arc<Client<&'static str>>, delivery: Delivery) -> bool {
        let data = delivery.message.data.to_vec();
        let good = data != b"bad";
        self.messages.lock().push(data);
        good
    }
}

/// A server with the end of its drain.
pub(crate) struct Running {
    pub(crate) host: Arc<Echo>,
    pub(crate) server: Arc<Server<Echo>>,
    pub(crate) drain: watch::Sender<Drain>,
}

impl Running {
    pub(crate) fn new(host: Echo) -> Self {
        let host = Arc::new(host);
        let server = Arc::new(Server::new(host.clone()));
        Self { host, server, drain: watch::channel(Drain::Running).0 }
    }

    /// A connection whose pipe holds so many bytes.
    pub(crate) fn connect(&self, pipe: usize, hello: &Hello) -> Peer {
        self.connect_as(Form::Long, pipe, hello)
    }

    pub(crate) fn connect_as(&self, form: Form, pipe: usize, hello: &Hello) -> Peer {
        let (ours, theirs) = duplex(pipe);
        let (server, drain) = (self.server.clone(), self.drain.subscribe());
        tokio::spawn(
            async move { server.serve_as(form, theirs, "test", Drain::spreads(drain)).await },
        );
        Peer::new(ours, hello)
    }

    /// A conversation of the short form.
    pub(crate) fn converse(&self, hello: &Hello) -> Peer {
        let (ours, theirs) = duplex(64 * 1024);
        let server = self.server.clone();
        tokio::spawn(async move { server.converse(theirs, "test").await });
        Peer::new(ours, hello)
    }

    /// A greeted one.
    pub(crate) async fn greeted(&self) -> Peer {
        let mut peer = self.connect(64 * 1024, &hello(1));
        assert!(matches!(peer.event().await, Event::Welcome(_)));
        peer
    }
}

pub(crate) fn hello(device: u8) -> Hello {
    Hello { app: "a".into(), device: [device].into(), nonce: [7; 16], ..Hello::default() }
}

/// A user's credential.
pub(crate) fn auth(credential: &str) -> Option<Auth> {
    Some(Auth { scheme: "Bearer".into(), credential: credential.as_bytes().into() })
}

/// A device's key.
pub(crate) struct Key(Ed25519KeyPair);

impl Key {
    pub(crate) fn new() -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self(Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap())
    }

    /// A HELLO that shows the key, proves it, and has this token.
    pub(crate) fn prove(&self, hello: Hello, resume: Option<&[u8]>) -> Hello {
        let shown = resume.unwrap_or_default();
        let text = proof_text("a.example", &hello.device, &hello.nonce, shown);
        let key = self.0.public_key().as_ref().into();
        Hello {
            device_key: Some(DeviceKey { kind: DeviceKeyKind::Ed25519, key }),
            proof: Some(self.0.sign(&text).as_ref().into()),
            resume: resume.map(Into::into),
            ..hello
        }
    }
}

/// A client: the session machine and its end of the pipe.
pub(crate) struct Peer {
    pub(crate) session: Session,
    pub(crate) stream: DuplexStream,
    began: Instant,
    events: VecDeque<Event>,
}

impl Peer {
    pub(crate) fn new(stream: DuplexStream, hello: &Hello) -> Self {
        let session = Session::client(Config::default(), hello, Millis(0));
        Self { session, stream, began: Instant::now(), events: VecDeque::new() }
    }

    pub(crate) fn now(&self) -> Millis {
        Millis(self.began.elapsed().as_millis() as u64)
    }

    pub(crate) async fn flush(&mut self) {
        self.session.advance(self.now());
        let mut out = BytesMut::new();
        while self.session.poll_transmit(&mut out, 16_384) {}
        let _ = self.stream.write_all(&out).await;
    }

    /// The next event, or `None` when nothing comes for so long.
    pub(crate) async fn event_within(&mut self, most: Duration) -> Option<Event> {
        let until = Instant::now() + most;
        loop {
            self.flush().await;
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            let mut bytes = [0; 8192];
            let read = tokio::time::timeout_at(until, self.stream.read(&mut bytes)).await.ok()?;
            let now = self.now();
            match read {
                // The end was an event before.
                Ok(0) | Err(_) if self.session.is_closed() => return None,
                Ok(0) | Err(_) => self.session.lost(),
                Ok(read) => self.session.receive(&bytes[..read], now),
            }
            while let Some(event) = self.session.poll_event() {
                self.events.push_back(event);
            }
        }
    }

    #[track_caller]
    pub(crate) fn event(&mut self) -> impl Future<Output = Event> {
        let place = std::panic::Location::caller();
        async move {
            match self.event_within(Duration::from_secs(1000)).await {
                Some(event) => event,
                None => panic!("nothing came at {place}"),
            }
        }
    }

    pub(crate) async fn welcome(&mut self) -> Welcome {
        match self.event().await {
            Event::Welcome(welcome) => *welcome,
            other => panic!("{other:?}"),
        }
    }

    /// Whether the server asks it to go, within a second.
    pub(crate) async fn is_told_to_go(&mut self) -> bool {
        match self.event_within(Duration::from_secs(1)).await {
            None => false,
            Some(Event::Goaway(closing)) => {
                assert_eq!(closing.code, CloseCode::REPLACED);
                true
            }
            Some(other) => panic!("{other:?}"),
        }
    }

    /// The whole answer that comes next: status and body.
    pub(crate) async fn answer(&mut self) -> (u16, Vec<u8>) {
        let mut body = Vec::new();
        let Event::Response(answer) = self.event().await else { panic!("no answer") };
        body.extend_from_slice(&answer.data);
        let (mut end, status) = (answer.end, answer.status);
        self.session.consumed(1, answer.cost);
        while !end {
            match self.event().await {
                Event::Data { data, end: last, cost, .. } => {
                    body.extend_from_slice(&data);
                    self.session.consumed(1, cost);
                    end = last;
                }
                Event::Drained(_) => {}
                other => panic!("{other:?}"),
            }
        }
        (status, body)
    }
}
