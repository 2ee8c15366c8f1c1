//! Users of connections, by an API that says who they are; and messages that an API takes over.

use super::{KEY, KNOWN, config};
use base64::{Engine, prelude::BASE64_STANDARD};
use paifang_mmtp::{
    code::CloseCode,
    greeting::{Auth, Hello},
    session::{Event, NewMessage},
};
use paifang_tests::harness::{MmtpClient, Recorder, Setup, mmtp_hello};

fn auth(credential: &str) -> Option<Auth> {
    Some(Auth { scheme: "Bearer".into(), credential: credential.as_bytes().into() })
}

async fn start(upstream: &Recorder) -> paifang_tests::harness::Running {
    Setup::new(config(upstream, KNOWN)).variable("KEY_ONE", KEY).start().await
}

#[tokio::test]
async fn a_connection_is_somebodys_and_can_become_another_s() {
    let upstream = Recorder::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let running = start(&upstream).await;
    let hello = Hello { auth: auth(KEY), epoch: 1, ..mmtp_hello(1) };
    let mut client = MmtpClient::connect(running.address(), &hello).await;
    assert_eq!(client.welcome().await.user.as_deref(), Some("key-one"));
    assert_eq!(client.call("mine", "").await.status, 200);
    // The credential went to the chain, as over HTTP.
    assert_eq!(upstream.count(), 1);
    client.session.login(None);
    let Event::User(user) = client.event().await else { panic!() };
    assert_eq!((user.epoch, user.status, user.user), (2, 0, None));
    assert_eq!(client.call("mine", "").await.status, 401);
    client.session.login(auth("wrong"));
    let Event::User(user) = client.event().await else { panic!() };
    assert_eq!((user.epoch, user.status), (3, 401));
    assert!(user.error >= 2000, "{user:?}");
    client.session.login(auth(KEY));
    let Event::User(user) = client.event().await else { panic!() };
    assert_eq!(user.user.as_deref(), Some("key-one"));
    assert_eq!(client.call("mine", "").await.status, 200);
    drop(client);
    running.stop().await;
}

#[tokio::test]
async fn a_bad_credential_gets_no_connection() {
    let upstream = Recorder::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let running = start(&upstream).await;
    let hello = Hello { auth: auth("wrong"), epoch: 1, ..mmtp_hello(1) };
    let mut client = MmtpClient::connect(running.address(), &hello).await;
    client.begin("mine", "");
    let Event::Closed(closed) = client.event().await else { panic!() };
    assert_eq!(closed.closing.code, CloseCode::AUTH_FAILED);
    assert!(closed.is_by_peer() && closed.closing.error >= 2000, "{closed:?}");
    assert_eq!(upstream.count(), 0);
    running.stop().await;
}

#[tokio::test]
async fn logs_are_taken_over_by_an_api() {
    let upstream = Recorder::answering("HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n").await;
    let running = start(&upstream).await;
    let mut client = MmtpClient::connect(running.address(), &mmtp_hello(1)).await;
    client.welcome().await;
    let data = BASE64_STANDARD.encode("a crash").into();
    let sent =
        client.session.message(4, NewMessage { delivery: true, data, ..NewMessage::default() });
    assert_eq!(client.event().await, Event::Acked(sent.unwrap()));
    let seen = upstream.last();
    assert_eq!(seen.header("x-mmtp-channel"), Some("4"));
    assert_eq!(seen.body, BASE64_STANDARD.encode("a crash").as_bytes());
    drop(client);
    running.stop().await;
}
