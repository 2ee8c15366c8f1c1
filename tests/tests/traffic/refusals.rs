//! Requests that two readers could understand in two ways: byte by byte, and none of them reaches an
//! upstream.

use paifang_tests::harness::{Ask, Client, Recorder, Running, one_upstream};

async fn gateway(upstream: &Recorder) -> Running {
    let apis = "apis:\n\
        \x20 - { id: open, match: { path_prefix: /open }, upstream: up }\n\
        \x20 - { id: guarded, match: { path_prefix: /guarded }, handlers: [ respond: { status: 403 } ] }\n\
        \x20 - { id: host, match: { host: a.example, path: /host }, upstream: up }\n";
    Running::start(one_upstream(upstream.address(), apis)).await
}

/// Sends each request on a connection of its own: it must be refused so, the connection must end, and
/// what stands behind the request must not be served.
async fn refused(status: u16, code: &str, requests: &[&str]) {
    let upstream = Recorder::start().await;
    let running = gateway(&upstream).await;
    for request in requests {
        let mut client = running.connect().await;
        let smuggled = "GET /open/smuggled HTTP/1.1\r\nhost: a\r\n\r\n";
        client.send([request, smuggled].concat()).await;
        let answer = client.answer().await;
        assert_eq!((answer.status(), answer.code()), (status, code.to_owned()), "{request:?}");
        assert_eq!(answer.header("connection"), Some("close"), "{request:?}");
        assert!(!answer.text().contains("smuggled"), "{request:?}");
        let (rest, _) = client.rest().await;
        assert_eq!(String::from_utf8_lossy(&rest), "", "{request:?}: a second answer");
    }
    assert_eq!(upstream.count(), 0, "{:?}", upstream.last());
    assert_eq!(upstream.server.connections(), 0);
    running.stop().await;
}

#[tokio::test]
async fn where_the_body_ends_is_told_once_and_in_one_way() {
    let with = |framing: &str| format!("POST /open HTTP/1.1\r\nhost: a\r\n{framing}\r\n\r\n");
    let requests: Vec<String> = [
        "content-length: 3\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ncontent-length: 0",
        "transfer-encoding: identity\r\ncontent-length: 3",
        "content-length: 3\r\ncontent-length: 3",
        "content-length: 0\r\ncontent-length: 44",
        "content-length: 3, 3",
        "content-length: +3",
        "content-length: -3",
        "content-length: 0x3",
        "content-length: 3 ",
        "content-length: 3a",
        "content-length: 99999999999999999999999",
        "content-length:",
        "transfer-encoding: chunked, identity",
        "transfer-encoding: identity",
        "transfer-encoding: gzip, chunked",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked",
        "transfer-encoding: \x0bchunked",
        "transfer-encoding: \"chunked\"",
        "transfer-encoding\x00: chunked",
        "transfer-encoding : chunked",
        " transfer-encoding: chunked",
        "x: y\r\n\ttransfer-encoding: chunked",
        "content-length: 1\r\n 0",
    ]
    .into_iter()
    // Blanks at the end of a value are none (RFC 9112 section 5.1).
    .filter(|framing| !framing.ends_with("3 "))
    .map(with)
    .collect();
    let requests: Vec<&str> = requests.iter().map(String::as_str).collect();
    refused(400, "PF-1000", &requests).await;
    let old = "POST /open HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    refused(400, "PF-1000", &[old]).await;
}

#[tokio::test]
async fn lines_end_in_cr_lf_and_hold_no_control_characters() {
    refused(
        400,
        "PF-1000",
        &[
            "GET /open HTTP/1.1\nhost: a\n\n",
            "GET /open HTTP/1.1\r\nhost: a\n\r\n",
            "GET /open HTTP/1.1\r\nhost: a\r\n\n",
            "GET /open HTTP/1.1\r\nhost: a\r\nx: 1\ry: 2\r\n\r\n",
            "GET /open HTTP/1.1\r\nhost: a\r\nx: a\0b\r\n\r\n",
            "GET /open HTTP/1.1\r\nhost: a\r\nx: a\x0bb\r\n\r\n",
            "GET /open HTTP/1.1\r\nhost: a\r\nx: a\x7fb\r\n\r\n",
            "GET /open HTTP/1.1\r\nhost: a\r\nx\0: 1\r\n\r\n",
            "GET /op\0en HTTP/1.1\r\nhost: a\r\n\r\n",
            "GET /open HTTP/1.1\r\nhost: a\r\nx: 1\r\n folded\r\n\r\n",
            "GET /open HTTP/1.1\r\nhost: a\r\nx: 1\r\n\tfolded\r\n\r\n",
            "GET /open HTTP/1.1\r\n host: a\r\n\r\n",
            "GET /open HTTP/1.1\r\nhost: a\r\nx : 1\r\n\r\n",
            "GET /open HTTP/1.1\r\nhost: a\r\nx\t: 1\r\n\r\n",
            "GET /open HTTP/1.1\r\nhost: a\r\n: 1\r\n\r\n",
            "GET /open HTTP/1.1\r\nhost: a\r\nno colon\r\n\r\n",
            "GET /open HTTP/1.1\r\nhost: a\r\nx(y): 1\r\n\r\n",
            "\r\n\r\nGET /open HTTP/1.1\r\nhost: a\r\n\r\n",
        ],
    )
    .await;
}

#[tokio::test]
async fn a_request_line_is_a_method_a_target_and_a_version() {
    refused(
        400,
        "PF-1000",
        &[
            "GET /open\r\n",
            "GET /open HTTP/0.9\r\n\r\n",
            "GET /open HTTP/2.0\r\nhost: a\r\n\r\n",
            "GET /open HTTP/1.2\r\nhost: a\r\n\r\n",
            "GET /open http/1.1\r\nhost: a\r\n\r\n",
            "GET /open HTTP/1.1 \r\nhost: a\r\n\r\n",
            "GET  /open HTTP/1.1\r\nhost: a\r\n\r\n",
            "GET\t/open\tHTTP/1.1\r\nhost: a\r\n\r\n",
            "GET /open a HTTP/1.1\r\nhost: a\r\n\r\n",
            "G{T /open HTTP/1.1\r\nhost: a\r\n\r\n",
            " GET /open HTTP/1.1\r\nhost: a\r\n\r\n",
            "GET open HTTP/1.1\r\nhost: a\r\n\r\n",
            "GET * HTTP/1.1\r\nhost: a\r\n\r\n",
            "GET /open#part HTTP/1.1\r\nhost: a\r\n\r\n",
            "GET ftp://a/open HTTP/1.1\r\nhost: a\r\n\r\n",
            "GET a:80 HTTP/1.1\r\nhost: a\r\n\r\n",
        ],
    )
    .await;
    refused(501, "PF-1012", &["CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n\r\n"]).await;
}

#[tokio::test]
async fn a_request_is_for_one_host() {
    refused(
        400,
        "PF-1002",
        &[
            "GET /open HTTP/1.1\r\n\r\n",
            "GET /open HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n",
            "GET /open HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
            "GET /open HTTP/1.1\r\nhost:\r\n\r\n",
            "GET /open HTTP/1.1\r\nhost: a b\r\n\r\n",
            "GET /open HTTP/1.1\r\nhost: a, b\r\n\r\n",
            "GET /open HTTP/1.1\r\nhost: user@a\r\n\r\n",
            "GET /open HTTP/1.1\r\nhost: a/b\r\n\r\n",
            "GET /open HTTP/1.1\r\nhost: a:99999\r\n\r\n",
            "GET /open HTTP/1.1\r\nhost: a:b\r\n\r\n",
            "GET /open HTTP/1.1\r\nhost: [::1\r\n\r\n",
            "GET /open HTTP/1.1\r\nhost: a..b\r\n\r\n",
            "GET /open HTTP/1.1\r\nhost: 2130706433\r\n\r\n",
            "GET http://a.example/open HTTP/1.1\r\nhost: b.example\r\n\r\n",
        ],
    )
    .await;
}

#[tokio::test]
async fn bad_chunks_are_refused_and_what_follows_is_not_served() {
    let upstream = Recorder::start().await;
    let running = gateway(&upstream).await;
    for chunks in [
        "zz\r\nabc\r\n0\r\n\r\n",
        "-1\r\nabc\r\n0\r\n\r\n",
        "+3\r\nabc\r\n0\r\n\r\n",
        "0x3\r\nabc\r\n0\r\n\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "3\r\nabc0\r\n\r\n",
        "3\nabc\n0\n\n",
        "\r\nabc\r\n0\r\n\r\n",
        "fffffffffffffffff\r\nabc\r\n0\r\n\r\n",
        "3 3\r\nabc\r\n0\r\n\r\n",
        ";a\r\nabc\r\n0\r\n\r\n",
        " \r\nabc\r\n0\r\n\r\n",
        "3;a\nabc\r\n0\r\n\r\n",
        "3;a\rb\r\nabc\r\n0\r\n\r\n",
        "3;\0\r\nabc\r\n0\r\n\r\n",
        "3\r\nabc\r\n0\r\nno colon\r\n\r\n",
        "3\r\nabc\r\n0\r\nx: 1\n\r\n",
        "3\r\nabc\r\n0\r\nx y: 1\r\n\r\n",
        "3\r\nabc\r\n0\n\n",
        "3\r\nabc\r\n0\r\n\n",
    ] {
        let mut client = running.connect().await;
        let head = "POST /open HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
        let smuggled = "GET /open/smuggled HTTP/1.1\r\nhost: a\r\n\r\n";
        client.send([head, chunks, smuggled].concat()).await;
        let answer = client.answer().await;
        assert_eq!((answer.status(), answer.code()), (400, "PF-1011".to_owned()), "{chunks:?}");
        let (rest, _) = client.rest().await;
        assert_eq!(String::from_utf8_lossy(&rest), "", "{chunks:?}: a second answer");
    }
    assert_eq!(upstream.count(), 0, "a whole request came through");
    running.stop().await;
}

#[tokio::test]
async fn hidden_ways_to_another_path_are_refused() {
    let upstream = Recorder::start().await;
    let running = gateway(&upstream).await;
    for target in [
        "/open/..;/guarded",
        "/open/..%3b/guarded",
        "/open/..%2fguarded",
        "/open/%2e%2e%2fguarded",
        "/open/..%5cguarded",
        "/open\\..\\guarded",
        "/open/%00",
        "/open/%0d%0ax",
        "/open/%2",
        "/open/%zz",
        "/../guarded",
        "/open/../../guarded",
        "/open/caf\u{e9}",
    ] {
        let mut client = running.connect().await;
        let answer = client.get(target).await;
        assert_eq!((answer.status(), answer.code()), (400, "PF-1001".to_owned()), "{target}");
        let reply = h2_reply(&running, target).await;
        // Some of them are no HTTP/2 at all, and their stream is reset.
        assert!(matches!(reply, 0 | 400), "{target}: {reply}");
    }
    assert_eq!(upstream.count(), 0);
    running.stop().await;
}

/// The status over HTTP/2; 0 where the target cannot be sent or its stream was reset.
async fn h2_reply(running: &Running, target: &str) -> u16 {
    match format!("http://a.example{target}").parse::<http::Uri>() {
        Ok(_) => Ask::new("GET", target).over_http2(running.address()).await.status,
        Err(_) => 0,
    }
}

#[tokio::test]
async fn what_is_matched_is_what_is_sent() {
    let upstream = Recorder::start().await;
    let running = gateway(&upstream).await;
    let mut client = running.connect().await;
    for (target, sent) in [
        ("/open/a", "/open/a"),
        ("//open//a", "/open/a"),
        ("/open/./a/../b", "/open/b"),
        ("/guarded/../open/c", "/open/c"),
        ("/guarded/%2e%2E/open/d", "/open/d"),
        ("/%6fpen/e", "/open/e"),
        ("/open/a%2fb", "/open/a%2Fb"),
        ("/open/a;x=1", "/open/a;x=1"),
        ("/open/%c3%a9?q=//../%2e", "/open/%C3%A9?q=//../%2e"),
        ("http://a.example/open/f", "/open/f"),
        ("HTTP://A.EXAMPLE/open/g", "/open/g"),
    ] {
        let answer = client.get(target).await;
        assert_eq!((answer.status(), upstream.last().target()), (200, sent), "{target}");
        if !target.contains("//a.example") && !target.contains("//A.EX") {
            assert_eq!(h2_reply(&running, target).await, 200, "{target}");
            assert_eq!(upstream.last().target(), sent, "{target} over HTTP/2");
        }
    }
    let before = upstream.count();
    for target in ["/open/../guarded", "/open/%2e%2e/guarded", "//guarded", "/guarded/%2e/x"] {
        assert_eq!(client.get(target).await.status(), 403, "{target}");
    }
    for target in ["/open%2fa", "/%2fopen", "/OPEN", "/opens", "/open;x"] {
        let answer = client.get(target).await;
        assert_eq!((answer.status(), answer.code()), (404, "PF-1003".to_owned()), "{target}");
    }
    assert_eq!(upstream.count(), before);
    running.stop().await;
}

#[tokio::test]
async fn a_host_has_one_spelling() {
    let upstream = Recorder::start().await;
    let running = gateway(&upstream).await;
    for (host, status) in [
        ("a.example", 200),
        ("A.Example", 200),
        ("a.example.", 200),
        ("a.example:80", 200),
        ("b.example", 404),
        ("xa.example", 404),
    ] {
        let mut client = Client::connect(running.address()).await;
        let answer = client.ask(format!("GET /host HTTP/1.1\r\nhost: {host}\r\n\r\n")).await;
        assert_eq!(answer.status(), status, "{host}");
    }
    let mut client = running.connect().await;
    let answer = client.ask("POST /host HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(answer.status(), 404);
    running.stop().await;
}

#[tokio::test]
async fn a_method_that_no_api_takes_is_told_which_do() {
    let upstream = Recorder::start().await;
    let apis = "apis:\n  - { id: a, match: { path: /a, method: [ GET, PUT ] }, upstream: up }\n";
    let running = Running::start(one_upstream(upstream.address(), apis)).await;
    let mut client = running.connect().await;
    let answer = client.ask("DELETE /a HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!((answer.status(), answer.code()), (405, "PF-1004".to_owned()));
    let allowed = answer.header("allow").unwrap();
    assert!(allowed.contains("GET") && allowed.contains("PUT"), "{allowed}");
    assert_eq!(upstream.count(), 0);
    running.stop().await;
}
