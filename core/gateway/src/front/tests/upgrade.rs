//! Switching protocols: the handshake, bytes both ways, either side ending first.

use super::{
    limits,
    support::{Setup, answers},
};
use crate::{
    edge::{ConnInfo, ConnectionHandler, DrainState, EdgeStream},
    front::{CarriesMmtp, HttpFront, HttpLimits, Incoming, Service},
};
use bytes::Bytes;
use http::HeaderValue;
use paifang_pipeline::{
    BodySize, ErrorCode, Exchange, Frame, Front, Inbound, Origin, OriginCall, OriginError,
    OriginEvent, RequestHead, Response, Served, Termination, testkit::TestOrigin,
};
use std::{borrow::Cow, collections::VecDeque, net::SocketAddr, sync::Arc};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// Switches, says `hi`, echoes, and says `bye` when its client has ended.
struct Echo;

#[derive(Default)]
struct EchoCall(VecDeque<OriginEvent>);

impl Origin for Echo {
    type Call = EchoCall;
    async fn open(&self, _: &Exchange, _: u32) -> Result<EchoCall, OriginError> {
        Ok(EchoCall::default())
    }
}

impl OriginCall for EchoCall {
    fn endpoint(&self) -> Option<SocketAddr> {
        None
    }
    async fn send_head(
        &mut self,
        _: &Exchange,
        head: Cow<'_, RequestHead>,
        _: BodySize,
    ) -> Result<(), OriginError> {
        assert_eq!(head.headers["upgrade"], "echo");
        assert_eq!(head.headers["connection"], "upgrade");
        let mut switch = TestOrigin::head(101);
        switch.headers.insert("upgrade", HeaderValue::from_static("echo"));
        switch.headers.insert("connection", HeaderValue::from_static("Upgrade, x-hop"));
        switch.headers.insert("x-hop", HeaderValue::from_static("1"));
        let hi = Frame::data(Bytes::from_static(b"hi"));
        self.0.extend([OriginEvent::Head(switch, false), OriginEvent::Frame(hi)]);
        Ok(())
    }
    async fn send(&mut self, frame: Frame) -> Result<(), OriginError> {
        let answer = match frame.end {
            false => frame,
            true => Frame::last(Bytes::from_static(b"bye")),
        };
        self.0.push_back(OriginEvent::Frame(answer));
        Ok(())
    }
    async fn recv(&mut self) -> Result<OriginEvent, OriginError> {
        match self.0.pop_front() {
            Some(event) => Ok(event),
            None => std::future::pending().await,
        }
    }
    async fn finish(self, _: bool) {}
}

const UPGRADE: &str =
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: echo\r\n\r\n";

#[tokio::test]
async fn bytes_go_through_even_those_sent_early() {
    let server = Setup::new(Echo).start().await;
    let mut client = server.connect().await;
    client.send(format!("{UPGRADE}early")).await;
    let head = client.head().await;
    assert_eq!(head.status, 101);
    assert_eq!(
        (head.header("connection"), head.header("upgrade")),
        (Some("upgrade"), Some("echo"))
    );
    assert_eq!((head.header("x-hop"), head.header("content-length")), (None, None));
    assert_eq!(client.take(7).await, "hiearly");
    client.send("more\r\n\r\n").await;
    assert_eq!(client.take(8).await, "more\r\n\r\n");
    // The client has ended; it still gets what is left.
    tokio::io::AsyncWriteExt::shutdown(&mut client.tcp).await.unwrap();
    let (rest, end) = client.rest().await;
    assert_eq!(rest, "bye");
    end.unwrap();
    let outcome = server.outcome(0).await;
    assert!(outcome.upgraded);
    assert_eq!(outcome.termination.as_str(), "completed");
    assert_eq!((outcome.request_bytes, outcome.response_bytes), (13, 18));
}

#[tokio::test]
async fn a_client_that_resets_a_tunnel_is_gone() {
    let server = Setup::new(Echo).start().await;
    let mut client = server.connect().await;
    client.send(UPGRADE).await;
    assert_eq!(client.head().await.status, 101);
    client.reset();
    assert_eq!(server.outcome(0).await.termination.as_str(), "client_gone");
}

#[tokio::test]
async fn an_upgrade_that_cannot_be_granted_is_not_passed_on() {
    for request in [
        // HTTP/1.0 has none, h2c is over, and with a body it is not clear where the tunnel begins.
        "GET / HTTP/1.0\r\nConnection: upgrade, keep-alive\r\nUpgrade: echo\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: echo\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\nContent-Length: 1\r\n\r\nx",
    ] {
        let server = Setup::new(answers(1, "ok")).start().await;
        let mut client = server.connect().await;
        client.send(request).await;
        assert_eq!(client.answer().await.status, 200, "{request}");
        let heads = server.service.heads.lock();
        assert!(!heads[0].headers.contains_key("upgrade"), "{request}");
        assert!(!heads[0].headers.contains_key("connection"), "{request}");
    }
}

#[tokio::test]
async fn a_refused_upgrade_is_an_ordinary_answer() {
    let server = Setup::new(answers(2, "no")).start().await;
    let mut client = server.connect().await;
    client.send(UPGRADE).await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.header("connection")), (200, Some("keep-alive")));
    assert_eq!(client.get("/").await.status, 200);
}

/// Switches to MMTP and waits for its client to go.
struct Mmtp;

impl Service for Mmtp {
    fn limits(&self, _: &ConnInfo) -> Arc<HttpLimits> {
        Arc::new(limits())
    }

    async fn serve<F: Front>(&self, _: Incoming, front: &mut F) -> Served {
        let mut head = TestOrigin::head(101);
        head.headers.insert("upgrade", HeaderValue::from_static("echo"));
        head.extensions.insert(CarriesMmtp);
        front.send_head(head, BodySize::Unknown).await.unwrap();
        front.send(Frame::data("on".into())).await.unwrap();
        while matches!(front.recv().await, Ok(Inbound::Frame(Frame { end: false, .. }))) {}
        Served { termination: Termination::ClientGone }
    }

    fn refuse(&self, _: &ConnInfo, _: &'static ErrorCode, _: &str) -> Response {
        unreachable!()
    }
}

#[tokio::test]
async fn a_socket_that_comes_to_carry_mmtp_holds_little_unsent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
    let (mut client, (server, peer)) = (client.unwrap(), accepted.unwrap());
    let server = server.into_std().unwrap();
    let same = server.try_clone().unwrap();
    let unsent = || socket2::SockRef::from(&same).tcp_notsent_lowat().unwrap();
    let before = unsent();
    let stream = Box::new(EdgeStream::plain(TcpStream::from_std(server).unwrap(), Bytes::new()));
    let info = Arc::new(ConnInfo::new(1, "a".into(), peer, address));
    let drain = watch::channel(DrainState::Running);
    let served = tokio::spawn(async move {
        HttpFront::new(Arc::new(Mmtp)).serve(stream, info, drain.1).await;
    });
    client.write_all(UPGRADE.as_bytes()).await.unwrap();
    let mut said = Vec::new();
    while !said.ends_with(b"on") {
        assert_ne!(client.read_buf(&mut said).await.unwrap(), 0);
    }
    assert!(before != 16_384 && unsent() == 16_384, "{before} and {}", unsent());
    drop(client);
    served.await.unwrap();
}
