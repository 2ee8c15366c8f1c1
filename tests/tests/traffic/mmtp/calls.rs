//! Calls pass the same APIs and chains as those over HTTP.

use super::config;
use paifang_mmtp::session::{NewRequest, Operation};
use paifang_tests::harness::{MmtpClient, Recorder, Setup, mmtp_hello};
use tokio::io::AsyncWriteExt;

const APIS: &str = "\
apps:
  one: { keys: [ { id: key-one, secret: { env: KEY_ONE } } ] }
apis:
  - id: orders.create
    match: { host: api.example.com, method: POST, path: '/v1/orders/{shop}' }
    operation: orders.create
    handlers: [ key_auth: {} ]
    upstream: main
  - id: ping
    match: { method: GET, path: /ping }
    operation: ping
    handlers: [ respond: { status: 200, body: pong } ]
";

#[tokio::test]
async fn an_operation_is_the_api_that_http_calls() {
    let upstream =
        Recorder::answering("HTTP/1.1 201 Created\r\ncontent-length: 4\r\nx-a: b\r\n\r\ndone")
            .await;
    let running = Setup::new(config(&upstream, APIS))
        .variable("KEY_ONE", "one-0123456789abcdef0123456789abcdef")
        .start()
        .await;
    let mut client = MmtpClient::connect(running.address(), &mmtp_hello(1)).await;
    let call = |fields| NewRequest {
        params: &[("shop", "café 7")],
        query: Some("a=1"),
        fields,
        ..NewRequest::new(Operation::Name("orders.create"), "{}".into())
    };
    // Its chain is passed: without a key it is refused, with the row that HTTP gets.
    let key = client.request(call(&[]));
    let refused = client.answer(key).await;
    assert_eq!((refused.status, refused.error), (401, 2000), "{refused:?}");
    assert_eq!(upstream.count(), 0);

    let key = client.request(call(&[
        ("x-api-key", b"one-0123456789abcdef0123456789abcdef"),
        ("content-type", b"application/json"),
    ]));
    let answer = client.answer(key).await;
    assert_eq!((answer.status, &answer.body[..]), (201, &b"done"[..]));
    assert_eq!(answer.field("x-a"), Some("b"));
    assert_eq!(answer.field("content-length"), None);
    let seen = upstream.last();
    assert_eq!(seen.start, "POST /v1/orders/caf%C3%A9%207?a=1 HTTP/1.1");
    assert_eq!(seen.header("host"), Some("api.example.com"));
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert_eq!(seen.header("content-length"), Some("2"));
    let id = format!("{}0102", "01".repeat(16));
    assert_eq!(seen.header("idempotency-key"), Some(&*id));

    // The same door speaks HTTP.
    let reply = running.connect().await.ask("GET /ping HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!((reply.status(), reply.text()), (200, "pong"));
    assert_eq!(client.call("ping", "").await.body, b"pong");
    drop(client);
    running.stop().await;
}

#[tokio::test]
async fn a_path_is_routed_as_over_http() {
    let upstream = Recorder::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let rest = "apis: [ { id: all, match: { path_prefix: /v1 }, upstream: main } ]\n";
    let running = Setup::new(config(&upstream, rest)).start().await;
    let hello =
        paifang_mmtp::greeting::Hello { authority: Some("Shop.Example".into()), ..mmtp_hello(1) };
    let mut client = MmtpClient::connect(running.address(), &hello).await;
    let target = |path| NewRequest::new(Operation::Target("GET", path), Default::default());
    let key = client.request(target("/v1//a/../b?c"));
    assert_eq!(client.answer(key).await.status, 200);
    assert_eq!(upstream.last().start, "GET /v1/b?c HTTP/1.1");
    assert_eq!(upstream.last().header("host"), Some("shop.example"));
    for (path, error) in [("/v2", 1003), ("/%zz", 1001)] {
        let key = client.request(target(path));
        assert_eq!(client.answer(key).await.error, error, "{path}");
    }
    drop(client);
    running.stop().await;
}

#[tokio::test]
async fn what_is_not_there_is_said() {
    let upstream = Recorder::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let rest = "\
apis:
  - { id: a, match: { path: '/a/{b}' }, operation: a, upstream: main }
  - { id: off, operation: off, state: offline, upstream: main }
  - { id: inside, match: { path: /inside, listener: inner }, operation: inside, upstream: main }
";
    let inner =
        "mmtp: { plain: true } }, { name: inner, address: 127.0.0.1:0, mmtp: { plain: true } }";
    let config = config(&upstream, rest).replace("mmtp: { plain: true } }", inner);
    let running = Setup::new(config).start().await;
    let mut client = MmtpClient::connect(running.listener("inner"), &mmtp_hello(2)).await;
    assert_eq!(client.call("inside", "").await.status, 200);
    drop(client);
    let mut client = MmtpClient::connect(running.address(), &mmtp_hello(1)).await;
    for operation in ["nothing", "inside"] {
        assert_eq!(client.call(operation, "").await.error, 1103, "{operation}");
    }
    assert_eq!(client.call("a", "").await.error, 1001);
    assert_eq!(client.call("off", "").await.error, 1010);
    for value in ["..", "b/../../c"] {
        let key = client.request(NewRequest {
            params: &[("b", value)],
            ..NewRequest::new(Operation::Name("a"), Default::default())
        });
        assert_eq!(client.answer(key).await.error, 1001, "{value}");
    }
    assert_eq!(upstream.count(), 1);
    drop(client);
    running.stop().await;
}

#[tokio::test]
async fn a_listener_without_mmtp_does_not_speak_it() {
    let upstream = Recorder::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let config = config(&upstream, "apis: []\n").replace(", mmtp: { plain: true }", "");
    let running = Setup::new(config).start().await;
    let mut client = MmtpClient::connect(running.address(), &mmtp_hello(1)).await;
    // To it this is a bad request line.
    client.stream.write_all(b"\r\n\r\n").await.unwrap();
    let paifang_mmtp::session::Event::Closed(closed) = client.event().await else { panic!() };
    assert!(!closed.is_by_peer() || closed.closing.code.0 >= 4000, "{closed:?}");
    running.stop().await;
}

#[tokio::test]
async fn what_a_client_says_of_one_in_front_of_it_is_not_believed() {
    let upstream = Recorder::start().await;
    let apis = "apis: [ { id: a, operation: a, upstream: main } ]\n";
    // Over HTTP this address would be believed.
    let trusting = config(&upstream, apis).replace(
        "mmtp: { plain: true }",
        "trusted_proxies: [ 127.0.0.0/8 ], mmtp: { plain: true }",
    );
    let running = Setup::new(trusting).start().await;
    let mut client = MmtpClient::connect(running.address(), &mmtp_hello(1)).await;
    let fields: &[(&str, &[u8])] =
        &[("x-forwarded-for", b"192.0.2.9"), ("x-forwarded-proto", b"https")];
    let key =
        client.request(NewRequest { fields, ..NewRequest::new(Operation::Name("a"), "".into()) });
    assert_eq!(client.answer(key).await.status, 200);
    let seen = upstream.last();
    assert_eq!(seen.header("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(seen.header("x-forwarded-proto"), Some("http"));
    drop(client);
    running.stop().await;
}
