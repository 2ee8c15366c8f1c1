//! One client: it thinks, calls, leaves and comes back.

use std::{future::pending, sync::Arc};

use tokio::time::{Instant, sleep_until, timeout_at};

use super::{
    dial::OwnDialer,
    driver::{self, Opened, Whose},
    plan::Plan,
    tally::{Called, Tally},
    trouble::{Kind, Trouble},
    wire::Bytes,
};

/// A client of the fleet.
pub(super) struct Client {
    whose: Whose,
    dialer: Arc<OwnDialer>,
    rng: fastrand::Rng,
    open: Option<Open>,
}

/// A connection that is open.
struct Open {
    opened: Opened,
    since: Instant,
    calls: u32,
}

impl Client {
    pub(super) fn new(plan: Arc<Plan>, tally: Arc<Tally>, number: u32) -> Self {
        let mut rng = fastrand::Rng::with_seed(plan.seed);
        let seed = rng.u64(..) ^ u64::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut rng = fastrand::Rng::with_seed(seed);
        let dialer = Arc::new(OwnDialer::new(plan.dialer.clone(), number, rng.u64(..)));
        Self { whose: Whose { plan, tally, number }, dialer, rng, open: None }
    }

    /// Lives until no call may begin after `end`.
    pub(super) async fn live(mut self, end: Instant) {
        let deadline = Instant::now() + self.whose.plan.timeout;
        let arrived = match timeout_at(deadline, self.arrive()).await {
            Ok(arrived) => arrived,
            Err(_) => Err(self.late("connecting")),
        };
        if let Err(trouble) = arrived {
            self.open = None;
            self.whose.tally.connect_failed(self.whose.number, trouble);
        }
        loop {
            let due = Instant::now() + self.whose.plan.think.draw(&mut self.rng);
            if due >= end {
                self.idle(end).await;
                return;
            }
            self.idle(due).await;
            // A heartbeat without an answer may have taken longer.
            if Instant::now() >= end {
                return;
            }
            self.call().await;
        }
    }

    /// Waits, with heartbeats.
    async fn idle(&mut self, until: Instant) {
        while let (Some(every), Some(open)) = (self.whose.plan.heartbeat, &mut self.open) {
            let next = Instant::now() + every;
            if next >= until {
                break;
            }
            sleep_until(next).await;
            let alive =
                timeout_at(next + self.whose.plan.timeout, open.opened.session.heartbeat()).await;
            let trouble = match alive {
                Ok(Ok(())) => {
                    self.whose.tally.heartbeat(self.whose.number);
                    continue;
                }
                Ok(Err(trouble)) => trouble,
                Err(_) => late("a heartbeat"),
            };
            self.whose.tally.dropped(self.whose.number, Some(trouble));
            self.open = None;
        }
        sleep_until(until).await;
    }

    async fn call(&mut self) {
        self.leave_if_due();
        let start = Instant::now();
        let mut sent = false;
        let mut bytes = Bytes::default();
        let deadline = start + self.whose.plan.timeout;
        let outcome = match timeout_at(deadline, self.attempts(&mut sent, &mut bytes)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(self.late("an answer")),
        };
        if outcome.is_err() {
            self.open = None;
        }
        self.whose
            .tally
            .called(self.whose.number, Called { outcome, sent, took: start.elapsed(), bytes });
    }

    /// The call, once more on another connection where nothing of it was sent on the first one.
    async fn attempts(&mut self, sent: &mut bool, bytes: &mut Bytes) -> Result<u16, Trouble> {
        let mut again = true;
        loop {
            if self.open.as_ref().is_some_and(|open| !open.opened.session.alive()) {
                self.whose.tally.dropped(self.whose.number, None);
                self.open = None;
            }
            if self.open.is_none() {
                self.connect().await?;
            }
            // It was just made; a client without one would wait for its deadline.
            let Some(open) = &mut self.open else { return pending().await };
            let before = open.opened.wire.now();
            *sent = true;
            let outcome = open.opened.session.call(&self.whose.plan.request).await;
            bytes.add(open.opened.wire.now().since(before));
            open.calls += 1;
            match outcome {
                Err(trouble) if trouble.unsent && again && !open.opened.session.keeps_itself() => {
                    (again, *sent) = (false, false);
                    self.whose.tally.dropped(self.whose.number, None);
                    self.open = None;
                }
                other => return other,
            }
        }
    }

    /// Connects, and waits until calls can be made.
    async fn arrive(&mut self) -> Result<(), Trouble> {
        self.connect().await?;
        match &mut self.open {
            Some(open) => open.opened.session.ready().await,
            None => Ok(()),
        }
    }

    async fn connect(&mut self) -> Result<(), Trouble> {
        let since = Instant::now();
        let opened = driver::open(&self.whose, &self.dialer).await?;
        self.open = Some(Open { opened, since, calls: 0 });
        Ok(())
    }

    /// What a deadline's end is told as: by what has kept it, where that is known.
    fn late(&self, what: &str) -> Trouble {
        let why = self.open.as_ref().and_then(|open| open.opened.session.why());
        why.unwrap_or_else(|| late(what))
    }

    fn leave_if_due(&mut self) {
        let due = self.open.as_ref().is_some_and(|open| {
            self.whose.plan.reconnect_every.is_some_and(|every| open.since.elapsed() >= every)
                || self.whose.plan.calls_per_connection.is_some_and(|most| open.calls >= most)
        });
        if due {
            self.open = None;
        }
    }
}

fn late(what: &str) -> Trouble {
    Trouble::new(Kind::Timeout, format!("{what} took too long"))
}
