//! Servers that follow a script, fronts that count, and upstreams that point at them.

use crate::upstream::{
    Deps, EndpointSpec, SystemResolver, SystemRoots, Upstream, UpstreamSpec, balance::Ask,
    endpoint::Endpoint, limits::InFlight,
};
use bytes::Bytes;
use http::HeaderMap;
use paifang_pipeline::{
    Api, BodySize, CallLimits, Chain, Engine, ErrorPages, Exchange, Facts, Frame, Front,
    FrontError, Inbound, Params, RequestHead, ResponseHead, RetryPolicy, Served,
    ports::{Clock, TokioSpawn},
    stats::ApiStats,
    testkit::{Reply, TestCall, TestClock},
};
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
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{mpsc, watch},
    task::JoinHandle,
};

/// Whatever hangs is a failure, not a test that never ends.
pub(super) const HANG: Duration = Duration::from_secs(60);

pub(super) async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(HANG, future).await.expect("the test hangs")
}

pub(super) fn deps() -> Deps {
    deps_with(Arc::new(TestClock::new()))
}

pub(super) fn deps_with(clock: Arc<dyn Clock>) -> Deps {
    Deps {
        spawn: Arc::new(TokioSpawn(tokio::runtime::Handle::current())),
        clock,
        resolver: Arc::new(SystemResolver::new()),
        roots: Arc::new(SystemRoots::default()),
    }
}

/// An address that refuses connections for as long as the socket lives: bound, not listening.
pub(super) fn refusing() -> (SocketAddr, TcpSocket) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    (socket.local_addr().unwrap(), socket)
}

/// An upstream of one server.
pub(super) fn spec(to: SocketAddr) -> UpstreamSpec {
    specs(&[to])
}

pub(super) fn specs(to: &[SocketAddr]) -> UpstreamSpec {
    let endpoint = |to: &SocketAddr| EndpointSpec::new(&to.ip().to_string(), to.port());
    UpstreamSpec::new("test", to.iter().map(endpoint).collect())
}

pub(super) fn start(spec: UpstreamSpec) -> Arc<Upstream> {
    start_with(spec, &deps())
}

pub(super) fn start_with(spec: UpstreamSpec, deps: &Deps) -> Arc<Upstream> {
    let upstream = Upstream::build(spec, deps).unwrap();
    upstream.start();
    upstream
}

/// An upstream of so many servers that nobody calls, at 10.0.0.1, 10.0.0.2, …, with these weights.
pub(super) fn imagined(
    weights: &[u32],
    clock: &Arc<TestClock>,
    change: impl FnOnce(&mut UpstreamSpec),
) -> Arc<Upstream> {
    let endpoint = |(index, &weight): (usize, &u32)| {
        let host = format!("10.0.{}.{}", index / 200, index % 200 + 1);
        EndpointSpec { weight, ..EndpointSpec::new(&host, 80) }
    };
    let mut spec = UpstreamSpec::new("test", weights.iter().enumerate().map(endpoint).collect());
    change(&mut spec);
    Upstream::build(spec, &deps_with(Arc::clone(clock) as Arc<dyn Clock>)).unwrap()
}

/// A call's place at an endpoint of [`imagined`], and the endpoint's number from 0.
pub(super) fn place(upstream: &Upstream, clock: &TestClock, key: Option<u64>) -> (usize, InFlight) {
    let ask = Ask { now: clock.now(), tried: None, key };
    upstream.readmit(ask.now);
    let place = upstream.balance.choose(&ask).unwrap();
    (number(&place.endpoint), place)
}

pub(super) fn number(endpoint: &Endpoint) -> usize {
    let std::net::IpAddr::V4(ip) = endpoint.address.ip() else {
        panic!("an address of another kind")
    };
    usize::from(ip.octets()[2]) * 200 + usize::from(ip.octets()[3]) - 1
}

/// How many of so many calls, one after the other, each of so many endpoints gets.
pub(super) fn shares(
    upstream: &Upstream,
    clock: &TestClock,
    calls: usize,
    endpoints: usize,
) -> Vec<usize> {
    let mut shares = vec![0; endpoints];
    for _ in 0..calls {
        shares[place(upstream, clock, None).0] += 1;
    }
    shares
}

/// The endpoint with this number.
pub(super) fn nth(upstream: &Upstream, wanted: usize) -> Arc<Endpoint> {
    let all = upstream.members.lock().all();
    all.into_iter().find(|endpoint| number(endpoint) == wanted).unwrap()
}

/// Calls to this endpoint fail until it is ejected.
pub(super) fn eject(upstream: &Upstream, wanted: usize) {
    let endpoint = nth(upstream, wanted);
    for _ in 0..5 {
        endpoint.went_wrong();
    }
    assert!(endpoint.outlier.is_out());
}

pub(super) async fn get(upstream: &Arc<Upstream>) -> Reply {
    run(TestCall::get("/"), upstream).await
}

pub(super) async fn run(call: TestCall, upstream: &Arc<Upstream>) -> Reply {
    in_time(call.run(&**upstream)).await
}

/// No repetition, so that a failure is seen as it is.
pub(super) fn once(mut call: TestCall) -> TestCall {
    call.retry.attempts = 1;
    call
}

/// A server that handles each connection as it is told.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Server {
    /// `handle` gets the connection's number, from 0.
    pub(super) async fn start<F, R>(handle: F) -> Self
    where
        F: Fn(usize, TcpStream) -> R + Send + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener, handle)
    }

    pub(super) fn on<F, R>(listener: TcpListener, handle: F) -> Self
    where
        F: Fn(usize, TcpStream) -> R + Send + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            let mut running = tokio::task::JoinSet::new();
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                tcp.set_nodelay(true).unwrap();
                running.spawn(handle(counter.fetch_add(1, SeqCst), tcp));
            }
        });
        Self { address, connections, task }
    }

    /// Answers every request on every connection with this text.
    pub(super) async fn answering(response: &'static str) -> Self {
        Self::start(move |_, mut tcp| async move {
            while read_request(&mut tcp).await.is_some() {
                tcp.write_all(response.as_bytes()).await.unwrap();
            }
        })
        .await
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A request as a server has read it.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl Received {
    /// A header's value, as sent; `None` where it is missing.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let line = self.head.lines().find(|line| {
            line.split_once(':').is_some_and(|(key, _)| key.eq_ignore_ascii_case(name))
        })?;
        Some(line.split_once(':')?.1.trim())
    }
}

/// A head up to its empty line; `None` at the connection's end.
pub(super) async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8(head).unwrap())
}

/// A whole request; a chunked body comes as it was on the wire.
pub(super) async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<Received> {
    let head = read_head(stream).await?;
    let mut request = Received { head, body: Vec::new() };
    if let Some(length) = request.header("content-length") {
        request.body = vec![0; length.parse().unwrap()];
        stream.read_exact(&mut request.body).await.ok()?;
    } else if request.header("transfer-encoding").is_some() {
        while !request.body.ends_with(b"0\r\n\r\n") {
            request.body.push(stream.read_u8().await.ok()?);
        }
    }
    Some(request)
}

/// A server that hands on what it received and answers 200.
pub(super) async fn recording() -> (Server, mpsc::UnboundedReceiver<Received>) {
    let (tell, told) = mpsc::unbounded_channel();
    let server = Server::start(move |_, mut tcp| {
        let tell = tell.clone();
        async move {
            while let Some(request) = read_request(&mut tcp).await {
                tell.send(request).unwrap();
                tcp.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
            }
        }
    })
    .await;
    (server, told)
}

/// Copies one half of a connection to the other until its end.
pub(super) async fn echo(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut length: usize,
) {
    let mut buffer = vec![0; 64 << 10];
    while length > 0 {
        let count = from.read(&mut buffer).await.unwrap();
        assert!(count > 0, "the request ended early");
        to.write_all(&buffer[..count]).await.unwrap();
        length -= count;
    }
}

/// A front whose client is driven from outside, and that counts what it is sent.
pub(super) struct LiveFront {
    inbound: mpsc::UnboundedReceiver<Frame>,
    outbound: mpsc::UnboundedSender<Out>,
    ended: bool,
}

/// What the client of a [`LiveFront`] is sent.
#[derive(Debug)]
pub(super) enum Out {
    Info,
    Head(ResponseHead),
    Frame(Frame),
    Abort,
}

/// The client of a [`LiveFront`].
pub(super) struct Client {
    /// Dropping it leaves the request open and silent.
    pub(super) to: mpsc::UnboundedSender<Frame>,
    pub(super) from: mpsc::UnboundedReceiver<Out>,
}

impl Client {
    pub(super) async fn head(&mut self) -> ResponseHead {
        match in_time(self.from.recv()).await {
            Some(Out::Head(head)) => head,
            other => panic!("no head but {other:?}"),
        }
    }

    pub(super) async fn frame(&mut self) -> Frame {
        match in_time(self.from.recv()).await {
            Some(Out::Frame(frame)) => frame,
            other => panic!("no frame but {other:?}"),
        }
    }

    pub(super) fn send(&self, data: &'static [u8]) {
        self.to.send(Frame::data(Bytes::from_static(data))).unwrap();
    }
}

impl Front for LiveFront {
    fn body_ended(&mut self) -> bool {
        self.ended
    }

    async fn begin_body(&mut self) -> Result<(), FrontError> {
        Ok(())
    }

    async fn recv(&mut self) -> Result<Inbound, FrontError> {
        match self.inbound.recv().await {
            Some(frame) => {
                self.ended |= frame.end;
                Ok(Inbound::Frame(frame))
            }
            None => std::future::pending().await,
        }
    }

    async fn closed(&mut self) {
        self.outbound.closed().await;
    }

    async fn send_info(&mut self, _: ResponseHead) -> Result<(), FrontError> {
        self.tell(Out::Info)
    }

    async fn send_head(&mut self, head: ResponseHead, _: BodySize) -> Result<(), FrontError> {
        self.tell(Out::Head(head))
    }

    async fn send(&mut self, frame: Frame) -> Result<(), FrontError> {
        self.tell(Out::Frame(frame))
    }

    async fn abort(&mut self) {
        let _ = self.tell(Out::Abort);
    }
}

impl LiveFront {
    fn tell(&self, out: Out) -> Result<(), FrontError> {
        self.outbound.send(out).map_err(|_| FrontError::Gone("test".to_owned()))
    }
}

/// An API without steps.
pub(super) fn api(limits: CallLimits) -> Api {
    Api {
        id: "test".into(),
        chain: Chain::new(Vec::new()).unwrap(),
        limits,
        retry: RetryPolicy::default(),
        upstream: None,
        stats: Arc::new(ApiStats::default()),
        error_pages: Arc::new(ErrorPages::default()),
    }
}

pub(in crate::upstream) fn request(
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
) -> RequestHead {
    let mut builder = http::Request::builder().method(method).uri(target);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(()).unwrap().into_parts().0
}

/// Begins a call whose client is driven by the test. `has_body`: one follows.
pub(super) fn call(
    upstream: &Arc<Upstream>,
    head: RequestHead,
    has_body: bool,
) -> (Client, JoinHandle<Served>) {
    let (to, inbound) = mpsc::unbounded_channel();
    let (outbound, from) = mpsc::unbounded_channel();
    let mut front = LiveFront { inbound, outbound, ended: !has_body };
    let upstream = Arc::clone(upstream);
    let task = tokio::spawn(async move {
        let clock = Arc::new(TestClock::new());
        let facts = Facts::embedded(clock.now(), clock.unix()).with_host("api.test");
        let mut exchange = Exchange::new(head, facts, Params::default());
        let limits = CallLimits { body_bytes: usize::MAX, ..CallLimits::default() };
        Engine::new(clock).serve(&api(limits), &*upstream, &mut exchange, &mut front).await
    });
    (Client { to, from }, task)
}

/// Waits on an upstream's changes until `holds`.
pub(super) async fn until(upstream: &Upstream, mut holds: impl FnMut(&Upstream) -> bool) {
    let mut changes: watch::Receiver<u64> = upstream.changes();
    in_time(async {
        while !holds(upstream) {
            changes.changed().await.unwrap();
        }
    })
    .await;
}

pub(in crate::upstream) fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
    list.iter()
        .map(|&(name, value)| {
            (http::HeaderName::from_static(name), http::HeaderValue::from_static(value))
        })
        .collect()
}
