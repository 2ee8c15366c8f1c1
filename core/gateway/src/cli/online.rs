//! Commands that ask a running gateway.

use super::{
    Failed,
    args::{
        ExplainArguments, GatewayArguments, LogLevelArguments, RollbackArguments, TraceArguments,
    },
    remote::Remote,
    terminal::say,
};
use serde_json::{Value, json};
use std::{fmt::Write, time::Duration};

/// How long an upgrade is waited for: longer than the gateway itself waits for the new process.
const UPGRADES: Duration = Duration::from_secs(400);

type Done = Result<(), Failed>;

/// Prints an answer: its `text`, or all of it as JSON where that is wanted.
pub(super) fn show(gateway: &GatewayArguments, answer: &Value) -> Done {
    match answer.get("text").and_then(Value::as_str) {
        Some(text) if !gateway.json => say(text),
        _ => say(&format!("{answer:#}")),
    }
    Ok(())
}

pub(super) fn explain(explain: &ExplainArguments) -> Done {
    let remote = Remote::find(&explain.gateway.reach);
    let answer = match (&explain.request, &explain.api) {
        (Some(request), _) => {
            let body = json!({ "request": request, "headers": explain.header, "listener": explain.listener });
            remote.post("/v1/explain", &body)?
        }
        (None, Some(api)) => remote.get(&format!("/v1/apis/{}", escape(api)))?,
        (None, None) => remote.get("/v1/apis")?,
    };
    show(&explain.gateway, &answer)
}

pub(super) fn diff(gateway: &GatewayArguments) -> Done {
    let answer = Remote::find(&gateway.reach).get("/v1/diff")?;
    show(gateway, &answer)
}

pub(super) fn reload(gateway: &GatewayArguments) -> Done {
    let answer = Remote::find(&gateway.reach).post("/v1/reload", &Value::Null)?;
    show(gateway, &answer)
}

pub(super) fn upgrade(gateway: &GatewayArguments) -> Done {
    let remote = Remote::find(&gateway.reach);
    let answer = remote.post_within(UPGRADES, "/v1/upgrade", &Value::Null)?;
    show(gateway, &answer)
}

pub(super) fn rollback(rollback: &RollbackArguments) -> Done {
    let path = format!("/v1/releases/{}/rollback", rollback.number);
    let answer = Remote::find(&rollback.gateway.reach).post(&path, &Value::Null)?;
    show(&rollback.gateway, &answer)
}

pub(super) fn releases(gateway: &GatewayArguments) -> Done {
    let answer = Remote::find(&gateway.reach).get("/v1/releases")?;
    show(gateway, &answer)
}

pub(super) fn status(gateway: &GatewayArguments) -> Done {
    let answer = Remote::find(&gateway.reach).get("/v1/status")?;
    show(gateway, &answer)
}

pub(super) fn upstreams(gateway: &GatewayArguments) -> Done {
    let answer = Remote::find(&gateway.reach).get("/v1/upstreams")?;
    show(gateway, &answer)
}

pub(super) fn log_level(level: &LogLevelArguments) -> Done {
    let remote = Remote::find(&level.gateway.reach);
    let answer = match &level.level {
        Some(wanted) => remote.put("/v1/log-level", &json!({ "level": wanted }))?,
        None => remote.get("/v1/log-level")?,
    };
    match answer.get("level").and_then(Value::as_str) {
        Some(level_now) if !level.gateway.json => say(level_now),
        _ => say(&format!("{answer:#}")),
    }
    Ok(())
}

pub(super) fn trace(trace: &TraceArguments) -> Done {
    let remote = Remote::find(&trace.gateway.reach);
    let answer = remote.post(&format!("/v1/traces?seconds={}", trace.seconds), &Value::Null)?;
    let part = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default();
    say(&format!("{}: {}", part("header"), part("value")));
    Ok(())
}

/// Percent-encodes what must be in a path segment.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            // Writing into a string cannot fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}
