//! Building a call, running it through a chain, looking at what came of it.

use super::{Sent, TestClock, TestFront};
use crate::{
    api::{Api, CallLimits, RetryPolicy},
    body::Frame,
    chain::{Chain, OnFailure, Step},
    engine::{Engine, Served},
    exchange::{
        Apps, CallTrace, Exchange, Facts, Identity, Outcome, Param, Params, RequestHead,
        ResponseHead, Route,
    },
    front::BodySize,
    handler::{Handler, LogCall, Stages},
    origin::Origin,
    ports::{Clock, HttpOut, NoHttpOut, Store, Stores},
    problem::ErrorPages,
    recall::{Recall, Waiting},
    registry::{BuildContext, Built, ConfigError, DynPlugin},
    secret::{Secret, SecretRef, Secrets},
    stats::{ApiStats, StepStats},
    when::When,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use smallvec::SmallVec;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

/// A call and the chain it will pass.
pub struct TestCall {
    head: RequestHead,
    facts: Facts,
    params: Vec<(String, String)>,
    front: TestFront,
    steps: Vec<Step>,
    clock: Arc<TestClock>,
    /// The API's limits.
    pub limits: CallLimits,
    /// The API's retry policy.
    pub retry: RetryPolicy,
    api_stats: Arc<ApiStats>,
    recall: Recall,
}

/// What came of a call.
#[derive(Debug)]
pub struct Reply {
    /// How it ended, for the front.
    pub served: Served,
    /// Everything that was sent to the client.
    pub sent: Vec<Sent>,
    /// The account, as the `log` stage saw it.
    pub outcome: Outcome,
    /// What each step said.
    pub trace: CallTrace,
    /// Who the chain found the caller to be.
    pub identity: Option<Arc<Identity>>,
    /// The call's id, where a step gave it one.
    pub request_id: Option<HeaderValue>,
    /// Where the chain sent the call; the API's own upstream where `None`.
    pub route: Option<Route>,
    /// How often the `log` stage ran.
    pub logged: usize,
}

impl Reply {
    /// The final head.
    ///
    /// # Panics
    /// When none was sent.
    #[must_use]
    pub fn head(&self) -> &ResponseHead {
        let heads = self.sent.iter().filter_map(|sent| match sent {
            Sent::Head(head, _) => Some(head),
            _ => None,
        });
        match heads.last() {
            Some(head) => head,
            None => panic!("no response head was sent: {:?}", self.sent),
        }
    }

    /// How the body's length was announced.
    #[must_use]
    pub fn size(&self) -> Option<BodySize> {
        self.sent.iter().find_map(|sent| match sent {
            Sent::Head(_, size) => Some(*size),
            _ => None,
        })
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.head().status.as_u16()
    }

    /// A response header as text; empty where it is missing.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.head().headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body in one piece.
    #[must_use]
    pub fn body(&self) -> String {
        let bytes: Vec<u8> = self
            .sent
            .iter()
            .filter_map(|sent| match sent {
                Sent::Frame(frame) => Some(frame.data.to_vec()),
                _ => None,
            })
            .flatten()
            .collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The trailers, where any were sent.
    #[must_use]
    pub fn trailers(&self) -> Option<&HeaderMap> {
        self.sent.iter().find_map(|sent| match sent {
            Sent::Frame(frame) => frame.trailers.as_deref(),
            _ => None,
        })
    }

    /// The code of the error table that the gateway answered with, such as `PF-1003`.
    #[must_use]
    pub fn error(&self) -> Option<String> {
        self.outcome.error.map(crate::ErrorCode::code)
    }
}

impl TestCall {
    /// A call without a body; `target` is path and query.
    ///
    /// # Panics
    /// When `target` is no URI.
    #[must_use]
    pub fn new(method: Method, target: &str) -> Self {
        let clock = Arc::new(TestClock::new());
        let request = match Request::builder().method(method).uri(target).body(()) {
            Ok(request) => request,
            Err(error) => panic!("{target}: {error}"),
        };
        let facts = Facts::embedded(clock.now(), clock.unix());
        Self {
            head: request.into_parts().0,
            facts: facts.with_host("api.test"),
            params: Vec::new(),
            front: TestFront::without_body(),
            steps: Vec::new(),
            clock,
            limits: CallLimits::default(),
            retry: RetryPolicy::default(),
            api_stats: Arc::default(),
            recall: Recall::new(&Waiting::default()),
        }
    }

    /// A GET.
    #[must_use]
    pub fn get(target: &str) -> Self {
        Self::new(Method::GET, target)
    }

    /// A POST whose body comes in one frame, with its `Content-Length`.
    #[must_use]
    pub fn post(target: &str, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let length = body.len();
        let mut call = Self::new(Method::POST, target).frames([Frame::last(body)]);
        call.head.headers.insert(http::header::CONTENT_LENGTH, length.into());
        call
    }

    /// Sends these frames as the body.
    #[must_use]
    pub fn frames(mut self, frames: impl IntoIterator<Item = Frame>) -> Self {
        self.front = TestFront::sending(frames);
        self
    }

    /// Adds a header.
    ///
    /// # Panics
    /// When name or value is not legal.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        match (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
            (Ok(name), Ok(value)) => drop(self.head.headers.append(name, value)),
            _ => panic!("{name}: {value} is no header"),
        }
        self
    }

    /// Makes `value`, which must stand in the path, the path parameter `name`.
    #[must_use]
    pub fn param(mut self, name: &str, value: &str) -> Self {
        self.params.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Changes what is known of the caller.
    #[must_use]
    pub fn facts(mut self, change: impl FnOnce(&mut Facts)) -> Self {
        change(&mut self.facts);
        self
    }

    /// Changes how the client behaves.
    #[must_use]
    pub fn front(mut self, change: impl FnOnce(&mut TestFront)) -> Self {
        change(&mut self.front);
        self
    }

    /// Uses this clock; the call arrives at its present time.
    #[must_use]
    pub fn clock(mut self, clock: &Arc<TestClock>) -> Self {
        self.clock = clock.clone();
        self.facts.received = clock.now();
        self.facts.received_unix = clock.unix();
        self
    }

    /// Adds a step at the bottom of the chain.
    #[must_use]
    pub fn step(self, id: &str, handler: impl Handler) -> Self {
        self.shared_step(id, Arc::new(handler))
    }

    /// Adds a step whose handler other calls use too.
    #[must_use]
    pub fn shared_step(self, id: &str, handler: Arc<dyn Handler>) -> Self {
        self.full_step(id, handler, None, OnFailure::Closed)
    }

    /// Adds a step with its `when` and `on_failure`.
    #[must_use]
    pub fn full_step(
        mut self,
        id: &str,
        handler: Arc<dyn Handler>,
        when: Option<When>,
        on_failure: OnFailure,
    ) -> Self {
        self.steps.push(Step {
            id: id.into(),
            kind: id.into(),
            handler,
            when,
            on_failure,
            stats: Arc::new(StepStats::default()),
            states: Vec::new(),
            routes: Vec::new(),
        });
        self
    }

    /// The call's API has been replaced, and its calls are recalled with this grace.
    #[must_use]
    pub fn recalled(self, grace: Duration) -> Self {
        self.recall.give(grace);
        self
    }

    /// Counts into these.
    #[must_use]
    pub fn stats(mut self, stats: &Arc<ApiStats>) -> Self {
        self.api_stats = stats.clone();
        self
    }

    /// Runs the call through the chain to `origin`.
    pub async fn run<O: Origin>(self, origin: &O) -> Reply {
        let recorder = Arc::new(Recorder::default());
        let Self {
            head,
            facts,
            params,
            mut front,
            steps,
            clock,
            limits,
            retry,
            api_stats,
            recall,
            ..
        } = self.shared_step("-recorder", recorder.clone());
        let chain = match Chain::new(steps) {
            Ok(chain) => chain,
            Err(error) => panic!("{error}"),
        };
        let api = Api {
            id: "test".into(),
            chain,
            limits,
            retry,
            upstream: None,
            stats: api_stats,
            error_pages: Arc::new(ErrorPages::default()),
        };
        let params = locate(&head.uri, &params);
        let mut exchange = Exchange::new(head, facts, params);
        exchange.enable_trace();
        let engine = Engine::new(clock);
        let served =
            engine.serve_until(Some(&recall), &api, origin, &mut exchange, &mut front).await;
        let seen = std::mem::take(&mut *recorder.lock());
        Reply {
            served,
            sent: front.sent,
            outcome: Outcome { termination: served.termination, ..seen.outcome },
            trace: seen.trace,
            identity: seen.identity,
            request_id: seen.request_id,
            route: seen.route,
            logged: seen.logged,
        }
    }
}

fn locate(uri: &http::Uri, wanted: &[(String, String)]) -> Params {
    let list: SmallVec<[Param; 4]> = wanted
        .iter()
        .map(|(name, value)| {
            let Some(start) = uri.path().find(value.as_str()) else {
                panic!("`{value}` does not stand in {uri}");
            };
            Param { name: name.as_str().into(), range: start as u32..(start + value.len()) as u32 }
        })
        .collect();
    Params::new(uri, list)
}

#[derive(Default)]
struct Recorder(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    outcome: Outcome,
    trace: CallTrace,
    identity: Option<Arc<Identity>>,
    request_id: Option<HeaderValue>,
    route: Option<Route>,
    logged: usize,
}

impl Recorder {
    fn lock(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Handler for Recorder {
    fn stages(&self) -> Stages {
        Stages::LOG
    }

    fn log(&self, call: &mut LogCall<'_>) {
        let mut seen = self.lock();
        seen.outcome = call.outcome().clone();
        seen.trace = call.trace().cloned().unwrap_or_default();
        seen.identity = call.slots().identity().cloned();
        seen.request_id = call.slots().request_id().cloned();
        seen.route = call.route();
        seen.logged += 1;
    }
}

/// A route as a step gets it that stands below steps with `index` routes.
#[must_use]
pub fn route(index: usize) -> Route {
    Route::at(index)
}

/// Builds a plugin's handler from JSON as a config loader would, in API `test`, step `<kind>`, in a
/// gateway without upstreams.
///
/// # Errors
/// What the plugin says of its config.
pub fn build(
    plugin: &dyn DynPlugin,
    config: &serde_json::Value,
    store: &dyn Store,
    apps: &Arc<Apps>,
    clock: &Arc<TestClock>,
) -> Result<Built, ConfigError> {
    build_among(plugin, config, store, apps, clock, &(Arc::new(NoHttpOut) as _))
}

/// The like, in a gateway with these upstreams. The API's own, where there is one of that name, is
/// `main`.
///
/// # Errors
/// What the plugin says of its config.
pub fn build_among(
    plugin: &dyn DynPlugin,
    config: &serde_json::Value,
    store: &dyn Store,
    apps: &Arc<Apps>,
    clock: &Arc<TestClock>,
    http: &Arc<dyn HttpOut>,
) -> Result<Built, ConfigError> {
    let clock: Arc<dyn Clock> = clock.clone();
    let main: Arc<str> = Arc::from("main");
    let context = BuildContext {
        api: "test",
        step: plugin.kind(),
        upstream: http.has(&main).then_some(&main),
        routes: &[],
        apps,
        store,
        stores: &NO_STORES,
        clock: &clock,
        http,
        secrets: &NamedSecrets,
    };
    plugin.build(config, &context)
}

/// Nothing is shared.
static NO_STORES: Stores = Stores::none();

/// Secrets that are their own names: `{ env: abc }` is the secret `abc`.
struct NamedSecrets;

impl Secrets for NamedSecrets {
    fn resolve(&self, reference: &SecretRef) -> Result<Secret, String> {
        match reference {
            SecretRef::Env(name) => Ok(Secret::new(name.as_bytes())),
            SecretRef::File(path) => Err(format!("{} is no file here", path.display())),
        }
    }
}
