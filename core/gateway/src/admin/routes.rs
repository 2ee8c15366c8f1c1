//! The paths of the admin API.

use super::{
    auth::{self, Guard},
    console, releases,
    reply::{error, errors_as_json, json},
    server::Peer,
};
use crate::{
    cache::Purge,
    control::{AskedConnections, Caller, Cause, Controller, Order, ReleaseError, Switch},
    insight::Asked,
    metrics,
    upgrade::UpgradeError,
};
use axum::{
    Extension, Json, Router,
    body::{Body, Bytes, to_bytes},
    extract::{DefaultBodyLimit, FromRequestParts, Path, Query, Request},
    http::{HeaderMap, StatusCode, Uri, header, request::Parts},
    middleware::{Next, from_fn, from_fn_with_state, map_response},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use std::{
    convert::Infallible,
    ops::Deref,
    sync::{Arc, Weak},
    time::Duration,
};

/// The largest request body, in bytes.
const LARGEST_BODY: usize = 64 * 1024;

/// How long a request body may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// All paths: probes and the console's files for everybody, the rest behind the guard. Errors are JSON
/// throughout.
pub(super) fn router(controller: Weak<Controller>, guard: Guard) -> Router {
    // Probes tell nothing but yes or no, so they need no token.
    let open = Router::new().route("/livez", get(livez)).route("/readyz", get(readyz));
    let page = Router::new()
        .route("/", get(console::home))
        .route("/console", get(console::home))
        .route("/console/", get(console::page))
        .route("/console/{file}", get(console::file))
        .layer(Extension(console::Files::new()))
        .layer(map_response(errors_as_json))
        .layer(from_fn_with_state(guard.clone(), console::around));
    let guarded = Router::new()
        .route("/metrics", get(metrics_text))
        .route("/v1/status", get(status))
        .route("/v1/apis", get(apis))
        .route("/v1/apis/{id}", get(api))
        .route("/v1/explain", post(explain))
        .route("/v1/stats", get(stats))
        .route("/v1/stats/apis", get(stats_apis))
        .route("/v1/stats/apis/{id}", get(stats_api))
        .route("/v1/upstreams", get(upstreams))
        .route("/v1/listeners", get(listeners))
        .route("/v1/mmtp", get(mmtp))
        .route("/v1/mmtp/connections", get(mmtp_connections))
        .route("/v1/mmtp/connections/{id}/close", post(mmtp_close))
        .route("/v1/cache", get(cache))
        .route("/v1/cache/purge", post(purge))
        .route("/v1/releases", get(kept_releases))
        .route("/v1/releases/{number}/diff", get(releases::diff))
        .route("/v1/releases/{number}/rollback", post(rollback))
        .route("/v1/plans", get(plans))
        .route("/v1/plans/{name}/on", post(plan_on))
        .route("/v1/plans/{name}/off", post(plan_off))
        .route("/v1/plans/{name}/rehearsal", get(rehearsal))
        .route("/v1/reload", post(reload))
        .route("/v1/upgrade", post(upgrade))
        .route("/v1/diff", get(diff))
        .route("/v1/log-level", get(log_level).put(set_log_level))
        .route("/v1/traces", post(trace))
        .fallback(unknown)
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(map_response(errors_as_json))
        .layer(from_fn_with_state(guard, auth::check))
        .layer(from_fn(whole_body));
    let all = guarded.merge(page).merge(open);
    all.layer(map_response(console::unembedded)).with_state(controller)
}

/// Takes in the whole body before anything answers. A socket that is closed with bytes unread sends
/// a reset, which can overtake the answer, so that a client that sends a body after its head would
/// see no answer at all.
async fn whole_body(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    match tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, LARGEST_BODY)).await {
        Ok(Ok(body)) => next.run(Request::from_parts(parts, Body::from(body))).await,
        Ok(Err(_)) => error(StatusCode::PAYLOAD_TOO_LARGE, "a body may have up to 64 KiB", None),
        Err(_) => error(StatusCode::REQUEST_TIMEOUT, "the body did not come in time", None),
    }
}

/// The controller, for as long as a request takes.
pub(super) struct Control(Arc<Controller>);

impl Deref for Control {
    type Target = Arc<Controller>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl FromRequestParts<Weak<Controller>> for Control {
    type Rejection = Response;

    async fn from_request_parts(
        _: &mut Parts,
        controller: &Weak<Controller>,
    ) -> Result<Self, Self::Rejection> {
        let gone = || error(StatusCode::SERVICE_UNAVAILABLE, "the gateway has stopped", None);
        controller.upgrade().map(Self).ok_or_else(gone)
    }
}

async fn unknown(uri: Uri) -> Response {
    let message = format!("there is no path `{}`; docs/admin.md lists them", uri.path());
    error(StatusCode::NOT_FOUND, &message, None)
}

async fn livez() -> &'static str {
    "ok\n"
}

async fn readyz(control: Control) -> Response {
    if control.is_ready() {
        "ok\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response()
    }
}

async fn metrics_text(control: Control, headers: HeaderMap) -> Response {
    // Examples are for those who say that they read the format which has them.
    let mut accepted = headers.get_all(header::ACCEPT).iter();
    let examples = accepted.any(|accept| {
        accept.to_str().is_ok_and(|accept| accept.contains("application/openmetrics-text"))
    });
    match control.metrics().render(examples) {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(_) => error(StatusCode::INTERNAL_SERVER_ERROR, "metrics cannot be written", None),
    }
}

async fn status(control: Control) -> Response {
    json(control.status())
}

async fn apis(control: Control) -> Response {
    json(control.apis())
}

async fn api(control: Control, Path(id): Path<String>) -> Response {
    match control.explain_api(&id) {
        Some(explanation) => json(explanation),
        None => error(StatusCode::NOT_FOUND, &format!("there is no API `{id}`"), None),
    }
}

/// A request to explain.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExplainRequest {
    /// `POST https://host/path?query`, or `POST /path`.
    request: String,
    /// `name: value`, each.
    #[serde(default)]
    headers: Vec<String>,
    /// The listener that it comes by; the config's first one where absent.
    #[serde(default)]
    listener: Option<String>,
}

async fn explain(control: Control, Json(wanted): Json<ExplainRequest>) -> Response {
    match control.explain_request(&wanted.request, &wanted.headers, wanted.listener.as_deref()) {
        Ok(explanation) => json(explanation),
        Err(why) => error(StatusCode::BAD_REQUEST, &why, None),
    }
}

async fn stats(control: Control) -> Response {
    json(control.stats())
}

/// With very many APIs that takes a while: off the threads that serve.
async fn stats_apis(control: Control, Query(asked): Query<Asked>) -> Response {
    match tokio::task::spawn_blocking(move || control.stats_apis(&asked)).await {
        Ok(Ok(told)) => json(told),
        Ok(Err(why)) => error(StatusCode::BAD_REQUEST, &why, None),
        Err(_) => error(StatusCode::INTERNAL_SERVER_ERROR, "statistics cannot be told", None),
    }
}

async fn stats_api(control: Control, Path(id): Path<String>) -> Response {
    match control.stats_api(&id) {
        Some(told) => json(told),
        None => error(StatusCode::NOT_FOUND, &format!("there is no API `{id}`"), None),
    }
}

async fn upstreams(control: Control) -> Response {
    json(control.upstreams())
}

async fn listeners(control: Control) -> Response {
    json(control.listeners())
}

async fn mmtp(control: Control) -> Response {
    json(control.mmtp())
}

/// With very many connections that takes a while: off the threads that serve.
async fn mmtp_connections(control: Control, Query(asked): Query<AskedConnections>) -> Response {
    match tokio::task::spawn_blocking(move || control.mmtp_connections(&asked)).await {
        Ok(Ok(told)) => json(told),
        Ok(Err(why)) => error(StatusCode::BAD_REQUEST, &why, None),
        Err(_) => error(StatusCode::INTERNAL_SERVER_ERROR, "connections cannot be told", None),
    }
}

async fn mmtp_close(control: Control, Path(number): Path<u64>) -> Response {
    match tokio::task::spawn_blocking(move || control.mmtp_close(number)).await {
        Ok(true) => json(serde_json::json!({ "asked_to_go": number })),
        Ok(false) => {
            error(StatusCode::NOT_FOUND, &format!("there is no connection {number}"), None)
        }
        Err(_) => error(StatusCode::INTERNAL_SERVER_ERROR, "connections cannot be found", None),
    }
}

async fn cache(control: Control) -> Response {
    json(control.answers().read())
}

async fn purge(control: Control, Json(order): Json<Purge>) -> Response {
    match control.answers().purge(&order) {
        Ok(()) => json(serde_json::json!({ "purged": true })),
        Err(why) => error(StatusCode::BAD_REQUEST, &why.to_string(), None),
    }
}

async fn kept_releases(control: Control) -> Response {
    match control.releases().await {
        Ok(releases) => json(releases),
        Err(failed) => refusal(&failed),
    }
}

async fn reload(control: Control) -> Response {
    match control.reload(Cause::Reload).await {
        Ok(report) => json(report),
        Err(failed) => refusal(&failed),
    }
}

async fn plans(control: Control) -> Response {
    json(control.plans())
}

async fn plan_on(
    control: Control,
    Path(name): Path<String>,
    caller: Caller,
    body: Bytes,
) -> Response {
    switch(control, Switch { name, on: true }, caller, &body).await
}

async fn plan_off(
    control: Control,
    Path(name): Path<String>,
    caller: Caller,
    body: Bytes,
) -> Response {
    switch(control, Switch { name, on: false }, caller, &body).await
}

async fn switch(control: Control, switch: Switch, caller: Caller, body: &[u8]) -> Response {
    let order = match Order::read(body) {
        Ok(order) => order,
        Err(why) => return error(StatusCode::BAD_REQUEST, &why, None),
    };
    match control.switch(switch, order, &caller).await {
        Ok(report) => json(report),
        Err(failed) => refusal(&failed),
    }
}

async fn rehearsal(control: Control, Path(name): Path<String>, caller: Caller) -> Response {
    match control.rehearse(name, &caller).await {
        Ok(told) => json(told),
        Err(failed) => refusal(&failed),
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let agent = parts.headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
        let peer = parts.extensions.get::<Peer>().map(|peer| peer.0);
        Ok(Self { peer, agent: agent.map(str::to_owned) })
    }
}

async fn upgrade(control: Control) -> Response {
    let failed = match control.upgrade().await {
        Ok(report) => return json(report),
        Err(failed) => failed,
    };
    let status = match &failed {
        UpgradeError::UnderWay | UpgradeError::FirstProcess => StatusCode::CONFLICT,
        UpgradeError::Stopping => StatusCode::SERVICE_UNAVAILABLE,
        UpgradeError::NoProcess => StatusCode::NOT_IMPLEMENTED,
        UpgradeError::Refused { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    error(status, &failed.to_string(), failed.details())
}

async fn rollback(control: Control, Path(number): Path<u64>) -> Response {
    match control.rollback(number).await {
        Ok(report) => json(report),
        Err(failed) => refusal(&failed),
    }
}

async fn diff(control: Control) -> Response {
    match control.told_diff().await {
        Ok(diff) => json(diff),
        Err(failed) => refusal(&failed),
    }
}

pub(super) fn refusal(failed: &ReleaseError) -> Response {
    let status = match failed {
        ReleaseError::Unknown { .. }
        | ReleaseError::UnknownPlan { .. }
        | ReleaseError::Oldest { .. } => StatusCode::NOT_FOUND,
        ReleaseError::Store(_) | ReleaseError::DirectoryInUse { .. } => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
        ReleaseError::Stopping => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    };
    error(status, &failed.to_string(), failed.details().as_deref())
}

async fn log_level(control: Control) -> Response {
    match control.log_level() {
        Some(level) => json(serde_json::json!({ "level": level })),
        None => no_log(),
    }
}

/// A new log level: `info`, or directives such as `info,paifang=debug`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LogLevel {
    level: String,
}

async fn set_log_level(control: Control, Json(wanted): Json<LogLevel>) -> Response {
    match control.set_log_level(&wanted.level) {
        Some(Ok(())) => json(serde_json::json!({ "level": wanted.level })),
        Some(Err(why)) => error(StatusCode::BAD_REQUEST, &why, None),
        None => no_log(),
    }
}

fn no_log() -> Response {
    error(StatusCode::NOT_IMPLEMENTED, "this process has a log of its own, not the gateway's", None)
}

/// How long a trace header is good for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TraceTtl {
    /// Seconds; 1 to 3600.
    #[serde(default = "five_minutes")]
    seconds: u64,
}

fn five_minutes() -> u64 {
    300
}

async fn trace(control: Control, Query(ttl): Query<TraceTtl>) -> Response {
    if !(1..=3600).contains(&ttl.seconds) {
        return error(StatusCode::BAD_REQUEST, "`seconds` must be 1 to 3600", None);
    }
    let value = control.sign_trace(Duration::from_secs(ttl.seconds));
    json(
        serde_json::json!({ "header": crate::live::TRACE_HEADER, "value": value, "seconds": ttl.seconds }),
    )
}
