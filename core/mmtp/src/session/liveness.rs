//! Heartbeats, and telling that a connection is dead (spec section 11). Times only; what they lead to is the session's.

use super::{Config, Greeting, Millis};
use crate::frame::Frame;

/// When something last came and went, and what is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Liveness {
    received: Millis,
    sent: Millis,
    /// The longest time that nothing came, in milliseconds.
    pub(super) silence_ms: u64,
    /// Since when something is waited for.
    waiting: Option<Millis>,
    /// PINGs of this silence: 0, 1 or 2.
    probes: u8,
    /// The last PING's number and time; how many of the last ones are unanswered.
    ping: u8,
    pinged: Millis,
    unanswered: u8,
    /// The last round trip.
    pub(super) rtt_ms: Option<u32>,
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// A PING with this number; `suspect` says that the other side has been silent for long.
    Ping { number: u8, suspect: bool },
    /// The end: nothing came back in time.
    Dead,
    /// The end: no heartbeat came.
    Idle,
}

impl super::Session {
    /// The last round trip that a PING measured, in milliseconds.
    #[must_use]
    pub fn rtt_ms(&self) -> Option<u32> {
        self.alive.rtt_ms
    }

    /// Asks at once whether the other side is there: a PING, and what follows where nothing comes back.
    pub fn probe(&mut self, now: Millis) {
        self.advance(now);
        if !self.closed
            && self.greeting == Greeting::Done
            && let Due::Ping { number, .. } = self.alive.ask(self.now, false)
        {
            self.put(&Frame::Ping(number));
        }
    }

    /// The longest silence of the other side that has ended, in milliseconds, since it was last [forgotten](Self::forget_silence).
    #[must_use]
    pub fn silence_ms(&self) -> u64 {
        self.alive.silence_ms
    }

    /// What was silent before tells nothing any more: the other side is in another network.
    pub fn forget_silence(&mut self) {
        self.alive.silence_ms = 0;
    }
}

impl Liveness {
    pub(super) fn new(now: Millis) -> Self {
        Self {
            received: now,
            sent: now,
            silence_ms: 0,
            waiting: None,
            probes: 0,
            ping: 0,
            pinged: now,
            unanswered: 0,
            rtt_ms: None,
        }
    }

    pub(super) fn received(&mut self, now: Millis) {
        self.silence_ms = self.silence_ms.max(now.since(self.received));
        self.received = now;
        self.probes = 0;
    }

    pub(super) fn sent(&mut self, now: Millis) {
        self.sent = now;
    }

    /// Says whether something is waited for, apart from PONGs.
    pub(super) fn wait(&mut self, waits: bool, now: Millis) {
        let waits = waits || self.unanswered > 0;
        self.waiting = if waits { self.waiting.or(Some(now)) } else { None };
    }

    /// This side may speak from here on: nothing that it waits for could be answered before.
    pub(super) fn begin(&mut self, now: Millis) {
        self.waiting = self.waiting.map(|_| now);
        self.probes = 0;
    }

    /// A PONG came. One that was not asked for changes nothing.
    pub(super) fn pong(&mut self, number: u8, now: Millis) {
        let behind = self.ping.wrapping_sub(number);
        if behind < self.unanswered {
            if behind == 0 {
                self.rtt_ms = Some(u32::try_from(now.since(self.pinged)).unwrap_or(u32::MAX));
            }
            self.unanswered = behind;
        }
    }

    /// The beginning of the silence in which something is waited for.
    fn silent(&self) -> Option<Millis> {
        self.waiting.map(|since| since.max(self.received))
    }

    /// The next time at which something may be due.
    pub(super) fn next(&self, config: &Config, client: bool) -> Millis {
        let regular = match client {
            // A PING that is on its way is judged by its own times.
            true => self.received.min(self.sent).max(self.pinged).plus(config.heartbeat_ms),
            false => self.received.plus(config.idle_ms),
        };
        match self.silent() {
            Some(silent) => regular.min(silent.plus(self.patience(config))),
            None => regular,
        }
    }

    /// Milliseconds of silence until the next step.
    fn patience(&self, config: &Config) -> u64 {
        match self.probes {
            0 => config.probe_ms,
            1 => config.suspect_ms,
            _ => config.dead_ms,
        }
    }

    /// What is due at `now`.
    pub(super) fn due(&mut self, config: &Config, client: bool, now: Millis) -> Option<Due> {
        let due = self.next(config, client);
        if now < due {
            return None;
        }
        if now.since(due) > config.slept_ms {
            // Whatever came in the meantime was not read yet: the silence begins now.
            self.received = now;
            self.probes = 0;
            self.waiting = self.waiting.map(|_| now);
            return Some(self.ask(now, false));
        }
        if let Some(silent) = self.silent()
            && now >= silent.plus(self.patience(config))
        {
            if self.probes >= 2 {
                return Some(Due::Dead);
            }
            self.probes += 1;
            return Some(self.ask(now, self.probes == 2));
        }
        if client { Some(self.ask(now, false)) } else { Some(Due::Idle) }
    }

    fn ask(&mut self, now: Millis, suspect: bool) -> Due {
        self.ping = self.ping.wrapping_add(1);
        self.pinged = now;
        self.sent = now;
        self.unanswered = self.unanswered.saturating_add(1).min(16);
        self.waiting = self.waiting.or(Some(now));
        Due::Ping { number: self.ping, suspect }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(alive: &mut Liveness, client: bool, until: u64) -> Vec<(u64, Due)> {
        let config = Config::default();
        let mut seen = Vec::new();
        loop {
            let at = alive.next(&config, client);
            if at.0 > until {
                return seen;
            }
            if let Some(due) = alive.due(&config, client, at) {
                seen.push((at.0, due));
                if matches!(due, Due::Dead | Due::Idle) {
                    return seen;
                }
            }
        }
    }

    #[test]
    fn a_silent_server_is_asked_twice_and_then_dead() {
        let mut alive = Liveness::new(Millis(0));
        alive.wait(true, Millis(10_000));
        let ping = |number, suspect| Due::Ping { number, suspect };
        assert_eq!(
            run(&mut alive, true, 99_999),
            [(11_500, ping(1, false)), (13_000, ping(2, true)), (15_000, Due::Dead)]
        );
    }

    #[test]
    fn a_slow_answer_is_no_death() {
        let config = Config::default();
        let mut alive = Liveness::new(Millis(0));
        alive.wait(true, Millis(0));
        let mut now = Millis(0);
        for _ in 0..100 {
            now = alive.next(&config, true);
            let Some(Due::Ping { number, suspect: false }) = alive.due(&config, true, now) else {
                panic!("{alive:?}");
            };
            now = now.plus(900);
            alive.received(now);
            alive.pong(number, now);
            alive.wait(true, now);
        }
        assert!(now.0 > 200_000);
        assert_eq!(alive.rtt_ms, Some(900));
    }

    #[test]
    fn an_idle_client_beats_and_an_idle_server_gives_up() {
        let mut alive = Liveness::new(Millis(0));
        let seen = run(&mut alive, true, 60_000);
        assert_eq!(seen, [(60_000, Due::Ping { number: 1, suspect: false })]);
        let mut alive = Liveness::new(Millis(0));
        assert_eq!(run(&mut alive, false, 999_999), [(465_000, Due::Idle)]);
    }

    #[test]
    fn after_a_sleep_it_asks_before_it_concludes() {
        let config = Config::default();
        let mut alive = Liveness::new(Millis(0));
        alive.wait(true, Millis(0));
        let late = Millis(3_600_000);
        assert!(matches!(alive.due(&config, true, late), Some(Due::Ping { suspect: false, .. })));
        assert_eq!(alive.next(&config, true), late.plus(config.probe_ms));
        // A clock that goes back does no harm.
        assert_eq!(alive.due(&config, true, Millis(5)), None);
    }

    #[test]
    fn pongs_for_nothing_change_nothing() {
        let mut alive = Liveness::new(Millis(0));
        alive.pong(0, Millis(5));
        alive.pong(200, Millis(5));
        assert_eq!(alive.rtt_ms, None);
    }
}
