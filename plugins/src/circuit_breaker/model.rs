//! The breaker against a naive one: whatever calls do and whenever they end, both say the same.
#![allow(clippy::unwrap_used)]

use super::{
    breaker::{Breaker, Shown, State, Ticket},
    config::{Config, Spec},
    report::Report,
};
use proptest::prelude::*;
use std::collections::VecDeque;

/// Straight from the page: lists of calls and states with names.
struct Naive {
    spec: Spec,
    generation: u32,
    state: Naively,
    open_nanos: u64,
    /// Part, calls, failures, slow ones.
    seen: VecDeque<(u64, u64, u64, u64)>,
}

#[derive(Debug, Clone, PartialEq)]
enum Naively {
    Closed,
    Open { until: u64 },
    HalfOpen { out: u32, fine: u32, latest: u64 },
}

impl Naive {
    fn to(&mut self, state: Naively) {
        self.generation += 1;
        self.state = state;
    }

    fn admit(&mut self, now: u64) -> Result<(u32, bool), u64> {
        if let Naively::Open { until } = self.state {
            if now < until {
                return Err(until - now);
            }
            self.to(Naively::HalfOpen { out: 0, fine: 0, latest: 0 });
        }
        let (open, probes) = (self.open_nanos, self.spec.probes);
        if let Naively::HalfOpen { out, fine, latest } = &mut self.state {
            if *out + *fine >= probes && now - *latest < open {
                return Err(open - (now - *latest));
            }
            *out += 1;
            *latest = now;
            return Ok((self.generation, true));
        }
        Ok((self.generation, false))
    }

    fn learn(&mut self, (generation, probe): (u32, bool), shown: Shown, now: u64) {
        if generation != self.generation {
            return;
        }
        let bad = match shown {
            Shown::Nothing => None,
            Shown::Answer { failed, slow } => Some(failed || slow),
            Shown::BrokeOff => Some(true),
        };
        if probe {
            let Naively::HalfOpen { out, fine, .. } = &mut self.state else { panic!() };
            if shown != Shown::BrokeOff {
                *out = out.saturating_sub(1);
            }
            match bad {
                None => {}
                Some(false) => {
                    *fine += 1;
                    if *fine >= self.spec.probes {
                        self.seen.clear();
                        self.to(Naively::Closed);
                    }
                }
                Some(true) => {
                    self.open_nanos = (2 * self.open_nanos).min(self.spec.open_max_nanos);
                    self.to(Naively::Open { until: now + self.open_nanos });
                }
            }
            return;
        }
        let part = now / (self.spec.window_nanos / 10);
        match shown {
            Shown::Nothing => return,
            Shown::Answer { failed, slow } => {
                self.seen.push_back((part, 1, failed.into(), slow.into()));
            }
            Shown::BrokeOff => self.seen.push_back((part, 0, 1, 0)),
        }
        self.seen.retain(|(of, ..)| part - of < 10);
        let sum = |pick: fn(&(u64, u64, u64, u64)) -> u64| self.seen.iter().map(pick).sum::<u64>();
        let (calls, failed, slow) = (sum(|one| one.1), sum(|one| one.2), sum(|one| one.3));
        let reached = |count, share: u32| count * 100_000 >= u64::from(share) * calls;
        let much = reached(failed, self.spec.errors) || reached(slow, self.spec.slow);
        if bad == Some(true) && calls >= u64::from(self.spec.min_calls) && much {
            self.open_nanos = self.spec.open_nanos;
            self.to(Naively::Open { until: now + self.open_nanos });
        }
    }
}

#[derive(Debug, Clone)]
enum Event {
    /// Time passes, in milliseconds.
    Pass(u64),
    Call,
    /// One of the calls under way ends; those that ended well may break off later.
    End(usize, Shown),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let shown = prop_oneof![
        2 => Just(Shown::Nothing),
        6 => Just(Shown::Answer { failed: false, slow: false }),
        6 => Just(Shown::Answer { failed: true, slow: false }),
        3 => Just(Shown::Answer { failed: false, slow: true }),
        1 => Just(Shown::BrokeOff),
    ];
    let event = prop_oneof![
        3 => (0..400_u64).prop_map(Event::Pass),
        1 => (1_000..9_000_u64).prop_map(Event::Pass),
        9 => Just(Event::Call),
        8 => (any::<usize>(), shown).prop_map(|(which, shown)| Event::End(which, shown)),
    ];
    prop::collection::vec(event, 1..250)
}

fn spec() -> Spec {
    Spec::new(&Config {
        slower_than: Some("1s".parse().unwrap()),
        min_calls: 4,
        window: "2s".parse().unwrap(),
        open_for: "1s".parse().unwrap(),
        open_max: Some("4s".parse().unwrap()),
        jitter: "0%".parse().unwrap(),
        probes: 2,
        ..Config::default()
    })
    .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn it_says_what_a_naive_one_says(events in events()) {
        let breaker = Breaker::new(spec(), Report::new("test", "up"));
        let mut naive = Naive {
            spec: spec(), generation: 0, state: Naively::Closed,
            open_nanos: spec().open_nanos, seen: VecDeque::new(),
        };
        let mut now = 1_000_000_000_000;
        let mut running: Vec<Ticket> = Vec::new();
        for event in events {
            match event {
                Event::Pass(millis) => now += millis * 1_000_000,
                Event::Call => {
                    let admitted = breaker.admit(now);
                    let told = admitted.map(|ticket| (ticket.generation, ticket.probe));
                    prop_assert_eq!(told, naive.admit(now));
                    running.extend(admitted);
                }
                Event::End(_, _) if running.is_empty() => {}
                Event::End(which, shown) => {
                    let ticket = running.remove(which % running.len());
                    // What breaks off had ended well before.
                    if shown == Shown::BrokeOff {
                        let fine = Shown::Answer { failed: false, slow: false };
                        breaker.learn(ticket, fine, now, 0);
                        naive.learn((ticket.generation, ticket.probe), fine, now);
                    }
                    breaker.learn(ticket, shown, now, 0);
                    naive.learn((ticket.generation, ticket.probe), shown, now);
                }
            }
            let state = match naive.state {
                Naively::Closed => State::Closed,
                Naively::Open { .. } => State::Open,
                Naively::HalfOpen { out, fine, .. } => {
                    prop_assert_eq!(breaker.trial(), (out, fine));
                    State::HalfOpen
                }
            };
            prop_assert_eq!(breaker.state(), state);
        }
    }
}
