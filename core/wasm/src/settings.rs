//! What an entry of the config's section `wasm` says, as the host takes it.

use std::{sync::Arc, time::Duration};

/// An entry.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// Its name, a step kind like any plugin's.
    pub name: Arc<str>,
    /// What it may call.
    pub grants: Grants,
    /// The shared store of its values; this gateway's own where absent.
    pub store: Option<Arc<str>>,
    /// What it may use.
    pub limits: Limits,
    /// How many calls an instance serves before it is replaced; 0 gives each call a fresh one.
    pub reuse: u32,
    /// When it is left alone for a while; `None` for never.
    pub breaker: Option<BreakerSpec>,
}

/// What a handler may call. Identity and slots travel in the records of the contract, so they have
/// no import; the manifest's wish for them is checked instead.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    /// Lines in the gateway's log.
    pub log: bool,
    /// The clocks.
    pub clock: bool,
    /// Randomness.
    pub random: bool,
    /// Values that outlive the call.
    pub kv: bool,
    /// Hashes and signatures.
    pub crypto: bool,
    /// Numbers at the metrics endpoint.
    pub metrics: bool,
    /// Who the caller is: to read, and to say.
    pub identity: bool,
    /// Slots: to read, and to fill.
    pub slots: bool,
    /// Upstreams that may be called.
    pub http: Vec<Arc<str>>,
}

impl Grants {
    /// Everything, and every upstream: for tools that look at a handler outside of a gateway.
    #[must_use]
    pub fn all() -> Self {
        Self {
            log: true,
            clock: true,
            random: true,
            kv: true,
            crypto: true,
            metrics: true,
            identity: true,
            slots: true,
            http: vec![crate::host::http::ANY.into()],
        }
    }

    /// Whether the import of this name may be used.
    #[must_use]
    pub fn has(&self, import: &str) -> bool {
        match import {
            "logging" => self.log,
            "clock" => self.clock,
            "random" => self.random,
            "kv" => self.kv,
            "crypto" => self.crypto,
            "metrics" => self.metrics,
            "http" => !self.http.is_empty(),
            _ => false,
        }
    }

    /// As they are written.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let named = [
            (self.log, "log"),
            (self.clock, "clock"),
            (self.random, "random"),
            (self.kv, "kv"),
            (self.crypto, "crypto"),
            (self.metrics, "metrics"),
            (self.identity, "identity"),
            (self.slots, "slots"),
        ];
        let mut names: Vec<String> =
            named.iter().filter(|(has, _)| *has).map(|(_, name)| (*name).to_owned()).collect();
        if !self.http.is_empty() {
            names.push(format!("http: {}", self.http.join(", ")));
        }
        names
    }
}

/// What a handler may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Linear memory of one instance, in bytes.
    pub memory_bytes: usize,
    /// Elements of one instance's tables.
    pub table_elements: usize,
    /// How long one call may compute without waiting. The worker that runs it serves nothing else
    /// meanwhile, so this bounds what a runaway can cost the others.
    pub cpu: Duration,
    /// How long one call may take in all, where it waits for answers from elsewhere.
    pub wall: Duration,
    /// The largest body given to it or taken from it, in bytes.
    pub body_bytes: usize,
    /// How many instances may run at once.
    pub instances: u32,
    /// How many lines a second it may log.
    pub log_per_second: u32,
    /// How many values it may keep.
    pub kv_entries: u32,
    /// How many bytes of keys and values together.
    pub kv_bytes: u64,
    /// The largest value, in bytes.
    pub kv_value_bytes: u32,
}

impl Limits {
    /// How many bytes a handler may hand over in one verdict or to one imported function: room for the
    /// largest body or value with all that goes beside it. Lists may name the same bytes again and
    /// again, so the instance's memory bounds nothing here.
    pub(crate) fn handed_bytes(&self) -> usize {
        let largest = self.body_bytes.max(self.kv_value_bytes as usize);
        largest.saturating_mul(2).saturating_add(1 << 20)
    }
}

impl Spec {
    /// An entry that grants everything, with the usual limits.
    #[must_use]
    pub fn everything(name: &str) -> Self {
        Self {
            name: name.into(),
            store: None,
            grants: Grants::all(),
            limits: Limits::default(),
            reuse: 0,
            breaker: None,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 16 << 20,
            table_elements: 10_000,
            cpu: Duration::from_millis(10),
            wall: Duration::from_secs(3),
            body_bytes: 1 << 20,
            instances: 64,
            log_per_second: 100,
            kv_entries: 10_000,
            kv_bytes: 16 << 20,
            kv_value_bytes: 64 << 10,
        }
    }
}

/// When a handler that keeps failing is left alone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BreakerSpec {
    /// The share of failed calls at which it opens, 0 to 1.
    pub failures: f64,
    /// How many calls a window must have before its share counts.
    pub calls: u32,
    /// How long a window is.
    pub window: Duration,
    /// How long it stays open the first time; doubled each time that it opens again at once.
    pub backoff: Duration,
    /// The longest that it stays open.
    pub backoff_max: Duration,
}

impl Default for BreakerSpec {
    fn default() -> Self {
        Self {
            failures: 0.5,
            calls: 20,
            window: Duration::from_secs(10),
            backoff: Duration::from_secs(1),
            backoff_max: Duration::from_secs(60),
        }
    }
}
