//! A breaker that many threads use at once.
#![allow(clippy::unwrap_used)]

use super::{
    breaker::{Breaker, Shown, State},
    config::{Config, Spec},
    report::Report,
};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

#[test]
fn many_threads_leave_it_whole() {
    let config = Config {
        errors: "30%".parse().unwrap(),
        min_calls: 10,
        open_for: "100ms".parse().unwrap(),
        open_max: Some("200ms".parse().unwrap()),
        probes: 5,
        ..Config::default()
    };
    let breaker = Breaker::new(Spec::new(&config).unwrap(), Report::new("test", "up"));
    let now = AtomicU64::new(1_000_000_000);
    std::thread::scope(|scope| {
        for thread in 0..8_u64 {
            let (breaker, now) = (&breaker, &now);
            scope.spawn(move || {
                let mut random = thread + 1;
                let mut held = Vec::new();
                for _ in 0..20_000 {
                    random = paifang_pipeline::mix(random, 1);
                    let at = now.fetch_add(random % 2_000_000, SeqCst);
                    held.extend(breaker.admit(at));
                    if random >> 20 & 1 == 0 || held.len() > 4 {
                        let Some(ticket) = held.pop() else { continue };
                        let shown = match random >> 24 & 7 {
                            0 => Shown::Nothing,
                            1..=3 => Shown::Answer { failed: true, slow: false },
                            _ => Shown::Answer { failed: false, slow: false },
                        };
                        breaker.learn(ticket, shown, at, random);
                    }
                }
                for ticket in held {
                    breaker.learn(ticket, Shown::Nothing, now.load(SeqCst), random);
                }
            });
        }
    });
    let changes = |state| breaker.report.changes(state);
    let (opened, half, closed) =
        (changes(State::Open), changes(State::HalfOpen), changes(State::Closed));
    assert!(opened > 10 && half > 10, "{opened} {half} {closed}");
    // It half opens from open only, and leaves that for one of the others.
    assert!(half <= opened && closed <= half, "{opened} {half} {closed}");
    if breaker.state() == State::HalfOpen {
        assert_eq!(breaker.trial().0, 0, "a place was lost");
    }
    // The upstream is well again, and so is the breaker soon.
    let mut at = now.load(SeqCst);
    for _ in 0..1000 {
        at += 10_000_000;
        if let Ok(ticket) = breaker.admit(at) {
            breaker.learn(ticket, Shown::Answer { failed: false, slow: false }, at, 0);
        }
    }
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn no_more_probes_run_at_once_than_are_allowed() {
    let config =
        Config { min_calls: 1, probes: 5, jitter: "0%".parse().unwrap(), ..Config::default() };
    let breaker = Breaker::new(Spec::new(&config).unwrap(), Report::new("test", "up"));
    for _ in 0..200 {
        let at = breaker_opens(&breaker);
        let admitted = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        admitted.fetch_add(u64::from(breaker.admit(at).is_ok()), SeqCst);
                    }
                });
            }
        });
        assert_eq!(admitted.load(SeqCst), 5);
    }
}

/// Brings it from any state to open, and gives the time at which it may be tried again.
fn breaker_opens(breaker: &Breaker) -> u64 {
    let mut at = 1 << 50;
    loop {
        at += 86_400_000_000_000;
        let Ok(ticket) = breaker.admit(at) else { continue };
        breaker.learn(ticket, Shown::Answer { failed: true, slow: false }, at, 0);
        if breaker.state() == State::Open {
            return at + 86_400_000_000_000;
        }
    }
}
