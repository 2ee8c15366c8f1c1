//! Probes: a dying server is left alone, and found again when it is back.

use super::config;
use paifang_tests::harness::{Message, Recorder, Running, soon};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};

const CHECK: &str = "health_check: { path: /healthz, interval: 100ms, timeout: 50ms, \
    healthy_after: 1, unhealthy_after: 1 }, retry: { attempts: 1 },";

/// A server that answers with its name, and whose probes fail while it is ill.
async fn server(name: &'static str) -> (Recorder, Arc<AtomicBool>) {
    let ill = Arc::new(AtomicBool::new(false));
    let state = Arc::clone(&ill);
    let server = Recorder::replying(move |request: &Message| {
        let status = if request.target() == "/healthz" && state.load(SeqCst) { 500 } else { 200 };
        format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n{name}", name.len()).into_bytes()
    })
    .await;
    (server, ill)
}

/// Asks until so many calls in a row were answered like this.
async fn settled(running: &Running, count: usize, mut like: impl FnMut(&Message) -> bool) {
    soon(async {
        let mut client = running.connect().await;
        let mut in_a_row = 0;
        while in_a_row < count {
            let answer = client.get("/").await;
            in_a_row = if like(&answer) { in_a_row + 1 } else { 0 };
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_dying_server_is_left_and_taken_back() {
    let (one, ill_one) = server("one").await;
    let (two, ill_two) = server("two").await;
    let running = Running::start(config(&[one.address(), two.address()], CHECK, "")).await;
    let mut client = running.connect().await;
    let mut names =
        [client.get("/").await.text().to_owned(), client.get("/").await.text().to_owned()];
    names.sort();
    assert_eq!(names, ["one", "two"]);

    ill_one.store(true, SeqCst);
    settled(&running, 10, |answer| answer.text() == "two").await;
    ill_two.store(true, SeqCst);
    settled(&running, 10, |answer| answer.status() == 503 && answer.code() == "PF-4000").await;
    ill_one.store(false, SeqCst);
    settled(&running, 10, |answer| answer.text() == "one").await;
    ill_two.store(false, SeqCst);
    let mut last = String::new();
    settled(&running, 6, |answer| {
        // In turn again.
        std::mem::replace(&mut last, answer.text().to_owned()) != answer.text()
    })
    .await;
    running.stop().await;
}

#[tokio::test]
async fn a_server_that_is_gone_is_noticed_and_one_that_comes_is_found() {
    let (one, _) = server("one").await;
    let (two, _) = server("two").await;
    let address = two.address();
    let running = Running::start(config(&[one.address(), address], CHECK, "")).await;
    drop(two);
    settled(&running, 10, |answer| answer.text() == "one").await;
    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    let _back = paifang_tests::harness::Server::on(listener, |_, mut client| async move {
        while client.request().await.is_some() {
            client.send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nback").await;
        }
    });
    let mut seen = false;
    settled(&running, 1, |answer| {
        seen |= answer.text() == "back";
        seen
    })
    .await;
    running.stop().await;
}
