//! An origin with a cache before it: looks for a kept answer, and decides who fetches where there
//! is none.

use super::{
    ApiCache, Cache,
    call::{CachedCall, Refresh},
    fill::{Fill, Wanted, is_broken},
    flights::{Flight, Flights, Turn},
    hit::Hit,
    key::Key,
    policy::wants_fresher,
    purge::Changing,
    rules::Rules,
    stats::Found,
    stored::Stored,
};
use http::{
    HeaderMap, HeaderName, Method,
    header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE, RANGE, UPGRADE},
};
use paifang_pipeline::{
    BodySize, Exchange, Failed, Origin, OriginCall, OriginError, Params, RequestHead, ports::Nanos,
};
use std::{borrow::Cow, sync::Arc, time::Duration};

/// So often a call waits for others before it fetches for itself.
const ROUNDS: usize = 3;

/// Headers by which servers let clients say what is asked for. No key tells them, so that requests
/// with one are neither answered from what is kept nor answered for others.
const OVERRIDES: [HeaderName; 9] = [
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-scheme"),
    HeaderName::from_static("x-forwarded-prefix"),
    HeaderName::from_static("x-forwarded-server"),
    HeaderName::from_static("x-host"),
    HeaderName::from_static("x-original-url"),
    HeaderName::from_static("x-rewrite-url"),
    HeaderName::from_static("x-http-method-override"),
    HeaderName::from_static("x-method-override"),
];

/// An origin with a cache before it, for the calls of one API.
pub(crate) struct CachedOrigin<'a, O> {
    pub(crate) origin: &'a Arc<O>,
    pub(crate) cache: &'a ApiCache,
    /// The API's id.
    pub(crate) api: &'a str,
}

/// What there is for a call.
enum Look {
    /// An answer to give at once.
    Give(Arc<Stored>, Found),
    /// One to give at once, and a newer one is wanted.
    Refresh(Arc<Stored>),
    /// One that the upstream may find still good.
    Ask(Arc<Stored>),
    Nothing,
}

impl<O> Origin for CachedOrigin<'_, O>
where
    O: Origin + 'static,
    O::Call: 'static,
{
    type Call = CachedCall<O::Call>;

    async fn open(&self, call: &Exchange, attempt: u32) -> Result<Self::Call, OriginError> {
        let cache = &self.cache.cache;
        if let Some(changing) = Changing::of(call) {
            let inner = self.origin.open(call, attempt).await?;
            return Ok(CachedCall::Change(inner, cache.clone(), changing));
        }
        let Some(rules) = &self.cache.rules else {
            return self.origin.open(call, attempt).await.map(CachedCall::Pass);
        };
        if bypasses(call, rules) {
            return self.bypass(rules, call, attempt).await;
        }
        let key = rules.key.of(call);
        let credentials = rules.key.has_credentials(call);
        let (before, flight) = match self.wait(rules, &key, call, credentials).await {
            (Look::Give(stored, found), _) => {
                rules.counts.count(found);
                let hit = Hit::new(stored, found, call.head(), cache.clock.unix());
                return Ok(CachedCall::Kept(hit, None));
            }
            (Look::Refresh(stored), _) => {
                rules.counts.count(Found::Stale);
                let now = cache.clock.unix();
                let hit = Hit::new(stored.clone(), Found::Stale, call.head(), now);
                let refresh = self.refresh(rules, key, call, stored);
                return Ok(CachedCall::Stale(hit, Some(refresh)));
            }
            (Look::Ask(stored), flight) => (Some(stored), flight),
            (Look::Nothing, flight) => (None, flight),
        };
        // What comes to a head alone, or to a part, is nothing to keep.
        if *call.method() != Method::GET || call.headers().contains_key(RANGE) {
            return self.bypass(rules, call, attempt).await;
        }
        let wanted = Wanted::of(call, (cache, rules), self.api, key, before);
        match self.origin.open(call, attempt).await {
            Ok(inner) => Ok(CachedCall::Fill(Box::new(Fill::new(inner, wanted, flight)))),
            Err(failed) => {
                if let Some(flight) = flight {
                    flight.pass(cache.clock.now());
                }
                Err(failed)
            }
        }
    }

    fn stand_in(&self, call: &Exchange, body: BodySize, failed: Failed<'_>) -> Option<Self::Call> {
        if matches!(failed, Failed::Status(status) if !is_broken(status)) {
            return None;
        }
        let rules = self.cache.rules.as_ref()?;
        let fetched = *call.method() == Method::GET
            && !call.headers().contains_key(RANGE)
            && matches!(body, BodySize::Empty | BodySize::Exact(0))
            && !bypasses(call, rules);
        if !fetched {
            return None;
        }
        let cache = &self.cache.cache;
        let (key, credentials) = (rules.key.of(call), rules.key.has_credentials(call));
        let stored = cache.kept(&key, call, credentials)?;
        let now = cache.clock.unix();
        if stored.times.error <= now {
            return None;
        }
        // Another call can have fetched it meanwhile.
        let found = if now < stored.times.fresh { Found::Hit } else { Found::StaleError };
        if found == Found::StaleError {
            stored.set_failed(cache.clock.now());
        }
        rules.counts.count(found);
        Some(CachedCall::Kept(Hit::new(stored, found, call.head(), now), None))
    }

    fn spend_retry(&self, call: &Exchange) -> bool {
        self.origin.spend_retry(call)
    }
}

impl<O> CachedOrigin<'_, O>
where
    O: Origin + 'static,
    O::Call: 'static,
{
    async fn bypass(
        &self,
        rules: &Rules,
        call: &Exchange,
        attempt: u32,
    ) -> Result<CachedCall<O::Call>, OriginError> {
        rules.counts.count(Found::Bypass);
        self.origin.open(call, attempt).await.map(CachedCall::Bypass)
    }

    /// Looks for an answer, and while another call is fetching it, waits for that.
    async fn wait(
        &self,
        rules: &Rules,
        key: &Key,
        call: &Exchange,
        credentials: bool,
    ) -> (Look, Option<Flight>) {
        let cache = &self.cache.cache;
        let until = tokio::time::Instant::now() + rules.collapse;
        for _ in 0..ROUNDS {
            let look = cache.look(rules, key, call, credentials);
            let alone = rules.collapse.is_zero()
                || credentials
                || *call.method() != Method::GET
                || call.headers().contains_key(RANGE);
            if alone || matches!(look, Look::Give(..) | Look::Refresh(_)) {
                return (look, None);
            }
            match Flights::board(cache, key, cache.clock.now()) {
                Turn::First(flight) => return (look, Some(flight)),
                Turn::Alone => return (look, None),
                Turn::Wait(landed) => {
                    if tokio::time::timeout_at(until, landed).await.is_err() {
                        return (look, None);
                    }
                }
            }
        }
        (cache.look(rules, key, call, credentials), None)
    }

    /// How a newer answer than `stored` is fetched behind it.
    fn refresh(
        &self,
        rules: &Arc<Rules>,
        key: Key,
        call: &Exchange,
        stored: Arc<Stored>,
    ) -> Refresh {
        let cache = &self.cache.cache;
        let turn = RefreshTurn(stored.clone());
        let mut wanted = Wanted::of(call, (cache, rules), self.api, key, Some(stored));
        // The client has its answer: what it has of it already is nothing to those that come later.
        for name in [IF_NONE_MATCH, IF_MODIFIED_SINCE, RANGE] {
            wanted.request.headers.remove(name);
        }
        let (origin, facts, route) = (self.origin.clone(), call.facts().clone(), call.route());
        let (spawn, time) = (cache.spawn.clone(), rules.timeout);
        Box::new(move |mut head: RequestHead| {
            spawn.spawn(Box::pin(async move {
                let _turn = turn;
                head.headers.remove(RANGE);
                head.method = Method::GET;
                wanted.request.method = Method::GET;
                wanted.prepare(&mut head);
                let exchange = Exchange::new(head, facts, Params::default()).routed(route);
                // Out of time it is dropped, and the next call that finds the answer stale tries.
                let _ = tokio::time::timeout(time, fetch(&*origin, &exchange, wanted)).await;
            }));
        })
    }
}

/// Fetches an answer for the shelf alone.
async fn fetch<O: Origin>(origin: &O, exchange: &Exchange, wanted: Wanted) {
    let mut inner = match origin.open(exchange, 1).await {
        Ok(inner) => inner,
        Err(failed) => {
            tracing::debug!(error = %failed, "a fetch behind a kept answer failed");
            return;
        }
    };
    let head = Cow::Borrowed(exchange.head());
    if let Err(failed) = inner.send_head(exchange, head, BodySize::Empty).await {
        tracing::debug!(error = %failed, "a fetch behind a kept answer failed");
        return;
    }
    Fill::behind(inner, wanted).drain().await;
}

/// Whose turn it is to fetch behind a stale answer; its drop gives it back.
struct RefreshTurn(Arc<Stored>);

impl Drop for RefreshTurn {
    fn drop(&mut self) {
        self.0.end_refresh();
    }
}

impl Cache {
    /// What is kept for a call, fresh or stale.
    fn kept(&self, key: &Key, call: &Exchange, credentials: bool) -> Option<Arc<Stored>> {
        let variants = self.shelf.get(key)?;
        let stored = variants.find(call.headers())?;
        let may = self.marks.spare(stored) && (!credentials || stored.public);
        may.then(|| stored.clone())
    }

    fn look(&self, rules: &Rules, key: &Key, call: &Exchange, credentials: bool) -> Look {
        let Some(stored) = self.kept(key, call, credentials) else { return Look::Nothing };
        let (unix, now): (Duration, Nanos) = (self.clock.unix(), self.clock.now());
        let times = stored.times;
        if rules.client_control {
            let age = Duration::from_secs(stored.age_seconds(unix));
            if wants_fresher(call.headers(), age, times.fresh.saturating_sub(unix)) {
                return Look::Ask(stored);
            }
        }
        if unix < times.fresh {
            Look::Give(stored, Found::Hit)
        } else if unix < times.revalidate {
            match stored.begin_refresh() {
                true => Look::Refresh(stored),
                false => Look::Give(stored, Found::Stale),
            }
        } else if unix < times.error && stored.has_failed(now) {
            Look::Give(stored, Found::StaleError)
        } else {
            Look::Ask(stored)
        }
    }
}

/// Whether a request is not for answers that are kept.
fn bypasses(call: &Exchange, rules: &Rules) -> bool {
    let (method, headers) = (call.method(), call.headers());
    let known = *method == Method::GET || *method == Method::HEAD;
    !known
        || [UPGRADE, IF_MATCH, IF_UNMODIFIED_SINCE].iter().any(|name| headers.contains_key(name))
        || overridden(headers, rules)
}

fn overridden(headers: &HeaderMap, rules: &Rules) -> bool {
    OVERRIDES.iter().any(|name| headers.contains_key(name) && !rules.key.counts(name))
}
