//! Kept answers, from sockets to sockets: with nginx, with servers that count, with an upstream that dies.

use paifang_tests::{
    harness::{Ask, Client, Nginx, Recorder, Running, Server, Setup, one_upstream},
    http,
};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};
use tokio::sync::Semaphore;

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len())
}

fn apis(cache: &str) -> String {
    format!(
        "admin: {{ address: 127.0.0.1:0 }}\n\
         apis:\n\
         \x20 - {{ id: read, match: {{ method: [ GET, HEAD ], path_prefix: / }}, cache: {cache}, upstream: up }}\n\
         \x20 - {{ id: write, match: {{ method: [ POST, DELETE ], path_prefix: / }}, upstream: up }}\n"
    )
}

fn admin(running: &Running) -> SocketAddr {
    running.gateway.admin_address().unwrap()
}

#[tokio::test]
async fn nginx_is_asked_once_and_its_files_are_given_whole_in_part_and_not_again() {
    let nginx = Nginx::start(
        "location /files/ { expires 1h; }\n\
         location /count { add_header cache-control max-age=60; return 200 $connection_requests; }\n",
    )
    .await;
    std::fs::create_dir(nginx.root.path().join("files")).unwrap();
    let page: String = (0..200_000).map(|at| char::from(b'a' + (at % 26) as u8)).collect();
    std::fs::write(nginx.root.path().join("files/page.txt"), &page).unwrap();
    let running = Running::start(one_upstream(nginx.address, &apis("{}"))).await;
    let mut client = running.connect().await;

    let first = client.get("/files/page.txt").await;
    assert_eq!((first.status(), first.text() == page), (200, true));
    assert_eq!(first.header("cache-status"), Some("paifang; fwd=uri-miss; stored"));
    // From here on the file may be gone.
    std::fs::remove_file(nginx.root.path().join("files/page.txt")).unwrap();
    let kept = client.get("/files/page.txt").await;
    assert_eq!((kept.status(), kept.text() == page), (200, true));
    assert_eq!(kept.header("cache-status"), Some("paifang; hit"));
    assert!(kept.header("age").is_some() && kept.header("date").is_some());
    let etag = kept.header("etag").unwrap().to_owned();
    let ask = |fields: &str| {
        format!("GET /files/page.txt HTTP/1.1\r\nhost: a.example\r\n{fields}\r\n\r\n")
    };
    let again = client.ask(ask(&format!("if-none-match: {etag}"))).await;
    assert_eq!((again.status(), again.text()), (304, ""));
    let part = client.ask(ask("range: bytes=26-28")).await;
    assert_eq!((part.status(), part.text()), (206, "abc"));
    client.send("HEAD /files/page.txt HTTP/1.1\r\nhost: a.example\r\n\r\n").await;
    assert_eq!(client.head().await.unwrap().header("content-length"), Some("200000"));

    let reply = Ask::new("GET", "/files/page.txt").over_http2(running.address()).await;
    assert_eq!(
        (reply.status, reply.text() == page, reply.header("cache-status")),
        (200, true, "paifang; hit")
    );
    for _ in 0..3 {
        assert_eq!(client.get("/count").await.header("content-length"), Some("1"));
    }
    assert_eq!(client.get("/count").await.header("cache-status"), Some("paifang; hit"));
    running.stop().await;
}

#[tokio::test]
async fn a_hundred_calls_at_once_are_one_to_the_upstream() {
    let gate = Arc::new(Semaphore::new(0));
    let asked = Arc::new(AtomicUsize::new(0));
    let (held, count) = (gate.clone(), asked.clone());
    let server = Server::start(move |_, mut client| {
        let (held, count) = (held.clone(), count.clone());
        async move {
            while client.request().await.is_some() {
                count.fetch_add(1, SeqCst);
                let _permit = held.acquire().await;
                client.send(answer("200 OK", "cache-control: max-age=60\r\n", "once")).await;
            }
        }
    })
    .await;
    let running = Running::start(one_upstream(server.address, &apis("{ collapse: 1m }"))).await;
    let calls: Vec<_> = (0..100)
        .map(|_| {
            let address = running.address();
            tokio::spawn(async move { Ask::new("GET", "/same").over_http1(address).await })
        })
        .collect();
    // All of them have come as far as the cache when all of them are in flight.
    loop {
        let metrics = http::get(admin(&running), "/metrics").await.body;
        let in_flight = |line: &str| {
            line.starts_with("paifang_calls_in_flight{api=\"read\"") && line.ends_with(" 100")
        };
        if metrics.lines().any(in_flight) {
            break;
        }
        tokio::task::yield_now().await;
    }
    gate.add_permits(1);
    for call in calls {
        let reply = call.await.unwrap();
        assert_eq!((reply.status, reply.text()), (200, "once"));
    }
    assert_eq!(asked.load(SeqCst), 1);
    running.stop().await;
}

#[tokio::test]
async fn an_upstream_that_dies_within_its_answer_leaves_the_others_a_whole_one() {
    let dying = Server::start({
        let died = Arc::new(AtomicUsize::new(0));
        move |_, mut client| {
            let died = died.clone();
            async move {
                while client.request().await.is_some() {
                    if died.fetch_add(1, SeqCst) == 0 {
                        let head = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\ncache-control: max-age=60\r\n\r\nhalf";
                        client.send(head).await;
                        return;
                    }
                    client.send(answer("200 OK", "cache-control: max-age=60\r\n", "whole body")).await;
                }
            }
        }
    })
    .await;
    let running = Running::start(one_upstream(dying.address, &apis("{}"))).await;
    let calls: Vec<_> = (0..10)
        .map(|_| {
            let address = running.address();
            tokio::spawn(async move { Ask::new("GET", "/same").over_http1(address).await })
        })
        .collect();
    let mut replies = Vec::new();
    for call in calls {
        replies.push(call.await.unwrap());
    }
    let (whole, broken): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.whole);
    assert_eq!((whole.len(), broken.len()), (9, 1), "one met the death, and sees that it did");
    assert!(whole.iter().all(|reply| reply.text() == "whole body"));
    running.stop().await;
}

#[tokio::test]
async fn a_stale_answer_stands_in_for_a_dead_upstream_and_says_so() {
    // It answers once a connection, and no more connections than one.
    let server = Server::start(|index, mut client| async move {
        if index == 0 && client.request().await.is_some() {
            let fields = "cache-control: max-age=0, stale-if-error=600\r\nconnection: close\r\n";
            client.send(answer("200 OK", fields, "kept")).await;
        }
    })
    .await;
    let running = Running::start(one_upstream(server.address, &apis("{}"))).await;
    let mut client = running.connect().await;
    assert_eq!(client.get("/a").await.text(), "kept");
    let stale = client.get("/a").await;
    assert_eq!((stale.status(), stale.text()), (200, "kept"));
    assert_eq!(stale.header("cache-status"), Some("paifang; fwd=stale; detail=stale-if-error"));
    assert_eq!(client.get("/b").await.status(), 502);
    running.stop().await;
}

#[tokio::test]
async fn changes_and_purges_end_what_was_kept() {
    let count = AtomicUsize::new(0);
    let upstream = Recorder::replying(move |request| {
        let index = count.fetch_add(1, SeqCst).to_string();
        let body = if request.method() == "POST" { "" } else { &index };
        answer("200 OK", "cache-control: max-age=60\r\ncache-tag: all\r\n", body).into_bytes()
    })
    .await;
    let running = Running::start(one_upstream(upstream.address(), &apis("{}"))).await;
    let mut client = running.connect().await;
    let text = async |client: &mut Client| client.get("/item?x=1").await.text().to_owned();
    assert_eq!(text(&mut client).await, "0");
    assert_eq!(text(&mut client).await, "0");
    let post = "POST /item HTTP/1.1\r\nhost: a.example\r\ncontent-length: 0\r\n\r\n";
    assert_eq!(client.ask(post).await.status(), 200);
    assert_eq!(text(&mut client).await, "2");
    let order = async |body: &str| {
        let head = format!(
            "POST /v1/cache/purge HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        http::send(admin(&running), &head).await.status
    };
    assert_eq!(order(r#"{ "tags": ["none"] }"#).await, 200);
    assert_eq!(text(&mut client).await, "2");
    assert_eq!(order(r#"{ "tags": ["all"] }"#).await, 200);
    assert_eq!(text(&mut client).await, "3");
    assert_eq!(order("{}").await, 400);
    assert_eq!(order(r#"{ "urls": ["/item"] }"#).await, 400);
    let read = http::get(admin(&running), "/v1/cache").await.body;
    let read: serde_json::Value = serde_json::from_str(&read).unwrap();
    assert_eq!((&read["keys"], &read["apis"][0]["found"]["hit"]), (&1.into(), &2.into()));
    running.stop().await;
}

#[tokio::test]
async fn steps_see_every_call_and_nobody_gets_past_them() {
    let upstream = Recorder::replying(|_| {
        answer("200 OK", "cache-control: public, max-age=60\r\n", "secret").into_bytes()
    })
    .await;
    let config = one_upstream(
        upstream.address(),
        "apps: { one: { keys: [ { id: k, secret: { env: ONE } } ] } }\n\
         apis:\n\
         \x20 - id: read\n\
         \x20   match: { path_prefix: / }\n\
         \x20   handlers: [ key_auth: {}, headers: { response: { set: { x-step: seen } } } ]\n\
         \x20   cache: {}\n\
         \x20   upstream: up\n",
    );
    let running = Setup::new(config).variable("ONE", "key-of-one-1234567890").start().await;
    let ask = |key: &str| Ask::new("GET", "/x").field("x-api-key", key);
    for _ in 0..2 {
        let reply = ask("key-of-one-1234567890").over_http1(running.address()).await;
        assert_eq!((reply.status, reply.text(), reply.header("x-step")), (200, "secret", "seen"));
        assert_eq!(ask("wrong").over_http1(running.address()).await.status, 401);
    }
    assert_eq!(upstream.count(), 1);
    running.stop().await;
}
