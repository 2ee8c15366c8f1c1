//! What is decided apart from the host: config, subjects, days, what is left.

use crate::{
    config::{Config, Settings},
    configure,
    quota::{Day, Left, kept, left, seconds},
    response,
    subject::{By, Subject},
};
use paifang_guest::{Call, Facts, Headers, Identity, Response, ResponseVerdict, next_response};
use serde_json::{Value, json};

fn settings(config: Value) -> Settings {
    let config: Config = serde_json::from_value(config).unwrap();
    config.settings().unwrap_or_else(|errors| panic!("{errors:?}"))
}

#[track_caller]
fn refused(config: Value, pointers: &[&str]) {
    let config: Config = serde_json::from_value(config).unwrap();
    let errors = config.settings().unwrap_err();
    let found: Vec<&str> = errors.iter().map(|error| &*error.pointer).collect();
    assert_eq!(found, pointers, "{errors:?}");
}

fn by(by: Value) -> By {
    serde_json::from_value(by).unwrap()
}

fn one(text: &str) -> Subject<'_> {
    Subject::One(text.into())
}

/// What `by` says of a call.
fn subject(by: &By, call: &Call) -> Subject<'static> {
    match by.subject(call) {
        Subject::One(subject) => Subject::One(subject.into_owned().into()),
        Subject::Missing => Subject::Missing,
        Subject::Unfit => Subject::Unfit,
    }
}

#[test]
fn a_burst_is_the_rates_count_unless_it_is_said() {
    let rate = settings(json!({ "rate": "600/m" })).rate.unwrap();
    assert_eq!((rate.count, rate.period_millis, rate.burst), (600, 60_000, 600));
    let rate = settings(json!({ "rate": "600/m", "burst": 10 })).rate.unwrap();
    assert_eq!((rate.count, rate.period_millis, rate.burst), (600, 60_000, 10));
}

#[test]
fn what_is_wrong_in_a_config_is_pointed_at() {
    refused(json!({}), &[""]);
    refused(json!({ "burst": 5 }), &["", "/burst"]);
    refused(json!({ "rate": "1/s", "burst": 0 }), &["/burst"]);
    refused(json!({ "daily": 1_000_000_001 }), &["/daily"]);
    refused(json!({ "daily": 1, "burst": 1 }), &["/burst"]);
}

#[test]
fn only_what_is_needed_is_read() {
    let reads = |by: Value| {
        let config = serde_json::from_value(json!({ "by": by, "daily": 1 })).unwrap();
        let (_, manifest) = configure(config).unwrap();
        assert!(manifest.response.is_none(), "it tells nothing of what is left");
        let reads = manifest.request.unwrap();
        (reads.facts, reads.request_headers)
    };
    assert_eq!(reads(json!("identity")), (Facts::IDENTITY, Headers::None));
    assert_eq!(reads(json!("app")), (Facts::APP, Headers::None));
    assert_eq!(reads(json!("client_ip")), (Facts::CLIENT_IP, Headers::None));
    let named = Headers::Named(vec!["x-device".to_owned()]);
    assert_eq!(reads(json!({ "header": "X-Device" })), (Facts::empty(), named));
}

#[test]
fn an_identity_is_one_within_its_app() {
    let of = |app: Option<&str>, who: &str| {
        let mut identity = Identity::new(who);
        identity.app = app.map(str::to_owned);
        subject(&by(json!("identity")), &Call { identity: Some(identity), ..Call::default() })
    };
    assert_eq!(of(None, "alice"), one(":alice"));
    assert_eq!(of(Some("wallet"), "alice"), one("wallet:alice"));
    assert_ne!(of(Some("a:b"), "c"), of(Some("a"), "b:c"));
    assert_ne!(of(Some("a:"), "c"), of(Some("a%3A"), "c"));
    assert_eq!(subject(&by(json!("identity")), &Call::default()), Subject::Missing);
}

#[test]
fn an_app_and_a_header_are_their_values() {
    let call = Call { app: Some("wallet".to_owned()), ..Call::default() };
    assert_eq!(subject(&by(json!("app")), &call), one("wallet"));
    assert_eq!(subject(&by(json!("app")), &Call::default()), Subject::Missing);
    let device = by(json!({ "header": "x-device" }));
    let call = |value: &str| Call::default().with_header("x-device", value);
    assert_eq!(device.subject(&call("d1")), one("d1"));
    assert_eq!(device.subject(&call("")), Subject::Missing);
    assert_eq!(device.subject(&Call::default()), Subject::Missing);
    assert_eq!(device.subject(&call("d1").with_header("x-device", "d2")), Subject::Unfit);
    assert!(matches!(device.subject(&call(&"a".repeat(256))), Subject::One(_)));
    assert_eq!(device.subject(&call(&"a".repeat(257))), Subject::Unfit);
}

#[test]
fn an_address_is_counted_by_its_network() {
    for (address, network) in [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("::1", "::/64"),
    ] {
        let call = Call { client_ip: Some(address.to_owned()), ..Call::default() };
        assert_eq!(subject(&by(json!("client_ip")), &call), one(network));
    }
}

#[test]
fn days_are_those_of_utc() {
    assert_eq!(Day::of(0), Day { number: 0, left: 86_400 });
    assert_eq!(Day::of(1_767_225_599), Day { number: 20_453, left: 1 });
    assert_eq!(Day::of(1_767_225_600), Day { number: 20_454, left: 86_400 });
}

#[test]
fn a_day_allows_as_many_as_it_says() {
    for (count, expected) in [
        (1, Left::Passes(1)),
        (2, Left::Passes(0)),
        (3, Left::UsedUp),
        (i64::MAX, Left::UsedUp),
        (-5, Left::Passes(2)),
    ] {
        assert_eq!(Left::after(count, 2), expected, "{count}");
    }
}

#[test]
fn what_is_left_reaches_the_response() {
    assert_eq!(left(&kept(Some(7), Some(3))), Some(7), "the day's rest where there is one");
    assert_eq!(left(&kept(None, Some(3))), Some(3));
    assert_eq!(left(&kept(None, None)), None);
    let settings = settings(json!({ "daily": 9, "remaining": true }));
    let head = Response::new(200);
    let verdict =
        |kept: Vec<u8>| response(&settings, &Call { kept: Some(kept), ..Call::default() }, &head);
    let told: ResponseVerdict = next_response().set_header("x-quota-remaining", "7").into();
    assert_eq!(verdict(kept(Some(7), None)), told);
    assert_eq!(verdict(Vec::new()), next_response().into());
}

#[test]
fn a_wait_is_rounded_up() {
    assert_eq!([0, 1, 1000, 1001].map(seconds), [1, 1, 1, 2]);
}
