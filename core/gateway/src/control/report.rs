//! What the controller tells: reports, status, lists. Each has its data and a text for people.

use super::{Controller, plans};
use crate::{control::ReleaseError, edge::ListenerStatus, live::HeldRelease};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use paifang_config::{
    diff::Diff,
    explain::{self, Asked},
    release::Listed,
    snapshot::{Cause, Snapshot},
};
use paifang_state::redis::StoreReading;
use serde::Serialize;
use serde_json::{Value, json};
use std::{fmt::Write, sync::Arc, time::Duration};
use tokio::time::Instant;

/// Whether a release is kept on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kept {
    /// Under this number.
    As(u64),
    /// The config asks for none to be kept.
    No,
    /// It could not be.
    Failed(String),
}

/// A release that went live.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Report {
    /// Its number.
    pub(crate) release: u64,
    /// Hash of the whole config.
    pub(crate) hash: String,
    /// APIs in it.
    pub(crate) apis: usize,
    /// Those of them that were built anew.
    pub(crate) apis_built: usize,
    /// How long it took, in milliseconds.
    pub(crate) millis: u64,
    /// Whether it is kept on disk.
    pub(crate) kept: Kept,
    /// There was nothing to release: this is the one that served before.
    #[serde(skip)]
    pub(crate) unchanged: bool,
    /// The like for people.
    pub(crate) text: String,
}

impl Report {
    pub(super) fn new(
        snapshot: &Snapshot,
        took: Duration,
        kept: Kept,
        diff: Option<&Diff>,
    ) -> Self {
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let mut text = format!(
            "release {} is live: {} APIs, {} built anew, {millis} ms\n",
            snapshot.number(),
            snapshot.apis().len(),
            snapshot.built()
        );
        if let Kept::Failed(why) = &kept {
            // Writing into a string cannot fail.
            let _ = writeln!(text, "WARNING: it is not kept on disk: {why}");
        }
        if let Some(diff) = diff {
            let _ = write!(text, "{diff}");
        }
        Self {
            release: snapshot.number(),
            hash: snapshot.hash().to_string(),
            apis: snapshot.apis().len(),
            apis_built: snapshot.built(),
            millis,
            kept,
            unchanged: false,
            text,
        }
    }

    /// Nothing was released, for nothing has changed.
    pub(super) fn unchanged(snapshot: &Snapshot, took: Duration) -> Self {
        Self { unchanged: true, ..Self::new(snapshot, took, Kept::No, None) }
    }
}

/// What a plugin says is not as it should be.
#[derive(Serialize)]
struct Trouble {
    plugin: String,
    name: String,
    upstream: Option<String>,
    state: &'static str,
}

/// Data with its text: what the admin API answers and the command line prints.
pub(super) fn told(data: impl Serialize, text: String) -> Value {
    let mut value = serde_json::to_value(data).unwrap_or_default();
    match &mut value {
        Value::Object(members) => {
            members.insert("text".to_owned(), text.into());
            value
        }
        _ => json!({ "items": value, "text": text }),
    }
}

impl Controller {
    /// How the gateway is.
    pub(crate) fn status(&self) -> Value {
        let live = self.live.load_full();
        let snapshot = &live.snapshot;
        let failure = self.last_failure.load_full();
        let uptime = self.started.elapsed().unwrap_or_default().as_secs();
        let connections: u32 = self.edge.listeners().iter().map(|listener| listener.active).sum();
        let state = if self.is_ready() { "serving" } else { "stopping" };
        let mut text = format!(
            "{state} release {} ({} APIs), up {uptime} s, {connections} connections\n",
            snapshot.number(),
            snapshot.apis().len(),
        );
        if let Some(pinned) = self.pinned() {
            let _ = writeln!(text, "pinned to release {pinned} until `paifang reload`");
        }
        if *snapshot.cause() == Cause::Recovery {
            text.push_str("THE FILES ARE BROKEN: this is the last good release that was kept\n");
        }
        for plan in snapshot.plans() {
            let since = plans::ago(plan);
            let _ = writeln!(text, "the plan {} is on, since {since} s", plan.name);
        }
        for listener in self.edge.listeners() {
            let scheme = if listener.tls { "https" } else { "http" };
            let _ = writeln!(text, "{}: {scheme}://{}", listener.name, listener.address);
        }
        let held = self.held.read(Instant::now());
        for old in &held {
            let ends = if old.recalled { ", which are being ended" } else { "" };
            let calls = if old.calls == 1 { "call" } else { "calls" };
            let _ = writeln!(
                text,
                "release {}, replaced {} s ago, is held by {} {calls}{ends}",
                old.release,
                old.age.as_secs(),
                old.calls
            );
        }
        let stores = self.stores.read();
        for store in &stores {
            let _ = writeln!(text, "{}", store_line(store));
        }
        let troubles = self.troubles();
        for Trouble { plugin, name, upstream, state } in &troubles {
            let whose = upstream.as_ref().map(|name| format!(", upstream {name}"));
            let whose = whose.unwrap_or_default();
            let _ = writeln!(text, "{plugin} {name}{whose}: {}", state.replace('_', " "));
        }
        let not_kept = self.not_kept.load_full();
        if let Some(why) = &not_kept {
            let _ = writeln!(text, "WARNING: this release is not kept on disk: {why}");
        }
        if let Some(failure) = &failure {
            let _ = writeln!(text, "the last reload was refused: {failure}");
        }
        let upgrade_failure = self.upgrade_failure.load_full();
        if let Some(failure) = &upgrade_failure {
            let _ = writeln!(text, "the last upgrade failed: {failure}");
        }
        let before = self.counters.predecessor.get();
        let before = before.and_then(|before| Some((before.pid, before.connections()?)));
        if let Some((pid, connections)) = before {
            let _ = writeln!(
                text,
                "process {pid}, before the upgrade, ends: {connections} connections are left"
            );
        }
        told(
            json!({
                "version": env!("CARGO_PKG_VERSION"),
                "state": state,
                "release": snapshot.number(),
                "hash": snapshot.hash().to_string(),
                "cause": snapshot.cause(),
                "apis": snapshot.apis().len(),
                "pinned": self.pinned(),
                "plans": snapshot.plans().iter().map(|plan| &plan.name).collect::<Vec<_>>(),
                "connections": connections,
                "uptime_seconds": uptime,
                "stores": stores.iter().map(store_status).collect::<Vec<_>>(),
                "troubles": troubles,
                "held": held.iter().map(held_release).collect::<Vec<_>>(),
                "last_failure": failure.as_deref(),
                "not_kept": not_kept.as_deref(),
                "pid": std::process::id(),
                "upgrade_failure": upgrade_failure.as_deref(),
                "predecessor": before
                    .map(|(pid, connections)| json!({ "pid": pid, "connections": connections })),
            }),
            text,
        )
    }

    /// What plugins say is not as it should be.
    fn troubles(&self) -> Vec<Trouble> {
        let all = self.registry.iter().flat_map(|(kind, plugin)| {
            plugin.troubles().into_iter().map(move |trouble| Trouble {
                plugin: kind.to_owned(),
                name: trouble.name,
                upstream: trouble.upstream,
                state: trouble.state,
            })
        });
        all.collect()
    }

    /// All APIs, a line each.
    pub(crate) fn apis(&self) -> Value {
        list_apis(&self.live.load().snapshot)
    }

    /// One API, step by step.
    pub(crate) fn explain_api(&self, id: &str) -> Option<Value> {
        let explained = explain::api(&self.live.load().snapshot, id)?;
        let text = explained.to_string();
        Some(told(explained, text))
    }

    /// Which API a request belongs to.
    pub(crate) fn explain_request(
        &self,
        request: &str,
        headers: &[String],
        listener: Option<&str>,
    ) -> Result<Value, String> {
        explain_request(&self.live.load().snapshot, request, headers, listener)
    }

    /// All listeners.
    pub(crate) fn listeners(&self) -> Value {
        let describe = |listener: &ListenerStatus| {
            json!({
                "name": &*listener.name,
                "address": listener.address.to_string(),
                "tls": listener.tls,
                "connections": listener.active,
                "accepted": listener.stats.accepted.get(),
            })
        };
        let listeners = self.edge.listeners();
        let text = listeners.iter().fold(String::new(), |mut text, listener| {
            let _ = writeln!(
                text,
                "{}  {}  {} connections",
                listener.name, listener.address, listener.active
            );
            text
        });
        told(listeners.iter().map(describe).collect::<Vec<_>>(), text)
    }

    /// All releases that are kept.
    pub(crate) async fn releases(self: &Arc<Self>) -> Result<Value, ReleaseError> {
        let listed = self.list().await?;
        let snapshot = self.live.load().snapshot.clone();
        // A release that came from disk is there under the number that it had.
        let is_live = |release: &Listed| match snapshot.cause() {
            Cause::Rollback(number) => release.number == *number,
            Cause::Recovery => release.last_good,
            _ => release.number == snapshot.number(),
        };
        let mut text = String::new();
        if listed.is_empty() {
            text.push_str("no releases are kept; name a directory in `releases:`\n");
        }
        for release in &listed {
            let _ = write!(text, "{:>6}", release.number);
            match &release.manifest {
                Some(manifest) => {
                    let age = manifest.time().elapsed().unwrap_or_default().as_secs();
                    let cause = serde_json::to_string(&manifest.cause).unwrap_or_default();
                    let _ = write!(text, "  {age:>8} s ago  {}  {cause}", &manifest.hash);
                }
                None => text.push_str("  damaged"),
            }
            let marks = [
                (release.last_good, "last good"),
                (release.pinned, "pinned"),
                (is_live(release), "live"),
            ];
            for (_, mark) in marks.into_iter().filter(|(holds, _)| *holds) {
                let _ = write!(text, "  {mark}");
            }
            text.push('\n');
        }
        let items: Vec<Value> = listed
            .iter()
            .map(|release| {
                let mut item = serde_json::to_value(release).unwrap_or_default();
                item["live"] = is_live(release).into();
                item
            })
            .collect();
        Ok(told(items, text))
    }

    /// What a reload would change.
    pub(crate) async fn told_diff(self: &Arc<Self>) -> Result<Value, ReleaseError> {
        let diff = self.diff().await?;
        let text = diff.to_string();
        Ok(told(diff, text))
    }
}

/// A shared store, for people.
fn store_line(store: &StoreReading) -> String {
    let gateways = match store.gateways {
        Some(1) => "1 gateway".to_owned(),
        Some(count) => format!("{count} gateways"),
        None => "an unknown number of gateways".to_owned(),
    };
    let how = match (store.lanes_up, store.lanes) {
        (up, all) if up == all => "up".to_owned(),
        (0, _) => "AWAY".to_owned(),
        (up, all) => format!("PARTLY AWAY, {up} of {all} ranges of slots are up"),
    };
    let trouble = store.trouble.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
    format!("store {}: {how}, shared by {gateways}{trouble}", store.name)
}

fn store_status(store: &StoreReading) -> Value {
    json!({
        "name": store.name,
        "ranges": store.lanes,
        "ranges_up": store.lanes_up,
        "gateways": store.gateways,
        "trouble": store.trouble,
    })
}

fn held_release(old: &HeldRelease) -> Value {
    json!({
        "release": old.release,
        "replaced_seconds_ago": old.age.as_secs(),
        "calls": old.calls,
        "ending": old.recalled,
    })
}

pub(super) fn counts(entries: &[(&'static str, u64)]) -> Value {
    entries.iter().map(|(name, count)| ((*name).to_owned(), Value::from(*count))).collect()
}

/// All APIs of a snapshot, a line each.
pub(crate) fn list_apis(snapshot: &Snapshot) -> Value {
    let mut text = String::new();
    let items: Vec<Value> = snapshot
        .apis()
        .iter()
        .map(|served| {
            let api = &served.api;
            let steps: Vec<&str> = api.chain.steps().iter().map(|step| &*step.id).collect();
            let end = api.upstream.as_deref().unwrap_or("answered by a step");
            let state = if served.offline { "offline" } else { "online" };
            let _ = writeln!(text, "{}  {state}  {} -> {end}", api.id, steps.join(" "));
            json!({ "id": &*api.id, "state": state, "steps": steps, "upstream": api.upstream.as_deref() })
        })
        .collect();
    told(items, text)
}

/// Which API of a snapshot a request belongs to. `request` is a method and a target.
pub(crate) fn explain_request(
    snapshot: &Snapshot,
    request: &str,
    headers: &[String],
    listener: Option<&str>,
) -> Result<Value, String> {
    let (method, target) = request
        .trim()
        .split_once(' ')
        .ok_or_else(|| format!("`{request}` is no request; write it like `POST /v1/orders`"))?;
    let method =
        Method::from_bytes(method.as_bytes()).map_err(|_| format!("`{method}` is no method"))?;
    let mut map = HeaderMap::new();
    for header in headers {
        let (name, value) = header
            .split_once(':')
            .ok_or_else(|| format!("`{header}` is no header; write it like `name: value`"))?;
        let name = HeaderName::from_bytes(name.trim().as_bytes())
            .map_err(|_| format!("`{name}` is no header name"))?;
        let value = HeaderValue::from_str(value.trim())
            .map_err(|_| format!("the value of `{name}` cannot stand in a header"))?;
        map.append(name, value);
    }
    let listeners = &snapshot.config().listeners;
    if let Some(name) = listener
        && !listeners.iter().any(|listener| *listener.name.as_arc().as_ref() == *name)
    {
        return Err(format!("there is no listener `{name}`"));
    }
    let asked = Asked { method: &method, target: target.trim(), listener, headers: &map };
    let explained = explain::request(snapshot, &asked);
    let text = explained.to_string();
    Ok(told(explained, text))
}
