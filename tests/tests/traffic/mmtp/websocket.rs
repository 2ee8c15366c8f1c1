//! Long connections within HTTP: WebSocket on the ordinary listener. Frames are written by hand here.

use super::{
    config,
    conversation::{Conversation, PATH},
    resume::Key,
};
use paifang_mmtp::{
    code::CloseCode,
    session::{Event, Millis},
};
use paifang_tests::harness::{
    Client, H2, Message, MmtpClient, Recorder, Running, mmtp_hello, soon,
};
use std::time::Duration;

const APIS: &str = "\
apis:
  - { id: echo, operation: echo, upstream: main }
  - { id: ping, operation: ping, handlers: [ respond: { status: 200, body: pong } ] }
";
const BINARY: u8 = 0x82;

async fn start() -> (Recorder, Running) {
    let upstream = Recorder::replying(|request: &Message| {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", request.body.len());
        [head.as_bytes(), &request.body].concat()
    })
    .await;
    let running = Running::start(config(&upstream, APIS)).await;
    (upstream, running)
}

fn upgrade(fields: &str) -> String {
    format!(
        "GET {PATH} HTTP/1.1\r\nhost: a.example\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{fields}\r\n"
    )
}

const GOOD: &str = "sec-websocket-version: 13\r\nsec-websocket-protocol: mmtp.1\r\n";

/// A frame as a client sends it.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [7, 1, 250, 3];
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..=125 => bytes.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 127);
            bytes.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(&mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// A connection past its handshake.
async fn connect(running: &Running) -> Client {
    let mut client = Client::connect(running.address()).await;
    client.send(upgrade(GOOD)).await;
    let answer = client.head().await.expect("an answer");
    assert_eq!(answer.status(), 101);
    assert_eq!(answer.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(answer.header("sec-websocket-protocol"), Some("mmtp.1"));
    client
}

/// The next frame of the server: its first byte and what it holds.
async fn next(client: &mut Client) -> (u8, Vec<u8>) {
    let head = soon(client.take(2)).await;
    assert_eq!(head[1] & 0x80, 0, "a server's frames are not masked");
    let length = match head[1] {
        126 => {
            let length = client.take(2).await;
            usize::from(length[0]) << 8 | usize::from(length[1])
        }
        length => usize::from(length),
    };
    (head[0], client.take(length).await)
}

/// The answers to all that the conversation asked, without what follows.
async fn answers(
    client: &mut Client,
    conversation: &mut Conversation,
    count: usize,
) -> Vec<String> {
    let mut answers = Vec::new();
    while answers.len() < count {
        let (first, payload) = next(client).await;
        assert_eq!(first, BINARY);
        conversation.session.receive(&payload, Millis(0));
        while let Some(event) = conversation.session.poll_event() {
            match event {
                Event::Response(answer) if answer.end => {
                    answers.push(String::from_utf8(answer.data.to_vec()).unwrap());
                }
                Event::Data { data, end: true, .. } => {
                    answers.push(String::from_utf8(data.to_vec()).unwrap());
                }
                Event::Response(_) | Event::Welcome(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }
    answers
}

#[tokio::test]
async fn calls_go_through_however_messages_are_cut() {
    let (_upstream, running) = start().await;
    let whole = |bytes: &[u8]| frame(BINARY, bytes);
    let bytewise =
        |bytes: &[u8]| bytes.iter().flat_map(|byte| frame(BINARY, &[*byte])).collect::<Vec<u8>>();
    // A message in fragments, with a ping between them.
    let fragments = |bytes: &[u8]| {
        let (one, two) = bytes.split_at(bytes.len() / 2);
        [frame(0x02, one), frame(0x89, b"there?"), frame(0x80, two)].concat()
    };
    for cut in [&whole as &dyn Fn(&[u8]) -> Vec<u8>, &bytewise, &fragments] {
        let mut conversation = Conversation::new(1, &[("ping", "")]);
        let mut client = connect(&running).await;
        let bytes = cut(&conversation.bytes);
        let pinged = bytes.windows(2).any(|pair| pair == [0x89, 0x86]);
        client.send(bytes).await;
        if pinged {
            assert_eq!(next(&mut client).await, (0x8a, b"there?".to_vec()));
        }
        assert_eq!(answers(&mut client, &mut conversation, 1).await, ["pong"]);
    }
    running.stop().await;
}

#[tokio::test]
async fn it_is_a_connection_of_the_device() {
    let (_upstream, running) = start().await;
    let hello = Key::p256().prove(mmtp_hello(1), "", None);
    let mut long = MmtpClient::connect(running.address(), &hello).await;
    long.welcome().await;
    let mut conversation = Conversation::of(&hello, &[("echo", "over WebSocket")]);
    let mut client = connect(&running).await;
    client.send(frame(BINARY, &conversation.bytes)).await;
    assert_eq!(answers(&mut client, &mut conversation, 1).await, ["over WebSocket"]);
    // It has replaced the other, and is told to go itself when the gateway stops.
    let Event::Goaway(closing) = long.event().await else { panic!() };
    assert_eq!(closing.code, CloseCode::REPLACED);
    drop(long);
    let stopping = running.gateway.stop(Duration::from_secs(2));
    let told = async {
        let (_, payload) = next(&mut client).await;
        conversation.session.receive(&payload, Millis(0));
        let Some(Event::Goaway(closing)) = conversation.session.poll_event() else { panic!() };
        assert_eq!(closing.code, CloseCode::DRAINING);
        client.send(frame(0x88, &1000_u16.to_be_bytes())).await;
        assert_eq!(next(&mut client).await, (0x88, 1000_u16.to_be_bytes().to_vec()));
        client.closed().await;
    };
    let (left, ()) = tokio::join!(stopping, told);
    assert_eq!(left, 0);
}

#[tokio::test]
async fn what_breaks_websockets_rules_is_told_and_ended() {
    let (_upstream, running) = start().await;
    let cases = [
        (frame(0x81, b"text"), 1003_u16),
        (frame(BINARY, &[0; 70_000]), 1009),
        (frame(0x80, b"goes on with nothing"), 1002),
        (b"\x82\x01x".to_vec(), 1002),
        (frame(0x88, &1000_u16.to_be_bytes()), 1000),
    ];
    for (bytes, code) in cases {
        let mut client = connect(&running).await;
        client.send(bytes).await;
        let (first, payload) = next(&mut client).await;
        assert_eq!((first, &payload[..2]), (0x88, &code.to_be_bytes()[..]));
        client.closed().await;
    }
    running.stop().await;
}

#[tokio::test]
async fn what_breaks_mmtps_rules_is_closed_with_its_code_and_then_in_order() {
    let (_upstream, running) = start().await;
    let mut client = connect(&running).await;
    client.send(frame(BINARY, b"\x00\x00")).await;
    let (first, payload) = next(&mut client).await;
    assert_eq!(first, BINARY);
    assert_eq!(Conversation::new(1, &[]).hear(&payload).closed, Some(4002));
    assert_eq!(next(&mut client).await, (0x88, 1000_u16.to_be_bytes().to_vec()));
    client.closed().await;
    running.stop().await;
}

#[tokio::test]
async fn handshakes_that_are_none_are_refused() {
    let (_upstream, running) = start().await;
    let cases = [
        ("sec-websocket-version: 8\r\nsec-websocket-protocol: mmtp.1\r\n", "PF-1111"),
        ("sec-websocket-version: 13\r\n", "PF-1111"),
        ("sec-websocket-version: 13\r\nsec-websocket-protocol: chat\r\n", "PF-1111"),
    ];
    for (fields, code) in cases {
        let mut client = Client::connect(running.address()).await;
        let answer = client.ask(upgrade(fields)).await;
        assert_eq!((answer.status(), &*answer.code()), (400, code), "{fields}");
    }
    // HTTP/2 cannot switch.
    let h2 = H2::connect(running.address()).await;
    let ask = paifang_tests::harness::Ask::new("GET", PATH);
    assert_eq!(h2.call(&ask).await.status, 405);
    running.stop().await;
}
