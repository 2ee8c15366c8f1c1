//! What tests of this crate share: a handful of plugins, and a workshop that loads and compiles
//! files from memory.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use paifang_pipeline::ports::{
    Clock, Concurrency, ConcurrencySpec, HttpOut, Kv, KvSpec, LimitSpec, Limiter, NoHttpOut,
    NonceSpec, Nonces, Spawn, StateKey, Store, StoreError, SystemClock,
};
use paifang_pipeline::units::Rate;
use paifang_pipeline::{
    BuildContext, Built, ConfigError, Handler, Plugin, Registry, SecretRef, Slots, Stages,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::compile::{Context, Modules, Opening, Stamp, StoreHost, compile};
use crate::diag::Diagnostics;
use crate::snapshot::{Cause, PlanOn, Snapshot};
use crate::source::{FileSource, MemoryFiles, Origin, ParseCache, SecretSources};
use crate::testing_wasm::FakeHost;

/// A handler that does nothing at the stages it is told, and notes its life.
#[derive(Default)]
struct Idle {
    stages: Stages,
    life: Option<Arc<Mutex<Vec<String>>>>,
    name: String,
}

impl Handler for Idle {
    fn stages(&self) -> Stages {
        self.stages
    }
    fn start(&self, _: &Arc<dyn Spawn>) -> Result<(), String> {
        if let Some(life) = &self.life {
            life.lock().unwrap().push(format!("start {}", self.name));
        }
        if self.name == "broken" { Err("it does not start".into()) } else { Ok(()) }
    }
    fn drain(&self) {
        if let Some(life) = &self.life {
            life.lock().unwrap().push(format!("drain {}", self.name));
        }
    }
}

/// `answer: { status: 200 }` answers every call.
struct Answer;
/// Config of [`Answer`].
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AnswerConfig {
    status: u16,
}
impl Default for AnswerConfig {
    fn default() -> Self {
        Self { status: 200 }
    }
}
impl Plugin for Answer {
    type Config = AnswerConfig;
    fn kind(&self) -> &'static str {
        "answer"
    }
    fn protects(&self) -> bool {
        false
    }
    fn build(&self, config: AnswerConfig, _: &BuildContext<'_>) -> Result<Built, ConfigError> {
        if !(200..=599).contains(&config.status) {
            return Err(ConfigError::at("/status", "expected 200 to 599").help("say 200"));
        }
        Ok(Built::new(Idle { stages: Stages::REQUEST, ..Idle::default() }).always_answers())
    }
}

/// `limit: { rate: 1/s }` keeps state.
struct Limit;
/// Config of [`Limit`].
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LimitConfig {
    rate: Rate,
    share: Option<String>,
    store: Option<String>,
}
impl Plugin for Limit {
    type Config = LimitConfig;
    fn kind(&self) -> &'static str {
        "limit"
    }
    fn build(&self, config: LimitConfig, with: &BuildContext<'_>) -> Result<Built, ConfigError> {
        let stages = Stages::REQUEST.and(Stages::LOG);
        with.store(config.store.as_deref(), "/store")?;
        Ok(Built::new(Idle { stages, ..Idle::default() })
            .keeps(with.state_key(config.share.as_deref()), config.rate.to_string()))
    }
}

/// `auth: {}` writes the identity.
struct Auth;
/// Config of [`Auth`].
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AuthConfig {
    #[serde(rename = "override")]
    overrides: bool,
    secret: Option<SecretRef>,
}
impl Plugin for Auth {
    type Config = AuthConfig;
    fn kind(&self) -> &'static str {
        "auth"
    }
    fn build(&self, config: AuthConfig, with: &BuildContext<'_>) -> Result<Built, ConfigError> {
        if let Some(secret) = &config.secret {
            with.secret(secret, "/secret")?;
        }
        let mut built = Built::new(Idle { stages: Stages::REQUEST, ..Idle::default() });
        built.overrides = config.overrides;
        Ok(built.writes(Slots::IDENTITY))
    }
}

/// `route: { to: name }` may send calls elsewhere.
struct Sends;
/// Config of [`Sends`].
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SendsConfig {
    to: Vec<String>,
    #[serde(default)]
    asks: bool,
    #[serde(default, rename = "override")]
    overrides: bool,
}
impl Plugin for Sends {
    type Config = SendsConfig;
    fn kind(&self) -> &'static str {
        "route"
    }
    fn build(&self, config: SendsConfig, with: &BuildContext<'_>) -> Result<Built, ConfigError> {
        if config.asks {
            with.known_upstream(&config.to[0], "/to/0")?;
        }
        let known = with.upstream.map_or("-", |name| &**name).to_owned();
        let above = with.routes.iter().map(ToString::to_string);
        let name = std::iter::once(known).chain(above).collect::<Vec<_>>().join(" ");
        let own = with.route(0).index();
        let name = format!("{name}, own from {own}");
        let built = Built::new(Idle { stages: Stages::REQUEST, name: name.clone(), life: None });
        let mut built = built.routes(config.to.into_iter().map(Into::into));
        built.overrides = config.overrides;
        Ok(built.keeps(with.state_key(None), name))
    }
}

/// `gate: {}` is for connections.
struct Gate;
impl Plugin for Gate {
    type Config = Nothing;
    fn kind(&self) -> &'static str {
        "gate"
    }
    fn build(&self, _: Nothing, _: &BuildContext<'_>) -> Result<Built, ConfigError> {
        Ok(Built::new(Idle { stages: Stages::ACCEPT, ..Idle::default() }))
    }
}

/// No config.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// `probe: { name: x }` notes when it is started and drained.
struct Probe(Arc<Mutex<Vec<String>>>);
/// Config of [`Probe`].
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProbeConfig {
    name: String,
}
impl Plugin for Probe {
    type Config = ProbeConfig;
    fn kind(&self) -> &'static str {
        "probe"
    }
    fn protects(&self) -> bool {
        false
    }
    fn build(&self, config: ProbeConfig, _: &BuildContext<'_>) -> Result<Built, ConfigError> {
        let life = Some(self.0.clone());
        Ok(Built::new(Idle { stages: Stages::LOG, life, name: config.name }))
    }
}

/// Holds nothing.
struct NoStore;
impl Store for NoStore {
    fn limiter(&self, _: &StateKey, _: LimitSpec) -> Result<Arc<dyn Limiter>, StoreError> {
        Err(StoreError("none here".into()))
    }
    fn concurrency(
        &self,
        _: &StateKey,
        _: ConcurrencySpec,
    ) -> Result<Arc<dyn Concurrency>, StoreError> {
        Err(StoreError("none here".into()))
    }
    fn nonces(&self, _: &StateKey, _: NonceSpec) -> Result<Arc<dyn Nonces>, StoreError> {
        Err(StoreError("none here".into()))
    }
    fn kv(&self, _: &StateKey, _: KvSpec) -> Result<Arc<dyn Kv>, StoreError> {
        Err(StoreError("none here".into()))
    }
}

/// Opens stores that hold nothing, and notes which, with their passwords.
#[derive(Default)]
pub(crate) struct Opener(pub(crate) Mutex<Vec<String>>);

impl StoreHost for Opener {
    fn open(&self, opening: Opening<'_>) -> Arc<dyn Store> {
        let password = opening.password.map(|password| password.expose().to_vec());
        let password = String::from_utf8(password.unwrap_or_default()).unwrap();
        self.0.lock().unwrap().push(format!("{} {password}", opening.name));
        Arc::new(NoStore)
    }
}

/// Loads and compiles files from memory.
pub(crate) struct Workshop {
    pub(crate) files: MemoryFiles,
    pub(crate) env: HashMap<String, String>,
    pub(crate) cache: ParseCache,
    pub(crate) registry: Registry,
    /// What loads modules; no host where absent.
    pub(crate) host: Option<FakeHost>,
    /// What opens stores; nothing where absent.
    pub(crate) opener: Option<Opener>,
    pub(crate) overlays: Vec<&'static str>,
    /// Starts and drains of `probe` steps.
    pub(crate) life: Arc<Mutex<Vec<String>>>,
    /// The plans that are on.
    pub(crate) plans: Vec<PlanOn>,
    clock: Arc<dyn Clock>,
    number: u64,
}

/// A listener and an upstream, for configs that are about something else.
pub(crate) const BASE: &str = "\
version: 1
listeners: [ { name: plain, address: 127.0.0.1:0 } ]
upstreams: { orders: { endpoints: [ { address: 127.0.0.1:7001 } ] } }
";

impl Workshop {
    /// With one root file, `gateway.yaml`.
    pub(crate) fn new(root: impl Into<String>) -> Self {
        let life = Arc::new(Mutex::new(Vec::new()));
        let mut registry = Registry::default();
        registry.add(Arc::new(Answer)).unwrap();
        registry.add(Arc::new(Limit)).unwrap();
        registry.add(Arc::new(Auth)).unwrap();
        registry.add(Arc::new(Sends)).unwrap();
        registry.add(Arc::new(Gate)).unwrap();
        registry.add(Arc::new(Probe(life.clone()))).unwrap();
        Self {
            files: MemoryFiles::new([("gateway.yaml", root.into())]),
            env: HashMap::new(),
            cache: ParseCache::new(),
            registry,
            host: Some(FakeHost::default()),
            opener: Some(Opener::default()),
            overlays: Vec::new(),
            life,
            plans: Vec::new(),
            clock: Arc::new(SystemClock::new()),
            number: 0,
        }
    }

    /// [`BASE`] and more of the root file.
    pub(crate) fn with(rest: &str) -> Self {
        Self::new(format!("{BASE}{rest}"))
    }

    /// These plans are on.
    pub(crate) fn switch(&mut self, on: &[&str]) {
        let plan = |name: &&str| PlanOn { name: (*name).to_owned(), since_ms: 1 };
        self.plans = on.iter().map(plan).collect();
    }

    /// Which files make up the config.
    pub(crate) fn origin(&self) -> Origin {
        let overlays = self.overlays.iter().map(Into::into).collect();
        Origin { root: "gateway.yaml".into(), overlays }
    }

    /// The next snapshot.
    pub(crate) fn build(&mut self, previous: Option<&Snapshot>) -> Result<Snapshot, Diagnostics> {
        let files = std::mem::take(&mut self.files);
        let built = self.build_from(&files, &self.origin(), previous);
        self.files = files;
        built
    }

    /// The next snapshot, from other files.
    pub(crate) fn build_from(
        &mut self,
        files: &dyn FileSource,
        origin: &Origin,
        previous: Option<&Snapshot>,
    ) -> Result<Snapshot, Diagnostics> {
        let variables = &self.env;
        let env = move |name: &str| variables.get(name).cloned();
        let loaded = crate::load(origin, &env, files, &mut self.cache)?;
        self.number += 1;
        let stamp = Stamp {
            number: self.number,
            time: SystemTime::UNIX_EPOCH,
            cause: if previous.is_some() { Cause::Reload } else { Cause::Start },
        };
        let http: Arc<dyn HttpOut> = Arc::new(NoHttpOut);
        let context = Context {
            registry: &self.registry,
            modules: self.host.as_ref().map(|host| host as &dyn Modules),
            store: &NoStore,
            stores: self.opener.as_ref().map(|opener| opener as &dyn StoreHost),
            clock: &self.clock,
            http: &http,
            secrets: SecretSources { env: &env, files },
            plans: &self.plans,
            previous,
        };
        compile(loaded, stamp, &context)
    }

    /// What is wrong, in one line each.
    pub(crate) fn wrong(&mut self) -> String {
        self.build(None).expect_err("something wrong").to_string()
    }
}
