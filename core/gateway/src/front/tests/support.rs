//! A server of one chain and one origin on a loopback socket, and clients for it.

use super::{
    limits,
    streams_raw::{RawFrame, whole_frames},
};
use crate::edge::{ConnInfo, ConnectionHandler, DrainState, EdgeStream, Protocol};
use crate::front::{HttpFront, HttpLimits, Incoming, Service};
use bytes::Bytes;
use http::Response;
use paifang_pipeline::{
    Api, CallLimits, Chain, Engine, ErrorCode, ErrorPages, Exchange, Facts, Frame, Front, Handler,
    LogCall, OnFailure, Origin, OriginEvent, Outcome, Params, RequestHead, RetryPolicy, Served,
    Stages, Step,
    ports::Clock,
    ports::SystemClock,
    stats::{ApiStats, StepStats},
    testkit::{Script, TestOrigin},
};
use parking_lot::Mutex;
use std::{
    future::Future,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

/// A test that waits longer than this has failed.
const SOON: Duration = Duration::from_secs(20);

/// The service panics at a call for this path.
pub(super) const PANIC: &str = "/panic";

pub(super) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, future).await.expect("it takes too long")
}

/// Waits until what other tasks change has come to hold.
pub(super) async fn until(holds: impl Fn() -> bool) {
    soon(async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

/// Serves every call with one chain and one origin, and keeps what it saw.
pub(super) struct TestService<O> {
    engine: Engine,
    clock: Arc<dyn Clock>,
    api: Api,
    pub(super) origin: O,
    limits: Arc<HttpLimits>,
    asked: AtomicUsize,
    pub(super) heads: Mutex<Vec<RequestHead>>,
    pub(super) refused: Mutex<Vec<(&'static str, String)>>,
    pub(super) log: Arc<Mutex<Vec<Outcome>>>,
}

impl<O> TestService<O> {
    /// How often the limits were asked for.
    pub(super) fn asked(&self) -> usize {
        self.asked.load(SeqCst)
    }
}

struct Recorder(Arc<Mutex<Vec<Outcome>>>);

impl Handler for Recorder {
    fn stages(&self) -> Stages {
        Stages::LOG
    }
    fn log(&self, call: &mut LogCall<'_>) {
        self.0.lock().push(call.outcome().clone());
    }
}

impl<O: Origin + 'static> Service for TestService<O> {
    fn limits(&self, _: &ConnInfo) -> Arc<HttpLimits> {
        self.asked.fetch_add(1, SeqCst);
        self.limits.clone()
    }

    async fn serve<F: Front>(&self, incoming: Incoming, front: &mut F) -> Served {
        if incoming.head.uri.path() == PANIC {
            panic!("the test's service panics");
        }
        self.heads.lock().push(incoming.head.clone());
        let facts = Facts::embedded(self.clock.now(), self.clock.unix());
        let mut exchange = Exchange::new(incoming.head, facts, Params::default());
        self.engine.serve(&self.api, &self.origin, &mut exchange, front).await
    }

    fn refuse(&self, _: &ConnInfo, code: &'static ErrorCode, detail: &str) -> Response<Bytes> {
        self.refused.lock().push((code.label, detail.to_owned()));
        let mut response = Response::new(Bytes::from(detail.to_owned()));
        *response.status_mut() = code.status;
        response
    }
}

/// A server, and what it saw.
pub(super) struct Server<O = TestOrigin> {
    pub(super) address: SocketAddr,
    pub(super) service: Arc<TestService<O>>,
    drain: watch::Sender<DrainState>,
    _task: JoinSet<()>,
}

/// What a server is made of.
pub(super) struct Setup<O> {
    pub(super) origin: O,
    pub(super) limits: HttpLimits,
    pub(super) call: CallLimits,
    pub(super) steps: Vec<Arc<dyn Handler>>,
    pub(super) protocol: Protocol,
}

impl<O: Origin + 'static> Setup<O> {
    pub(super) fn new(origin: O) -> Self {
        let call = CallLimits::default();
        Self { origin, limits: limits(), call, steps: Vec::new(), protocol: Protocol::Http1 }
    }

    pub(super) fn limits(mut self, change: impl FnOnce(&mut HttpLimits)) -> Self {
        change(&mut self.limits);
        self
    }

    pub(super) fn step(mut self, handler: impl Handler) -> Self {
        self.steps.push(Arc::new(handler));
        self
    }

    pub(super) fn http2(mut self) -> Self {
        self.protocol = Protocol::Http2;
        self
    }

    pub(super) async fn start(self) -> Server<O> {
        let log = Arc::default();
        let recorder: Arc<dyn Handler> = Arc::new(Recorder(Arc::clone(&log)));
        let steps = std::iter::once(recorder).chain(self.steps).enumerate();
        let steps = steps.map(|(index, handler)| Step {
            id: format!("step-{index}").into(),
            kind: "test".into(),
            handler,
            when: None,
            on_failure: OnFailure::Closed,
            stats: Arc::new(StepStats::default()),
            states: Vec::new(),
            routes: Vec::new(),
        });
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let service = Arc::new(TestService {
            engine: Engine::new(clock.clone()),
            clock,
            api: Api {
                id: "test".into(),
                chain: Chain::new(steps.collect()).unwrap(),
                limits: self.call,
                retry: RetryPolicy { attempts: 1, ..RetryPolicy::default() },
                upstream: None,
                stats: Arc::new(ApiStats::default()),
                error_pages: Arc::new(ErrorPages::default()),
            },
            origin: self.origin,
            limits: Arc::new(self.limits),
            asked: AtomicUsize::new(0),
            heads: Mutex::default(),
            refused: Mutex::default(),
            log,
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (drain, draining) = watch::channel(DrainState::Running);
        let front = Arc::new(HttpFront::new(Arc::clone(&service)));
        let protocol = self.protocol;
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((tcp, peer)) = listener.accept().await {
                tcp.set_nodelay(true).unwrap();
                let mut info = ConnInfo::new(1, "test".into(), peer, address);
                info.protocol = protocol;
                let (front, draining) = (Arc::clone(&front), draining.clone());
                let stream = Box::new(EdgeStream::plain(tcp, Bytes::new()));
                connections.spawn(async move {
                    front.serve(stream, Arc::new(info), draining).await;
                });
            }
        });
        Server { address, service, drain, _task: task }
    }
}

impl<O: Origin + 'static> Server<O> {
    pub(super) async fn connect(&self) -> Client {
        let tcp = soon(TcpStream::connect(self.address)).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        Client { tcp, read: Vec::new() }
    }

    pub(super) fn begin_drain(&self) {
        let until = tokio::time::Instant::now() + SOON;
        self.drain.send(DrainState::Draining { until }).unwrap();
    }

    pub(super) fn calls(&self) -> usize {
        self.service.heads.lock().len()
    }

    /// How call number `index` ended, once it has.
    pub(super) async fn outcome(&self, index: usize) -> Outcome {
        until(|| self.service.log.lock().len() > index).await;
        self.service.log.lock()[index].clone()
    }
}

/// So many answers of 200 with this body.
pub(super) fn answers(count: usize, body: &'static str) -> TestOrigin {
    TestOrigin::scripted((0..count).map(|_| {
        Script::AfterBody(vec![
            Ok(OriginEvent::Head(with_length(200, body.len()), false)),
            Ok(OriginEvent::Frame(Frame::last(Bytes::from_static(body.as_bytes())))),
        ])
    }))
}

/// A head with a `Content-Length`.
pub(super) fn with_length(status: u16, length: usize) -> paifang_pipeline::ResponseHead {
    let mut head = TestOrigin::head(status);
    head.headers.insert(http::header::CONTENT_LENGTH, length.into());
    head
}

/// Echoes every request's body.
pub(super) fn echoes(count: usize) -> TestOrigin {
    TestOrigin::scripted((0..count).map(|_| Script::Echo))
}

/// An HTTP/1 client that says what it is told to, byte for byte.
pub(super) struct Client {
    pub(super) tcp: TcpStream,
    read: Vec<u8>,
}

/// An answer as it came.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

impl Client {
    pub(super) async fn send(&mut self, text: impl AsRef<[u8]>) {
        soon(self.tcp.write_all(text.as_ref())).await.unwrap();
    }

    /// Sends to a server that may have closed.
    pub(super) async fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        soon(self.tcp.write_all(bytes)).await
    }

    pub(super) async fn get(&mut self, path: &str) -> Answer {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        self.answer().await
    }

    /// Reads some more; false at the end or a reset.
    async fn more(&mut self) -> bool {
        matches!(soon(self.tcp.read_buf(&mut self.read)).await, Ok(1..))
    }

    async fn take_until(&mut self, end: &str) -> String {
        loop {
            let found = self.read.windows(end.len()).position(|part| part == end.as_bytes());
            if let Some(at) = found {
                let taken: Vec<u8> = self.read.drain(..at + end.len()).collect();
                return String::from_utf8(taken).unwrap();
            }
            assert!(self.more().await, "closed after {:?}", String::from_utf8_lossy(&self.read));
        }
    }

    pub(super) async fn take(&mut self, length: usize) -> String {
        while self.read.len() < length {
            assert!(self.more().await, "closed after {:?}", String::from_utf8_lossy(&self.read));
        }
        String::from_utf8(self.read.drain(..length).collect()).unwrap()
    }

    /// The head of the next answer, and nothing of its body.
    pub(super) async fn head(&mut self) -> Answer {
        let head = self.take_until("\r\n\r\n").await;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head, body: String::new() }
    }

    /// The next answer to something else than HEAD.
    pub(super) async fn answer(&mut self) -> Answer {
        let mut answer = self.head().await;
        if answer.header("transfer-encoding") == Some("chunked") {
            loop {
                let size = self.take_until("\r\n").await;
                let size = usize::from_str_radix(size.trim_end(), 16).unwrap();
                let chunk = self.take(size + 2).await;
                answer.body.push_str(&chunk[..size]);
                if size == 0 {
                    break;
                }
            }
        } else if let Some(length) = answer.header("content-length") {
            let length = length.parse().unwrap();
            answer.body = self.take(length).await;
        }
        answer
    }

    /// Everything up to the end, and whether the end came in order or by a reset.
    pub(super) async fn rest(&mut self) -> (String, std::io::Result<()>) {
        let (rest, end) = self.rest_bytes().await;
        (String::from_utf8(rest).unwrap(), end)
    }

    /// The like, for what is no text.
    pub(super) async fn rest_bytes(&mut self) -> (Vec<u8>, std::io::Result<()>) {
        let end = loop {
            match soon(self.tcp.read_buf(&mut self.read)).await {
                Ok(0) => break Ok(()),
                Ok(_) => {}
                Err(error) => break Err(error),
            }
        };
        (std::mem::take(&mut self.read), end)
    }

    /// Everything that came up to the HTTP/2 frame that is looked for, or to the end.
    pub(super) async fn until_frame(&mut self, wanted: impl Fn(&RawFrame<'_>) -> bool) -> Vec<u8> {
        // Frames may be cut anywhere; only whole ones are looked at.
        while !whole_frames(&self.read).any(|frame| wanted(&frame)) && self.more().await {}
        let whole: usize = whole_frames(&self.read).map(|frame| frame.payload.len() + 9).sum();
        self.read.drain(..whole).collect()
    }

    /// Waits for an orderly end without another byte.
    pub(super) async fn closed(&mut self) {
        let (rest, end) = self.rest().await;
        assert_eq!(rest, "");
        end.unwrap();
    }

    /// Goes away without a word: the connection is reset.
    pub(super) fn reset(self) {
        self.tcp.set_zero_linger().unwrap();
    }
}
