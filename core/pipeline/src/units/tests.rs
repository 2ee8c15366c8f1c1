//! What each unit accepts, refuses and writes back.
#![allow(clippy::unwrap_used)]

use super::{ByteSize, HumanDuration, Percent, Rate};
use std::time::Duration;

#[test]
fn durations_need_a_unit_and_round_trip() {
    for (text, millis, shown) in [
        ("500ms", 500, "500ms"),
        ("1m30s", 90_000, "1m30s"),
        ("0.5s", 500, "500ms"),
        ("0s", 0, "0s"),
        (" 2 h ", 7_200_000, "2h"),
    ] {
        let parsed: HumanDuration = text.parse().unwrap();
        assert_eq!(parsed.get(), Duration::from_millis(millis), "{text}");
        assert_eq!(parsed.to_string(), shown);
    }
    for text in ["", "5", "s", "-1s", "1x", "1e9s", "1.2.3s", "99999d", "1s garbage"] {
        assert!(text.parse::<HumanDuration>().is_err(), "{text}");
    }
}

#[test]
fn sizes_need_a_unit_and_round_trip() {
    for (text, bytes, shown) in [
        ("1MiB", 1 << 20, "1MiB"),
        ("1.5KiB", 1536, "1536B"),
        ("10MB", 10_000_000, "10MB"),
        ("0B", 0, "0B"),
    ] {
        let parsed: ByteSize = text.parse().unwrap();
        assert_eq!(parsed.bytes(), bytes, "{text}");
        assert_eq!(parsed.to_string(), shown);
    }
    for text in ["", "5", "MiB", "-1B", "1mib", "99999999999GiB"] {
        assert!(text.parse::<ByteSize>().is_err(), "{text}");
    }
}

#[test]
fn rates_are_never_zero() {
    let rate: Rate = "200/s".parse().unwrap();
    assert_eq!((rate.count(), rate.interval_nanos()), (200, 5_000_000));
    assert_eq!("90/m".parse::<Rate>().unwrap().to_string(), "90/m");
    for text in ["0/s", "5", "5/", "/s", "1.5/s", "5/w", "9999999999/s"] {
        assert!(text.parse::<Rate>().is_err(), "{text}");
    }
}

#[test]
fn shares_take_the_right_part_of_random_numbers() {
    let tenth: Percent = "10%".parse().unwrap();
    assert!(tenth.includes(0));
    assert!(tenth.includes(u64::MAX / 10 - 1_000_000));
    assert!(!tenth.includes(u64::MAX / 10 + 1_000_000));
    assert!(Percent::ALL.includes(u64::MAX));
    assert!(!"0%".parse::<Percent>().unwrap().includes(0));
    for text in ["", "10", "101%", "-1%", "%"] {
        assert!(text.parse::<Percent>().is_err(), "{text}");
    }
}

#[test]
fn serde_takes_strings_only() {
    assert!(serde_json::from_str::<HumanDuration>("5").is_err());
    assert_eq!(serde_json::from_str::<ByteSize>("\"1KiB\"").unwrap().bytes(), 1024);
    assert_eq!(serde_json::to_string(&"5m".parse::<HumanDuration>().unwrap()).unwrap(), "\"5m\"");
}
