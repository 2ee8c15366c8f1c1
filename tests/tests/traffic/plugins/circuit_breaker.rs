//! `circuit_breaker`: a sick upstream is left alone, and found again when it is well.

use super::super::conformance::Door;
use paifang_tests::harness::{
    Ask, Client, Recorder, Running, Server, one_api, one_upstream, refused_address, soon, until,
};
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
};

const BREAKER: &str =
    "circuit_breaker: { min_calls: 4, open_for: 100ms, open_max: 100ms, jitter: 0%, probes: 2 }";

fn sometimes_sick() -> (Arc<AtomicBool>, impl Fn(&paifang_tests::harness::Message) -> Vec<u8>) {
    let sick = Arc::new(AtomicBool::new(true));
    let told = sick.clone();
    let answer = move |_: &paifang_tests::harness::Message| {
        let status = if told.load(SeqCst) { "503 Sick" } else { "200 OK" };
        format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\nup").into_bytes()
    };
    (sick, answer)
}

#[tokio::test]
async fn a_sick_upstream_is_left_alone_and_taken_back_once_it_is_well() {
    let (sick, answer) = sometimes_sick();
    let upstream = Recorder::replying(answer).await;
    // Open for so long that nothing but a reload with another time gets past it.
    let long = BREAKER.replace("100ms", "1h");
    let running = Running::start(one_api(upstream.address(), &format!("[ {long} ]"))).await;
    let mut client = running.connect().await;
    for _ in 0..4 {
        assert_eq!(client.get("/").await.text(), "up");
    }
    for door in Door::ALL {
        let reply = door.ask(running.address(), &Ask::new("GET", "/")).await;
        assert_eq!((reply.status, reply.code()), (503, "PF-4050".to_owned()), "{door:?}");
        let wait: u32 = reply.header("retry-after").parse().unwrap();
        assert!((3500..=3600).contains(&wait), "{wait}");
    }
    assert_eq!(upstream.count(), 4);

    // It stays as it is over a reload that leaves it alone, and over one that is refused.
    let other = one_api(upstream.address(), &format!("[ {long}, headers: {{}} ]"));
    running.reload(other.replace(", headers: {}", "")).await.unwrap();
    running
        .reload(one_api(upstream.address(), "[ circuit_breaker: { probes: 0 } ]"))
        .await
        .unwrap_err();
    let more = format!("[ {long}, request_id: {{}} ]");
    running.reload(one_api(upstream.address(), &more)).await.unwrap();
    assert_eq!(client.get("/").await.code(), "PF-4050");
    assert_eq!(upstream.count(), 4);

    // With other options it begins closed; sick again, then well after its time.
    running.reload(one_api(upstream.address(), &format!("[ {BREAKER} ]"))).await.unwrap();
    while client.get("/").await.code() != "PF-4050" {}
    sick.store(false, SeqCst);
    soon(async { while client.get("/").await.status() != 200 {} }).await;
    for _ in 0..8 {
        assert_eq!(client.get("/").await.status(), 200);
    }
    running.stop().await;
}

/// What the gateway's status says of its breakers: the state of each, and the lines for people.
async fn told(running: &Running) -> (Vec<String>, String) {
    let admin = running.gateway.admin_address().unwrap();
    let status = paifang_tests::http::get(admin, "/v1/status").await.body;
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    let troubles = status["troubles"].as_array().unwrap().iter();
    let word = |trouble: &serde_json::Value, name: &str| trouble[name].as_str().unwrap().to_owned();
    let troubles = troubles.map(|trouble| {
        assert_eq!(word(trouble, "plugin"), "circuit_breaker");
        format!(
            "{} {} {}",
            word(trouble, "name"),
            word(trouble, "upstream"),
            word(trouble, "state")
        )
    });
    let lines = status["text"].as_str().unwrap().lines();
    let lines: Vec<&str> = lines.filter(|line| line.starts_with("circuit_breaker")).collect();
    (troubles.collect(), lines.join("\n"))
}

#[tokio::test]
async fn the_status_tells_of_breakers_that_are_not_closed() {
    let (sick, answer) = sometimes_sick();
    let upstream = Recorder::replying(answer).await;
    let admin = "admin: { address: \"127.0.0.1:0\" }\n";
    let config = |open_for: &str| {
        let breaker = BREAKER.replace("100ms", open_for).replace("probes: 2", "probes: 1");
        one_api(upstream.address(), &format!("[ {breaker} ]")) + admin
    };
    let running = Running::start(config("1h")).await;
    assert_eq!(told(&running).await, (Vec::new(), String::new()));
    let mut client = running.connect().await;
    while client.get("/").await.code() != "PF-4050" {}
    let (states, lines) = told(&running).await;
    assert_eq!(states, ["step/all/circuit_breaker up open"]);
    assert_eq!(lines, "circuit_breaker step/all/circuit_breaker, upstream up: open");
    // With other options it begins closed, and opens again.
    running.reload(config("100ms")).await.unwrap();
    assert_eq!(told(&running).await.0, Vec::<String>::new());
    while client.get("/").await.code() != "PF-4050" {}
    sick.store(false, SeqCst);
    soon(async { while client.get("/").await.status() != 200 {} }).await;
    soon(async {
        while !told(&running).await.0.is_empty() {
            client.get("/").await;
        }
    })
    .await;
    running.stop().await;
}

#[tokio::test]
async fn an_upstream_that_cannot_be_reached_is_sick_too() {
    let (away, _held) = refused_address();
    let long = BREAKER.replace("100ms", "1h");
    let running = Running::start(one_api(away, &format!("[ {long} ]"))).await;
    let mut client = running.connect().await;
    for _ in 0..4 {
        assert_eq!(client.get("/").await.code(), "PF-4001");
    }
    assert_eq!(client.get("/").await.code(), "PF-4050");
    running.stop().await;
}

#[tokio::test]
async fn a_new_version_that_fails_takes_only_its_share_with_it() {
    let (sick, answer) = sometimes_sick();
    let (old, new) = (Recorder::start().await, Recorder::replying(answer).await);
    let long = BREAKER.replace("100ms", "1h");
    let split = "split: { to: [ { upstream: new, share: 0% } ], pin: x-variant }";
    let api = format!(
        "apis:\n  - {{ id: all, match: {{ path_prefix: / }}, handlers: [ {split}, {long} ], upstream: up }}\n"
    );
    let upstreams = format!("  new: {{ endpoints: [ {{ address: \"{}\" }} ] }}\n", new.address());
    let running = Running::start(one_upstream(old.address(), &(upstreams + &api))).await;
    let mut client = running.connect().await;
    let to_new = "GET / HTTP/1.1\r\nhost: a\r\nx-variant: new\r\n\r\n";
    for _ in 0..4 {
        assert_eq!(client.ask(to_new).await.text(), "up");
    }
    for _ in 0..8 {
        assert_eq!(client.ask(to_new).await.code(), "PF-4050");
        assert_eq!(client.get("/").await.text(), "upstream");
    }
    assert_eq!((new.count(), old.count()), (4, 8));
    assert!(sick.load(SeqCst));
    running.stop().await;
}

#[tokio::test]
async fn a_probe_whose_client_goes_away_keeps_nobody_else_away() {
    let (answers, came) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (may, count) = (answers.clone(), came.clone());
    // Sick for four calls, silent for the next, well once it may be.
    let upstream = Server::start(move |_, mut client: Client| {
        let (may, count) = (may.clone(), count.clone());
        async move {
            while client.request().await.is_some() {
                let call = count.fetch_add(1, SeqCst);
                if call >= 4 && !may.load(SeqCst) {
                    client.closed().await;
                    return;
                }
                let status = if call < 4 { "503 Sick" } else { "200 OK" };
                let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\nup");
                if client.try_send(answer).await.is_err() {
                    return;
                }
            }
        }
    })
    .await;
    let one = BREAKER.replace("probes: 2", "probes: 1").replace("open_max: 100ms", "open_max: 1h");
    let running = Running::start(one_api(upstream.address, &format!("[ {one} ]"))).await;
    let mut client = running.connect().await;
    for _ in 0..4 {
        assert_eq!(client.get("/").await.status(), 503);
    }
    // A probe comes through and hangs; its client does not wait for it.
    soon(async {
        while came.load(SeqCst) == 4 {
            let mut probe = running.connect().await;
            probe.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
            tokio::select! {
                _ = probe.answer() => {}
                () = until(|| came.load(SeqCst) > 4) => {}
            }
            probe.reset();
        }
    })
    .await;
    answers.store(true, SeqCst);
    soon(async { while client.get("/").await.status() != 200 {} }).await;
    assert_eq!(client.get("/").await.status(), 200);
    running.stop().await;
}
