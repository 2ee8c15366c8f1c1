//! A store that answers later, as one across a network does.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::{get, step};
use paifang_pipeline::{
    Connection,
    ports::{
        Answer, BoxFuture, Concurrency, ConcurrencySpec, Kv, KvSpec, LimitDecision, LimitSpec,
        Limiter, Nanos, NonceSpec, Nonces, Permit, ReleasePermit, StateKey, Store, StoreError,
    },
    testkit::{TestClock, TestOrigin},
};
use serde_json::json;
use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::SeqCst},
};

/// Answers after other tasks had their turn: `None` with an error, else with these.
#[derive(Clone, Default)]
struct Remote {
    allowed: Option<bool>,
    inside: Arc<AtomicU32>,
}

fn later<T: Send + 'static>(answer: Result<T, StoreError>) -> Answer<T> {
    let future: BoxFuture<Result<T, StoreError>> = Box::pin(async move {
        tokio::task::yield_now().await;
        answer
    });
    Answer::Later(future)
}

fn away() -> StoreError {
    StoreError("away".to_owned())
}

impl Limiter for Remote {
    fn take(&self, _: &[u8], _: Nanos) -> Answer<LimitDecision> {
        later(self.allowed.ok_or_else(away).map(|allowed| LimitDecision {
            allowed,
            remaining: 0,
            retry_after_nanos: 5_000_000_000,
            reset_nanos: 5_000_000_000,
        }))
    }
}

impl ReleasePermit for Remote {
    fn release(&self, _: u128) {
        self.inside.fetch_sub(1, SeqCst);
    }
}

impl Concurrency for Remote {
    fn enter(&self, _: &[u8], _: Nanos) -> Answer<Option<Permit>> {
        later(self.allowed.ok_or_else(away).map(|_| {
            self.inside.fetch_add(1, SeqCst);
            Some(Permit::new(Arc::new(self.clone()), 1))
        }))
    }
}

impl Store for Remote {
    fn limiter(&self, _: &StateKey, _: LimitSpec) -> Result<Arc<dyn Limiter>, StoreError> {
        Ok(Arc::new(self.clone()))
    }

    fn concurrency(
        &self,
        _: &StateKey,
        _: ConcurrencySpec,
    ) -> Result<Arc<dyn Concurrency>, StoreError> {
        Ok(Arc::new(self.clone()))
    }

    fn nonces(&self, _: &StateKey, _: NonceSpec) -> Result<Arc<dyn Nonces>, StoreError> {
        Err(away())
    }

    fn kv(&self, _: &StateKey, _: KvSpec) -> Result<Arc<dyn Kv>, StoreError> {
        Err(away())
    }
}

#[tokio::test]
async fn the_step_waits_for_it_and_fails_closed_without_it() {
    for (allowed, status, code) in
        [(Some(true), 200, None), (Some(false), 429, Some("PF-3000")), (None, 503, Some("PF-5001"))]
    {
        for config in [json!({ "rate": "1/s" }), json!({ "rate": "1/s", "concurrency": 5 })] {
            let (clock, remote) =
                (Arc::new(TestClock::new()), Remote { allowed, ..Remote::default() });
            let step = step(&remote, &clock, config);
            let call = get().clock(&clock).shared_step("throttle", step);
            let reply = call.run(&TestOrigin::answering(200, "")).await;
            assert_eq!((reply.status(), reply.error().as_deref()), (status, code));
            assert_eq!(remote.inside.load(SeqCst), 0, "every place has come back");
        }
    }
}

#[test]
fn a_connection_cannot_wait_and_is_refused() {
    let remote = Remote { allowed: Some(true), ..Remote::default() };
    let step = step(&remote, &Arc::new(TestClock::new()), json!({ "rate": "1/s" }));
    let nowhere = "127.0.0.1:1".parse().unwrap();
    let connection =
        Connection { listener: "x".into(), peer: nowhere, client: nowhere, now: Nanos(0) };
    assert!(!step.accept(&connection));
}
