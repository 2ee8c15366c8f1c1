//! From a request head to the API that serves it: the way every HTTP call takes.
//!
//! normal path → route → facts (client, scheme, time) → exchange → engine.

use super::{Live, NamedOperation, Serving, ServingApi, TRACE_HEADER, TraceKey, facts, hops};
use crate::{
    cache::CachedOrigin,
    deadlines::{self, GRPC_TIMEOUT, REQUEST_TIMEOUT},
    edge::ConnInfo,
    front::{HttpLimits, Incoming, Service},
    upstream::Upstream,
};
use arc_swap::Guard;
use http::{
    HeaderValue, Uri,
    header::{ALLOW, AUTHORIZATION, HOST},
};
use paifang_config::route::{self, PathError};
use paifang_pipeline::{
    Engine, ErrorCode, Exchange, Front, Param, Params, Rejection, Response, Served, error,
};
use smallvec::SmallVec;
use std::sync::Arc;
use tokio::time::Instant;

/// A proxy's word that a call came to it as early data (RFC 8470 section 5.1).
const EARLY_DATA: &str = "early-data";

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

/// What a call's head comes to.
enum Target {
    /// An API.
    Api(Arc<ServingApi>),
    /// None: the chain that such calls pass, and what it answers.
    Refused(Arc<ServingApi>, Rejection),
}

impl Service for Dispatcher {
    fn limits(&self, connection: &ConnInfo) -> Arc<HttpLimits> {
        self.live.load().limits(&connection.listener).clone()
    }

    async fn serve<F: Front>(&self, mut incoming: Incoming, front: &mut F) -> Served {
        let asked = Asked::take(&mut incoming);
        let (target, params) = self.admit(&mut incoming, asked.early_data);
        self.run(incoming, asked, (target, params), front, |_| ()).await.0
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
        live.fallback.api.error_pages.render(&nobody, &rejection)
    }
}

/// What a head says to us alone; it goes no further.
struct Asked {
    /// What allows the call to have itself traced, perhaps.
    trace: Option<HeaderValue>,
    /// The call may be a recording of an earlier one.
    early_data: bool,
    /// Until when the caller waits, where it says so.
    deadline: Option<Instant>,
    /// It has passed gateways of other zones, or says so.
    hops: bool,
}

impl Asked {
    fn take(incoming: &mut Incoming) -> Self {
        let connection = &incoming.connection;
        let (early_data, deadline) = (!connection.handshake_done(), incoming.deadline);
        let mut asked = Self { trace: None, early_data, deadline, hops: false };
        let headers = &mut incoming.head.headers;
        // Hardly any has them, and a look at each name is cheaper than a hash.
        let (mut trace, mut early, mut timed) = (false, false, false);
        for name in headers.keys() {
            trace |= name.as_str() == TRACE_HEADER;
            early |= name.as_str() == EARLY_DATA;
            asked.hops |= name.as_str() == hops::CDN_LOOP;
            timed |= matches!(name.as_str(), GRPC_TIMEOUT | REQUEST_TIMEOUT);
        }
        if trace {
            asked.trace = headers.remove(TRACE_HEADER);
        }
        if timed {
            let said = deadlines::asked(headers);
            asked.deadline = [asked.deadline, said].into_iter().flatten().min();
        }
        if early {
            headers.remove(EARLY_DATA);
            // Whatever it says counts as yes (RFC 8470 section 5.1).
            asked.early_data |= connection.from_trusted_proxy();
        }
        asked
    }
}

impl Dispatcher {
    /// Brings the head into normal form and finds its API, and the places of its path parameters.
    fn admit(&self, incoming: &mut Incoming, early_data: bool) -> (Target, Params) {
        let serving = self.live.load();
        match find(&serving, incoming) {
            Ok((index, _)) if early_data && !serving.apis[index].early_data => {
                let rejection = Rejection::new(error::TOO_EARLY);
                (Target::Refused(serving.fallback.clone(), rejection), Params::default())
            }
            Ok((index, list)) => {
                let params = Params::new(&incoming.head.uri, list);
                (Target::Api(serving.apis[index].clone()), params)
            }
            Err(rejection) => {
                (Target::Refused(serving.fallback.clone(), rejection), Params::default())
            }
        }
    }

    /// Serves a call whose target is known; `after` looks at it when it is over.
    async fn run<F: Front, R>(
        &self,
        mut incoming: Incoming,
        asked: Asked,
        (target, params): (Target, Params),
        front: &mut F,
        after: impl FnOnce(&Exchange) -> R,
    ) -> (Served, R) {
        let (target, elsewhere) = match self.cross_zones(&mut incoming, asked.hops) {
            Ok(elsewhere) => (target, elsewhere),
            Err(rejection) => {
                let fallback = self.live.load().fallback.clone();
                (Target::Refused(fallback, rejection), None)
            }
        };
        let mut facts = facts::of(&mut incoming, &**self.engine.clock());
        (facts.early_data, facts.deadline) = (asked.early_data, asked.deadline);
        if elsewhere.is_some() {
            facts.carried = incoming.head.headers.get(AUTHORIZATION).cloned().map(Box::new);
        }
        let received = facts.received_unix;
        let traced = asked.trace.is_some_and(|key| self.trace_key.admits(key.as_bytes(), received));
        let mut exchange = Exchange::new(incoming.head, facts, params);
        if traced {
            exchange.enable_trace();
        }
        if let Some(tracer) = &self.live.load().tracer {
            let (Target::Api(serving) | Target::Refused(serving, _)) = &target;
            let (headers, facts) = (exchange.headers(), exchange.facts());
            let span = tracer.begin(headers, facts, serving.template.as_ref());
            exchange.begin_span(span);
        }
        let (engine, call) = (&self.engine, &mut exchange);
        let served = match target {
            Target::Api(serving) if serving.offline => {
                let rejection = Rejection::new(error::API_OFFLINE);
                engine.refuse(&serving.api, &rejection, call, front).await
            }
            Target::Api(serving) => {
                let recall = Some(&serving.recall);
                match (&elsewhere, &serving.cache) {
                    // What another zone answers is not kept for users of this one.
                    (Some(upstream), _) => {
                        engine.serve_until(recall, &serving.api, &**upstream, call, front).await
                    }
                    (None, None) => {
                        engine.serve_until(recall, &serving.api, &*serving, call, front).await
                    }
                    (None, Some(cache)) => {
                        let origin = CachedOrigin { origin: &serving, cache, api: &serving.api.id };
                        engine.serve_until(recall, &serving.api, &origin, call, front).await
                    }
                }
            }
            Target::Refused(fallback, rejection) => {
                engine.refuse(&fallback.api, &rejection, call, front).await
            }
        };
        let seen = after(&exchange);
        (served, seen)
    }

    /// The gateway of another zone that the call goes to, if it goes to one. A call that has come from other zones must not come back.
    fn cross_zones(
        &self,
        incoming: &mut Incoming,
        hops: bool,
    ) -> Result<Option<Arc<Upstream>>, Rejection> {
        if !hops && incoming.elsewhere.is_none() {
            return Ok(None);
        }
        let serving = self.live.load();
        let Some(zones) = &serving.snapshot.config().mmtp.zones else { return Ok(None) };
        let headers = &mut incoming.head.headers;
        hops::check(headers, &zones.here)?;
        let Some(name) = &incoming.elsewhere else { return Ok(None) };
        hops::leave(headers, &zones.here);
        // A release in between may have no such upstream any more.
        let upstream = serving.upstreams.get(name).cloned();
        upstream.map(Some).ok_or_else(|| Rejection::new(error::NO_ORIGIN))
    }

    /// Serves a call that came by MMTP, with the operation that it names, if it names one. Where its API takes no early data it waits for the
    /// end of the handshake. `after` looks at it when it is over.
    pub(crate) async fn serve_mmtp<F: Front, R>(
        &self,
        mut incoming: Incoming,
        named: Option<&NamedOperation>,
        front: &mut F,
        after: impl FnOnce(&Exchange) -> R,
    ) -> (Served, R) {
        let mut asked = Asked::take(&mut incoming);
        // No proxy speaks MMTP, so nobody but the handshake says what came early.
        asked.early_data = !incoming.connection.handshake_done();
        let mut found = self.admit_mmtp(&mut incoming, named);
        if asked.early_data {
            match &found.0 {
                Target::Api(api) if api.early_data => {}
                _ => {
                    let connection = incoming.connection.clone();
                    let done = tokio::select! {
                        done = connection.handshake_end() => done,
                        () = front.closed() => false,
                    };
                    if !done {
                        let rejection = Rejection::new(error::TOO_EARLY);
                        let fallback = self.live.load().fallback.clone();
                        found = (Target::Refused(fallback, rejection), Params::default());
                    }
                    asked.early_data = false;
                }
            }
        }
        if matches!(&found.0, Target::Api(api) if api.secret) {
            front.keep_length_secret();
        }
        self.run(incoming, asked, found, front, after).await
    }

    /// Finds the API of a call that came by MMTP, and gives its head the form that the API has over HTTP.
    fn admit_mmtp(
        &self,
        incoming: &mut Incoming,
        named: Option<&NamedOperation>,
    ) -> (Target, Params) {
        let Some(named) = named else { return self.admit(incoming, false) };
        let serving = self.live.load();
        let refused =
            |rejection| (Target::Refused(serving.fallback.clone(), rejection), Params::default());
        let Some(&index) = serving.snapshot.table().by_operation(&named.name) else {
            return refused(Rejection::new(error::NO_OPERATION));
        };
        let Some(form) = &serving.operations[index] else {
            return refused(Rejection::new(error::NO_OPERATION));
        };
        match form.fill(named, &serving.paths) {
            Ok((method, uri, params)) => {
                (incoming.head.method, incoming.head.uri) = (method, uri);
                form.name_host(incoming);
                // Naming an operation is no way around what its route asks for, nor past a more exact one.
                if form.is_routed
                    && find(&serving, incoming).ok().map(|(found, _)| found) != Some(index)
                {
                    return refused(Rejection::new(error::NO_OPERATION));
                }
                (Target::Api(serving.apis[index].clone()), params)
            }
            Err(rejection) => refused(rejection),
        }
    }
}

/// The index of the API that the head is for, once the head is in normal form.
fn find(
    serving: &Serving,
    incoming: &mut Incoming,
) -> Result<(usize, SmallVec<[Param; 4]>), Rejection> {
    let refused = |code, detail: String| Rejection::new(code).detail(detail);
    let head = &mut incoming.head;
    let (uri, headers) = (&head.uri, &mut head.headers);
    let raw = raw_target(uri);
    let target = route::normalize(&head.method, raw.as_bytes(), &serving.paths)
        .map_err(|bad| refused(path_error(&bad), bad.to_string()))?;
    // What is matched is what is sent: the URI becomes the normal path and the untouched query.
    let normal = if uri.authority().is_some() || !target.is_unchanged() {
        let normal = Uri::try_from(target.path_and_query().as_ref())
            .map_err(|bad| refused(error::BAD_PATH, bad.to_string()))?;
        Some(normal)
    } else {
        None
    };
    if let Some(authority) = uri.authority()
        && !headers.contains_key(HOST)
        && let Ok(value) = HeaderValue::from_str(authority.as_str())
    {
        headers.insert(HOST, value);
    }
    let host = incoming.host.as_str();
    let request = route::Request {
        host: (!host.is_empty()).then_some(host),
        method: &head.method,
        path: target.path(),
        listener: Some(&incoming.connection.listener),
        headers,
    };
    let routes = serving.snapshot.table();
    let found = match routes.lookup(&request) {
        route::Outcome::Match(found) => {
            let names = routes.route(found.route()).path.param_names();
            let list = names
                .zip(found.spans())
                .map(|(name, span)| Param { name: name.clone(), range: span.start..span.end })
                .collect();
            Ok((*routes.value(found.route()), list))
        }
        route::Outcome::MethodNotAllowed(allowed) => {
            let rejection = Rejection::new(error::METHOD_NOT_ALLOWED);
            Err(match HeaderValue::from_str(&allowed.to_string()) {
                Ok(allow) => rejection.header(ALLOW, allow),
                Err(_) => rejection,
            })
        }
        route::Outcome::NotFound => Err(Rejection::new(error::NO_ROUTE)),
    };
    if let Some(normal) = normal {
        head.uri = normal;
    }
    found
}

/// The target as it was sent, but for the authority of an absolute one, which fronts have looked at.
fn raw_target(uri: &Uri) -> &str {
    uri.path_and_query().map_or("/", |target| target.as_str())
}

fn path_error(bad: &PathError) -> &'static ErrorCode {
    match bad {
        PathError::TooLong { .. } => error::URI_TOO_LONG,
        PathError::AuthorityForm => error::METHOD_REFUSED,
        PathError::Authority(_) => error::BAD_HOST,
        _ => error::BAD_PATH,
    }
}
