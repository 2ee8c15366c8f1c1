//! Upstreams that die: before a head, inside a length, inside chunks; a client always sees it.

use super::super::conformance::Door;
use paifang_tests::harness::{Ask, H2Server, Reply, Running, Server, one_api, one_upstream};

/// Answers each request with these bytes, then resets the connection or ends it in order.
async fn dying(answer: &'static str, reset: bool) -> Server {
    Server::start(move |_, mut client| async move {
        client.request().await.unwrap();
        client.send(answer).await;
        match reset {
            true => client.reset(),
            false => client.finish().await,
        }
    })
    .await
}

/// Holds a reply to an answer of 200 that broke off after `half`. Over HTTP/2 the reset takes with it
/// what of the answer had not gone out by then.
#[track_caller]
fn broken_off(door: Door, reply: &Reply, answer: &str) {
    assert!(!reply.whole, "{door:?} {answer:?}: {reply:?}");
    match (door, reply.status) {
        (Door::Http2, 0) => {}
        (Door::Http2, status) => {
            assert!(status == 200 && "half".starts_with(reply.text()), "{answer:?}: {reply:?}");
        }
        (Door::Http1, status) => assert_eq!((status, reply.text()), (200, "half"), "{answer:?}"),
    }
}

#[tokio::test]
async fn before_a_whole_head_it_is_an_error() {
    for reset in [false, true] {
        for begun in ["", "HTTP/1.1 200 OK\r\ncontent-le"] {
            let upstream = dying(begun, reset).await;
            let running = Running::start(one_api(upstream.address, "[]")).await;
            for door in Door::ALL {
                // Not one that may be repeated.
                let reply = door.ask(running.address(), &Ask::new("POST", "/").body("x")).await;
                let seen = (reply.status, reply.code(), reply.whole);
                assert_eq!(seen, (502, "PF-4004".to_owned(), true), "{door:?} {begun:?} {reset}");
            }
            assert_eq!(upstream.connections(), 2);
            running.stop().await;
        }
    }
}

#[tokio::test]
async fn inside_a_body_the_client_sees_that_something_is_missing() {
    const BODIES: [&str; 4] = [
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n8\r\nhalf",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n",
    ];
    for answer in BODIES {
        let upstream = dying(answer, false).await;
        let running = Running::start(one_api(upstream.address, "[]")).await;
        for door in Door::ALL {
            let reply = door.ask(running.address(), &Ask::new("GET", "/")).await;
            broken_off(door, &reply, answer);
        }
        // The client asked once, so the upstream was asked once: nothing is repeated after a head.
        assert_eq!(upstream.connections(), 2);
        running.stop().await;
    }
}

#[tokio::test]
async fn a_reset_inside_a_body_never_looks_like_its_end() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        "HTTP/1.1 200 OK\r\n\r\nhalf",
    ] {
        let upstream = dying(answer, true).await;
        let running = Running::start(one_api(upstream.address, "[]")).await;
        for door in Door::ALL {
            // A reset may overtake what was sent before it, the head too.
            let reply = door.ask(running.address(), &Ask::new("POST", "/").body("x")).await;
            match reply.status {
                502 => assert_eq!(reply.code(), "PF-4004"),
                _ => broken_off(door, &reply, answer),
            }
        }
        running.stop().await;
    }
}

#[tokio::test]
async fn an_old_client_is_shown_by_a_reset() {
    // Without a length or chunks only a reset tells a broken answer from a whole one.
    let upstream =
        dying("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n", false).await;
    let running = Running::start(one_api(upstream.address, "[]")).await;
    let mut old = running.connect().await;
    old.send("GET / HTTP/1.0\r\n\r\n").await;
    assert!(old.try_answer().await.is_err(), "it looked whole");
    running.stop().await;
}

#[tokio::test]
async fn a_malformed_answer_is_an_error_and_never_handed_on() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx y: 1\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 2000 OK\r\ncontent-length: 0\r\n\r\n",
        "220 mail.example ESMTP\r\n\r\n",
    ] {
        let upstream = dying(answer, false).await;
        let running = Running::start(one_api(upstream.address, "[]")).await;
        for door in Door::ALL {
            let reply = door.ask(running.address(), &Ask::new("POST", "/").body("x")).await;
            let seen = (reply.status, reply.code());
            assert_eq!(seen, (502, "PF-4005".to_owned()), "{door:?} {answer:?}");
        }
        running.stop().await;
    }
}

#[tokio::test]
async fn a_bad_chunk_in_an_answer_breaks_it_off() {
    let upstream = dying(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\nmore\r\n0\r\n\r\n",
        false,
    )
    .await;
    let running = Running::start(one_api(upstream.address, "[]")).await;
    for door in Door::ALL {
        let reply = door.ask(running.address(), &Ask::new("GET", "/")).await;
        broken_off(door, &reply, "a bad chunk");
    }
    running.stop().await;
}

#[tokio::test]
async fn a_reset_stream_breaks_its_answer_off_too() {
    let upstream = H2Server::start(|mut call| async move {
        let path = call.head.uri.path().to_owned();
        if path == "/before" {
            return call.respond.send_reset(h2::Reason::INTERNAL_ERROR);
        }
        let mut out = call.begin(200);
        out.send_data("half".into(), false).unwrap();
        // The frame must be on the wire before its stream is reset.
        out.reserve_capacity(1);
        std::future::poll_fn(|cx| out.poll_capacity(cx)).await;
        tokio::task::yield_now().await;
        out.send_reset(h2::Reason::INTERNAL_ERROR);
    })
    .await;
    let config = one_upstream(
        upstream.address,
        "apis: [ { id: all, match: { path_prefix: / }, upstream: up } ]",
    )
    .replace("endpoints:", "protocol: h2, endpoints:");
    let running = Running::start(config).await;
    for door in Door::ALL {
        let before = door.ask(running.address(), &Ask::new("POST", "/before").body("x")).await;
        assert_eq!((before.status, before.code()), (502, "PF-4004".to_owned()), "{door:?}");
        let inside = door.ask(running.address(), &Ask::new("POST", "/inside").body("x")).await;
        assert!(!inside.whole || inside.status == 502, "{door:?}: {inside:?}");
    }
    running.stop().await;
}
