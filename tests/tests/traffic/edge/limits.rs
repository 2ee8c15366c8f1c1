//! Limits on connections, on heads, and on what a connection may carry.

use super::config;
use paifang_tests::harness::{Ask, Client, H2, Recorder, Running, connect_from, soon, until};

/// Whether a new connection from there is served.
async fn served(running: &Running, from: &str) -> Option<Client> {
    let mut client = connect_from(from, running.address()).await;
    client.try_send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.ok()?;
    client.try_answer().await.ok().map(|_| client)
}

/// Waits until a new connection from there is served.
async fn again(running: &Running, from: &str) -> Client {
    soon(async {
        loop {
            if let Some(client) = served(running, from).await {
                return client;
            }
        }
    })
    .await
}

#[tokio::test]
async fn beyond_its_connections_a_listener_closes_new_ones_and_keeps_the_old() {
    let upstream = Recorder::start().await;
    let running =
        Running::start(config(upstream.address(), "limits: { connections: 2 }", "[]")).await;
    let mut one = served(&running, "127.0.0.1").await.unwrap();
    let two = served(&running, "127.0.0.2").await.unwrap();
    assert!(served(&running, "127.0.0.3").await.is_none());
    assert_eq!(one.get("/").await.status(), 200);
    drop(two);
    let _three = again(&running, "127.0.0.3").await;
    assert!(served(&running, "127.0.0.4").await.is_none());
    drop(one);
    until(|| running.gateway.listeners()[0].active < 2).await;
}

#[tokio::test]
async fn beyond_its_share_an_address_is_closed_and_others_are_not() {
    let upstream = Recorder::start().await;
    let listener = "limits: { connections_per_ip: 1 }";
    let running = Running::start(config(upstream.address(), listener, "[]")).await;
    let one = served(&running, "127.0.0.1").await.unwrap();
    assert!(served(&running, "127.0.0.1").await.is_none());
    let _other = served(&running, "127.0.0.2").await.unwrap();
    drop(one);
    let _again = again(&running, "127.0.0.1").await;
}

#[tokio::test]
async fn the_share_behind_proxies_is_counted_by_whom_they_name() {
    let upstream = Recorder::start().await;
    let listener = "proxy_protocol: required, trusted_proxies: [ 127.0.0.0/8 ], \
        limits: { connections_per_ip: 1 }";
    let running = Running::start(config(upstream.address(), listener, "[]")).await;
    let connect = async |client: &str| {
        let mut connection = running.connect().await;
        let head =
            format!("PROXY TCP4 {client} 192.0.2.1 5555 443\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n");
        connection.try_send(head).await.ok()?;
        connection.try_answer().await.ok().map(|_| connection)
    };
    let _one = connect("203.0.113.1").await.unwrap();
    assert!(connect("203.0.113.1").await.is_none());
    let _two = connect("203.0.113.2").await.unwrap();
}

#[tokio::test]
async fn connections_too_fast_are_closed_before_they_cost_anything() {
    let upstream = Recorder::start().await;
    let listener = "accept: [ throttle: { rate: 2/h, by: client_ip } ]";
    let running = Running::start(config(upstream.address(), listener, "[]")).await;
    for _ in 0..2 {
        assert!(served(&running, "127.0.0.1").await.is_some());
    }
    assert!(served(&running, "127.0.0.1").await.is_none());
    assert!(served(&running, "127.0.0.2").await.is_some());
    running.stop().await;
}

#[tokio::test]
async fn heads_have_a_ceiling_in_fields_in_bytes_and_in_the_target() {
    let upstream = Recorder::start().await;
    let listener = "limits: { header_count: 20, header_bytes: 2KiB }";
    let config = config(upstream.address(), listener, "[]") + "paths: { max_length: 1024 }\n";
    let running = Running::start(config).await;
    let fields = |count: usize| "x-f: 1\r\n".repeat(count);
    let wide = |bytes: usize| format!("x-w: {}\r\n", "w".repeat(bytes));
    let long = |bytes: usize| format!("/{}", "l".repeat(bytes - 1));
    let ask = |target: String, fields: String| {
        format!("GET {target} HTTP/1.1\r\nhost: a\r\n{fields}\r\n")
    };
    let cases = [
        (ask("/".to_owned(), fields(19)), 200, ""),
        (ask("/".to_owned(), fields(20)), 431, "PF-1007"),
        (ask("/".to_owned(), wide(1500)), 200, ""),
        (ask("/".to_owned(), wide(2048)), 431, "PF-1007"),
        (ask(long(1024), String::new()), 200, ""),
        (ask(long(1025), String::new()), 414, "PF-1009"),
        (ask(format!("/?{}", "q".repeat(1023)), String::new()), 414, "PF-1009"),
    ];
    for (request, status, code) in cases {
        let mut client = running.connect().await;
        let answer = client.ask(&request).await;
        let seen = (answer.status(), answer.code());
        assert_eq!(seen, (status, code.to_owned()), "{} bytes", request.len());
        if status != 200 {
            client.closed().await;
        }
    }
    // A head without an end is cut at the ceiling, not kept.
    let mut endless = running.connect().await;
    endless.send(format!("GET / HTTP/1.1\r\nx: {}", "w".repeat(2048))).await;
    assert_eq!(endless.answer().await.status(), 431);
    assert_eq!(upstream.count(), 3);

    let connection = H2::connect(running.address()).await;
    for (ask, status) in [
        (Ask::new("GET", long(1024)), 200),
        (Ask::new("GET", long(1025)), 414),
        ((0..21).fold(Ask::new("GET", "/"), |ask, _| ask.field("x-f", "1")), 431),
        (Ask::new("GET", "/").field("x-w", "w".repeat(2048)), 431),
    ] {
        assert_eq!(connection.call(&ask).await.status, status, "{status}");
    }
    assert_eq!(upstream.count(), 4);
    running.stop().await;
}

#[tokio::test]
async fn a_connection_ends_after_so_many_requests() {
    let upstream = Recorder::start().await;
    let listener = "limits: { requests_per_connection: 2 }";
    let running = Running::start(config(upstream.address(), listener, "[]")).await;
    let mut client = running.connect().await;
    assert_ne!(client.get("/").await.header("connection"), Some("close"));
    assert_eq!(client.get("/").await.header("connection"), Some("close"));
    client.closed().await;
    let connection = H2::connect(running.address()).await;
    for _ in 0..2 {
        assert_eq!(connection.call(&Ask::new("GET", "/")).await.status, 200);
    }
    connection.ended().await.expect("a graceful end");
    running.stop().await;
}

#[tokio::test]
async fn a_client_that_opens_streams_only_to_reset_them_is_sent_away() {
    // The rapid reset of CVE-2023-44487.
    let upstream = Recorder::start().await;
    let listener = "limits: { h2_streams: 8, h2_resets: 16 }";
    let running = Running::start(config(upstream.address(), listener, "[]")).await;
    let connection = H2::connect(running.address()).await;
    let mut sent = 0;
    let ended = soon(async {
        loop {
            let Ok(mut sender) = connection.sender.clone().ready().await else { break };
            let Ok((response, mut body)) =
                sender.send_request(Ask::new("POST", "/").to_head(), false)
            else {
                break;
            };
            sent += 1;
            // On the wire before the reset, or it would never be seen there.
            body.reserve_capacity(1);
            std::future::poll_fn(|cx| body.poll_capacity(cx)).await;
            tokio::task::yield_now().await;
            body.send_reset(h2::Reason::CANCEL);
            drop(response);
        }
    });
    ended.await;
    assert!(sent < 5000, "{sent} streams were taken");
    // Others are served all the same.
    assert_eq!(Ask::new("GET", "/").over_http2(running.address()).await.status, 200);
}
