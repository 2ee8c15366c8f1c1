//! From a request head to the API that serves it: the way every HTTP call takes.
//!
//! normal path → host → facts (client, scheme, time) → route → exchange → engine.

use super::{Live, Serving, TRACE_HEADER, TraceKey, facts};
use crate::{
    edge::ConnInfo,
    front::{HttpLimits, Incoming, Service},
};
use arc_swap::Guard;
use http::{HeaderValue, Uri, header::ALLOW, header::HOST};
use paifang_config::route::{self, Host, HostError, PathError};
use paifang_pipeline::{
    Engine, ErrorCode, Exchange, Front, HostName, NoOrigin, Param, Params, Rejection, Response,
    Served, error,
};
use smallvec::SmallVec;
use std::{borrow::Cow, sync::Arc};

/// Serves HTTP calls by the release that is live.
pub(crate) struct Dispatcher {
    live: Arc<Live>,
    engine: Engine,
    trace_key: Arc<TraceKey>,
    refusals: Arc<Refusals>,
}

/// Requests refused before they were calls, by the error's label.
#[derive(Debug, Default)]
pub(crate) struct Refusals(parking_lot::Mutex<std::collections::BTreeMap<&'static str, u64>>);

impl Refusals {
    fn count(&self, code: &'static ErrorCode) {
        *self.0.lock().entry(code.label).or_default() += 1;
    }

    /// Label and count.
    pub(crate) fn read(&self) -> Vec<(&'static str, u64)> {
        self.0.lock().iter().map(|(label, count)| (*label, *count)).collect()
    }
}

impl Dispatcher {
    pub(crate) fn new(
        live: Arc<Live>,
        engine: Engine,
        trace_key: Arc<TraceKey>,
        refusals: Arc<Refusals>,
    ) -> Self {
        Self { live, engine, trace_key, refusals }
    }
}

/// What the head of a request comes to.
enum Routed {
    /// An API, by its index, with the places of its path parameters.
    Api(usize, SmallVec<[Param; 4]>),
    /// None.
    Refused(Rejection),
}

impl Service for Dispatcher {
    fn limits(&self, connection: &ConnInfo) -> Arc<HttpLimits> {
        self.live.load().limits(&connection.listener).clone()
    }

    async fn serve<F: Front>(&self, mut incoming: Incoming, front: &mut F) -> Served {
        let (exchange, target) = {
            let serving = self.live.load();
            let (host, routed) = admit(&serving, &mut incoming);
            let facts = facts::of(&incoming, host, &**self.engine.clock());
            let traced = self.is_traced(&mut incoming, facts.received_unix);
            let (params, target) = match routed {
                Routed::Api(index, list) => {
                    let params = Params::new(&incoming.head.uri, list);
                    (params, Ok(serving.apis[index].clone()))
                }
                Routed::Refused(rejection) => {
                    (Params::default(), Err((serving.fallback.clone(), rejection)))
                }
            };
            let mut exchange = Exchange::new(incoming.head, facts, params);
            if traced {
                exchange.enable_trace();
            }
            (exchange, target)
        };
        match target {
            Ok(serving) if serving.offline => {
                let rejection = Rejection::new(error::API_OFFLINE);
                self.engine.refuse(&serving.api, &rejection, exchange, front).await
            }
            Ok(serving) => match &serving.upstream {
                Some(upstream) => {
                    self.engine.serve(&serving.api, &**upstream, exchange, front).await
                }
                None => self.engine.serve(&serving.api, &NoOrigin, exchange, front).await,
            },
            Err((fallback, rejection)) => {
                self.engine.refuse(&fallback, &rejection, exchange, front).await
            }
        }
    }

    fn refuse(&self, connection: &ConnInfo, code: &'static ErrorCode, detail: &str) -> Response {
        self.refusals.count(code);
        tracing::debug!(
            listener = %connection.listener, client = %connection.client_addr, code = code.label,
            detail, "refused before it was a call"
        );
        let live: Guard<Arc<Serving>> = self.live.load();
        let rejection = Rejection::new(code).detail(detail.to_owned());
        let clock = self.engine.clock();
        let facts = paifang_pipeline::Facts::embedded(clock.now(), clock.unix());
        let head = http::Request::new(()).into_parts().0;
        let nobody = Exchange::new(head, facts, Params::default());
        live.fallback.error_pages.render(&nobody, &rejection)
    }
}

impl Dispatcher {
    /// Whether the request may have itself traced. The header goes no further.
    fn is_traced(&self, incoming: &mut Incoming, now: std::time::Duration) -> bool {
        if !incoming.head.headers.contains_key(TRACE_HEADER) {
            return false;
        }
        let value = incoming.head.headers.remove(TRACE_HEADER);
        value.is_some_and(|value| self.trace_key.admits(value.as_bytes(), now))
    }
}

/// Brings the head into normal form and finds its API. Answers with the host in normal form.
fn admit(serving: &Serving, incoming: &mut Incoming) -> (HostName, Routed) {
    let refused = |code, detail: String| {
        (HostName::default(), Routed::Refused(Rejection::new(code).detail(detail)))
    };
    let head = &mut incoming.head;
    let uri = head.uri.clone();
    let raw = raw_target(&uri);
    let target = match route::normalize(&head.method, raw.as_bytes(), &serving.paths) {
        Ok(target) => target,
        Err(bad) => return refused(path_error(&bad), bad.to_string()),
    };
    let authority = match (target.authority(), uri.authority()) {
        (Some(authority), _) => Some(authority.clone()),
        (None, Some(authority)) => match Host::parse(authority.as_str().as_bytes()) {
            Ok(authority) => Some(authority),
            Err(bad) => return refused(error::BAD_HOST, bad.to_string()),
        },
        (None, None) => None,
    };
    let fields = head.headers.get_all(HOST).iter().map(HeaderValue::as_bytes);
    let host = match route::effective_host(head.version, authority, fields) {
        Ok(host) => host,
        Err(bad) => return refused(host_error(&bad), bad.to_string()),
    };
    let name = HostName::new(host.as_ref().map(Host::name).unwrap_or_default());
    let named = host.is_some();
    // What is matched is what is sent: the URI becomes the normal path and the untouched query.
    if uri.authority().is_some() || !target.is_unchanged() {
        match Uri::try_from(target.path_and_query().as_ref()) {
            Ok(normal) => head.uri = normal,
            Err(bad) => return refused(error::BAD_PATH, bad.to_string()),
        }
    }
    if !head.headers.contains_key(HOST)
        && let Some(authority) = uri.authority()
        && let Ok(value) = HeaderValue::from_str(authority.as_str())
    {
        head.headers.insert(HOST, value);
    }

    let request = route::Request {
        host: named.then(|| name.as_str()),
        method: &head.method,
        path: target.path(),
        headers: &head.headers,
    };
    let routed = match serving.snapshot.table().lookup(&request) {
        route::Outcome::Match(found) => {
            let routes = serving.snapshot.table();
            let names = routes.route(found.route()).path.param_names();
            let list = names
                .zip(found.spans())
                .map(|(name, span)| Param { name: name.clone(), range: span.start..span.end })
                .collect();
            Routed::Api(*routes.value(found.route()), list)
        }
        route::Outcome::MethodNotAllowed(allowed) => {
            let allow = HeaderValue::from_str(&allowed.to_string());
            let mut rejection = Rejection::new(error::METHOD_NOT_ALLOWED);
            if let Ok(allow) = allow {
                rejection = rejection.header(ALLOW, allow);
            }
            Routed::Refused(rejection)
        }
        route::Outcome::NotFound => Routed::Refused(Rejection::new(error::NO_ROUTE)),
    };
    (name, routed)
}

/// The target as it was sent, for a URI that may hold it whole (HTTP/1) or in parts (HTTP/2).
fn raw_target(uri: &Uri) -> Cow<'_, str> {
    match (uri.scheme(), uri.path_and_query()) {
        // An absolute form's authority is looked at by `normalize`; HTTP/2's is passed beside.
        (_, Some(path)) => Cow::Borrowed(path.as_str()),
        (_, None) => Cow::Borrowed("/"),
    }
}

fn path_error(bad: &PathError) -> &'static ErrorCode {
    match bad {
        PathError::TooLong { .. } => error::URI_TOO_LONG,
        PathError::AuthorityForm => error::METHOD_REFUSED,
        PathError::Authority(_) => error::BAD_HOST,
        _ => error::BAD_PATH,
    }
}

fn host_error(_: &HostError) -> &'static ErrorCode {
    error::BAD_HOST
}
