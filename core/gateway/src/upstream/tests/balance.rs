//! Several servers: shares, second attempts, budgets, and what a release carries over.

use super::support::{
    Server, call, deps, deps_with, get, in_time, once, read_head, read_request, refusing, request,
    run, specs, start, start_with,
};
use crate::upstream::{BudgetSpec, EndpointSpec, Upstream, UpstreamError, UpstreamSpec, Upstreams};
use paifang_pipeline::testkit::{TestCall, TestClock};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::{Notify, mpsc},
};

async fn servers() -> Vec<Server> {
    let mut servers = Vec::new();
    for response in [
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\na",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nb",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nc",
    ] {
        servers.push(Server::answering(response).await);
    }
    servers
}

fn of(servers: &[Server]) -> UpstreamSpec {
    specs(&servers.iter().map(|server| server.address).collect::<Vec<_>>())
}

async fn answers(upstream: &Arc<Upstream>, count: usize) -> String {
    let mut answers = String::new();
    for _ in 0..count {
        answers.push_str(&get(upstream).await.body());
    }
    answers
}

#[tokio::test]
async fn in_turn_by_weight() {
    let servers = servers().await;
    let mut spec = of(&servers);
    (spec.endpoints[0].weight, spec.endpoints[2].weight) = (3, 0);
    let upstream = start(spec);
    assert_eq!(answers(&upstream, 8).await, "aabaaaba");
    assert_eq!(servers[2].connections(), 0);
}

#[tokio::test]
async fn a_second_attempt_goes_elsewhere() {
    // Refused, and then: answered with a status that is to be repeated.
    let good = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\na").await;
    let (nobody, _socket) = refusing();
    let upstream = start(specs(&[nobody, good.address]));
    for _ in 0..4 {
        assert_eq!(run(TestCall::post("/", "x"), &upstream).await.status(), 200);
    }
    let refused = upstream.read().endpoints[0].counts.connect_failures;
    assert_eq!(refused, 1, "it is passed over after the first");

    let busy = Server::answering("HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n").await;
    let upstream = start(specs(&[busy.address, good.address]));
    for _ in 0..4 {
        let mut call = TestCall::get("/");
        call.retry.statuses = vec![http::StatusCode::SERVICE_UNAVAILABLE];
        let reply = run(call, &upstream).await;
        assert_eq!((reply.status(), reply.outcome.endpoint), (200, Some(good.address)));
    }
}

#[tokio::test]
async fn one_that_is_passed_over_is_still_better_than_none_and_comes_back() {
    let (address, socket) = refusing();
    let clock = Arc::new(TestClock::new());
    let good = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\ng").await;
    let upstream = start_with(specs(&[address, good.address]), &deps_with(clock.clone()));
    let ask = || async { run(TestCall::get("/").clock(&clock), &upstream).await };
    assert_eq!(ask().await.body(), "g");
    let _back = Server::on(socket.listen(16).unwrap(), |_, mut tcp| async move {
        while read_request(&mut tcp).await.is_some() {
            tcp.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nb").await.unwrap();
        }
    });
    assert_eq!((ask().await.body(), ask().await.body()), ("g".into(), "g".into()));
    clock.advance(Duration::from_secs(2));
    let both = [ask().await.body(), ask().await.body()].concat();
    assert!(both == "gb" || both == "bg", "{both}");
}

#[tokio::test]
async fn the_budget_bounds_what_is_repeated() {
    let busy = Server::answering("HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n").await;
    let mut spec = specs(&[busy.address]);
    spec.retry_budget = BudgetSpec { permille: 100, minimum: 0 };
    let upstream = start(spec);
    let mut attempts = 0;
    for _ in 0..30 {
        let mut call = TestCall::get("/");
        call.retry.attempts = 5;
        call.retry.statuses = vec![http::StatusCode::SERVICE_UNAVAILABLE];
        let reply = run(call, &upstream).await;
        assert_eq!(reply.status(), 503, "what cannot be repeated is passed on");
        attempts += reply.outcome.attempts;
    }
    let counts = upstream.read().counts;
    assert_eq!((attempts, counts.calls, counts.retries), (33, 30, 3));
    assert_eq!(counts.retries_refused, 30);
}

#[tokio::test]
async fn a_release_that_keeps_a_spec_keeps_the_upstream() {
    let servers = servers().await;
    let deps = deps();
    let build = |specs: Vec<UpstreamSpec>, previous: &Upstreams| {
        let set = Upstreams::build(specs, previous, &deps).unwrap();
        set.start();
        set
    };
    let named = |name: &str, server: &Server| {
        let mut spec = specs(&[server.address]);
        spec.name = name.into();
        spec
    };
    let (kept, dropped) = (named("kept", &servers[0]), named("changed", &servers[1]));
    let first = build(vec![kept.clone(), dropped.clone()], &Upstreams::default());
    for name in ["kept", "changed"] {
        assert_eq!(get(first.get(name).unwrap()).await.status(), 200);
    }
    let changed = UpstreamSpec { retry_budget: BudgetSpec { permille: 0, minimum: 0 }, ..dropped };
    let second = build(vec![kept, changed], &first);
    assert!(Arc::ptr_eq(first.get("kept").unwrap(), second.get("kept").unwrap()));
    assert!(!Arc::ptr_eq(first.get("changed").unwrap(), second.get("changed").unwrap()));
    first.retire_all_but(&second);
    drop(first);
    for name in ["kept", "changed"] {
        assert_eq!(get(second.get(name).unwrap()).await.status(), 200);
    }
    assert_eq!((servers[0].connections(), servers[1].connections()), (1, 2));
}

#[tokio::test]
async fn what_a_release_has_dropped_ends_but_for_calls_under_way() {
    let (tell, mut closed) = mpsc::unbounded_channel();
    let go = Arc::new(Notify::new());
    let gate = Arc::clone(&go);
    let server = Server::start(move |number, mut tcp| {
        let (tell, gate) = (tell.clone(), Arc::clone(&gate));
        async move {
            read_head(&mut tcp).await.unwrap();
            let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n";
            tcp.write_all(head).await.unwrap();
            if number == 0 {
                gate.notified().await;
            }
            tcp.write_all(b"k").await.unwrap();
            assert_eq!(tcp.read(&mut [0]).await.unwrap(), 0);
            tell.send(number).unwrap();
        }
    })
    .await;
    let deps = deps();
    let old = Upstreams::build([specs(&[server.address])], &Upstreams::default(), &deps).unwrap();
    old.start();
    let upstream = old.get("test").unwrap();
    // The call holds the upstream, as calls hold the release that they began with.
    let (mut client, task) = call(upstream, request("GET", "/", &[]), false);
    assert_eq!(client.head().await.status, 200);
    assert_eq!(get(upstream).await.status(), 200);
    assert_eq!(upstream.read().idle_connections, 1);
    old.retire_all_but(&Upstreams::default());
    assert_eq!(in_time(closed.recv()).await, Some(1), "the idle one is closed");
    go.notify_one();
    assert_eq!(client.frame().await.data, "k");
    in_time(task).await.unwrap();
    assert_eq!(in_time(closed.recv()).await, Some(0), "and the other is not kept");
    old.retire_all_but(&old);
}

#[tokio::test]
async fn specs_that_make_no_sense() {
    let build = |spec| Upstream::build(spec, &deps()).map(drop).unwrap_err();
    assert_eq!(build(UpstreamSpec::new("x", vec![])), UpstreamError::NoEndpoint);
    let mut weightless = EndpointSpec::new("a.test", 1);
    weightless.weight = 0;
    assert_eq!(build(UpstreamSpec::new("x", vec![weightless])), UpstreamError::NoWeight);
    for host in ["", "a b", "300.1.1.1", "1.2.3", "a..b", "[::1]", "a/b", "a:80"] {
        let spec = UpstreamSpec::new("x", vec![EndpointSpec::new(host, 1)]);
        assert_eq!(build(spec), UpstreamError::BadHost(host.to_owned()));
    }
    for path in ["", "healthz", "http://a/", "/a b"] {
        let mut spec = UpstreamSpec::new("x", vec![EndpointSpec::new("127.0.0.1", 1)]);
        spec.health_check = Some(crate::upstream::HealthCheckSpec::new(path));
        assert_eq!(build(spec), UpstreamError::BadPath(path.to_owned()));
    }
    let errors = Upstreams::build(
        ["a", "b"].map(|name| UpstreamSpec::new(name, vec![])),
        &Upstreams::default(),
        &deps(),
    )
    .map(drop)
    .unwrap_err();
    assert_eq!(
        errors.to_string(),
        "upstream `a`: it has no endpoint; upstream `b`: it has no endpoint"
    );
}

#[tokio::test]
async fn readings_have_names_for_metrics() {
    let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let upstream = start(specs(&[server.address]));
    assert_eq!(run(once(TestCall::get("/")), &upstream).await.status(), 200);
    let reading = upstream.read();
    let entries: BTreeMap<_, _> = reading.endpoints[0].counts.entries().into_iter().collect();
    assert_eq!((entries["calls"], entries["connects"], entries["closed"]), (1, 1, 0));
    assert_eq!(reading.counts.entries()[0], ("calls", 1));
}
