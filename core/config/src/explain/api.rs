//! An API's settings and steps, with where each is written.

use serde::Serialize;
use serde_json::Value;

use super::{ApiExplained, ModuleExplained, Override, Setting, StepExplained};
use crate::compile::edits::Edits;
use crate::compile::effective::retry;
use crate::compile::expand::{Expanded, expand};
use crate::diag::Problems;
use crate::model::{Api, ApiState, Steps};
use crate::snapshot::Snapshot;
use crate::source::SourceMap;
use crate::yaml::{Kind, Located, Node, Span, to_value};

/// Explains the API with this id, or what answers requests without API (`-`).
#[must_use]
pub fn api(snapshot: &Snapshot, id: &str) -> Option<ApiExplained> {
    if id == Snapshot::FALLBACK {
        return Some(fallback(snapshot));
    }
    let model = &snapshot.config().apis[snapshot.position(id)?];
    let sources = snapshot.sources();
    Some(ApiExplained {
        id: id.to_owned(),
        place: sources.brief(model.id.span()),
        state: word(&model.state),
        matches: model.matches.as_ref().map(|matches| json(matches.value())),
        operation: model.operation.as_ref().map(ToString::to_string),
        upstream: model.upstream.as_ref().map(ToString::to_string),
        early_data: model.early_data,
        compress: model.compress,
        settings: settings(snapshot, model),
        steps: steps(snapshot, id, &model.handlers, model.state == ApiState::Offline),
    })
}

fn fallback(snapshot: &Snapshot) -> ApiExplained {
    ApiExplained {
        id: Snapshot::FALLBACK.to_owned(),
        place: None,
        state: word(&ApiState::Online),
        matches: None,
        operation: None,
        upstream: None,
        early_data: false,
        compress: true,
        settings: Vec::new(),
        steps: steps(snapshot, Snapshot::FALLBACK, &Steps::default(), false),
    }
}

/// Settings in the order in which they are documented.
fn settings(snapshot: &Snapshot, api: &Api) -> Vec<Setting> {
    let config = snapshot.config();
    let sources = snapshot.sources();
    let defaults = &config.defaults;
    let node = config.apis.iter().find(|named| named.id == api.id).map(|named| &named.node);
    let default_node = snapshot.tree().root.get("defaults");
    // Where a key of the API is written, else that of `defaults`.
    let from = |key: &str| {
        let own = node.and_then(|node| node.get(key));
        let place = own.or_else(|| default_node.and_then(|node| node.get(key)));
        place.and_then(|node| sources.brief(node.span))
    };
    let setting = |name: &str, value: Value| Setting { name: name.into(), value, from: from(name) };
    let mut all = vec![
        setting("timeout", json(api.timeout.as_ref().unwrap_or(&defaults.timeout))),
        setting("body_limit", json(&api.body_limit.unwrap_or(defaults.body_limit))),
        setting(
            "response_body_limit",
            json(&api.response_body_limit.unwrap_or(defaults.response_body_limit)),
        ),
    ];
    let retry = retry(config, api);
    let mut add = |name: &str, value: Option<Value>, span: Option<Span>| {
        if let Some(value) = value {
            let from = span.and_then(|span| sources.brief(span));
            all.push(Setting { name: format!("retry.{name}"), value, from });
        }
    };
    fn span<T>(value: &Option<Located<T>>) -> Option<Span> {
        value.as_ref().map(Located::span)
    }
    add("attempts", retry.attempts.as_ref().map(json), span(&retry.attempts));
    let first = retry.statuses.as_ref().and_then(|statuses| statuses.first().map(Located::span));
    add("statuses", retry.statuses.as_ref().map(json), first);
    add("body_buffer", retry.body_buffer.as_ref().map(json), span(&retry.body_buffer));
    add("any_method", retry.any_method.as_ref().map(json), None);
    all
}

fn steps(snapshot: &Snapshot, id: &str, own: &Steps, offline: bool) -> Vec<StepExplained> {
    // What could be wrong was told when the snapshot was compiled.
    let config = snapshot.config();
    let on = |name: &str| snapshot.plans().iter().any(|plan| plan.name == *name);
    let edits = Edits::of(config, on).for_api(id);
    let owner = (id, Span::NONE);
    let expanded = expand(config, own, &edits, owner, &mut Problems::default()).steps;
    let served =
        if id == Snapshot::FALLBACK { Some(snapshot.fallback()) } else { snapshot.api(id) };
    expanded
        .iter()
        .map(|step| {
            let compiled = served.and_then(|served| {
                served.api.chain.steps().iter().find(|compiled| compiled.id == step.id)
            });
            let enabled = step.enabled && (!offline || step.default);
            let told = explained(step, compiled, enabled, snapshot.sources());
            StepExplained { module: module(snapshot, &step.kind), ..told }
        })
        .collect()
}

fn module(snapshot: &Snapshot, kind: &str) -> Option<ModuleExplained> {
    let module = snapshot.module(kind)?;
    Some(ModuleExplained {
        file: module.file.display().to_string(),
        sha256: module.sha256.to_string(),
        about: module.plugin.describe(),
    })
}

fn explained(
    step: &Expanded,
    compiled: Option<&paifang_pipeline::Step>,
    enabled: bool,
    sources: &SourceMap,
) -> StepExplained {
    let mut overrides = Vec::new();
    changes(&step.config, String::new(), step, sources, &mut overrides);
    StepExplained {
        id: step.id.to_string(),
        kind: step.kind.to_string(),
        module: None,
        place: sources.brief(step.span),
        default: step.default,
        through: step.through.iter().filter_map(|span| sources.brief(*span)).collect(),
        config: match redacted(to_value(&step.config)) {
            Value::Null => Value::Object(serde_json::Map::new()),
            config => config,
        },
        overrides,
        stages: compiled
            .map(|compiled| compiled.handler.stages().names().map(str::to_owned).collect())
            .unwrap_or_default(),
        when: step.when.as_ref().map(to_value),
        on_failure: word(&step.on_failure),
        routes: compiled
            .map(|compiled| compiled.routes.iter().map(ToString::to_string).collect())
            .unwrap_or_default(),
        state: compiled
            .map(|compiled| compiled.states.iter().map(|state| state.key.to_string()).collect())
            .unwrap_or_default(),
        enabled,
        plans: step.plans.iter().map(ToString::to_string).collect(),
    }
}

/// Values that stand elsewhere than at the step, or replaced others.
fn changes(
    node: &Node,
    pointer: String,
    step: &Expanded,
    sources: &SourceMap,
    out: &mut Vec<Override>,
) {
    let replaced = node.overrode.as_deref().unwrap_or_default();
    if let Kind::Map(map) = &node.kind
        && replaced.is_empty()
    {
        for entry in map.entries() {
            let key = entry.key.text.replace('~', "~0").replace('/', "~1");
            changes(&entry.value, format!("{pointer}/{key}"), step, sources, out);
        }
        return;
    }
    let overridden = step.overrides.iter().any(|change| within(node.span, *change));
    if replaced.is_empty() && !overridden {
        return;
    }
    let Some(at) = sources.brief(node.span) else { return };
    let instead_of = replaced.iter().filter_map(|span| sources.brief(*span)).collect();
    out.push(Override { pointer, at, instead_of });
}

/// Whether a value stands inside an override.
fn within(value: Span, change: Span) -> bool {
    value.file == change.file
        && (value.line, value.column) >= (change.line, change.column)
        && (value.end_line, value.end_column) <= (change.end_line, change.end_column)
}

/// Secrets are references; a text under a key that sounds like one is hidden all the same.
pub(crate) fn redacted(value: Value) -> Value {
    const SUSPECT: [&str; 4] = ["secret", "password", "passwd", "private_key"];
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(redacted).collect()),
        Value::Object(map) => Value::Object(
            map.into_iter()
                .map(|(key, value)| {
                    let lower = key.to_lowercase();
                    let hide = value.is_string() && SUSPECT.iter().any(|word| lower.contains(word));
                    let value = if hide { Value::String("***".into()) } else { redacted(value) };
                    (key, value)
                })
                .collect(),
        ),
        other => other,
    }
}

pub(crate) fn json<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap_or(Value::Null)
}

/// The name of an enum's variant, as it is written in YAML.
pub(crate) fn word<T: Serialize>(value: &T) -> String {
    json(value).as_str().unwrap_or_default().to_owned()
}
