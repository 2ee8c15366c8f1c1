//! What a shared limit admits, and what its calls cost, against a redis-server of its own:
//! `cargo run -p paifang-state --example shared`.
//!
//! Three gateways ask a limit of 1000/s with its default burst for 600 calls a second each; then one
//! gateway asks a limit that it does not reach, beside the like in this process.
#![allow(clippy::expect_used, clippy::print_stdout)]

use paifang_pipeline::ports::{
    Answer, Clock, LimitSpec, Limiter, Spawn, StateKey, Store, SystemClock, TokioSpawn,
};
use paifang_state::{
    LocalStore,
    redis::{RedisSettings, RedisStore},
};
use std::{
    net::TcpListener,
    num::{NonZeroU32, NonZeroU64},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

const RATE: u64 = 1_000;
const SPAN: Duration = Duration::from_secs(10);
const GATEWAYS: usize = 3;
/// Calls of each gateway a second.
const CALLS: u64 = 600;

/// Ends with the measure.
struct Server(Child, u16);

impl Server {
    fn start() -> Self {
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", ""]);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        Self(command.spawn().expect("redis-server is installed"), port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn gateway(port: u16, clock: &Arc<dyn Clock>) -> RedisStore {
    let settings = RedisSettings {
        name: "shared".to_owned(),
        addresses: vec![("127.0.0.1".to_owned(), port)],
        cluster: false,
        username: None,
        password: None,
        database: 0,
        tls: None,
        prefix: "measure".to_owned(),
        connect_timeout: Duration::from_secs(1),
        command_timeout: Duration::from_millis(100),
        queue: 4096,
        gateways: NonZeroU32::new(3),
    };
    let store = RedisStore::new(settings, clock.clone(), Arc::new(LocalStore::new()));
    let spawn: Arc<dyn Spawn> = Arc::new(TokioSpawn(tokio::runtime::Handle::current()));
    store.start(&spawn);
    store
}

fn limit(store: &dyn Store, name: &str, rate: u64) -> Arc<dyn Limiter> {
    let rate = NonZeroU64::new(rate).expect("not zero");
    let second = NonZeroU64::new(1_000_000_000).expect("not zero");
    let subjects = NonZeroU32::new(1_000).expect("not zero");
    let spec = LimitSpec { count: rate, period_nanos: second, burst: rate, subjects };
    store.limiter(&StateKey::shared(name), spec).expect("a limit")
}

/// One call: whether it passed, and how long it took.
async fn call(limiter: &Arc<dyn Limiter>, clock: &Arc<dyn Clock>) -> (bool, Duration) {
    let began = Instant::now();
    let decision = match limiter.take(b"10.0.0.1", clock.now()) {
        Answer::Now(decision) => Some(decision),
        Answer::Later(later) => later.await.ok(),
    };
    (decision.is_some_and(|decision| decision.allowed), began.elapsed())
}

/// Calls at a steady pace: how many passed, and how long each took.
async fn load(
    limiter: Arc<dyn Limiter>,
    clock: Arc<dyn Clock>,
    each_second: u64,
    span: Duration,
) -> (u64, Vec<Duration>) {
    let every = Duration::from_secs(1) / u32::try_from(each_second).expect("a small number");
    let (began, mut passed, mut took) = (Instant::now(), 0, Vec::new());
    while began.elapsed() < span {
        while every * u32::try_from(took.len()).expect("a small number") <= began.elapsed() {
            let (allowed, time) = call(&limiter, &clock).await;
            passed += u64::from(allowed);
            took.push(time);
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    (passed, took)
}

fn percentile(took: &mut [Duration], percent: usize) -> Duration {
    took.sort_unstable();
    took.get(took.len().saturating_sub(1) * percent / 100).copied().unwrap_or_default()
}

#[tokio::main]
async fn main() {
    let server = Server::start();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let stores: Vec<RedisStore> = (0..GATEWAYS).map(|_| gateway(server.1, &clock)).collect();
    while stores.iter().any(|store| store.read().commands[0].1 == 0 && store.read().lanes_up == 0) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    let began = Instant::now();
    let loads: Vec<_> = stores
        .iter()
        .map(|store| tokio::spawn(load(limit(store, "rate", RATE), clock.clone(), CALLS, SPAN)))
        .collect();
    let (mut passed, mut calls) = (0, 0);
    for load in loads {
        let (of_one, took) = load.await.expect("a gateway");
        passed += of_one;
        calls += took.len();
    }
    let may = RATE as f64 * began.elapsed().as_secs_f64() + RATE as f64;
    let off = 100.0 * (passed as f64 - may) / may;
    println!(
        "{GATEWAYS} gateways, {calls} calls at {RATE}/s, burst {RATE}: {passed} of {may:.0}, {off:+.2} %"
    );
    let waited: u64 = stores.iter().map(|store| store.read().waited).sum();
    println!("calls that waited for the store: {waited}");

    let local = LocalStore::new();
    let shared = limit(&stores[0], "cost", 100_000);
    let (_, mut beside) = load(limit(&local, "cost", 100_000), clock.clone(), 2_000, SPAN).await;
    let (_, mut took) = load(shared, clock.clone(), 2_000, SPAN).await;
    for percent in [50, 99] {
        let (shared, local) = (percentile(&mut took, percent), percentile(&mut beside, percent));
        println!("p{percent} of a call at 2000/s: {shared:?} shared, {local:?} in this process");
    }
}
