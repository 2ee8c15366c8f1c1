//! Ten thousand APIs: a reload that changes one of them parses one file and builds one API.
//! Prints what each part takes: `cargo test -p paifang-config --test many_apis -- --nocapture`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::fmt::Write;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use paifang_config::compile::{Context, Stamp, compile};
use paifang_config::snapshot::{Cause, PlanOn, Snapshot};
use paifang_config::source::{MemoryFiles, Origin, ParseCache, SecretSources};
use paifang_pipeline::ports::{
    Clock, Concurrency, ConcurrencySpec, HttpOut, Kv, KvSpec, LimitSpec, Limiter, NoHttpOut,
    NonceSpec, Nonces, StateKey, Store, StoreError, SystemClock,
};
use paifang_pipeline::units::Rate;
use paifang_pipeline::{BuildContext, Built, ConfigError, Handler, Plugin, Registry, Stages};

struct Idle;
impl Handler for Idle {
    fn stages(&self) -> Stages {
        Stages::REQUEST
    }
}

struct Limit;
#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct LimitConfig {
    rate: Rate,
    burst: Option<u32>,
}
impl Plugin for Limit {
    type Config = LimitConfig;
    fn kind(&self) -> &'static str {
        "limit"
    }
    fn build(&self, config: LimitConfig, with: &BuildContext<'_>) -> Result<Built, ConfigError> {
        let layout = format!("{} {:?}", config.rate, config.burst);
        Ok(Built::new(Idle).keeps(with.state_key(None), layout))
    }
}

struct NoStore;
impl Store for NoStore {
    fn limiter(&self, _: &StateKey, _: LimitSpec) -> Result<Arc<dyn Limiter>, StoreError> {
        Err(StoreError(String::new()))
    }
    fn concurrency(
        &self,
        _: &StateKey,
        _: ConcurrencySpec,
    ) -> Result<Arc<dyn Concurrency>, StoreError> {
        Err(StoreError(String::new()))
    }
    fn nonces(&self, _: &StateKey, _: NonceSpec) -> Result<Arc<dyn Nonces>, StoreError> {
        Err(StoreError(String::new()))
    }
    fn kv(&self, _: &StateKey, _: KvSpec) -> Result<Arc<dyn Kv>, StoreError> {
        Err(StoreError(String::new()))
    }
}

const FILES: usize = 100;
const PER_FILE: usize = 100;

fn apis(file: usize, rate: &str) -> String {
    let mut text = String::from("apis:\n");
    for n in 0..PER_FILE {
        let id = format!("service{file}.operation{n}");
        let _ = write!(
            text,
            "  - id: {id}
    match: {{ host: api.example.com, method: POST, path: \"/v1/s{file}/o{n}/{{shop}}\" }}
    operation: {id}
    handlers:
      - chain: secured
        with: {{ limit: {{ rate: {rate} }} }}
      - limit: {{ rate: 10/s, burst: 5 }}
        id: own
    upstream: orders
    timeout: 2s
"
        );
    }
    text
}

#[test]
fn a_reload_of_ten_thousand_apis_costs_what_changed() {
    let files =
        MemoryFiles::new((0..FILES).map(|n| (format!("apis/{n:03}.yaml"), apis(n, "50/s"))));
    files.write(
        "gateway.yaml",
        "version: 1
listeners: [ { name: plain, address: 127.0.0.1:0 } ]
include: [ 'apis/*.yaml' ]
defaults: { handlers: [ { limit: { rate: 1000/s }, id: all } ] }
upstreams: { orders: { endpoints: [ { address: 127.0.0.1:7001 } ] } }
chains: { secured: [ { limit: { rate: 200/s, burst: 400 } }, { limit: { rate: 1/s }, id: slow } ] }
",
    );
    let mut registry = Registry::default();
    registry.add(Arc::new(Limit)).unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let env = |_: &str| None;
    let origin = Origin { root: "gateway.yaml".into(), overlays: Vec::new() };
    let mut cache = ParseCache::new();
    let mut number = 0;
    let mut build = |label: &str, on: &[&str], previous: Option<&Snapshot>| {
        let on = on.iter().map(|name| PlanOn { name: (*name).to_owned(), since_ms: 0 });
        let plans: Vec<PlanOn> = on.collect();
        let began = Instant::now();
        let loaded = paifang_config::load(&origin, &env, &files, &mut cache).unwrap();
        let read = began.elapsed();
        let began = Instant::now();
        number += 1;
        let stamp = Stamp { number, time: SystemTime::UNIX_EPOCH, cause: Cause::Reload };
        let http: Arc<dyn HttpOut> = Arc::new(NoHttpOut);
        let context = Context {
            registry: &registry,
            modules: None,
            stores: None,
            store: &NoStore,
            clock: &clock,
            http: &http,
            secrets: SecretSources { env: &env, files: &files },
            plans: &plans,
            previous,
        };
        let snapshot = compile(loaded, stamp, &context).unwrap_or_else(|wrong| panic!("{wrong}"));
        println!("{label}: read and check {read:?}, compile {:?}", began.elapsed());
        (snapshot, cache.files_parsed())
    };
    let (first, parsed) = build("first", &[], None);
    assert_eq!((first.built(), parsed), (FILES * PER_FILE, FILES as u64 + 1));
    let (second, parsed) = build("unchanged", &[], Some(&first));
    assert_eq!((second.built(), parsed), (0, FILES as u64 + 1));
    let changed = apis(7, "50/s").replacen("timeout: 2s", "timeout: 3s", 1);
    files.write("apis/007.yaml", changed);
    let (third, parsed) = build("one changed", &[], Some(&second));
    assert_eq!((third.built(), parsed), (1, FILES as u64 + 2));
    let began = Instant::now();
    let told = paifang_config::diff::diff(&second, &third);
    println!("diff: {:?}", began.elapsed());
    assert_eq!(told.changes.len(), 1);
    assert_eq!(told.changes[0].fields[0].path, "timeout");

    // Plans are checked once, and a switch builds what it touches.
    files.write(
        "apis/plans.yaml",
        "plans:
  all: { changes: [ { steps: own, with: { rate: 1/s } } ] }
  few: { changes: [ { apis: 'service7.*', steps: own, with: { rate: 1/s } } ] }
",
    );
    let (planned, _) = build("plans come", &[], Some(&third));
    assert_eq!((planned.built(), planned.plan_reach("all")), (0, FILES * PER_FILE));
    let (again, _) = build("plans unchanged", &[], Some(&planned));
    assert_eq!((again.built(), again.plan_reach("few")), (0, PER_FILE));
    let (few, _) = build("few on", &["few"], Some(&again));
    assert_eq!(few.built(), PER_FILE);
    let (all, _) = build("all on", &["few", "all"], Some(&few));
    assert_eq!(all.built(), FILES * PER_FILE);
}
