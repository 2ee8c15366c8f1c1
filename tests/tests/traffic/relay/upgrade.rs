//! Connections that switch to another protocol: a WebSocket handshake and frames as they are on the
//! wire.

use paifang_pipeline::Termination;
use paifang_tests::harness::{
    Ask, Client, Probe, Probes, Recorder, Running, Server, Setup, one_api, soon, until,
};

/// The example of RFC 6455 section 1.3, with its key and the answer to it.
const HANDSHAKE: &str = "GET /chat HTTP/1.1\r\nhost: server.example.com\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Origin: http://example.com\r\nSec-WebSocket-Protocol: chat, superchat\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";
const SWITCHED: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
    Sec-WebSocket-Protocol: chat\r\n\r\n";
/// "Hello", masked and unmasked (RFC 6455 section 5.7), and the close frame.
const MASKED: &[u8] = &[0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
const UNMASKED: &[u8] = &[0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f];
const CLOSE: &[u8] = &[0x88, 0x02, 0x03, 0xe8];

async fn chat() -> Server {
    Server::start(|_, mut client| async move {
        let asked = client.head().await.unwrap();
        assert_eq!(asked.header("upgrade"), Some("websocket"));
        assert_eq!(
            asked.header("connection").map(str::to_ascii_lowercase).as_deref(),
            Some("upgrade")
        );
        assert_eq!(asked.header("sec-websocket-key"), Some("dGhlIHNhbXBsZSBub25jZQ=="));
        // The first frame goes out with the head: it must not get lost behind it.
        client.send([SWITCHED.as_bytes(), UNMASKED].concat()).await;
        assert_eq!(client.take(MASKED.len()).await, MASKED);
        client.send(CLOSE).await;
        assert_eq!(client.rest().await.0, CLOSE);
    })
    .await
}

async fn converse(client: &mut Client, early: bool) {
    match early {
        true => client.send([HANDSHAKE.as_bytes(), MASKED].concat()).await,
        false => client.send(HANDSHAKE).await,
    }
    let switched = client.answer().await;
    assert_eq!(switched.status(), 101);
    assert_eq!(switched.header("upgrade"), Some("websocket"));
    assert_eq!(
        switched.header("connection").map(str::to_ascii_lowercase).as_deref(),
        Some("upgrade")
    );
    assert_eq!(switched.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(switched.header("sec-websocket-protocol"), Some("chat"));
    assert_eq!(client.take(UNMASKED.len()).await, UNMASKED);
    if !early {
        client.send(MASKED).await;
    }
    assert_eq!(client.take(CLOSE.len()).await, CLOSE);
    client.send(CLOSE).await;
    client.finish().await;
    client.closed().await;
}

#[tokio::test]
async fn a_websocket_passes_with_its_frames() {
    let upstream = chat().await;
    for early in [false, true] {
        let probes = Probes::default().with("a", Probe::everywhere());
        let (recorded, steps) = (probes.recorded(), probes.steps());
        let config = one_api(upstream.address, &steps);
        let running = Setup::new(config).plugin(probes).start().await;
        let mut client = running.connect().await;
        converse(&mut client, early).await;
        until(|| recorded.count("a:log") == 1).await;
        running.stop().await;
        assert_eq!(
            recorded.trace(),
            ["a:request", "a:request_body", "a:upstream", "a:response", "a:log"]
        );
        let outcome = &recorded.outcomes()[0];
        assert!(outcome.upgraded);
        assert_eq!(outcome.termination, Termination::Completed);
    }
}

#[tokio::test]
async fn either_end_of_a_tunnel_can_end_it() {
    let (told, mut ends) = tokio::sync::mpsc::unbounded_channel();
    let upstream = Server::start(move |number, mut client| {
        let told = told.clone();
        async move {
            client.head().await.unwrap();
            client.send(SWITCHED).await;
            if number == 0 {
                // Goes first.
                return client.reset();
            }
            client.rest().await.1.ok();
            told.send(()).unwrap();
        }
    })
    .await;
    let running = Running::start(one_api(upstream.address, "[]")).await;
    let mut client = running.connect().await;
    assert_eq!(client.ask(HANDSHAKE).await.status(), 101);
    client.closed().await;
    let mut client = running.connect().await;
    assert_eq!(client.ask(HANDSHAKE).await.status(), 101);
    client.reset();
    soon(ends.recv()).await.unwrap();
    running.stop().await;
}

#[tokio::test]
async fn who_refuses_to_switch_answers_as_always() {
    let upstream =
        Recorder::answering("HTTP/1.1 426 Upgrade Required\r\ncontent-length: 2\r\n\r\nno").await;
    let running = Running::start(one_api(upstream.address(), "[]")).await;
    let mut client = running.connect().await;
    let answer = client.ask(HANDSHAKE).await;
    assert_eq!((answer.status(), answer.text()), (426, "no"));
    assert_eq!(client.get("/").await.status(), 426, "the connection lives on");
    running.stop().await;
}

#[tokio::test]
async fn nobody_switches_without_having_been_asked() {
    let upstream = Recorder::answering(SWITCHED).await;
    let running = Running::start(one_api(upstream.address(), "[]")).await;
    let mut client = running.connect().await;
    let answer = client.get("/").await;
    assert_eq!((answer.status(), answer.code()), (502, "PF-4005".to_owned()));
    let reply = Ask::new("GET", "/").over_http2(running.address()).await;
    assert_eq!((reply.status, reply.code()), (502, "PF-4005".to_owned()));
    running.stop().await;
}

#[tokio::test]
async fn nobody_switches_to_http2_in_the_middle_of_a_connection() {
    // It would carry requests past every check (h2c smuggling).
    let upstream = Recorder::start().await;
    let running = Running::start(one_api(upstream.address(), "[]")).await;
    let mut client = running.connect().await;
    let answer = client
        .ask(
            "GET / HTTP/1.1\r\nhost: a\r\nconnection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\n\
             http2-settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n",
        )
        .await;
    assert_eq!(answer.status(), 200);
    for name in ["upgrade", "connection", "http2-settings"] {
        assert_eq!(upstream.last().header(name), None, "{name}");
    }
    running.stop().await;
}
