//! Lengths and chunks, both ways, and answers that have no body.

use paifang_tests::harness::{Recorder, Running, Server, one_api};

#[tokio::test]
async fn chunks_of_a_request_reach_the_upstream_as_one_body() {
    let upstream = Recorder::start().await;
    let running = Running::start(one_api(upstream.address(), "[]")).await;
    let mut client = running.connect().await;
    let head = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    client.send(head).await;
    for chunk in ["5;ext=1\r\nHello\r\n", "1\r\n \r\n", "6\r\nworld!\r\n", "0\r\n\r\n"] {
        client.send(chunk).await;
    }
    assert_eq!(client.answer().await.status(), 200);
    let request = upstream.last();
    assert_eq!((request.text(), request.header("content-length")), ("Hello world!", None));
    assert_eq!(request.header("transfer-encoding"), Some("chunked"));
    running.stop().await;
}

#[tokio::test]
async fn a_declared_length_stays_in_either_direction() {
    let upstream = Recorder::start().await;
    let running = Running::start(one_api(upstream.address(), "[]")).await;
    let mut client = running.connect().await;
    let answer = client.ask("PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc").await;
    assert_eq!(answer.header("content-length"), Some("8"));
    assert_eq!(answer.header("transfer-encoding"), None);
    let request = upstream.last();
    assert_eq!((request.text(), request.header("content-length")), ("abc", Some("3")));
    running.stop().await;
}

#[tokio::test]
async fn an_answer_that_ends_with_its_connection_becomes_chunks() {
    let upstream = Server::start(|_, mut client| async move {
        client.request().await.unwrap();
        client.send("HTTP/1.1 200 OK\r\n\r\nuntil the end").await;
        client.finish().await;
    })
    .await;
    let running = Running::start(one_api(upstream.address, "[]")).await;
    let mut client = running.connect().await;
    for _ in 0..2 {
        let answer = client.get("/").await;
        assert_eq!(answer.text(), "until the end");
        assert_eq!(answer.header("transfer-encoding"), Some("chunked"));
    }
    // An old client knows no chunks: for it the connection's end is the answer's.
    let mut old = running.connect().await;
    let answer = old.ask("GET / HTTP/1.0\r\n\r\n").await;
    assert_eq!((answer.text(), answer.header("transfer-encoding")), ("until the end", None));
    running.stop().await;
}

#[tokio::test]
async fn answers_without_a_body_leave_the_connection_in_order() {
    let upstream = Recorder::replying(|request| {
        let head = match request.target() {
            "/204" => "HTTP/1.1 204 No Content\r\nx-a: 1\r\n\r\n",
            "/304" => "HTTP/1.1 304 Not Modified\r\netag: \"x\"\r\ncontent-length: 5\r\n\r\n",
            "/head" => "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n",
            "/head-chunked" => "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            "/empty" => "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            _ => "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nlast",
        };
        head.as_bytes().to_vec()
    })
    .await;
    let running = Running::start(one_api(upstream.address(), "[]")).await;
    let mut client = running.connect().await;
    let ask = |method: &str, path: &str| format!("{method} {path} HTTP/1.1\r\nhost: a\r\n\r\n");
    let answer = client.ask(ask("GET", "/204")).await;
    assert_eq!((answer.status(), answer.header("content-length")), (204, None));
    let answer = client.ask(ask("GET", "/304")).await;
    assert_eq!((answer.status(), answer.header("etag")), (304, Some("\"x\"")));
    assert_eq!(client.ask(ask("GET", "/empty")).await.header("content-length"), Some("0"));
    client.send(ask("HEAD", "/head")).await;
    assert_eq!(client.head().await.unwrap().header("content-length"), Some("5"));
    client.send(ask("HEAD", "/head-chunked")).await;
    let head = client.head().await.unwrap();
    assert_eq!((head.status(), head.header("content-length")), (200, None));
    // Had any of them left a byte behind, this answer could not be read.
    assert_eq!(client.ask(ask("GET", "/")).await.text(), "last");
    assert_eq!(upstream.server.connections(), 1, "they did not leave the upstream's in order");
    running.stop().await;
}

#[tokio::test]
async fn a_body_behind_an_answer_that_has_none_is_not_handed_on() {
    // What a server sends beyond its answer could be taken for the next one.
    let upstream = Server::start(|_, mut client| async move {
        client.request().await.unwrap();
        client
            .send(
                "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged",
            )
            .await;
        client.rest().await.1.ok();
    })
    .await;
    let running = Running::start(one_api(upstream.address, "[]")).await;
    let mut client = running.connect().await;
    assert_eq!(client.get("/").await.status(), 204);
    assert_eq!(client.get("/").await.status(), 204, "the forged answer was handed on");
    assert_eq!(upstream.connections(), 2);
    running.stop().await;
}

#[tokio::test]
async fn a_large_body_passes_whole_in_either_framing() {
    const SIZE: usize = 3 << 20;
    let body: Vec<u8> = (0..SIZE).map(|at| (at % 249) as u8).collect();
    let upstream = Recorder::replying(|request| {
        let mut answer = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
        for piece in request.body.chunks(100_000) {
            answer.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
            answer.extend_from_slice(piece);
            answer.extend_from_slice(b"\r\n");
        }
        answer.extend_from_slice(b"0\r\n\r\n");
        answer
    })
    .await;
    let config = one_api(upstream.address(), "[]")
        .replace("version: 1", "version: 1\ndefaults: { body_limit: 4MiB }");
    let running = Running::start(config).await;
    let mut client = running.connect().await;
    client.send(format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {SIZE}\r\n\r\n")).await;
    client.send(&body).await;
    assert!(client.answer().await.body == body);
    running.stop().await;
}
