//! What differs between two snapshots, field by field, and which state will be lost.

use std::collections::BTreeMap;
use std::fmt;

use indexmap::IndexMap;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::explain::{api, flow, json, redacted};
use crate::model::Config;
use crate::snapshot::{ServedApi, Snapshot};

/// The difference between two snapshots.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Diff {
    /// Number of the older one.
    pub from: u64,
    /// Number of the newer one.
    pub to: u64,
    /// What was added, removed, changed; by section and name.
    pub changes: Vec<Change>,
    /// State of steps that will not be there any more.
    pub states: Vec<StateLost>,
}

/// One thing that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// `api`, `upstream`, `store`, `wasm`, `listener`, `plan`, `app`, or `settings`.
    pub section: &'static str,
    /// Its name.
    pub name: String,
    /// What happened to it.
    pub what: What,
    /// What changed in it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Field>,
}

/// What happened to a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It is another.
    Changed,
}

/// A field that changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Field {
    /// Its place: `steps.throttle.config.rate`.
    pub path: String,
    /// The old value; absent where there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// The new value; absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// State that will not be there any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StateLost {
    /// Its name.
    pub key: String,
    /// The API whose step kept it.
    pub api: String,
    /// The step.
    pub step: String,
    /// True where it begins anew, false where nothing uses it any more.
    pub reset: bool,
}

/// Compares two snapshots.
#[must_use]
pub fn diff(from: &Snapshot, to: &Snapshot) -> Diff {
    let mut changes = Vec::new();
    apis(from, to, &mut changes);
    let (old, new) = (from.config(), to.config());
    section("upstream", values(&old.upstreams), values(&new.upstreams), &mut changes);
    section("store", values(&old.stores), values(&new.stores), &mut changes);
    section("wasm", modules(from), modules(to), &mut changes);
    section("listener", listeners(old), listeners(new), &mut changes);
    section("plan", plans(from), plans(to), &mut changes);
    section("app", values(&old.apps), values(&new.apps), &mut changes);
    rotated(from, to, &mut changes);
    let one = |config: &Config| BTreeMap::from([("settings".to_owned(), settings(config))]);
    section("settings", one(old), one(new), &mut changes);
    Diff { from: from.number(), to: to.number(), changes, states: states(from, to) }
}

fn values<K: ToString, T: Serialize>(all: &IndexMap<K, T>) -> BTreeMap<String, Value> {
    all.iter().map(|(name, value)| (name.to_string(), redacted(json(value)))).collect()
}

/// Modules with the SHA-256 that their files have; whether it was written down makes no other.
fn modules(snapshot: &Snapshot) -> BTreeMap<String, Value> {
    let entries = snapshot.config().wasm.iter().map(|(name, entry)| {
        let mut value = redacted(json(entry));
        if let (Value::Object(keys), Some(module)) = (&mut value, snapshot.module(name)) {
            keys.insert("sha256".to_owned(), json(&module.sha256.to_string()));
        }
        (name.to_string(), value)
    });
    entries.collect()
}

/// Plans with what they change, and whether they are on.
fn plans(snapshot: &Snapshot) -> BTreeMap<String, Value> {
    let mut all = values(&snapshot.config().plans);
    for (name, plan) in &mut all {
        if let Value::Object(keys) = plan {
            let on = snapshot.plans().iter().any(|on| on.name == *name);
            keys.insert("on".to_owned(), Value::Bool(on));
        }
    }
    all
}

fn listeners(config: &Config) -> BTreeMap<String, Value> {
    config.listeners.iter().map(|one| (one.name.to_string(), redacted(json(&one.value)))).collect()
}

/// What is not about a single API, upstream, listener or app.
fn settings(config: &Config) -> Value {
    let mut all = Map::new();
    let mut put = |name: &str, value: Value| all.insert(name.to_owned(), value);
    put("admin", json(&config.admin));
    put("reload", json(&config.reload));
    put("paths", json(&config.paths));
    put("cache", json(&config.cache));
    put("releases", json(&config.releases));
    put("log", json(&config.log));
    put("zone", json(&config.zone));
    put("tracing", json(&config.tracing));
    put("shutdown", json(&config.shutdown));
    Value::Object(all)
}

fn section(
    name: &'static str,
    old: BTreeMap<String, Value>,
    new: BTreeMap<String, Value>,
    changes: &mut Vec<Change>,
) {
    let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
    names.sort_unstable();
    names.dedup();
    for item in names {
        let (what, fields) = match (old.get(item), new.get(item)) {
            (Some(old), Some(new)) if old == new => continue,
            (Some(old), Some(new)) => (What::Changed, fields(old, new)),
            (None, _) => (What::Added, Vec::new()),
            (_, None) => (What::Removed, Vec::new()),
        };
        changes.push(Change { section: name, name: item.clone(), what, fields });
    }
}

fn apis(from: &Snapshot, to: &Snapshot, changes: &mut Vec<Change>) {
    let mut change = |id: &str, what, fields| {
        changes.push(Change { section: "api", name: id.to_owned(), what, fields });
    };
    for old in from.apis() {
        if to.api(&old.api.id).is_none() {
            change(&old.api.id, What::Removed, Vec::new());
        }
    }
    for new in to.apis().iter().chain([to.fallback()]) {
        let id = &*new.api.id;
        let old = if id == Snapshot::FALLBACK { Some(from.fallback()) } else { from.api(id) };
        match old {
            None => change(id, What::Added, Vec::new()),
            Some(old) if std::sync::Arc::ptr_eq(old, new) => {}
            Some(old) => {
                let (before, after) = (whole(from, id), whole(to, id));
                let mut fields = fields(&before, &after);
                if fields.is_empty() && old.used.secrets != new.used.secrets {
                    let hidden = Some(Value::String("***".into()));
                    let path = "secrets".into();
                    fields.push(Field { path, before: hidden.clone(), after: hidden });
                }
                // Built again for something that is told elsewhere, such as an app.
                if fields.is_empty() {
                    continue;
                }
                change(id, What::Changed, fields);
            }
        }
    }
}

/// Everything about an API that is not its place, by field.
fn whole(snapshot: &Snapshot, id: &str) -> Value {
    let Some(api) = api(snapshot, id) else { return Value::Null };
    let mut all = Map::new();
    let mut put = |name: &str, value: Value| all.insert(name.to_owned(), value);
    put("match", json(&api.matches));
    put("operation", json(&api.operation));
    put("state", json(&api.state));
    put("upstream", json(&api.upstream));
    put("early_data", json(&api.early_data));
    put("compress", json(&api.compress));
    for setting in api.settings {
        put(&setting.name, setting.value);
    }
    let order: Vec<Value> = api.steps.iter().map(|step| json(&step.id)).collect();
    put("order", Value::Array(order));
    let mut steps = Map::new();
    for step in api.steps {
        let mut one = Map::new();
        one.insert("kind".into(), json(&step.kind));
        one.insert("config".into(), step.config);
        one.insert("when".into(), json(&step.when));
        one.insert("on_failure".into(), json(&step.on_failure));
        one.insert("enabled".into(), json(&step.enabled));
        steps.insert(step.id, Value::Object(one));
    }
    put("steps", Value::Object(steps));
    Value::Object(all)
}

/// Fields that differ, in the order of the new value.
fn fields(old: &Value, new: &Value) -> Vec<Field> {
    let mut out = Vec::new();
    compare(String::new(), Some(old), Some(new), &mut out);
    out
}

fn compare(path: String, old: Option<&Value>, new: Option<&Value>, out: &mut Vec<Field>) {
    if old == new {
        return;
    }
    if let (Some(Value::Object(old)), Some(Value::Object(new))) = (old, new) {
        let gone = old.keys().filter(|key| !new.contains_key(*key));
        for key in new.keys().chain(gone) {
            let dot = if path.is_empty() { "" } else { "." };
            compare(format!("{path}{dot}{key}"), old.get(key), new.get(key), out);
        }
        return;
    }
    let known = |value: Option<&Value>| value.filter(|value| !value.is_null()).cloned();
    out.push(Field { path, before: known(old), after: known(new) });
}

/// Apps whose secrets have other values behind the same references.
fn rotated(from: &Snapshot, to: &Snapshot, changes: &mut Vec<Change>) {
    for new in to.apps().iter() {
        let Some(old) = from.apps().get(&new.id) else { continue };
        for key in &new.keys {
            let before = old.keys.iter().find(|before| before.id == key.id);
            if before.is_some_and(|before| before.secret != key.secret) {
                let hidden = Some(Value::String("***".into()));
                let path = format!("keys.{}.secret", key.id);
                changes.push(Change {
                    section: "app",
                    name: new.id.to_string(),
                    what: What::Changed,
                    fields: vec![Field { path, before: hidden.clone(), after: hidden }],
                });
            }
        }
    }
}

/// State that the old snapshot kept and the new one does not, or lays out otherwise.
fn states(from: &Snapshot, to: &Snapshot) -> Vec<StateLost> {
    let fingerprints: BTreeMap<&str, &str> = to
        .apis()
        .iter()
        .chain([to.fallback()])
        .flat_map(|served| states_of(served))
        .map(|(_, state)| (state.key.as_str(), state.fingerprint.as_str()))
        .collect();
    let mut lost: Vec<StateLost> = from
        .apis()
        .iter()
        .chain([from.fallback()])
        .flat_map(|served| states_of(served).map(move |(step, state)| (served, step, state)))
        .filter_map(|(served, step, state)| {
            let kept = fingerprints.get(state.key.as_str());
            (kept != Some(&state.fingerprint.as_str())).then(|| StateLost {
                key: state.key.to_string(),
                api: served.api.id.to_string(),
                step: step.to_owned(),
                reset: kept.is_some(),
            })
        })
        .collect();
    // Shared state is told once.
    lost.sort_by(|a, b| a.key.cmp(&b.key));
    lost.dedup_by(|a, b| a.key == b.key);
    lost
}

fn states_of(served: &ServedApi) -> impl Iterator<Item = (&str, &paifang_pipeline::StateUse)> {
    let steps = served.api.chain.steps().iter();
    steps.flat_map(|step| step.states.iter().map(|state| (&*step.id, state)))
}

impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.changes.is_empty() && self.states.is_empty() {
            return writeln!(f, "no difference");
        }
        for change in &self.changes {
            let mark = match change.what {
                What::Added => '+',
                What::Removed => '-',
                What::Changed => '~',
            };
            match (change.section, change.name.as_str()) {
                ("settings", _) => writeln!(f, "{mark} settings")?,
                ("api", Snapshot::FALLBACK) => writeln!(f, "{mark} requests that match no API")?,
                (section, name) => writeln!(f, "{mark} {section} {name}")?,
            }
            for field in &change.fields {
                let show = |value: &Option<Value>| value.as_ref().map_or("none".into(), flow);
                let (before, after) = (show(&field.before), show(&field.after));
                if before == after {
                    writeln!(f, "    {}: another value", field.path)?;
                } else {
                    writeln!(f, "    {}: {before} -> {after}", field.path)?;
                }
            }
        }
        for lost in &self.states {
            let StateLost { key, api, step, .. } = lost;
            let what = if lost.reset { "begins anew" } else { "is dropped" };
            writeln!(f, "! state {key} {what} (step {step} of {api})")?;
        }
        Ok(())
    }
}
