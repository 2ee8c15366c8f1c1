//! Attempts that are repeated, and those that are not.

use super::{super::conformance::Door, config};
use paifang_tests::harness::{Ask, Message, Recorder, Running, Server, refused_address};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

/// A server that reads each request and then closes without a word, so often; then it answers.
async fn failing(times: usize) -> (Server, Arc<Mutex<Vec<Message>>>) {
    let requests: Arc<Mutex<Vec<Message>>> = Arc::default();
    let kept = Arc::clone(&requests);
    let left = Arc::new(AtomicUsize::new(times));
    let server = Server::start(move |_, mut client| {
        let (kept, left) = (Arc::clone(&kept), Arc::clone(&left));
        async move {
            while let Some(request) = client.request().await {
                kept.lock().unwrap().push(request);
                if left.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok() {
                    return;
                }
                client.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
            }
        }
    })
    .await;
    (server, requests)
}

#[tokio::test]
async fn what_may_have_been_processed_is_repeated_for_idempotent_methods_only() {
    let cases = [
        ("GET", "", "", 200, 2),
        ("PUT", "body", "", 200, 2),
        ("DELETE", "", "", 200, 2),
        ("POST", "body", "", 502, 1),
        ("PATCH", "body", "", 502, 1),
        ("POST", "body", "retry: { any_method: true },", 200, 2),
        ("GET", "", "retry: { attempts: 1 },", 502, 1),
    ];
    for door in Door::ALL {
        for (method, body, api, status, attempts) in cases {
            let (upstream, requests) = failing(1).await;
            let running = Running::start(config(&[upstream.address], "", api)).await;
            let ask = Ask::new(method, "/x");
            let ask = if body.is_empty() { ask } else { ask.body(body) };
            let reply = door.ask(running.address(), &ask).await;
            let requests = requests.lock().unwrap().clone();
            let seen = (reply.status, requests.len());
            assert_eq!(seen, (status, attempts), "{door:?} {method} {api}");
            assert!(
                requests.iter().all(|request| request.text() == body),
                "{method}: {requests:?}"
            );
            running.stop().await;
        }
    }
}

#[tokio::test]
async fn what_was_never_sent_is_repeated_whatever_the_method() {
    let (refused, _socket) = refused_address();
    let upstream = Recorder::start().await;
    let running = Running::start(config(&[refused, upstream.address()], "", "")).await;
    for door in Door::ALL {
        for method in ["GET", "POST"] {
            let reply = door.ask(running.address(), &Ask::new(method, "/").body("body")).await;
            assert_eq!((reply.status, upstream.last().text()), (200, "body"), "{door:?} {method}");
        }
    }
    assert_eq!(upstream.count(), 4);
    running.stop().await;
}

#[tokio::test]
async fn never_after_more_was_sent_than_is_kept() {
    let body = "x".repeat(2000);
    for (kept, status, attempts) in [("2KiB", 200, 2), ("1KiB", 502, 1)] {
        let (upstream, requests) = failing(1).await;
        let api = format!("retry: {{ body_buffer: {kept} }},");
        let running = Running::start(config(&[upstream.address], "", &api)).await;
        for door in [Door::Http1] {
            let ask = Ask::new("PUT", "/").body(body.clone());
            let reply = door.ask(running.address(), &ask).await;
            assert_eq!(
                (reply.status, requests.lock().unwrap().len()),
                (status, attempts),
                "{kept}"
            );
        }
        running.stop().await;
    }
}

#[tokio::test]
async fn statuses_are_repeated_where_the_api_says_so() {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let upstream = Recorder::replying(move |_| {
        let status = if counter.fetch_add(1, SeqCst).is_multiple_of(2) { 503 } else { 200 };
        format!("HTTP/1.1 {status} x\r\ncontent-length: 2\r\n\r\nok").into_bytes()
    })
    .await;
    let api = "retry: { statuses: [ 503 ] },";
    let running = Running::start(config(&[upstream.address()], "", api)).await;
    for door in Door::ALL {
        assert_eq!(door.ask(running.address(), &Ask::new("GET", "/")).await.status, 200);
    }
    assert_eq!(upstream.count(), 4);
    let reply = Ask::new("POST", "/").body("x").over_http1(running.address()).await;
    assert_eq!((reply.status, upstream.count()), (503, 5));
    running.stop().await;
}

#[tokio::test]
async fn repeats_are_bounded_by_attempts_and_by_the_budget() {
    let (upstream, requests) = failing(usize::MAX).await;
    let api = "retry: { attempts: 4 },";
    let running = Running::start(config(&[upstream.address], "", api)).await;
    let reply = Ask::new("GET", "/").over_http1(running.address()).await;
    assert_eq!((reply.status, reply.code()), (502, "PF-4004".to_owned()));
    assert_eq!(requests.lock().unwrap().len(), 4);
    running.stop().await;

    let (upstream, requests) = failing(usize::MAX).await;
    let budget = "retry_budget: { share: 0%, minimum: 1 },";
    let running = Running::start(config(&[upstream.address], budget, api)).await;
    let begun = std::time::Instant::now();
    const CALLS: usize = 20;
    for _ in 0..CALLS {
        assert_eq!(Ask::new("GET", "/").over_http1(running.address()).await.status, 502);
    }
    // One repetition a second, and what the seconds of the budget's memory may have saved up.
    let most = CALLS + 10 + begun.elapsed().as_secs() as usize + 1;
    let seen = requests.lock().unwrap().len();
    assert!((CALLS..=most).contains(&seen) && seen < CALLS * 4, "{seen}");
    running.stop().await;
}
