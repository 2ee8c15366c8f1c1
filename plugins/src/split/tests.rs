//! Whom a split sends where, that they stay there, and what is refused.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::{Split, point::Ranges, variant::metrics};
use crate::{caller::cookie, points::Points, testing::built_among};
use http::HeaderMap;
use paifang_pipeline::{
    Built, ConfigError, Handler, Identity, RequestCall, Scheme, Slots, Stages, Verdict,
    testkit::{Reply, TestCall, TestOrigin},
    units::Percent,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::{collections::BTreeSet, sync::Arc};

fn build(plugin: &Split, config: &Value) -> Result<Built, ConfigError> {
    built_among(plugin, config, &["main", "v2", "v3"])
}

fn step(config: &Value) -> Arc<dyn Handler> {
    build(&Split::default(), config).unwrap_or_else(|e| panic!("{config}: {e}")).handler
}

async fn run(step: &Arc<dyn Handler>, call: TestCall) -> (Reply, TestOrigin) {
    let origin = TestOrigin::answering(200, "ok");
    (call.shared_step("split", step.clone()).run(&origin).await, origin)
}

/// The route's number, as `v2` is 0; the rest is none.
async fn place(step: &Arc<dyn Handler>, call: TestCall) -> Option<usize> {
    run(step, call).await.0.route.map(|route| route.index())
}

fn device(id: &str) -> TestCall {
    TestCall::get("/").header("x-device", id)
}

fn by_device(share: &str) -> Value {
    json!({ "by": { "header": "x-device" }, "to": [{ "upstream": "v2", "share": share }] })
}

#[tokio::test]
async fn a_growing_share_keeps_whom_it_has() {
    let mut before = BTreeSet::new();
    for share in ["0%", "5%", "50%", "100%"] {
        let step = step(&by_device(share));
        let mut now = BTreeSet::new();
        for id in 0..200 {
            if place(&step, device(&id.to_string())).await.is_some() {
                now.insert(id);
            }
        }
        assert!(before.is_subset(&now), "{share}");
        before = now;
        let wanted: f64 = share.trim_end_matches('%').parse().unwrap();
        let got = before.len() as f64 / 2.0;
        assert!((got - wanted).abs() < 10.0, "{share}: {got}%");
    }
}

#[tokio::test]
async fn without_what_decides_a_call_belongs_to_the_rest() {
    let all = |by: Value| json!({ "by": by, "to": [{ "upstream": "v2", "share": "100%" }] });
    for by in [
        json!({ "header": "x-device" }),
        json!({ "cookie": "id" }),
        json!("identity"),
        json!("app"),
    ] {
        assert_eq!(place(&step(&all(by)), TestCall::get("/")).await, None);
    }
    let header = step(&all(json!({ "header": "x-device" })));
    assert_eq!(place(&header, device("")).await, None);
    assert_eq!(place(&header, device("a")).await, Some(0));
    let cookie = step(&all(json!({ "cookie": "id" })));
    assert_eq!(place(&cookie, TestCall::get("/").header("cookie", "x=1; id=7")).await, Some(0));
    for by in ["client_ip", "random"] {
        assert_eq!(place(&step(&all(json!(by))), TestCall::get("/")).await, Some(0));
    }
    let known = step(&all(json!("identity")));
    assert_eq!(place(&known, TestCall::get("/").step("who", Who)).await, Some(0));
}

/// Establishes an identity.
struct Who;

impl Handler for Who {
    fn stages(&self) -> Stages {
        Stages::REQUEST
    }

    fn request(&self, call: &mut RequestCall<'_>) -> Verdict {
        call.slots_mut().set_identity(Arc::new(Identity::new("u".into(), None, "test")));
        Verdict::Continue
    }
}

#[tokio::test]
async fn an_address_of_ipv6_counts_by_its_network() {
    let step = step(&json!({ "by": "client_ip", "to": [{ "upstream": "v2", "share": "50%" }] }));
    let from =
        |ip: String| TestCall::get("/").facts(move |facts| facts.client_ip = ip.parse().unwrap());
    let mut places = BTreeSet::new();
    for network in 0..32 {
        let first = place(&step, from(format!("2001:db8:0:{network}::1"))).await;
        assert_eq!(place(&step, from(format!("2001:db8:0:{network}:9::2"))).await, first);
        places.insert(first);
        // The same client, however its address is written.
        let four = place(&step, from(format!("192.0.2.{network}"))).await;
        assert_eq!(place(&step, from(format!("::ffff:192.0.2.{network}"))).await, four);
    }
    assert_eq!(places.len(), 2, "one network is nothing to the next");
}

#[tokio::test]
async fn chance_gives_each_call_its_share() {
    let step = step(&json!({ "to": [{ "upstream": "v2", "share": "25%" }] }));
    let mut hits = 0;
    for call in 0..400_u64 {
        let call = TestCall::get("/")
            .facts(|facts| facts.entropy = call.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        hits += usize::from(place(&step, call).await.is_some());
    }
    assert!((70..130).contains(&hits), "{hits} of 400");
}

#[tokio::test]
async fn a_variant_gives_its_headers_and_no_client_forges_them() {
    let step = step(&json!({
        "by": { "header": "x-device" }, "pin": "x-variant", "tell": "x-told",
        "to": [{ "upstream": "v2", "share": "0%", "name": "two", "headers": { "x-set": "2", "x-also": "yes" } }],
        "rest": { "name": "one", "headers": { "x-set": "1" } },
    }));
    let ask = |pin: &str| {
        TestCall::get("/")
            .header("x-variant", pin)
            .header("x-set", "forged")
            .header("x-also", "forged")
    };
    for (pin, set, also, told) in
        [("two", "2", Some("yes"), "two"), ("one", "1", None, "one"), ("none", "1", None, "one")]
    {
        let (reply, origin) = run(&step, ask(pin)).await;
        let head = origin.request(0).head.headers;
        assert_eq!(head.get_all("x-set").iter().collect::<Vec<_>>(), [set], "{pin}");
        assert_eq!(head.get("x-also").map(|value| value.to_str().unwrap()), also, "{pin}");
        assert_eq!((reply.header("x-told"), &head["x-variant"]), (told, &pin.parse().unwrap()));
        assert_eq!(reply.route.is_some(), pin == "two");
    }
}

#[tokio::test]
async fn a_client_without_a_cookie_is_given_one_and_stays_where_it_began() {
    let step = step(&json!({
        "by": { "cookie": "id" }, "issue": "30d", "tell": "x-told",
        "to": [{ "upstream": "v2", "share": "50%" }],
    }));
    let mut places = BTreeSet::new();
    for entropy in 0..32_u64 {
        let first = TestCall::get("/").facts(|facts| {
            facts.entropy = entropy;
            facts.scheme = if entropy % 2 == 0 { Scheme::Https } else { Scheme::Http };
        });
        let (reply, _) = run(&step, first).await;
        let given = reply.header("set-cookie").to_owned();
        let (pair, rest) = given.split_once("; ").unwrap();
        let secure = if entropy % 2 == 0 { "; Secure" } else { "" };
        assert_eq!(rest, format!("Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax{secure}"));
        assert_eq!(pair.len(), "id=".len() + 16);
        let again = TestCall::get("/").header("cookie", pair).facts(|facts| facts.entropy = 99);
        let (later, _) = run(&step, again).await;
        assert_eq!(later.header("x-told"), reply.header("x-told"));
        assert_eq!(later.header("set-cookie"), "");
        places.insert(reply.header("x-told").to_owned());
    }
    assert_eq!(places.len(), 2);
}

#[tokio::test]
async fn the_rest_stays_where_a_split_above_has_sent_it() {
    let plugin = Split::default();
    let upper = build(&plugin, &json!({ "to": [{ "upstream": "v2", "share": "100%" }] })).unwrap();
    let lower =
        json!({ "to": [{ "upstream": "v3", "share": "0%" }], "pin": "x-pin", "override": true });
    let lower = build(&plugin, &lower).unwrap();
    assert!(lower.overrides && !upper.overrides);
    assert!(upper.writes.iter().any(|slot| slot == Slots::UPSTREAM));
    assert_eq!(upper.routes, [std::sync::Arc::<str>::from("v2")]);
    let call = TestCall::get("/").shared_step("upper", upper.handler);
    assert_eq!(place(&lower.handler, call).await, Some(0));
}

#[tokio::test]
async fn calls_are_counted_by_variant_and_reason_over_builds() {
    let plugin = Split::default();
    let config = json!({ "by": { "header": "x-device" }, "pin": "x-pin",
        "to": [{ "upstream": "v2", "share": "100%" }] });
    let old = build(&plugin, &config).unwrap().handler;
    run(&old, device("a")).await;
    run(&old, device("a").header("x-pin", "rest")).await;
    let new = build(&plugin, &config).unwrap().handler;
    drop(old);
    run(&new, TestCall::get("/")).await;
    let told: Vec<_> = metrics(&plugin.0)
        .into_iter()
        .filter(|metric| metric.value > 0)
        .map(|metric| {
            (
                metric.labels.into_iter().map(|(_, value)| value).collect::<Vec<_>>().join(" "),
                metric.value,
            )
        })
        .collect();
    let wanted = ["test pin split rest", "test keyless split rest", "test share split v2"];
    let found: BTreeSet<_> = told.iter().map(|(labels, _)| labels.as_str()).collect();
    assert_eq!(found, BTreeSet::from(wanted), "{told:?}");
    assert!(told.iter().all(|(_, count)| *count == 1));
}

#[test]
fn wrong_configs_are_refused_where_they_are_wrong() {
    let to = |to: Value| json!({ "to": to });
    let v2 = json!({ "upstream": "v2", "share": "5%" });
    let with = |key: &str, value: Value| {
        let mut config = to(json!([v2]));
        config[key] = value;
        config
    };
    let many: Vec<_> = (0..17).map(|_| v2.clone()).collect();
    let table = [
        (to(json!([])), "/to", "expected 1 to 16 variants, found 0"),
        (to(json!(many)), "/to", "expected 1 to 16 variants, found 17"),
        (
            to(json!([{ "upstream": "v4", "share": "5%" }])),
            "/to/0/upstream",
            "there is no upstream `v4`",
        ),
        (
            to(json!([v2, { "upstream": "v3", "share": "95.1%" }])),
            "/to/1/share",
            "the shares come to more than 100%",
        ),
        (to(json!([v2, v2])), "/to/1/upstream", "two variants are called `v2`"),
        (
            to(json!([{ "upstream": "v2", "share": "5%", "name": "v 2" }])),
            "/to/0/name",
            "`v 2` is no variant's name",
        ),
        (
            to(json!([{ "upstream": "v2", "share": "5%", "headers": { "te": "x" } }])),
            "/to/0/headers/te",
            "`te` belongs to a connection, not to a message",
        ),
        (
            to(json!([{ "upstream": "v2", "share": "5%", "headers": { "host": "x" } }])),
            "/to/0/headers/host",
            "the host is more than a header",
        ),
        (
            to(json!([{ "upstream": "v2", "share": "5%", "headers": { "x-a": "\n" } }])),
            "/to/0/headers/x-a",
            "this cannot be a header's value",
        ),
        (with("rest", json!({ "name": "v2" })), "/rest/name", "a variant is called `v2` too"),
        (with("salt", json!("")), "/salt", "a salt has 1 to 256 bytes, not 0"),
        (with("issue", json!("1d")), "/issue", "a cookie is given only where one decides"),
        (with("by", json!({ "cookie": "a b" })), "/by/cookie", "`a b` is no cookie's name"),
        (with("by", json!({ "header": "a b" })), "/by/header", "`a b` is no header's name"),
        (
            with("pin", json!("connection")),
            "/pin",
            "`connection` belongs to a connection, not to a message",
        ),
    ];
    for (config, pointer, message) in table {
        let Err(error) = build(&Split::default(), &config) else { panic!("{config} was taken") };
        assert_eq!(
            (error.pointer.as_str(), error.message.as_str()),
            (pointer, message),
            "{config}"
        );
    }
    let long = json!({ "by": { "cookie": "a" }, "issue": "401d", "to": [v2] });
    let Err(error) = build(&Split::default(), &long) else { panic!("it was taken") };
    assert_eq!(error.message, "expected 1s to 400d");
}

#[test]
fn points_stay_where_they_are_from_release_to_release() {
    // Another number here would send every caller in the field elsewhere.
    let points = Points::new("orders/split");
    let found: Vec<_> = ["", "a", "device-7"].map(|who| points.of(&[who.as_bytes()])).into();
    assert_eq!(found, POINTS_OF_OLD);
}

const POINTS_OF_OLD: [u32; 3] = [23_812, 86_570, 39_151];

#[test]
fn cookies_are_found_by_their_whole_name() {
    let mut headers = HeaderMap::new();
    headers.append("cookie", "idx=1; x-id=2;id=3 ; id=4".parse().unwrap());
    headers.append("cookie", "last=5".parse().unwrap());
    assert_eq!(cookie(&headers, "id"), Some(&b"3"[..]));
    assert_eq!(cookie(&headers, "last"), Some(&b"5"[..]));
    assert_eq!(cookie(&headers, "i"), None);
}

fn percents(thousandths: &[u32]) -> Vec<Percent> {
    let percent = |share: &u32| format!("{}.{:03}%", share / 1000, share % 1000).parse().unwrap();
    thousandths.iter().map(percent).collect()
}

proptest! {
    #[test]
    fn growing_keeps_members_and_of_two_neither_moves_the_other(
        first in 0..50_000_u32, second in 0..40_000_u32, third in 0..5_000_u32,
        more in 0..5_000_u32, which in 0..3_usize, point in 0..100_000_u32,
    ) {
        let mut shares = [first, second, third];
        let before = Ranges::new(&percents(&shares)).unwrap().find(point);
        shares[which] += more;
        let after = Ranges::new(&percents(&shares)).unwrap().find(point);
        prop_assert!(before != Some(which) || after == Some(which), "a member was lost");
        if which != 0 {
            prop_assert!(before.is_none() || before == after, "only the first can move the third");
        }
        let two = |extra: u32| Ranges::new(&percents(&[first, second + extra])).unwrap().find(point);
        prop_assert!(two(0) != Some(0) || two(more) == Some(0));
    }

    #[test]
    fn every_share_is_exact_over_all_points(first in 0..60_000_u32, second in 0..40_000_u32) {
        let ranges = Ranges::new(&percents(&[first, second])).unwrap();
        let mut counts = [0_u32; 3];
        for point in 0..100_000 {
            counts[ranges.find(point).unwrap_or(2)] += 1;
        }
        prop_assert_eq!(counts, [first, second, 100_000 - first - second]);
    }

    #[test]
    fn salts_are_independent(seed in any::<u64>()) {
        let (one, other) = (Points::new("one"), Points::new("other"));
        let half = |points: &Points, id: u64| points.of(&[&(seed ^ id).to_le_bytes()]) < 50_000;
        let both = (0..1000).filter(|id| half(&one, *id) && half(&other, *id)).count();
        // A quarter, give or take six standard deviations.
        prop_assert!((168..=332).contains(&both), "{}", both);
    }
}
