//! Room at servers: calls wait for it, first come first served, or are refused.

use super::config;
use paifang_tests::{
    harness::{Running, Server, soon},
    http::get,
};
use std::sync::Arc;
use tokio::sync::{Notify, Semaphore};

#[tokio::test]
async fn calls_wait_for_room_and_too_many_are_refused() {
    let (asked, gate) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(0)));
    let hands = (Arc::clone(&asked), Arc::clone(&gate));
    let server = Server::start(move |_, mut client| {
        let (asked, gate) = hands.clone();
        async move {
            while client.request().await.is_some() {
                asked.notify_one();
                gate.acquire().await.unwrap().forget();
                client.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
            }
        }
    })
    .await;
    let keys = "limits: { connections: 1, pending: 1, pending_timeout: 1m },";
    let yaml =
        format!("admin: {{ address: \"127.0.0.1:0\" }}\n{}", config(&[server.address], keys, ""));
    let running = Running::start(yaml).await;
    let admin = running.gateway.admin_address().unwrap();
    let (mut first, mut second) = (running.connect().await, running.connect().await);
    let request = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    first.send(request).await;
    soon(asked.notified()).await;
    second.send(request).await;
    soon(async {
        loop {
            let upstreams = get(admin, "/v1/upstreams").await.body;
            if upstreams.contains("\"pending\":1") && upstreams.contains("1 calls wait for room") {
                return;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    let refused = running.connect().await.get("/").await;
    assert_eq!((refused.status(), refused.code()), (503, "PF-4010".to_owned()));
    gate.add_permits(2);
    assert_eq!(first.answer().await.text(), "ok");
    assert_eq!(second.answer().await.text(), "ok");
    assert_eq!(server.connections(), 1);
    // One that goes while it waits leaves no trace.
    first.send(request).await;
    soon(asked.notified()).await;
    let mut gone = running.connect().await;
    gone.send(request).await;
    let pending = |wanted: &'static str| {
        soon(async move {
            while !get(admin, "/v1/upstreams").await.body.contains(wanted) {
                tokio::task::yield_now().await;
            }
        })
    };
    pending("\"pending\":1").await;
    gone.reset();
    pending("\"pending\":0").await;
    gate.add_permits(2);
    assert_eq!(first.answer().await.text(), "ok");
    assert_eq!(second.get("/").await.text(), "ok");
    running.stop().await;
}
