//! The fleet's own parts; fleets against a gateway stand in the tests of the whole.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use paifang_client::simnet::presets;

use super::{
    args::Think,
    dial::Handshake,
    limits,
    report::Second,
    tally::{Called, Present, Tally},
    trouble::{Kind, Trouble},
    wire::Bytes,
};

fn called(outcome: Result<u16, Trouble>, sent: bool) -> Called {
    Called { outcome, sent, took: Duration::from_millis(20), bytes: Bytes { up: 10, down: 30 } }
}

#[test]
fn a_call_without_an_answer_is_lost_and_one_that_was_not_sent_has_failed() {
    let tally = Tally::new();
    let trouble = |kind| Trouble::new(kind, "told");
    tally.called(1, called(Ok(204), true));
    tally.called(2, called(Ok(503), true));
    tally.called(3, called(Err(trouble(Kind::Timeout)), true));
    tally.called(18, called(Err(trouble(Kind::Refused)), false));
    tally.called(19, called(Err(trouble(Kind::Closed).unsent()), true));
    let whole = tally.whole();
    assert_eq!((whole.ok, whole.failed, whole.lost), (1, 3, 1));
    assert_eq!(whole.call_bytes, Bytes { up: 50, down: 150 });
    let kinds: Vec<_> = whole.troubles.keys().map(ToString::to_string).collect();
    assert_eq!(kinds, ["refused", "closed", "timeout", "status 503"]);
    assert_eq!(whole.latency.len(), 1, "only answers have a latency");
}

#[test]
fn a_second_has_what_came_since_the_last_one() {
    let tally = Arc::new(Tally::new());
    tally.connected(4, Handshake::Full, Duration::from_millis(3), Bytes::default());
    tally.connected(5, Handshake::Resumed, Duration::from_millis(3), Bytes::default());
    drop(Present::new(tally.clone()));
    tally.called(4, called(Ok(200), true));
    tally.called(5, called(Err(Trouble::new(Kind::Reset, "")), true));
    let first = Second::of(1, &tally.turn());
    assert_eq!((first.calls, first.bad, first.connected), (1, 1, 1));
    assert!((19.0..21.0).contains(&first.p99_ms), "{}", first.p99_ms);
    let second = Second::of(2, &tally.turn());
    assert_eq!((second.calls, second.bad, second.connected), (0, 0, 1));
    assert_eq!((tally.peak(), tally.whole().ok), (2, 1));
}

#[test]
fn times_to_think_are_one_or_a_range() {
    let think: Think = "2s..10s".parse().unwrap();
    assert_eq!((think.from, think.to), (Duration::from_secs(2), Duration::from_secs(10)));
    let rng = &mut fastrand::Rng::with_seed(1);
    for _ in 0..100 {
        let drawn = think.draw(rng);
        assert!(drawn >= think.from && drawn <= think.to, "{drawn:?}");
    }
    let once: Think = "500ms".parse().unwrap();
    assert_eq!(once.draw(rng), Duration::from_millis(500));
    assert!("3s..1s".parse::<Think>().unwrap_err().contains("ends before it begins"));
    assert!("soon".parse::<Think>().is_err());
}

#[test]
fn loopback_has_as_many_sources_as_ports_are_needed() {
    let target = SocketAddr::from((Ipv4Addr::LOCALHOST, 443));
    assert!(limits::sources(&[], 20_000, target).is_empty());
    let five = limits::sources(&[], 100_000, target);
    assert_eq!(five.len(), 5);
    assert_eq!(five[4], IpAddr::from([127, 0, 0, 5]));
    let elsewhere = SocketAddr::from(([10, 0, 0, 1], 443));
    assert!(limits::sources(&[], 100_000, elsewhere).is_empty());
    assert_eq!(limits::sources(&five[..1], 100_000, target), five[..1]);
}

#[test]
fn the_page_has_the_figures_of_every_network() {
    let page = include_str!("../../../../../docs/fleet.md");
    for network in presets().iter().filter(|network| network.name != "clear") {
        let (up, down) = (network.up, network.down);
        let rate = |bytes: Option<u64>| match bytes.unwrap() * 8 {
            bits @ 1_000_000.. => format!("{} Mbit/s", bits as f64 / 1e6),
            bits => format!("{} kbit/s", bits / 1000),
        };
        let row = format!(
            "| `{}` | {} ms | {} ms | {} | {} | {} % | {} |",
            network.name,
            up.latency.as_millis(),
            up.jitter.as_millis(),
            rate(down.bandwidth),
            rate(up.bandwidth),
            (up.loss * 1000.0).round() / 10.0,
            match network.outages {
                Some(out) => {
                    format!(
                        "{} s in every {} s",
                        out.length.as_secs(),
                        out.every.unwrap().as_secs()
                    )
                }
                None => String::new(),
            }
        );
        assert!(page.contains(row.trim_end_matches("  |")), "not in docs/fleet.md: {row}");
    }
}
