//! What a token costs: `cargo run --profile bench -p paifang-plugins --example jwt_cost`.
//!
//! A whole call through the engine with `jwt_auth` alone, beside one with no step.
#![allow(clippy::expect_used, clippy::print_stdout)]

use paifang_pipeline::{
    Apps, Handler,
    testkit::{TestCall, TestClock, TestOrigin, build},
};
use paifang_plugins::jwt_auth::JwtAuth;
use paifang_state::LocalStore;
use serde_json::{Value, json};
use std::{sync::Arc, time::Instant};

const CALLS: u32 = 20_000;

fn step(keys: &Value, cache: u32) -> Arc<dyn Handler> {
    let config = json!({ "keys": keys, "any_audience": true, "cache": cache });
    let (store, apps) = (LocalStore::new(), Arc::new(Apps::default()));
    let clock = Arc::new(TestClock::new());
    build(&JwtAuth::default(), &config, &store, &apps, &clock).expect("a step").handler
}

async fn nanos(step: Option<&Arc<dyn Handler>>, token: &str) -> f64 {
    let began = Instant::now();
    for _ in 0..CALLS {
        let call = TestCall::get("/").header("authorization", token);
        let call = match step {
            Some(step) => call.shared_step("jwt_auth", step.clone()),
            None => call,
        };
        let origin = TestOrigin::answering(200, "");
        assert_eq!(call.run(&origin).await.status(), 200);
    }
    began.elapsed().as_nanos() as f64 / f64::from(CALLS)
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let vectors = include_str!("../src/jwt_auth/vectors.json");
    let vectors: Value = serde_json::from_str(vectors).expect("JSON");
    let secret =
        json!([{ "secret": { "env": vectors["secret"] }, "algorithm": "HS256", "id": "secret" }]);
    let set = json!([{ "jwks": { "env": vectors["jwks"].to_string() } }]);
    for (algorithm, keys) in [("HS256", &secret), ("RS256", &set), ("ES256", &set), ("EdDSA", &set)]
    {
        let token = vectors["tokens"][algorithm].as_str().expect("a token");
        let token = format!("Bearer {token}");
        let empty = nanos(None, &token).await;
        for (what, cache) in [("verified", 0), ("remembered", 10_000)] {
            let step = step(keys, cache);
            nanos(Some(&step), &token).await;
            let cost = nanos(Some(&step), &token).await - empty;
            println!("{algorithm} {what}: {cost:.0} ns");
        }
    }
}
