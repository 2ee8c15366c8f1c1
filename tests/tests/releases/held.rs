//! Streams that outlast their release: shown, bounded, and only those that are too old are ended.

use crate::support::{Patient, Told, ask};
use paifang_pipeline::Termination;
use paifang_tests::harness::{
    Ask, Client, H2, Message, Probe, Probes, Recorded, Running, Server, Setup, soon, until,
};
use serde_json::json;
use std::time::{Duration, Instant};

const UPGRADE: &str =
    "GET /tunnel HTTP/1.1\r\nhost: a.example\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
const SWITCHED: &str =
    "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
const STREAM: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
                      transfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n";

/// Switches protocols and sends back what comes, or begins a stream of events and says no more.
async fn endless() -> Server {
    Server::start(|_, mut client| async move {
        let asked: Message = client.head().await.unwrap();
        if asked.header("upgrade").is_none() {
            client.send(STREAM).await;
            let _ = client.rest().await;
            return;
        }
        client.send(SWITCHED).await;
        loop {
            let byte = client.take(1).await;
            if byte.is_empty() || client.try_send(byte).await.is_err() {
                return;
            }
        }
    })
    .await
}

/// Two APIs in front of one upstream: what calls pass of `changing` is another step in each release,
/// `same` is in all what it was in the first.
fn release(upstream: &Server, bounds: &str, number: u32) -> String {
    let head = "version: 1\nlisteners: [ { name: public, address: \"127.0.0.1:0\" } ]\n\
                admin: { address: \"127.0.0.1:0\" }\n";
    let address = upstream.address;
    format!(
        "{head}{bounds}upstreams: {{ up: {{ endpoints: [ {{ address: \"{address}\" }} ] }} }}
apis:
  - id: changing
    match: {{ path: /tunnel }}
    handlers: [ probe: {{ name: a }}, headers: {{ response: {{ set: {{ x-release: \"{number}\" }} }} }} ]
    upstream: up
  - {{ id: same, match: {{ path: /same }}, handlers: [ probe: {{ name: a }} ], upstream: up }}
"
    )
}

async fn start(yaml: String) -> (Running, Recorded) {
    let probes = Probes::default().with("a", Probe::everywhere());
    let recorded = probes.recorded();
    (Setup::new(yaml).plugin(probes).start().await, recorded)
}

async fn tunnel(running: &Running, release: u32) -> Client {
    let mut client = running.connect().await;
    let answer = client.ask(UPGRADE).await;
    assert_eq!((answer.status(), answer.header("x-release")), (101, Some(&*release.to_string())));
    client
}

async fn echoes(client: &mut Client) {
    client.send("x").await;
    assert_eq!(client.take(1).await, b"x");
}

async fn status(running: &Running) -> Told {
    ask(&running.gateway, "GET", "/v1/status").await
}

/// Release and calls of those that are held.
async fn held(running: &Running) -> Vec<(u64, u64)> {
    let status = status(running).await;
    let held = status.json["held"].as_array().cloned().unwrap_or_default();
    let number = |of: &serde_json::Value, name: &str| of[name].as_u64().unwrap();
    held.iter().map(|old| (number(old, "release"), number(old, "calls"))).collect()
}

/// Once the releases that are held have come to be these.
async fn held_are(running: &Running, expected: &[(u64, u64)]) {
    soon(async {
        while held(running).await != expected {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

async fn metric(running: &Running, name: &str) -> u64 {
    let told = ask(&running.gateway, "GET", "/metrics").await;
    let value = |line: &'_ str| {
        let rest = line.strip_prefix(name)?;
        rest.strip_prefix("{}").unwrap_or(rest).strip_prefix(' ').map(str::to_owned)
    };
    let line = told.message.text().lines().find_map(value);
    line.unwrap_or_else(|| panic!("there is no {name}")).parse().unwrap()
}

#[tokio::test]
async fn of_too_many_old_releases_the_oldest_is_let_go() {
    let upstream = endless().await;
    let bounds = "reload: { keep_old: 2 }\nshutdown: { grace: 0s }\n";
    let (running, recorded) = start(release(&upstream, bounds, 1)).await;
    let mut calm = running.connect().await;
    calm.send(UPGRADE.replace("/tunnel", "/same")).await;
    assert_eq!(calm.answer().await.status(), 101);
    let mut tunnels = vec![tunnel(&running, 1).await];
    assert_eq!(held(&running).await, []);
    for number in 2..=3 {
        running.reload(release(&upstream, bounds, number)).await.unwrap();
        tunnels.push(tunnel(&running, number).await);
    }
    // What did not change is not old, whenever its call began.
    held_are(&running, &[(1, 1), (2, 1)]).await;
    let shown = status(&running).await;
    assert!(shown.text().contains("release 1, replaced "), "{}", shown.text());
    assert!(shown.text().contains("is held by 1 call\n"), "{}", shown.text());
    assert_eq!(shown.json["held"][0]["ending"], json!(false));
    assert_eq!(metric(&running, "paifang_snapshots_held").await, 2);
    assert_eq!(metric(&running, "paifang_snapshots_held_calls").await, 2);
    metric(&running, "paifang_snapshots_held_oldest_seconds").await;
    for tunnel in &mut tunnels {
        echoes(tunnel).await;
    }
    // One more than may be held.
    running.reload(release(&upstream, bounds, 4)).await.unwrap();
    let mut ended = tunnels.remove(0);
    ended.closed().await;
    held_are(&running, &[(2, 1), (3, 1)]).await;
    until(|| recorded.outcomes().len() == 1).await;
    let outcome = &recorded.outcomes()[0];
    assert_eq!(outcome.termination, Termination::Superseded);
    assert!(outcome.upgraded);
    let aborted = "paifang_calls_aborted_total{api=\"changing\",reason=\"superseded\"}";
    assert_eq!(metric(&running, aborted).await, 1);
    tunnels.push(tunnel(&running, 4).await);
    for tunnel in tunnels.iter_mut().chain([&mut calm]) {
        echoes(tunnel).await;
    }
    // They end by themselves, and nothing is held any more.
    for mut tunnel in tunnels.into_iter().chain([calm]) {
        tunnel.finish().await;
        drop(tunnel);
    }
    held_are(&running, &[]).await;
    running.stop().await;
}

#[tokio::test]
async fn streams_of_a_release_held_too_long_are_ended_and_no_others() {
    let upstream = endless().await;
    let bounds = "reload: { drain: 1s }\n";
    let (running, recorded) = start(release(&upstream, bounds, 1)).await;
    let mut plain = running.connect().await;
    plain.send("GET /tunnel HTTP/1.1\r\nhost: a.example\r\n\r\n").await;
    assert!(plain.take_until("first\r\n").await.is_some());
    // Two streams of one connection: only one of them is on what changes.
    let h2 = H2::connect(running.address()).await;
    let stream = |target: &str| {
        let (mut sender, head) = (h2.sender.clone(), Ask::new("GET", target).to_head());
        async move {
            let (answer, _) = sender.send_request(head, true).unwrap();
            let mut body = soon(answer).await.unwrap().into_body();
            assert_eq!(soon(body.data()).await.unwrap().unwrap(), "first");
            body
        }
    };
    let (mut old, mut same) = (stream("/tunnel").await, stream("/same").await);
    let replaced = Instant::now();
    running.reload(release(&upstream, bounds, 2)).await.unwrap();
    let mut new = stream("/tunnel").await;
    held_are(&running, &[(1, 2)]).await;
    let (rest, _) = plain.rest().await;
    assert_eq!(rest, b"", "a stream that breaks off has no last chunk");
    let broken = soon(old.data()).await.unwrap().unwrap_err();
    assert!(broken.is_reset(), "{broken}");
    assert!(replaced.elapsed() >= Duration::from_secs(1));
    held_are(&running, &[]).await;
    until(|| recorded.outcomes().len() == 2).await;
    for outcome in recorded.outcomes() {
        assert_eq!(outcome.termination, Termination::Superseded);
    }
    // Neither the other stream of the connection nor one that began later has ended.
    tokio::select! {
        biased;
        ended = same.data() => panic!("{ended:?}"),
        ended = new.data() => panic!("{ended:?}"),
        () = std::future::ready(()) => {}
    }
    drop((same, new, h2, plain));
    until(|| recorded.outcomes().len() == 4).await;
    running.stop().await;
}

#[tokio::test]
async fn a_call_whose_answer_has_not_begun_gets_it() {
    let mut upstream = Patient::start().await;
    let bounds = "reload: { drain: 1s }\n";
    let (running, _) = start(release(&upstream.server, bounds, 1)).await;
    let mut client = running.connect().await;
    client.send("GET /tunnel HTTP/1.1\r\nhost: a.example\r\n\r\n").await;
    upstream.called().await;
    running.reload(release(&upstream.server, bounds, 2)).await.unwrap();
    soon(async {
        while status(&running).await.json["held"][0]["ending"] != json!(true) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    upstream.answer();
    let answer = client.answer().await;
    assert_eq!((answer.status(), answer.text()), (200, "patience"));
    held_are(&running, &[]).await;
    drop(client);
    running.stop().await;
}
