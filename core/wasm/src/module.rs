//! One entry of the config's section `wasm`: a checked, compiled component, and the plugin that it is.

use crate::{
    cases,
    compile::{Compiled, Compiler},
    component::{Interface, ModuleError, inspect},
    engine::LARGEST_MEMORY,
    env::Env,
    errors,
    handler::WasmHandler,
    prepared::{Prepared, Source},
    schema::Schema,
    settings::Spec,
    stats::Stats,
    ticker::Ticker,
};
use paifang_pipeline::{
    BuildContext, Built, ConfigError, DynPlugin, ErrorCode,
    ports::{Clock, HttpOut, Kv, KvSpec, StateKey},
};
use parking_lot::Mutex;
use ring::digest::{SHA256, digest};
use schemars::SchemaGenerator;
use serde_json::Value;
use std::{
    collections::HashMap,
    num::{NonZeroU32, NonZeroU64},
    sync::{Arc, Weak},
    time::{Duration, Instant},
};
use wasmtime::{Engine, component::Component};

/// The longest key in a handler's store, in bytes.
const KEY_BYTES: NonZeroU32 = NonZeroU32::new(256).unwrap();

/// How long the cases that a file carries may take together.
const PROBES: Duration = Duration::from_secs(30);

/// A component and what its entry says.
pub struct Module {
    pub(crate) engine: Engine,
    pub(crate) ticker: Arc<Ticker>,
    pub(crate) spec: Arc<Spec>,
    /// SHA-256 of the file, in hex.
    pub(crate) sha256: Arc<str>,
    pub(crate) size: usize,
    pub(crate) component: Component,
    bytes: Vec<u8>,
    pub(crate) interface: Interface,
    pub(crate) schema: Option<Schema>,
    pub(crate) probes: Option<String>,
    pub(crate) stats: Arc<Stats>,
    /// What was configured before, by config; steps of one config share their instances.
    prepared: Mutex<HashMap<String, Weak<Prepared>>>,
}

impl Module {
    /// Checks and compiles a file.
    ///
    /// # Errors
    /// What is wrong with it, or what it wants and is not granted.
    pub(crate) fn load(
        engine: &Engine,
        ticker: &Arc<Ticker>,
        compiler: &Compiler,
        spec: Spec,
        bytes: &[u8],
    ) -> Result<Self, ConfigError> {
        let at_file =
            |error: ModuleError| ConfigError::at("/file", error.to_string()).help(error.help());
        let Compiled { component, opened } = compiler.compile(engine, bytes).map_err(at_file)?;
        let interface = inspect(engine, &component).map_err(at_file)?;
        let missing: Vec<&str> = interface
            .grants()
            .into_iter()
            .filter(|grant| !spec.grants.has(if *grant == "log" { "logging" } else { grant }))
            .collect();
        if !missing.is_empty() {
            let list = missing.join("`, `");
            return Err(ConfigError::at(
                "/grants",
                format!("the handler calls `{list}`, which is not granted"),
            )
            .help(format!("add `{}` to `grants` if it may", missing.join(", "))));
        }
        if spec.limits.memory_bytes > LARGEST_MEMORY {
            return Err(ConfigError::at("/limits/memory", "more than 1 GiB"));
        }
        let schema = opened.carried.schema.map(|text| Schema::read(&text)).transpose()?;
        let probes = match opened.carried.probes.map(String::from_utf8) {
            None => None,
            Some(Ok(text)) => Some(text),
            Some(Err(_)) => return Err(ConfigError::at("/file", "its probes are not UTF-8")),
        };
        let module = Self {
            engine: engine.clone(),
            ticker: ticker.clone(),
            spec: Arc::new(spec),
            sha256: hex(digest(&SHA256, bytes).as_ref()).into(),
            size: bytes.len(),
            component,
            bytes: opened.component,
            interface,
            schema,
            probes,
            stats: Arc::default(),
            prepared: Mutex::default(),
        };
        Ok(module)
    }

    /// Stages that it takes part in, in the order of a call.
    #[must_use]
    pub fn stages(&self) -> &[&'static str] {
        &self.interface.stages
    }

    /// What it imports: interfaces of the contract, and those of WASI that it wants.
    #[must_use]
    pub fn imports(&self) -> Vec<&'static str> {
        let wasi = self.interface.wasi.iter().map(|import| import.name);
        self.interface.imports.iter().copied().chain(wasi).collect()
    }

    /// The grants that its imports need.
    #[must_use]
    pub fn needs(&self) -> Vec<&'static str> {
        self.interface.grants()
    }

    /// SHA-256 of its file, in hex.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Size of its file, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// The JSON Schema of its config, where it carries one.
    #[must_use]
    pub fn config_schema(&self) -> Option<&Value> {
        self.schema.as_ref().map(Schema::value)
    }

    /// The cases that it carries, as text.
    #[must_use]
    pub fn probes(&self) -> Option<&str> {
        self.probes.as_deref()
    }

    /// Runs the cases that the file carries: a release whose handlers fail their own is none.
    pub(crate) fn probe(&self) -> Result<(), ConfigError> {
        let Some(text) = &self.probes else { return Ok(()) };
        let wrong = |why: String| ConfigError::at("/file", format!("its probes: {why}"));
        let until = Instant::now() + PROBES;
        for case in cases::parse(text).map_err(wrong)? {
            if let cases::Verdict::Failed(differences) = cases::run_until(self, &case, until) {
                return Err(wrong(format!("`{}` fails: {}", case.name, differences.join("; ")))
                    .help("`paifang handler test` shows all of them"));
            }
        }
        Ok(())
    }

    /// Whether it was made of this file.
    pub(crate) fn is_of(&self, bytes: &[u8]) -> bool {
        self.size == bytes.len() && *self.sha256 == *hex(digest(&SHA256, bytes).as_ref())
    }

    /// What the component is configured from.
    pub(crate) fn source(&self) -> Source<'_> {
        Source {
            engine: &self.engine,
            component: &self.component,
            bytes: &self.bytes,
            interface: &self.interface,
        }
    }

    /// What its instances work on.
    pub(crate) fn env(
        &self,
        clock: Arc<dyn Clock>,
        kv: Option<Arc<dyn Kv>>,
        http: Arc<dyn HttpOut>,
        stats: Arc<Stats>,
    ) -> Arc<Env> {
        let (spec, ticker) = (self.spec.clone(), self.ticker.clone());
        Arc::new(Env { spec, clock, kv, http, stats, ticker })
    }

    /// The limits of its store.
    pub(crate) fn kv_spec(&self) -> KvSpec {
        let limits = &self.spec.limits;
        KvSpec {
            entries: NonZeroU32::new(limits.kv_entries).unwrap_or(NonZeroU32::MIN),
            bytes: NonZeroU64::new(limits.kv_bytes).unwrap_or(NonZeroU64::MIN),
            key_bytes: KEY_BYTES,
            value_bytes: NonZeroU32::new(limits.kv_value_bytes).unwrap_or(NonZeroU32::MIN),
        }
    }

    /// Where its values are kept: by the entry's name, so that all its steps share them.
    fn state_key(&self) -> StateKey {
        StateKey::shared(&format!("wasm/{}", self.spec.name))
    }

    fn prepare(
        &self,
        config: &Value,
        context: &BuildContext<'_>,
    ) -> Result<Arc<Prepared>, ConfigError> {
        let config = config.to_string();
        if let Some(known) = self.prepared.lock().get(&config).and_then(Weak::upgrade) {
            return Ok(known);
        }
        let kv = self.spec.grants.kv.then(|| {
            context
                .store(self.spec.store.as_deref(), "")?
                .kv(&self.state_key(), self.kv_spec())
                .map_err(|error| ConfigError::at("", error.to_string()))
        });
        let env = self.env(
            context.clock.clone(),
            kv.transpose()?,
            context.http.clone(),
            self.stats.clone(),
        );
        let prepared = Arc::new(Prepared::new(&self.source(), &config, env, true)?);
        let mut all = self.prepared.lock();
        all.retain(|_, known| known.strong_count() > 0);
        all.insert(config, Arc::downgrade(&prepared));
        Ok(prepared)
    }
}

impl DynPlugin for Module {
    fn kind(&self) -> &str {
        &self.spec.name
    }

    fn errors(&self) -> &'static [&'static ErrorCode] {
        errors::ROWS
    }

    fn schema(&self, _: &mut SchemaGenerator) -> schemars::Schema {
        self.schema.as_ref().map_or_else(schemars::Schema::default, Schema::as_schemars)
    }

    fn build(&self, config: &Value, context: &BuildContext<'_>) -> Result<Built, ConfigError> {
        let empty = Value::Object(serde_json::Map::new());
        let config = if config.is_null() { &empty } else { config };
        if let Some(schema) = &self.schema {
            schema.check(config)?;
        }
        let prepared = self.prepare(config, context)?;
        let access = &prepared.access;
        let mut built = Built::new(WasmHandler::new(prepared.clone(), context.api, context.step));
        if access.writes_identity {
            built = built.writes(paifang_pipeline::Slots::IDENTITY);
        }
        for slot in &access.writes_slots {
            built = built.writes(slot.to_string());
        }
        if self.spec.grants.kv {
            built = built.keeps(self.state_key(), "kv");
        }
        Ok(built)
    }

    fn describe(&self) -> Vec<(String, String)> {
        let limits = &self.spec.limits;
        let list = |items: &[String]| {
            if items.is_empty() { "none".to_owned() } else { items.join(", ") }
        };
        let owned =
            |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect::<Vec<_>>();
        let reuse = match self.spec.reuse {
            0 => "a fresh one for each call".to_owned(),
            calls => format!("one for {calls} calls"),
        };
        vec![
            ("stages".to_owned(), list(&owned(&self.interface.stages))),
            ("imports".to_owned(), list(&owned(&self.imports()))),
            ("grants".to_owned(), list(&self.spec.grants.names())),
            ("instances".to_owned(), reuse),
            (
                "limits".to_owned(),
                format!(
                    "memory {} B, cpu {:?}, wall {:?}, body {} B, {} instances at once",
                    limits.memory_bytes,
                    limits.cpu,
                    limits.wall,
                    limits.body_bytes,
                    limits.instances
                ),
            ),
        ]
    }
}

/// Bytes in lower-case hex.
fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
