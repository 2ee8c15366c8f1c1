//! `forward_auth`: a server decides who passes; whatever becomes of it, nobody passes by themselves.

use super::super::conformance::Door;
use paifang_tests::harness::{
    Ask, Nginx, Recorder, Reply, Running, Server, Setup, one_upstream, refused_address, soon,
};
use std::{net::SocketAddr, time::Duration};

/// A gateway with the upstream `authz` beside `up`, and one API that asks it.
async fn gateway(up: SocketAddr, authz: SocketAddr, options: &str) -> Running {
    let config = one_upstream(
        up,
        &format!(
            "  authz: {{ endpoints: [ {{ address: \"{authz}\" }} ] }}\n\
             apis:\n  - id: all\n    match: {{ path_prefix: / }}\n    upstream: up\n    handlers:\n\
             \x20     - forward_auth: {{ upstream: authz, take: [ x-user ], identity: {{ subject: x-user }}, {options} }}\n\
             \x20     - headers: {{ request: {{ set: {{ x-who: \"{{{{ identity }}}}\" }} }} }}\n"
        ),
    );
    Setup::new(config).start().await
}

async fn ask(door: Door, running: &Running, ask: &Ask) -> Reply {
    soon(door.ask(running.address(), ask)).await
}

#[tokio::test]
async fn nginx_decides() {
    // As people write it for nginx's own `auth_request`.
    let authz = Nginx::start(
        "location = /verify {\n\
           if ($http_authorization = \"Bearer alice\") { add_header X-User alice; return 204; }\n\
           if ($http_authorization = \"Bearer bob\") { return 403 \"not you\"; }\n\
           if ($http_x_forwarded_uri = \"/login\") { add_header X-User nobody; return 204; }\n\
           add_header WWW-Authenticate 'Bearer realm=\"nginx\"' always; return 401; }\n\
         location = /redirect { return 302 https://login.example.com/?next=$http_x_forwarded_uri; }\n\
         location = /broken { return 500; }",
    )
    .await;
    let upstream = Recorder::start().await;
    let running = gateway(upstream.address(), authz.address, "path: /verify").await;
    let get = |target: &str| Ask::new("GET", target).field("x-user", "root");
    for door in Door::ALL {
        let before = upstream.count();
        let allowed = ask(door, &running, &get("/a").field("authorization", "Bearer alice")).await;
        assert_eq!((allowed.status, allowed.text()), (200, "upstream"), "{door:?}");
        let seen = upstream.last();
        assert_eq!((seen.header("x-user"), seen.header("x-who")), (Some("alice"), Some("alice")));
        assert_eq!(ask(door, &running, &get("/login")).await.status, 200);
        assert_eq!(upstream.last().header("x-user"), Some("nobody"));
        assert_eq!(upstream.count() - before, 2);

        let denied = ask(door, &running, &get("/a").field("authorization", "Bearer bob")).await;
        assert_eq!((denied.status, denied.text()), (403, "not you"), "{door:?}");
        assert_eq!((denied.header("cache-control"), denied.header("x-who")), ("no-store", ""));
        let unknown = ask(door, &running, &get("/a")).await;
        assert_eq!(
            (unknown.status, unknown.header("www-authenticate")),
            (401, "Bearer realm=\"nginx\"")
        );
        assert_eq!(upstream.count() - before, 2, "a denied call reached the upstream");
    }
    running.stop().await;

    let running = gateway(upstream.address(), authz.address, "path: /redirect").await;
    let before = upstream.count();
    for door in Door::ALL {
        let sent_away = ask(door, &running, &get("/a?b=1")).await;
        assert_eq!(sent_away.status, 302);
        assert_eq!(sent_away.header("location"), "https://login.example.com/?next=/a?b=1");
    }
    running.stop().await;
    let running = gateway(upstream.address(), authz.address, "path: /broken").await;
    let broken = ask(Door::Http1, &running, &get("/a")).await;
    assert_eq!((broken.status, broken.code().as_str()), (503, "PF-5001"));
    assert_eq!(upstream.count(), before);
    running.stop().await;
}

#[tokio::test]
async fn a_server_that_is_away_slow_or_huge_lets_nobody_pass() {
    let upstream = Recorder::start().await;
    let (away, _held) = refused_address();
    let silent =
        Server::start(|_, mut client| async move { while client.request().await.is_some() {} })
            .await;
    let body = "x".repeat(20_000);
    let huge = Server::answering(format!(
        "HTTP/1.1 403 Forbidden\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    ))
    .await;
    let endless =
        Server::answering(format!("HTTP/1.1 204 No Content\r\nx-user: {body}\r\n\r\n")).await;
    let cut = Server::start(|_, mut client| async move {
        let _ = client.request().await;
        let _ = client.try_send("HTTP/1.1 200 OK\r\nx-user: alice\r\ncontent-le").await;
    })
    .await;
    for (what, address) in [
        ("away", away),
        ("silent", silent.address),
        ("huge", huge.address),
        ("endless", endless.address),
        ("cut", cut.address),
    ] {
        for on_failure in ["closed", "open"] {
            let options = format!("timeout: 300ms }}, on_failure: {on_failure} }}");
            let running = gateway_with(upstream.address(), address, &options).await;
            let before = upstream.count();
            let get = Ask::new("GET", "/").field("x-user", "root");
            let reply = ask(Door::Http1, &running, &get).await;
            if on_failure == "closed" {
                assert_eq!((reply.status, reply.code().as_str()), (503, "PF-5001"), "{what}");
                assert_eq!(upstream.count(), before, "{what}");
            } else {
                // It was asked for; and still nobody is who they say.
                assert_eq!((reply.status, upstream.count()), (200, before + 1), "{what}");
                assert_eq!(upstream.last().header("x-user"), None, "{what}");
            }
            running.stop().await;
        }
    }
}

/// Like [`gateway`], with the end of the step left to `rest`.
async fn gateway_with(up: SocketAddr, authz: SocketAddr, rest: &str) -> Running {
    let config = one_upstream(
        up,
        &format!(
            "  authz: {{ endpoints: [ {{ address: \"{authz}\" }} ] }}\n\
             apis:\n  - id: all\n    match: {{ path_prefix: / }}\n    upstream: up\n    handlers:\n\
             \x20     - {{ forward_auth: {{ upstream: authz, take: [ x-user ], {rest}\n"
        ),
    );
    Setup::new(config).start().await
}

#[tokio::test]
async fn bodies_are_shown_and_passes_remembered() {
    let upstream = Recorder::start().await;
    let authz = Recorder::replying(|request| {
        let passes = request.text().contains("please") || request.method() == "GET";
        let status = if passes { "200 OK\r\nx-user: alice" } else { "403 Forbidden" };
        format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").into_bytes()
    })
    .await;
    let running = gateway(upstream.address(), authz.address(), "body: 1KiB").await;
    for door in Door::ALL {
        for (body, status) in
            [("yes please".to_owned(), 200), ("now".to_owned(), 403), ("x".repeat(1_025), 413)]
        {
            let post = Ask::new("POST", "/").body(body.clone());
            assert_eq!(ask(door, &running, &post).await.status, status, "{door:?} {body:.20}");
        }
        assert_eq!((upstream.last().text(), authz.last().text()), ("yes please", "now"));
    }
    assert_eq!((upstream.count(), authz.count()), (2, 4));
    running.stop().await;

    let running = gateway(upstream.address(), authz.address(), "cache: { ttl: 5m }").await;
    for door in Door::ALL {
        for _ in 0..3 {
            let get = Ask::new("GET", "/").field("authorization", "Bearer x");
            assert_eq!(ask(door, &running, &get).await.status, 200);
            assert_eq!(upstream.last().header("x-who"), Some("alice"));
        }
    }
    assert_eq!((upstream.count(), authz.count()), (8, 5), "one question for six calls");
    running.stop().await;
}

#[tokio::test]
async fn clients_that_leave_end_the_question() {
    let upstream = Recorder::start().await;
    let (seen, mut ended) = tokio::sync::mpsc::unbounded_channel();
    let authz = Server::start(move |_, mut client| {
        let seen = seen.clone();
        async move {
            let _ = client.request().await;
            let _ = seen.send("asked");
            // Nothing more comes but the end.
            let _ = client.request().await;
            let _ = seen.send("ended");
        }
    })
    .await;
    let running = gateway(upstream.address(), authz.address, "timeout: 30s").await;
    let mut client = running.connect().await;
    client.try_send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    assert_eq!(soon(ended.recv()).await, Some("asked"));
    drop(client);
    let end = tokio::time::timeout(Duration::from_secs(20), ended.recv()).await;
    assert_eq!(end, Ok(Some("ended")), "the question outlives the client");
    assert_eq!(upstream.count(), 0);
    running.stop().await;
}
