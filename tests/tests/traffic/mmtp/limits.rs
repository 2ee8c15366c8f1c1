//! Limits on connections and their calls, as a client meets them; a reload changes them for who comes next.

use super::{
    config,
    conversation::{Conversation, PATH},
};
use paifang_mmtp::{
    code::CloseCode,
    greeting::Closing,
    session::{Event, NewRequest, Operation},
};
use paifang_tests::harness::{Client, MmtpClient, Recorder, Running, Setup, mmtp_hello};
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

const APIS: &str = "apis:\n  - { id: a, operation: a, handlers: [ respond: { status: 204 } ] }\n";

fn limited(limits: &str) -> String {
    format!(
        "apps:\n  wallet: {{ keys: [ {{ id: k1, secret: {{ env: K1 }} }} ], mmtp: {{ connections: 2 }} }}\n\
         mmtp: {{ limits: {{ {limits} }} }}\n{APIS}"
    )
}

/// Why a client is not let in.
async fn refusal(address: SocketAddr, device: u8) -> Closing {
    let mut client = MmtpClient::connect(address, &mmtp_hello(device)).await;
    match client.event().await {
        Event::Closed(closed) if closed.is_by_peer() => closed.closing,
        other => panic!("{other:?}"),
    }
}

async fn enter(address: SocketAddr, device: u8) -> MmtpClient {
    let mut client = MmtpClient::connect(address, &mmtp_hello(device)).await;
    client.welcome().await;
    client
}

#[tokio::test]
async fn who_finds_no_place_is_told_when_to_come_again() {
    let upstream = Recorder::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let text = config(&upstream, &limited("per_app: { connections: 100 }"));
    let running = Setup::new(text).variable("K1", super::KEY).start().await;
    let address = running.address();
    let (one, two) = (enter(address, 1).await, enter(address, 2).await);
    let closing = refusal(address, 3).await;
    assert_eq!(closing.code, CloseCode::TOO_MANY_CONNECTIONS);
    assert!(closing.after > 0 && closing.jitter > 0, "{closing:?}");
    drop(one);
    // The place is free again when the gateway has seen the end.
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let mut three = MmtpClient::connect(address, &mmtp_hello(3)).await;
        match three.event().await {
            Event::Welcome(_) => break,
            _ => assert!(Instant::now() < deadline, "the place stays taken"),
        }
    }
    drop(two);
    running.stop().await;
}

#[tokio::test]
async fn a_device_that_comes_too_often_waits_and_a_reload_changes_that() {
    let upstream = Recorder::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let slow = config(&upstream, &limited("per_device: { rate: 1/h, burst: 1 }"));
    let running = Setup::new(slow).variable("K1", super::KEY).start().await;
    let address = running.address();
    let held = enter(address, 1).await;
    let closing = refusal(address, 1).await;
    assert_eq!(closing.code, CloseCode::TOO_FAST);
    assert!(closing.after > 3_000_000, "an hour: {closing:?}");
    let other = enter(address, 2).await;
    drop((held, other));
    let fast = config(&upstream, &limited("per_device: { rate: 100/s }"));
    running.reload(fast).await.unwrap();
    enter(address, 1).await;
    running.stop().await;
}

#[tokio::test]
async fn an_app_s_calls_have_a_rate_and_a_connection_s_frames() {
    let upstream = Recorder::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let limits =
        "per_app: { call_rate: { rate: 1/h, burst: 3 } }, frames: { rate: 10/s, burst: 100 }";
    let text = config(&upstream, &limited(limits));
    let running = Setup::new(text).variable("K1", super::KEY).start().await;
    let mut client = enter(running.address(), 1).await;
    for _ in 0..3 {
        assert_eq!(client.call("a", "").await.status, 204);
    }
    let answer = client.call("a", "").await;
    assert_eq!((answer.status, answer.error), (429, 3020));
    let mut flood = MmtpClient::connect(running.address(), &mmtp_hello(2)).await;
    flood.welcome().await;
    tokio::io::AsyncWriteExt::write_all(&mut flood.stream, &[8; 2 * 2000]).await.unwrap();
    let Event::Closed(closed) = flood.event().await else { panic!() };
    assert_eq!(closed.closing.code, CloseCode::TOO_FAST);
    assert_eq!(client.call("a", "").await.status, 429, "others go on");
    drop(client);
    running.stop().await;
}

#[tokio::test]
async fn an_app_that_is_not_known_is_told_so_and_a_reload_makes_it_known() {
    let upstream = Recorder::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let apps = |name: &str| {
        let keys = "keys: [ { id: k1, secret: { env: K1 } } ]";
        let text = format!("apps:\n  {name}: {{ {keys} }}\nmmtp: {{ known_apps_only: true }}\n");
        config(&upstream, &(text + APIS))
    };
    let running = Setup::new(apps("other")).variable("K1", super::KEY).start().await;
    let address = running.address();
    let closing = refusal(address, 1).await;
    assert_eq!(closing.code, CloseCode::APP_UNKNOWN);
    // The short form is no way around it.
    let post = Conversation::new(1, &[("a", "")]);
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nhost: a.example\r\ncontent-type: application/mmtp\r\ncontent-length: {}\r\n\r\n",
        post.bytes.len()
    );
    let mut client = Client::connect(address).await;
    client.send([head.as_bytes(), &post.bytes].concat()).await;
    let said = post.hear(&client.answer().await.body);
    assert_eq!((said.welcomed, said.answers.len(), said.closed), (false, 0, Some(3001)));
    running.reload(apps("wallet")).await.unwrap();
    let mut known = enter(address, 1).await;
    // Who is in stays in, and is known no more when it comes again.
    running.reload(apps("other")).await.unwrap();
    assert_eq!(known.call("a", "").await.status, 204);
    assert_eq!(refusal(address, 2).await.code, CloseCode::APP_UNKNOWN);
    drop(known);
    running.stop().await;
}

#[tokio::test]
async fn a_call_whose_body_stalls_is_answered_and_its_connection_goes_on() {
    let upstream = Recorder::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let text = config(&upstream, "apis:\n  - { id: b, operation: b, upstream: main }\n");
    let text =
        text.replace("mmtp: { plain: true }", "mmtp: { plain: true }, limits: { body: 50ms }");
    let running = Running::start(text).await;
    let mut client = enter(running.address(), 1).await;
    let call = NewRequest::new(Operation::Name("b"), "half".into());
    client.session.request(NewRequest { end: false, ..call }).unwrap();
    let Event::Response(answer) = client.event().await else { panic!() };
    assert_eq!(answer.status, 408);
    assert_eq!(client.call("b", "whole").await.status, 200);
    drop(client);
    running.stop().await;
}
