//! The short form: a conversation in one POST, over either version of HTTP.

use super::{
    KEY, KNOWN, config,
    conversation::{Conversation, PATH},
    resume::Key,
};
use crate::edge::early::Raw;
use paifang_mmtp::greeting::{Auth, Hello};
use paifang_tests::{
    harness::{
        Ask, Client, H2, Message, MmtpClient, Pki, Recorder, Reply, Running, Setup, Wire,
        mmtp_hello, soon, until,
    },
    http,
};
use tokio::io::AsyncReadExt;

const APIS: &str = "\
\x20 - { id: echo, match: { method: POST, path: '/echo/{name}' }, operation: echo, upstream: main }
  - { id: plain-echo, operation: plain.echo, upstream: main }
  - { id: ping, operation: ping, handlers: [ respond: { status: 200, body: pong } ] }
";

async fn echo() -> Recorder {
    Recorder::replying(|request: &Message| {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", request.body.len());
        [head.as_bytes(), &request.body].concat()
    })
    .await
}

async fn start(upstream: &Recorder) -> Running {
    let config = config(upstream, &["admin: { address: 127.0.0.1:0 }\n", KNOWN, APIS].concat());
    let limits = "plain: true }, limits: { body: 2s, body_total: 3s }";
    Setup::new(config.replace("plain: true }", limits)).variable("KEY_ONE", KEY).start().await
}

async fn metrics(running: &Running) -> String {
    http::get(running.gateway.admin_address().unwrap(), "/metrics").await.body
}

fn post(body: impl Into<bytes::Bytes>) -> Ask {
    Ask::new("POST", PATH).field("content-type", "application/mmtp").body(body.into())
}

/// The head of a POST, written by hand.
fn head(framing: &str) -> String {
    format!(
        "POST {PATH} HTTP/1.1\r\nhost: a.example\r\ncontent-type: application/mmtp\r\n{framing}\r\n\r\n"
    )
}

fn good(reply: &Reply) {
    assert_eq!((reply.status, reply.whole), (200, true), "{reply:?}");
    assert_eq!(reply.header("content-type"), "application/mmtp");
    assert_eq!(reply.header("cache-control"), "no-store");
}

#[tokio::test]
async fn calls_in_one_post_are_answered_and_the_end_is_said() {
    let upstream = echo().await;
    let running = start(&upstream).await;
    let auth = Auth { scheme: "Bearer".into(), credential: KEY.as_bytes().into() };
    let hello = Hello { auth: Some(auth), epoch: 1, ..mmtp_hello(1) };
    let calls = [("ping", ""), ("mine", "one"), ("plain.echo", "two"), ("nobody", "")];
    for over_h2 in [false, true] {
        let conversation = Conversation::of(&hello, &calls);
        let ask = post(conversation.bytes.clone());
        let reply = match over_h2 {
            true => ask.over_http2(running.address()).await,
            false => ask.over_http1(running.address()).await,
        };
        good(&reply);
        let said = conversation.hear(&reply.body);
        assert!(said.welcomed);
        assert_eq!(said.closed, Some(1000));
        assert_eq!(
            said.answers[..3],
            [(200, "pong".to_owned()), (200, "one".to_owned()), (200, "two".to_owned())]
        );
        assert_eq!(said.answers[3].0, 404);
        let id = upstream.last();
        assert_eq!(id.header("authorization"), Some(&*format!("Bearer {KEY}")));
        // HELLO's random bytes, the channel, the number: as on a long connection.
        let key = id.header("idempotency-key").unwrap();
        assert!(key.starts_with(&"01".repeat(16)), "{key}");
    }
    assert_eq!(upstream.count(), 4);
    let metrics = metrics(&running).await;
    for line in [
        "paifang_mmtp_opened_total{form=\"post\"} 2",
        "paifang_mmtp_calls_total{form=\"post\"} 8",
        "paifang_mmtp_calls_total{form=\"long\"} 0",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    running.stop().await;
}

#[tokio::test]
async fn a_body_that_comes_byte_by_byte_is_the_same() {
    let upstream = echo().await;
    let running = start(&upstream).await;
    let conversation = Conversation::new(1, &[("ping", ""), ("plain.echo", "slowly")]);
    let mut client = Client::connect(running.address()).await;
    client.send(head("transfer-encoding: chunked")).await;
    for byte in &conversation.bytes {
        client.send([b"1\r\n", &[*byte][..], b"\r\n"].concat()).await;
    }
    client.send("0\r\n\r\n").await;
    let answer = client.answer().await;
    let said = conversation.hear(&answer.body);
    assert_eq!(said.answers, [(200, "pong".to_owned()), (200, "slowly".to_owned())]);
    assert_eq!(said.closed, Some(1000));
    running.stop().await;
}

/// Reads until these bytes have come.
async fn hear(client: &mut Client, wanted: &[u8]) {
    let mut heard = Vec::new();
    while !heard.windows(wanted.len()).any(|window| window == wanted) {
        let read = soon(client.io.read_buf(&mut heard)).await.unwrap();
        assert!(read > 0, "the end came first");
    }
}

#[tokio::test]
async fn answers_come_while_the_body_goes_on() {
    let upstream = echo().await;
    let running = start(&upstream).await;
    // HTTP/1: the first answer is there before the second request is sent.
    let first = Conversation::new(1, &[("ping", "")]);
    let both = Conversation::new(1, &[("ping", ""), ("plain.echo", "later")]);
    assert!(both.bytes.starts_with(&first.bytes));
    let chunk =
        |bytes: &[u8]| [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
    let mut client = Client::connect(running.address()).await;
    client.send(head("transfer-encoding: chunked")).await;
    client.send(chunk(&first.bytes)).await;
    hear(&mut client, b"pong").await;
    client.send(chunk(&both.bytes[first.bytes.len()..])).await;
    hear(&mut client, b"later").await;
    client.send("0\r\n\r\n").await;
    hear(&mut client, b"\r\n0\r\n\r\n").await;
    running.stop().await;
}

#[tokio::test]
async fn a_connection_serves_one_post_after_the_other_and_other_calls() {
    let upstream = echo().await;
    let running = start(&upstream).await;
    let mut client = Client::connect(running.address()).await;
    for device in 1..4 {
        let conversation = Conversation::new(device, &[("ping", "")]);
        let answer = client.ask(post(conversation.bytes.clone()).to_http1()).await;
        assert_eq!(conversation.hear(&answer.body).answers, [(200, "pong".to_owned())]);
        let answer = client.ask(Ask::new("POST", "/echo/x").body("http").to_http1()).await;
        assert_eq!(answer.text(), "http");
    }
    running.stop().await;
}

#[tokio::test]
async fn what_is_no_mmtp_is_told_so() {
    let upstream = echo().await;
    let running = start(&upstream).await;
    let cases = [
        (Ask::new("GET", PATH), 405, "PF-1004", "allow"),
        (Ask::new("PUT", PATH).body("x"), 405, "PF-1004", "allow"),
        (Ask::new("POST", PATH).body("x"), 415, "PF-1110", "accept-post"),
        (post("x").field("content-encoding", "gzip"), 415, "PF-1110", "accept-post"),
    ];
    for (ask, status, code, field) in cases {
        for reply in
            [ask.over_http1(running.address()).await, ask.over_http2(running.address()).await]
        {
            assert_eq!((reply.status, &*reply.code()), (status, code), "{ask:?}");
            assert_ne!(reply.header(field), "", "{ask:?}");
        }
    }
    // Another spelling of the path is another path.
    let reply =
        Ask::new("POST", "/.well-known/%6dmtp").body("x").over_http1(running.address()).await;
    assert_eq!((reply.status, &*reply.code()), (404, "PF-1003"));
    running.stop().await;
}

#[tokio::test]
async fn what_breaks_the_protocol_is_closed_with_its_code() {
    let upstream = echo().await;
    let running = start(&upstream).await;
    let whole = Conversation::new(1, &[("plain.echo", "all of it")]).bytes;
    let hello = Conversation::new(1, &[]).bytes;
    let oversized = [&hello[..], b"\x28\x81\x80\x01"].concat();
    let cases: [(&str, Vec<u8>, u32); 6] = [
        ("nothing", vec![], 4002),
        ("garbage", b"GET / HTTP/1.1\r\n\r\n".to_vec(), 4002),
        ("no greeting", whole[hello.len()..].to_vec(), 4007),
        ("half a frame", whole[..whole.len() - 3].to_vec(), 4002),
        ("a frame that is too large", oversized, 4003),
        ("two HELLOs", [&hello[..], &hello].concat(), 4002),
    ];
    for (what, bytes, code) in cases {
        for over_h2 in [false, true] {
            let ask = post(bytes.clone());
            let reply = match over_h2 {
                true => ask.over_http2(running.address()).await,
                false => ask.over_http1(running.address()).await,
            };
            good(&reply);
            assert_eq!(Conversation::new(1, &[]).hear(&reply.body).closed, Some(code), "{what}");
        }
    }
    // A client keeps to its credit, 65,536 bytes: what is more it cannot send before it reads. The call that is not whole is broken
    // off, the other one is answered.
    let (small, large) = ("x".repeat(20_000), "x".repeat(60_000));
    let conversation = Conversation::new(1, &[("plain.echo", &small), ("plain.echo", &large)]);
    assert!(conversation.bytes.len() < 70_000);
    let reply = post(conversation.bytes.clone()).over_http1(running.address()).await;
    let said = conversation.hear(&reply.body);
    assert_eq!((said.answers, said.cancelled), (vec![(200, small)], vec![2]));
    assert_eq!(said.closed, Some(1000));
    running.stop().await;
}

#[tokio::test]
async fn a_body_that_stalls_is_closed_as_idle() {
    let upstream = echo().await;
    let running = start(&upstream).await;
    let conversation = Conversation::new(1, &[("ping", "")]);
    let length = conversation.bytes.len() + 1;
    let mut client = Client::connect(running.address()).await;
    client.send(head(&format!("content-length: {length}"))).await;
    client.send(&conversation.bytes).await;
    // What came is answered, and after `limits.body` that is all.
    let answer = client.answer().await;
    let said = conversation.hear(&answer.body);
    assert_eq!((said.answers, said.closed), (vec![(200, "pong".to_owned())], Some(1002)));
    client.closed().await;

    // One that never says anything at all.
    let mut client = Client::connect(running.address()).await;
    client.send(head("content-length: 5")).await;
    let answer = client.answer().await;
    let said = Conversation::new(1, &[]).hear(&answer.body);
    assert_eq!((said.welcomed, said.closed), (false, Some(1002)));
    running.stop().await;
}

#[tokio::test]
async fn a_client_that_goes_away_ends_its_calls() {
    let upstream = Recorder::answering("").await;
    let running = start(&upstream).await;
    let conversation = Conversation::new(1, &[("plain.echo", "x")]);
    for over_h2 in [false, true] {
        let ask = post(conversation.bytes.clone());
        let seen = upstream.count();
        if over_h2 {
            let h2 = H2::connect(running.address()).await;
            let mut sender = h2.sender.clone().ready().await.unwrap();
            let (answer, mut body) = sender.send_request(ask.to_head(), false).unwrap();
            body.send_data(conversation.bytes.clone().into(), true).unwrap();
            until(|| upstream.count() > seen).await;
            drop((answer, body));
        } else {
            let mut client = Client::connect(running.address()).await;
            client.send(ask.to_http1()).await;
            until(|| upstream.count() > seen).await;
            client.reset();
        }
        let idle = "paifang_calls_in_flight{api=\"plain-echo\"} 0";
        while !metrics(&running).await.contains(idle) {
            tokio::task::yield_now().await;
        }
    }
    running.stop().await;
}

#[tokio::test]
async fn a_long_connection_of_the_device_is_left_alone() {
    let upstream = echo().await;
    let running = start(&upstream).await;
    let hello = Key::p256().prove(mmtp_hello(1), "", None);
    let mut long = MmtpClient::connect(running.address(), &hello).await;
    long.welcome().await;
    let conversation = Conversation::of(&hello, &[("ping", "")]);
    let reply = post(conversation.bytes.clone()).over_http1(running.address()).await;
    assert_eq!(conversation.hear(&reply.body).answers.len(), 1);
    // A GOAWAY would come before the answer.
    assert_eq!(long.call("ping", "").await.body, b"pong");
    assert!(!long.session.is_closed());
    drop(long);
    running.stop().await;
}

#[tokio::test]
async fn the_client_is_whom_the_proxy_names_around_it() {
    let upstream = echo().await;
    let trusted = "plain: true }, trusted_proxies: [ 127.0.0.0/8 ]";
    let apis = ["apis:\n", APIS].concat();
    let running = Running::start(config(&upstream, &apis).replace("plain: true }", trusted)).await;
    let field = ("x-forwarded-for".into(), b"10.9.9.9".as_slice().into());
    let hello = Hello { fields: vec![field], ..mmtp_hello(1) };
    let conversation = Conversation::of(&hello, &[("plain.echo", "")]);
    let ask = post(conversation.bytes.clone()).field("x-forwarded-for", "192.0.2.7");
    let reply = ask.over_http1(running.address()).await;
    assert_eq!(conversation.hear(&reply.body).answers.len(), 1);
    assert_eq!(upstream.last().header("x-forwarded-for"), Some("192.0.2.7"));
    // Of a proxy's word that it came early nobody could say when that is over.
    let conversation = Conversation::new(1, &[("plain.echo", "")]);
    let ask = post(conversation.bytes.clone()).field("early-data", "1");
    let reply = ask.over_http1(running.address()).await;
    assert_eq!((reply.status, &*reply.code()), (425, "PF-1013"));
    running.stop().await;
}

#[tokio::test]
async fn early_data_waits_unless_it_may_be_replayed() {
    const HOST: &str = "one.example";
    let (pki, upstream) = (Pki::default(), echo().await);
    let rest = "\
apis:
  - { id: safe, operation: safe, upstream: main, early_data: true }
  - { id: other, operation: other, upstream: main }
";
    let tls =
        "tls: { certificates: [ { cert: one.pem, key: one.key } ], early_data: {} }, mmtp: {}";
    let pair = pki.server(&[HOST]);
    let running = Setup::new(config(&upstream, rest).replace("mmtp: { plain: true }", tls))
        .file("one.pem", pair.cert)
        .file("one.key", pair.key)
        .start()
        .await;
    let client = pki.client(&["http/1.1"], None).early();
    let warm = client.connect(running.address(), HOST).await.unwrap();
    let mut warm = Wire::new(warm);
    let conversation = Conversation::new(1, &[("safe", "")]);
    let answer = warm.ask(post(conversation.bytes.clone()).to_http1()).await;
    assert_eq!(conversation.hear(&answer.body).answers.len(), 1);

    let conversation = Conversation::new(2, &[("other", "a"), ("safe", "b")]);
    let (mut raw, _) =
        Raw::early(&running, &client, &post(conversation.bytes.clone()).to_http1()).await;
    while upstream.count() < 2 {
        raw.read().await.expect("the end came first");
    }
    assert_eq!(upstream.last().target(), "/safe");
    assert_eq!(upstream.last().header("early-data"), Some("1"));
    raw.finish("").await;
    until(|| upstream.count() == 3).await;
    assert_eq!(upstream.last().target(), "/other");
    assert_eq!(upstream.last().header("early-data"), None);
    drop(raw);
    running.stop().await;
}
