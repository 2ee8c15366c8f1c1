//! What the tests share: a host, a store, a clock and upstreams; modules and steps made of them.

use http::Method;
use paifang_pipeline::{
    Apps, BuildContext, Built, ConfigError, DynPlugin, Handler, OnFailure, Secret, SecretRef,
    Secrets,
    ports::{Clock, HttpOut, NoHttpOut},
    testkit::{Reply, TestCall, TestClock, TestOrigin},
};
use paifang_state::LocalStore;
use paifang_wasm::{Grants, Host, Limits, Module, Spec, Stats};
use serde_json::{Value, json};
use std::{
    fs,
    path::Path,
    sync::{Arc, atomic::AtomicU64, atomic::Ordering::Relaxed},
    time::Duration,
};

/// A built handler's file.
pub(crate) fn file(name: &str) -> Vec<u8> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let path = target.join("handlers").join(format!("{name}.wasm"));
    fs::read(&path).unwrap_or_else(|error| {
        panic!("{}: {error}; run `cargo xtask handlers`", path.display());
    })
}

/// An entry that is granted everything, without a breaker. Its time is long, so that only what is
/// meant to be cut is.
pub(crate) fn spec() -> Spec {
    Spec {
        name: "testbed".into(),
        grants: Grants {
            log: true,
            clock: true,
            random: true,
            kv: true,
            crypto: true,
            metrics: true,
            identity: true,
            slots: true,
            http: vec!["idp".into()],
        },
        store: None,
        limits: Limits { cpu: Duration::from_secs(2), ..Limits::default() },
        reuse: 0,
        breaker: None,
    }
}

/// The like with other limits.
pub(crate) fn limited(change: impl FnOnce(&mut Limits)) -> Spec {
    let mut spec = spec();
    change(&mut spec.limits);
    spec
}

/// A config of the testbed which does `ops` of a row, all at `stage`, where the request's header `do`
/// has the row's name. So one module is compiled for many ways to behave.
pub(crate) fn rows(stage: &str, rows: &[(&str, Value)]) -> Value {
    let ops: Vec<Value> = rows
        .iter()
        .map(|(name, ops)| json!({ "if": { "header": "do", "is": name, "then": ops } }))
        .collect();
    let reads = json!({ "headers": ["do"] });
    json!({ "reads": { "request": reads, "response": reads, "log": reads }, stage: ops })
}

/// A gateway around the host.
pub(crate) struct World {
    pub(crate) host: Host,
    pub(crate) store: LocalStore,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) http: Arc<dyn HttpOut>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(Arc::new(NoHttpOut))
    }

    /// With these upstreams. Compiled code is kept between tests.
    pub(crate) fn with(http: Arc<dyn HttpOut>) -> Self {
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled");
        Self {
            host: Host::new(Some(&cache)).unwrap(),
            store: LocalStore::new(),
            clock: Arc::new(TestClock::new()),
            http,
        }
    }

    /// A built handler as a module.
    pub(crate) fn module(&self, name: &str, spec: Spec) -> Arc<Module> {
        self.host.load(spec, &file(name)).unwrap_or_else(|error| panic!("{name}: {error:?}"))
    }

    /// A step of it, as a config loader would make it.
    pub(crate) fn build(&self, module: &Module, config: &Value) -> Result<Built, ConfigError> {
        let clock: Arc<dyn Clock> = self.clock.clone();
        let apps = Arc::new(Apps::default());
        module.build(
            config,
            &BuildContext {
                api: "test",
                step: module.kind(),
                upstream: None,
                routes: &[],
                apps: &apps,
                store: &self.store,
                stores: &paifang_pipeline::ports::Stores::none(),
                clock: &clock,
                http: &self.http,
                secrets: &NoSecrets,
            },
        )
    }

    /// A module and a step of it.
    pub(crate) fn step(&self, name: &str, spec: Spec, config: &Value) -> Step {
        self.step_of(&file(name), spec, config)
    }

    /// The like of a file's bytes.
    pub(crate) fn step_of(&self, file: &[u8], spec: Spec, config: &Value) -> Step {
        let module = self.host.load(spec, file).unwrap_or_else(|error| panic!("{error:?}"));
        let built = self.build(&module, config).unwrap_or_else(|e| panic!("{e:?}"));
        self.step_from(&module, built)
    }

    /// A step that was built.
    pub(crate) fn step_from(&self, module: &Arc<Module>, built: Built) -> Step {
        let reading = self.host.modules().into_iter().find(|known| *known.name == *module.kind());
        Step {
            handler: built.handler,
            stats: reading.expect("it is alive").stats,
            clock: self.clock.clone(),
            _module: module.clone(),
        }
    }
}

/// A step of a module, and its counters.
pub(crate) struct Step {
    pub(crate) handler: Arc<dyn Handler>,
    pub(crate) stats: Arc<Stats>,
    clock: Arc<TestClock>,
    _module: Arc<Module>,
}

impl Step {
    /// Runs a call through this step alone, to an upstream that answers 200 `up`. Also says what
    /// that upstream saw.
    pub(crate) async fn run(&self, call: TestCall) -> (Reply, TestOrigin) {
        self.run_as(call, OnFailure::Closed).await
    }

    pub(crate) async fn run_as(&self, call: TestCall, failure: OnFailure) -> (Reply, TestOrigin) {
        let origin = TestOrigin::answering(200, "up");
        let call = call.clock(&self.clock).full_step("wasm", self.handler.clone(), None, failure);
        (call.run(&origin).await, origin)
    }

    /// A GET whose header `do` names a row.
    pub(crate) async fn doing(&self, row: &str) -> (Reply, TestOrigin) {
        self.run(TestCall::new(Method::GET, "/a/b?c=d").header("do", row)).await
    }

    /// What the handler answered, as JSON.
    pub(crate) async fn told(&self, row: &str) -> Value {
        let reply = self.doing(row).await.0;
        assert_eq!(reply.status(), 200, "{row}: {}", reply.body());
        serde_json::from_str(&reply.body()).unwrap()
    }

    /// Sees that calls which ask for nothing special still pass.
    pub(crate) async fn serves_on(&self) {
        let (reply, origin) = self.doing("nothing").await;
        assert_eq!((reply.status(), origin.requests()), (200, 1), "{}", reply.body());
    }
}

/// A counter's value.
pub(crate) fn count(counter: &AtomicU64) -> u64 {
    counter.load(Relaxed)
}

struct NoSecrets;

impl Secrets for NoSecrets {
    fn resolve(&self, _: &SecretRef) -> Result<Secret, String> {
        Err("there are none".to_owned())
    }
}
