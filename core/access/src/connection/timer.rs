//! What a connection does when a time has come: the session's own times, a drain, a client that takes nothing.

use std::{future::Future, pin::Pin, task::Context, time::Duration};

use paifang_mmtp::{code::CloseCode, greeting::Closing};
use tokio::time::{Instant, Sleep};

use super::drive::Driver;
use crate::Host;

/// Milliseconds of which clients of a drain wait a random part before they come back.
const RETURN_JITTER_MS: u32 = 10_000;

/// What is due later than this is due at a whole second.
const FAR: Duration = Duration::from_secs(10);

/// How far the end is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Leaving {
    /// GOAWAY is said then.
    At(Instant),
    /// It was said. When all is quiet the client closes, or this side does after a while.
    Said { quiet_until: Option<Instant> },
}

impl<H: Host> Driver<'_, H> {
    /// GOAWAY is due at a random moment within `spread`, or when it was due before if that is sooner.
    pub(super) fn leave_within(&mut self, spread: Duration) {
        if self.client.is_none() {
            let closing = self.draining();
            self.shared.lock().session.close(closing);
            return;
        }
        let at = Instant::now() + spread.mul_f64(fastrand::f64());
        match self.leaving {
            Some(Leaving::At(before)) => self.leaving = Some(Leaving::At(before.min(at))),
            Some(Leaving::Said { .. }) => {}
            None => self.leaving = Some(Leaving::At(at)),
        }
    }

    /// Does what is due, and sets the timer for what is due next; true when something was.
    pub(super) fn poll_timer(
        &mut self,
        stalled: Option<Instant>,
        now: Instant,
        mut timer: Pin<&mut Sleep>,
        cx: &mut Context<'_>,
    ) -> bool {
        if self.gave_up(stalled) {
            let mut state = self.shared.lock();
            if !state.session.is_closed() {
                state.session.close(Closing::new(CloseCode::SLOW_READER));
                return true;
            }
        }
        if self.poll_leaving(now) {
            return true;
        }
        let (due, closed) = {
            let mut state = self.shared.lock();
            let due = state.session.timeout().map(|at| self.shared.instant(at));
            if due.is_some_and(|at| at <= now) {
                state.session.handle_timeout(self.shared.millis(now));
                return true;
            }
            (due, state.session.is_closed())
        };
        let leaving = match self.leaving {
            // Then it has left.
            _ if closed => None,
            Some(Leaving::At(at)) => Some(at),
            Some(Leaving::Said { quiet_until }) => quiet_until,
            None => None,
        };
        let stall = stalled.map(|since| since + self.limits.stall).filter(|at| *at > now);
        let Some(next) = [due, leaving, stall].into_iter().flatten().min() else { return false };
        // A timer that comes too early is set again; moving it for every frame would cost more. But it should not come at all while heartbeats
        // do: waking for it costs more than moving it once a second.
        let far = next.saturating_duration_since(now) > FAR;
        let next = if far { self.shared.whole_second(next) } else { next };
        if timer.deadline() > next || timer.is_elapsed() || far && timer.deadline() < next {
            timer.as_mut().reset(next);
        }
        // It is over already when `next` lies within the clock's grain.
        timer.as_mut().poll(cx).is_ready()
    }

    /// What clients are told when this side goes: when to come back, and where else they may go.
    fn draining(&self) -> Closing {
        let alternates = self.limits.alternates.to_vec();
        Closing { jitter: RETURN_JITTER_MS, alternates, ..Closing::new(CloseCode::DRAINING) }
    }

    fn poll_leaving(&mut self, now: Instant) -> bool {
        if self.leaving.is_none() && self.shared.lock().session.is_going() {
            // Somebody else has said it: the device has a newer connection.
            self.leaving = Some(Leaving::Said { quiet_until: None });
        }
        match &mut self.leaving {
            Some(Leaving::At(at)) if *at <= now => {
                let closing = self.draining();
                self.shared.lock().session.goaway(closing);
                self.leaving = Some(Leaving::Said { quiet_until: None });
                true
            }
            Some(Leaving::Said { quiet_until }) => {
                let mut state = self.shared.lock();
                match quiet_until {
                    None if state.session.is_quiet() => {
                        *quiet_until = Some(now + self.limits.linger);
                        true
                    }
                    Some(until) if *until <= now && !state.session.is_closed() => {
                        state.session.close_as_told();
                        self.leaving = None;
                        true
                    }
                    _ => false,
                }
            }
            _ => false,
        }
    }

    /// Whether the client has taken nothing for too long.
    pub(super) fn gave_up(&self, stalled: Option<Instant>) -> bool {
        stalled.is_some_and(|since| since.elapsed() >= self.limits.stall)
    }
}
