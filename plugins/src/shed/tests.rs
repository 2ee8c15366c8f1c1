//! Which calls are refused: as many as the share says, the same callers always.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::{Shed, counts::metrics};
use crate::testing::{built, handler, refuses};
use paifang_pipeline::{Handler, NoOrigin, testkit::TestCall};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::{collections::BTreeSet, sync::Arc};

fn step(config: Value) -> Arc<dyn Handler> {
    handler(&Shed::default(), config)
}

/// Whether the step refuses the call. What it lets pass finds no origin.
async fn sheds(step: &Arc<dyn Handler>, call: TestCall) -> bool {
    let reply = call.shared_step("shed", step.clone()).run(&NoOrigin).await;
    let code = reply.status();
    assert!(code == 503 || code == 502, "{code}");
    code == 503
}

fn device(id: usize) -> TestCall {
    TestCall::get("/").header("x-device", &id.to_string())
}

#[tokio::test]
async fn calls_are_refused_evenly_and_exactly() {
    for (share, every) in [("25%", Some(4)), ("100%", Some(1)), ("0%", None)] {
        let step = step(json!({ "share": share }));
        for call in 1..=40 {
            let wanted = every.is_some_and(|every| call % every == 0);
            assert_eq!(sheds(&step, TestCall::get("/")).await, wanted, "{share}: call {call}");
        }
    }
}

#[tokio::test]
async fn the_same_callers_are_refused_and_a_growing_share_keeps_them() {
    let mut before = BTreeSet::new();
    for share in ["0%", "10%", "50%", "100%"] {
        let config = || json!({ "share": share, "by": { "header": "x-device" }, "salt": "s" });
        let (here, there) = (step(config()), step(config()));
        let mut now = BTreeSet::new();
        for id in 0..400 {
            if sheds(&here, device(id)).await {
                now.insert(id);
            }
            assert_eq!(sheds(&there, device(id)).await, now.contains(&id), "another gateway");
        }
        assert!(before.is_subset(&now), "{share}");
        let wanted: f64 = share.trim_end_matches('%').parse().unwrap();
        assert!((now.len() as f64 / 4.0 - wanted).abs() < 8.0, "{share}: {} of 400", now.len());
        before = now;
    }
}

#[tokio::test]
async fn steps_of_one_id_refuse_the_same_callers_and_salts_tell_them_apart() {
    let of = async |salt: Option<&str>| {
        let step = step(json!({ "share": "50%", "by": { "header": "x-device" }, "salt": salt }));
        let mut all = Vec::new();
        for id in 0..100 {
            all.push(sheds(&step, device(id)).await);
        }
        all
    };
    assert_eq!(of(None).await, of(None).await);
    assert_ne!(of(Some("a")).await, of(Some("b")).await);
}

#[tokio::test]
async fn without_what_decides_calls_take_turns() {
    for by in [
        json!({ "header": "x-device" }),
        json!({ "cookie": "id" }),
        json!("identity"),
        json!("app"),
    ] {
        let step = step(json!({ "share": "50%", "by": by }));
        let mut told = Vec::new();
        for _ in 0..4 {
            told.push(sheds(&step, TestCall::get("/")).await);
        }
        assert_eq!(told, [false, true, false, true], "{by}");
    }
}

#[tokio::test]
async fn the_refusal_says_when_to_come_again() {
    for (config, seconds) in [
        (json!({ "share": "100%" }), "5"),
        (json!({ "share": "100%", "retry_after": "1500ms" }), "2"),
        (json!({ "share": "100%", "retry_after": "1h" }), "3600"),
    ] {
        let call = TestCall::get("/").shared_step("shed", step(config));
        let reply = call.run(&NoOrigin).await;
        assert_eq!((reply.status(), reply.header("retry-after")), (503, seconds));
    }
}

#[tokio::test]
async fn calls_are_counted_over_builds() {
    let plugin = Shed::default();
    let old = handler(&plugin, json!({ "share": "50%" }));
    for _ in 0..3 {
        sheds(&old, TestCall::get("/")).await;
    }
    let new = handler(&plugin, json!({ "share": "100%" }));
    drop(old);
    sheds(&new, TestCall::get("/")).await;
    let told: Vec<_> =
        metrics(&plugin.0).into_iter().map(|one| (one.labels[1].1.clone(), one.value)).collect();
    assert_eq!(told, [("passed".to_owned(), 2), ("shed".to_owned(), 2)]);
    drop(new);
    assert!(metrics(&plugin.0).is_empty());
}

#[test]
fn wrong_configs_are_refused_where_they_are_wrong() {
    let with = |key: &str, value: Value| {
        let mut config = json!({ "share": "1%", "by": "client_ip" });
        config[key] = value;
        config
    };
    refuses(
        &Shed::default(),
        &[
            (with("salt", json!("")), "/salt", "a salt has 1 to 256 bytes, not 0", ""),
            (
                json!({ "share": "1%", "salt": "x" }),
                "/salt",
                "a salt is for choosing callers, not calls",
                "say `by`",
            ),
            (
                with("retry_after", json!("10ms")),
                "/retry_after",
                "expected 1s to 1h, found `10ms`",
                "",
            ),
            (with("retry_after", json!("2h")), "/retry_after", "expected 1s to 1h, found `2h`", ""),
            (with("by", json!({ "header": "a b" })), "/by/header", "`a b` is no header's name", ""),
            (with("by", json!({ "cookie": "a b" })), "/by/cookie", "`a b` is no cookie's name", ""),
        ],
    );
    assert!(built(&Shed::default(), &json!({})).is_err(), "a share has no default");
}

proptest! {
    #[test]
    fn of_any_calls_in_a_row_the_share_is_exact(share in 0..=100_000_u32, before in 0..200_000_usize, calls in 1..2000_usize) {
        let counts = super::Counts::default();
        let text = format!("{}.{:03}%", share / 1000, share % 1000);
        let share: paifang_pipeline::units::Percent = text.parse().unwrap();
        for _ in 0..before {
            counts.turn(share);
        }
        let shed = (0..calls).filter(|_| counts.turn(share)).count() as f64;
        let wanted = calls as f64 * f64::from(share.thousandths()) / 100_000.0;
        prop_assert!((shed - wanted).abs() < 1.0 + 1e-9, "{} of {}, not {}", shed, calls, wanted);
    }
}
