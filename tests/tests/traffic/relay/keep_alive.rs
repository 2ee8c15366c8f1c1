//! Connections that live on, on both sides.

use paifang_tests::harness::{Ask, H2, Recorder, Running, Server, one_api, one_upstream};

#[tokio::test]
async fn calls_one_after_the_other_use_one_connection_on_either_side() {
    let upstream = Recorder::start().await;
    let running = Running::start(one_api(upstream.address(), "[]")).await;
    let mut client = running.connect().await;
    for call in 0..10 {
        let answer = client.get(&format!("/{call}")).await;
        assert_eq!((answer.status(), answer.text()), (200, "upstream"));
        assert_ne!(answer.header("connection"), Some("close"));
        assert_eq!(upstream.last().target(), format!("/{call}"));
    }
    let posted = client
        .ask("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
        .await;
    assert_eq!((posted.status(), upstream.last().text()), (200, "ok"));
    assert_eq!(client.get("/last").await.status(), 200);
    assert_eq!(upstream.server.connections(), 1);
    drop(client);
    // Another client's calls take the same connection.
    assert_eq!(running.connect().await.get("/").await.status(), 200);
    assert_eq!(H2::connect(running.address()).await.call(&Ask::new("GET", "/")).await.status, 200);
    assert_eq!(upstream.server.connections(), 1);
    running.stop().await;
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_their_order() {
    let upstream = Recorder::replying(|request| {
        let body = request.target();
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
    })
    .await;
    let running = Running::start(one_api(upstream.address(), "[]")).await;
    let mut client = running.connect().await;
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n");
    let post = "POST /2 HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody";
    client.send([get("/1"), post.to_owned(), get("/3"), get("/4")].concat()).await;
    for path in ["/1", "/2", "/3", "/4"] {
        assert_eq!(client.answer().await.text(), path);
    }
    assert_eq!(upstream.request(1).text(), "body");
    running.stop().await;
}

#[tokio::test]
async fn either_end_may_say_that_the_connection_ends() {
    let upstream =
        Recorder::answering("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok")
            .await;
    let running = Running::start(one_api(upstream.address(), "[]")).await;
    let mut client = running.connect().await;
    // The upstream's wish is its own affair.
    for _ in 0..2 {
        let answer = client.get("/").await;
        assert_eq!(answer.text(), "ok");
        assert_ne!(answer.header("connection"), Some("close"));
    }
    assert_eq!(upstream.server.connections(), 2);
    let last = client.ask("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert_eq!((last.text(), last.header("connection")), ("ok", Some("close")));
    client.closed().await;
    let mut old = running.connect().await;
    let answer = old.ask("GET / HTTP/1.0\r\n\r\n").await;
    assert_eq!(answer.text(), "ok");
    old.closed().await;
    running.stop().await;
}

#[tokio::test]
async fn fields_of_a_connection_end_with_it() {
    let upstream = Recorder::answering(
        "HTTP/1.1 200 OK\r\nconnection: x-hop, keep-alive\r\nx-hop: 1\r\nkeep-alive: timeout=9\r\n\
         proxy-authenticate: Basic\r\nx-end: 2\r\ncontent-length: 0\r\n\r\n",
    )
    .await;
    let running = Running::start(one_api(upstream.address(), "[]")).await;
    let mut client = running.connect().await;
    let answer = client
        .ask(
            "GET / HTTP/1.1\r\nhost: a\r\nconnection: x-mine, keep-alive\r\nx-mine: 1\r\n\
             keep-alive: 5\r\nproxy-authorization: Basic x\r\nte: gzip\r\nx-end: 1\r\n\r\n",
        )
        .await;
    for name in ["x-hop", "keep-alive"] {
        assert_eq!(answer.header(name), None, "{name}");
    }
    // What stands there is the gateway's own.
    assert_ne!(answer.header("connection"), Some("x-hop, keep-alive"));
    assert_eq!(answer.header("x-end"), Some("2"));
    let request = upstream.last();
    for name in ["x-mine", "keep-alive", "te", "connection"] {
        assert_eq!(request.header(name), None, "{name}");
    }
    assert_eq!(request.header("x-end"), Some("1"));
    running.stop().await;
}

#[tokio::test]
async fn a_pooled_connection_that_died_is_invisible() {
    // Answers one request on each connection, then closes it without having said so.
    let upstream = Server::start(|_, mut client| async move {
        client.request().await.unwrap();
        client.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    })
    .await;
    let running = Running::start(one_api(upstream.address, "[]")).await;
    let mut client = running.connect().await;
    for call in 1..=20 {
        let answer = client.get("/").await;
        assert_eq!((answer.status(), answer.text()), (200, "ok"), "call {call}");
        assert_eq!(upstream.connections(), call);
    }
    running.stop().await;
}

#[tokio::test]
async fn nothing_is_kept_where_the_pool_is_empty() {
    let upstream = Recorder::start().await;
    let config = one_upstream(
        upstream.address(),
        "apis: [ { id: all, match: { path_prefix: / }, upstream: up } ]",
    )
    .replace("endpoints:", "pool: { size: 0 }, endpoints:");
    let running = Running::start(config).await;
    let mut client = running.connect().await;
    for call in 1..=3 {
        assert_eq!(client.get("/").await.text(), "upstream");
        assert_eq!(upstream.server.connections(), call);
        assert_eq!(upstream.last().header("connection"), Some("close"));
    }
    running.stop().await;
}
