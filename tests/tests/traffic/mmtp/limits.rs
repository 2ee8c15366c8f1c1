//! Limits on connections and their calls, as a client meets them; a reload changes them for who comes next.

use super::config;
use paifang_mmtp::{code::CloseCode, greeting::Closing, session::Event};
use paifang_tests::harness::{MmtpClient, Recorder, Setup, mmtp_hello};
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
