//! `request_id` in the engine, the shape of its ids, and its wrong configs.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::{RequestId, generate};
use crate::testing::{built, handler, refuses};
use paifang_pipeline::{
    Facts, Slots, Stages,
    ports::Nanos,
    testkit::{Reply, TestCall, TestOrigin},
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};

/// The reply, and the values of `x-request-id` that the origin got.
async fn run(config: Value, call: TestCall) -> (Reply, Vec<String>) {
    let origin = TestOrigin::answering(200, "ok");
    let reply = call.shared_step("request_id", handler(&RequestId, config)).run(&origin).await;
    let headers = origin.request(0).head.headers;
    let values = headers.get_all("x-request-id").iter();
    let values = values.map(|value| value.to_str().unwrap().to_owned()).collect();
    (reply, values)
}

#[tokio::test]
async fn upstream_client_and_slot_get_the_same_new_id() {
    let call = TestCall::get("/").header("x-request-id", "forged");
    let (reply, sent) = run(json!({}), call).await;
    let [sent] = sent.as_slice() else { panic!("{sent:?}") };
    assert_eq!(sent, reply.header("x-request-id"));
    assert_eq!(sent, reply.request_id.as_ref().unwrap());
    // The clock of tests stands at 2026-01-01; without entropy the rest is zero.
    assert_eq!(sent, "019b76da-a800-7000-8000-000000000000");
}

#[tokio::test]
async fn a_trusted_id_is_kept_if_it_is_sane() {
    let long = "x".repeat(128);
    for id in ["a", "019b76da/", "~!{}", &long] {
        let call = TestCall::get("/").header("x-request-id", id);
        let (reply, sent) = run(json!({ "trust": true }), call).await;
        assert_eq!((sent.as_slice(), reply.header("x-request-id")), (&[id.to_owned()][..], id));
    }
    let longer = "x".repeat(129);
    for ids in [&[][..], &[""], &["a b"], &["a\tb"], &[&longer], &["a", "b"]] {
        let call = ids.iter().fold(TestCall::get("/"), |call, id| call.header("x-request-id", id));
        let (reply, sent) = run(json!({ "trust": true }), call).await;
        let wanted = "019b76da-a800-7000-8000-000000000000";
        assert_eq!((sent.len(), sent[0].as_str()), (1, wanted), "{ids:?}");
        assert_eq!(reply.header("x-request-id"), wanted);
    }
}

#[tokio::test]
async fn header_and_response_are_chosen() {
    let config = json!({ "header": "X-Trace", "response": false });
    let origin = TestOrigin::answering(200, "ok");
    let step = handler(&RequestId, config);
    assert_eq!(step.stages(), Stages::REQUEST);
    let reply = TestCall::get("/").shared_step("request_id", step).run(&origin).await;
    assert!(origin.request(0).head.headers.contains_key("x-trace"));
    assert!(reply.head().headers.is_empty());
}

fn facts(nanos: u64, entropy: u64) -> Facts {
    let mut facts = Facts::embedded(Nanos(0), Duration::from_nanos(nanos));
    facts.entropy = entropy;
    facts
}

#[test]
fn ids_sort_by_time_and_differ_by_entropy() {
    let start = 1_767_225_600_000_000_000;
    let text = |nanos, entropy| generate::id(&facts(nanos, entropy)).to_str().unwrap().to_owned();
    assert_eq!(text(start, u64::MAX), "019b76da-a800-7000-bfff-ffffffffffff");
    assert_eq!(text(start + 999_999, 0), "019b76da-a800-7fff-8000-000000000000");
    let times: Vec<_> = (0..50).map(|step| text(start + step * 250, u64::MAX - step)).collect();
    assert!(times.is_sorted(), "{times:?}");
    let ids: BTreeSet<_> = (0..1000).map(|entropy| text(start, entropy)).collect();
    assert_eq!(ids.len(), 1000);
}

#[test]
fn ids_that_outlive_their_buffer_stay_what_they_are() {
    let kept: Vec<_> = (0..500).map(|entropy| generate::id(&facts(0, entropy))).collect();
    for (entropy, id) in (0..500u64).zip(&kept) {
        assert_eq!(id.to_str().unwrap(), format!("00000000-0000-7000-8000-{entropy:012x}"));
    }
}

#[test]
fn calls_one_after_another_use_the_same_memory() {
    let places: BTreeSet<_> = (0..1000)
        .map(|entropy| generate::id(&facts(0, entropy)).as_bytes().as_ptr() as usize)
        .collect();
    let span = places.last().unwrap() - places.first().unwrap();
    assert!(span < 4096, "{span} bytes between ids");
}

#[test]
fn it_writes_the_slot_and_says_so() {
    let built = |config| built(&RequestId, &config).unwrap();
    assert_eq!(built(json!({})).writes, [Slots::REQUEST_ID]);
    assert!(!built(json!({})).overrides);
    assert!(built(json!({ "override": true })).overrides);
}

#[test]
fn wrong_configs_are_refused_with_their_place() {
    refuses(
        &RequestId,
        &[
            (json!({ "header": "x id" }), "/header", "`x id` is no header's name", ""),
            (json!({ "header": "host" }), "/header", "`host` carries the host", ""),
            (
                json!({ "header": "TE" }),
                "/header",
                "`te` belongs to a connection, not to a message",
                "sets such headers itself",
            ),
            (
                json!({ "trust": "yes" }),
                "/trust",
                "invalid type: string \"yes\", expected a boolean",
                "",
            ),
            (
                json!({ "trusted": true }),
                "/trusted",
                "unknown field `trusted`, expected one of `header`, `trust`, `response`, `override`",
                "",
            ),
        ],
    );
}
