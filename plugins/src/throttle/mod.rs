//! `throttle`: how often, and how many at once.
//!
//! Rates are counted by the generic cell rate algorithm and calls in flight by permits, both in the
//! gateway's store, so that counters survive reloads that keep the step as it is. Page:
//! `docs/plugins/throttle.md`.

pub mod config;
pub mod errors;
mod fields;
mod subject;
#[cfg(test)]
mod tests;

use config::{Config, Fields, OnStoreFailure};
use fields::{Policy, Standing, retry_after};
use paifang_pipeline::{
    BuildContext, Built, ConfigError, Connection, ErrorCode, Failure, Handler, Plugin, Rejection,
    RequestCall, ResponseCall, ResponseVerdict, Stages, Verdict,
    ports::{
        Answer, Concurrency, ConcurrencySpec, LimitDecision, LimitSpec, Limiter, Permit, Store,
        StoreError, WhenAway,
    },
};
use std::{
    num::{NonZeroU32, NonZeroU64},
    sync::Arc,
};
use subject::Subject;

/// The largest burst and the largest number of calls in flight.
const MOST: u64 = 1_000_000_000;

/// The plugin.
#[derive(Debug, Default)]
pub struct Throttle;

impl Plugin for Throttle {
    type Config = Config;

    fn kind(&self) -> &'static str {
        "throttle"
    }

    fn errors(&self) -> &'static [&'static ErrorCode] {
        errors::ROWS
    }

    fn build(&self, config: Config, context: &BuildContext<'_>) -> Result<Built, ConfigError> {
        let subject = Subject::new(&config.by, config.ipv6_prefix)?;
        let key = context.state_key(config.share.as_deref());
        let mut states = Vec::new();

        let store = |error: StoreError| ConfigError::at("", error.to_string());
        // `by` is part of the name in the store: counters of one kind of subject are none of another.
        let named = |kind: &str| key.part(kind).part(&subject.to_string());
        let home = shared_store(&config, context)?;
        let of_store = config.store.as_ref().map(|name| format!(", in the store {name}"));
        let of_store = of_store.unwrap_or_default();
        let subjects = within(u64::from(config.subjects), "/subjects", u64::from(u32::MAX))?;
        let subjects = NonZeroU32::try_from(subjects).unwrap_or(NonZeroU32::MAX);
        let rate = match limit(&config, subjects)? {
            None => None,
            Some(spec) => {
                let away = match config.on_store_failure {
                    None | Some(OnStoreFailure::LocalShare) => WhenAway::Local,
                    Some(OnStoreFailure::Open) => WhenAway::Open,
                    Some(OnStoreFailure::Closed) => WhenAway::Closed,
                };
                let limiter = home.limiter_when_away(&named("rate"), spec, away).map_err(store)?;
                let LimitSpec { count, period_nanos, burst, subjects } = spec;
                states.push((
                    key.part("rate"),
                    format!("{count} in {period_nanos}ns, {burst} at once, by {subject}, {subjects} subjects{of_store}"),
                ));
                let interval = period_nanos.get().div_ceil(count.get());
                let policy = Policy::new(context.step, burst.get(), interval);
                Some(Limited { limiter, policy })
            }
        };
        let concurrency = match config.concurrency {
            None => None,
            Some(limit) => {
                let limit = within(limit, "/concurrency", MOST)?;
                let limit = NonZeroU32::try_from(limit).unwrap_or(NonZeroU32::MAX);
                let spec = ConcurrencySpec { limit, subjects };
                let fingerprint = format!("{limit} in flight, by {subject}, {subjects} subjects");
                states.push((key.part("concurrency"), fingerprint));
                Some(context.store.concurrency(&named("concurrency"), spec).map_err(store)?)
            }
        };
        if rate.is_none() && concurrency.is_none() {
            return Err(ConfigError::at("", "neither `rate` nor `concurrency` is given")
                .help("write `rate: 200/s`, `concurrency: 50`, or both"));
        }

        let limits = Limits { rate, concurrency, subject, fields: config.headers };
        let built = Built::new(Step(Arc::new(limits)));
        Ok(states
            .into_iter()
            .fold(built, |built, (key, fingerprint)| built.keeps(key, fingerprint)))
    }
}

/// Where rates are counted.
fn shared_store<'a>(
    config: &Config,
    context: &'a BuildContext<'_>,
) -> Result<&'a dyn Store, ConfigError> {
    let Some(name) = &config.store else {
        return match config.on_store_failure {
            None => Ok(context.store),
            Some(_) => Err(ConfigError::at("/on_store_failure", "there is no `store` to fail")
                .help("name one of the config's `stores` in `store`, or remove this key")),
        };
    };
    let store = context.store(Some(name), "/store")?;
    if config.rate.is_none() {
        return Err(ConfigError::at("/store", "calls in flight are counted by each gateway alone")
            .help("give a `rate`, or remove `store`"));
    }
    // Ids of APIs hold no slash; this is how the accept steps of a listener are called.
    if context.api.starts_with("listener/") {
        return Err(ConfigError::at("/store", "connections cannot wait for a shared store")
            .help("count them by each gateway alone, or throttle calls instead"));
    }
    Ok(store)
}

/// The rate as the store wants it.
fn limit(config: &Config, subjects: NonZeroU32) -> Result<Option<LimitSpec>, ConfigError> {
    let Some(rate) = config.rate else {
        return match config.burst {
            None => Ok(None),
            Some(_) => Err(ConfigError::at("/burst", "a burst needs a `rate` at which it grows")),
        };
    };
    let count = NonZeroU64::new(rate.count()).unwrap_or(NonZeroU64::MIN);
    let period = u64::try_from(rate.period().as_nanos()).unwrap_or(u64::MAX);
    Ok(Some(LimitSpec {
        count,
        period_nanos: NonZeroU64::new(period).unwrap_or(NonZeroU64::MIN),
        burst: config.burst.map_or(Ok(count), |burst| within(burst, "/burst", MOST))?,
        subjects,
    }))
}

/// A number that must be 1 to `most`.
fn within(number: u64, pointer: &str, most: u64) -> Result<NonZeroU64, ConfigError> {
    NonZeroU64::new(number)
        .filter(|number| number.get() <= most)
        .ok_or_else(|| ConfigError::at(pointer, format!("expected 1 to {most}, found `{number}`")))
}

/// The handler.
struct Step(Arc<Limits>);

/// What it decides by; shared with the futures of a store that answers later.
struct Limits {
    rate: Option<Limited>,
    concurrency: Option<Arc<dyn Concurrency>>,
    subject: Subject,
    fields: Fields,
}

struct Limited {
    limiter: Arc<dyn Limiter>,
    policy: Policy,
}

impl Handler for Step {
    fn stages(&self) -> Stages {
        let mut stages = Stages::REQUEST;
        if self.0.fields == Fields::Always && self.0.rate.is_some() {
            stages = stages.and(Stages::RESPONSE);
        }
        // A connection has no end that this stage would see, so it can be counted, not held.
        if self.0.concurrency.is_none() && self.0.subject.of_connection() {
            stages = stages.and(Stages::ACCEPT);
        }
        stages
    }

    fn accept(&self, connection: &Connection) -> bool {
        let Some(limited) = &self.0.rate else { return true };
        let client = connection.client.ip();
        match self.0.subject.of_client(client, |who| limited.limiter.take(who, connection.now)) {
            Answer::Now(decision) => decision.allowed,
            // This stage cannot wait, and protection does not fail open.
            Answer::Later(_) => false,
        }
    }

    fn request(&self, call: &mut RequestCall<'_>) -> Verdict {
        self.0.enter(call)
    }

    fn response(&self, call: &mut ResponseCall<'_>) -> ResponseVerdict {
        let standing = Standing::from_word(*call.word());
        if let (Some(limited), Some(standing)) = (&self.0.rate, standing) {
            let headers = &mut call.response_mut().headers;
            limited.policy.tell(standing, |name, value| {
                headers.append(name, value);
            });
        }
        ResponseVerdict::Continue
    }
}

impl Limits {
    /// First a place among the calls in flight, which can be given back, then the rate.
    fn enter(self: &Arc<Self>, call: &mut RequestCall<'_>) -> Verdict {
        let Some(concurrency) = &self.concurrency else { return self.take(call, None) };
        match self.subject.of_call(call, |who| concurrency.enter(who, call.now())) {
            Answer::Now(place) => self.entered(call, place),
            Answer::Later(place) => {
                let limits = self.clone();
                Verdict::wait(async move {
                    let place = place.await;
                    move |call: &mut RequestCall<'_>| match place {
                        Ok(place) => limits.entered(call, place),
                        Err(error) => Verdict::Fail(Failure::unavailable(error.to_string())),
                    }
                })
            }
        }
    }

    fn entered(self: &Arc<Self>, call: &mut RequestCall<'_>, place: Option<Permit>) -> Verdict {
        match place {
            Some(place) => self.take(call, Some(place)),
            // Nobody knows when a call will end; a second is the shortest that can be said.
            None => Verdict::Reject(retry_after(Rejection::new(errors::CONCURRENCY_LIMITED), 1)),
        }
    }

    fn take(self: &Arc<Self>, call: &mut RequestCall<'_>, place: Option<Permit>) -> Verdict {
        let Some(limited) = &self.rate else { return pass(call, place) };
        match self.subject.of_call(call, |who| limited.limiter.take(who, call.now())) {
            Answer::Now(decision) => self.taken(limited, call, place, &decision),
            Answer::Later(decision) => {
                let limits = self.clone();
                Verdict::wait(async move {
                    let decision = decision.await;
                    move |call: &mut RequestCall<'_>| match (decision, &limits.rate) {
                        (Ok(decision), Some(limited)) => {
                            limits.taken(limited, call, place, &decision)
                        }
                        (Ok(_), None) => pass(call, place),
                        (Err(error), _) => Verdict::Fail(Failure::unavailable(error.to_string())),
                    }
                })
            }
        }
    }

    fn taken(
        &self,
        limited: &Limited,
        call: &mut RequestCall<'_>,
        place: Option<Permit>,
        decision: &LimitDecision,
    ) -> Verdict {
        if decision.allowed {
            if self.fields == Fields::Always {
                *call.word() = Standing::of(decision).to_word();
            }
            return pass(call, place);
        }
        let mut rejection =
            retry_after(Rejection::new(errors::RATE_LIMITED), decision.retry_after_nanos);
        if self.fields != Fields::Never {
            limited.policy.tell(Standing::of(decision), |name, value| {
                rejection.headers.push((name, value));
            });
        }
        Verdict::Reject(rejection)
    }
}

/// Lets the call go on, holding its place until it ends.
fn pass(call: &mut RequestCall<'_>, place: Option<Permit>) -> Verdict {
    if let Some(place) = place {
        call.hold(place);
    }
    Verdict::Continue
}
