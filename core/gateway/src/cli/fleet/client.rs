//! One client: it thinks, calls, leaves and comes back.

use std::{future::pending, sync::Arc};

use tokio::time::{Instant, sleep_until, timeout_at};

use super::{
    dial::OwnDialer,
    driver::{self, Session},
    plan::Plan,
    tally::{Called, Tally},
    trouble::{Kind, Trouble},
    wire::{Bytes, Wire},
};

/// A client of the fleet.
pub(super) struct Client {
    plan: Arc<Plan>,
    tally: Arc<Tally>,
    number: u32,
    dialer: OwnDialer,
    rng: fastrand::Rng,
    open: Option<Open>,
}

/// A connection that is open.
struct Open {
    session: Box<dyn Session>,
    wire: Arc<Wire>,
    since: Instant,
    calls: u32,
    /// Takes the connection out of the count.
    _counted: Present,
}

/// One of the connections that are open.
struct Present(Arc<Tally>);

impl Drop for Present {
    fn drop(&mut self) {
        self.0.left();
    }
}

impl Client {
    pub(super) fn new(plan: Arc<Plan>, tally: Arc<Tally>, number: u32) -> Self {
        let mut rng = fastrand::Rng::with_seed(plan.seed);
        let seed = rng.u64(..) ^ u64::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut rng = fastrand::Rng::with_seed(seed);
        let dialer = OwnDialer::new(plan.dialer.clone(), number, rng.u64(..));
        Self { plan, tally, number, dialer, rng, open: None }
    }

    /// Lives until no call may begin after `end`.
    pub(super) async fn live(mut self, end: Instant) {
        let deadline = Instant::now() + self.plan.timeout;
        let arrived = match timeout_at(deadline, self.connect()).await {
            Ok(arrived) => arrived,
            Err(_) => Err(late("connecting")),
        };
        if let Err(trouble) = arrived {
            self.tally.connect_failed(self.number, trouble);
        }
        loop {
            let due = Instant::now() + self.plan.think.draw(&mut self.rng);
            if due >= end {
                self.idle(end).await;
                return;
            }
            self.idle(due).await;
            self.call().await;
        }
    }

    /// Waits, with heartbeats.
    async fn idle(&mut self, until: Instant) {
        while let (Some(every), Some(open)) = (self.plan.heartbeat, &mut self.open) {
            let next = Instant::now() + every;
            if next >= until {
                break;
            }
            sleep_until(next).await;
            let alive = timeout_at(next + self.plan.timeout, open.session.heartbeat()).await;
            let trouble = match alive {
                Ok(Ok(())) => {
                    self.tally.heartbeat(self.number);
                    continue;
                }
                Ok(Err(trouble)) => trouble,
                Err(_) => late("a heartbeat"),
            };
            self.tally.dropped(self.number, Some(trouble));
            self.open = None;
        }
        sleep_until(until).await;
    }

    async fn call(&mut self) {
        self.leave_if_due();
        let start = Instant::now();
        let mut sent = false;
        let mut bytes = Bytes::default();
        let deadline = start + self.plan.timeout;
        let outcome = match timeout_at(deadline, self.attempts(&mut sent, &mut bytes)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(late("an answer")),
        };
        if outcome.is_err() {
            self.open = None;
        }
        self.tally.called(self.number, Called { outcome, sent, took: start.elapsed(), bytes });
    }

    /// The call, once more on another connection where nothing of it was sent on the first one.
    async fn attempts(&mut self, sent: &mut bool, bytes: &mut Bytes) -> Result<u16, Trouble> {
        let mut again = true;
        loop {
            if self.open.as_ref().is_some_and(|open| !open.session.alive()) {
                self.tally.dropped(self.number, None);
                self.open = None;
            }
            if self.open.is_none() {
                self.connect().await?;
            }
            // It was just made; a client without one would wait for its deadline.
            let Some(open) = &mut self.open else { return pending().await };
            let before = open.wire.now();
            *sent = true;
            let outcome = open.session.call(&self.plan.request).await;
            bytes.add(open.wire.now().since(before));
            open.calls += 1;
            match outcome {
                Err(trouble) if trouble.unsent && again => {
                    (again, *sent) = (false, false);
                    self.tally.dropped(self.number, None);
                    self.open = None;
                }
                other => return other,
            }
        }
    }

    async fn connect(&mut self) -> Result<(), Trouble> {
        let start = Instant::now();
        let line = self.dialer.dial().await?;
        let (wire, handshake) = (line.wire.clone(), line.handshake);
        let session = driver::open(self.plan.protocol, line).await?;
        self.tally.connected(self.number, handshake, start.elapsed(), wire.now());
        let counted = Present(Arc::clone(&self.tally));
        self.open = Some(Open { session, wire, since: start, calls: 0, _counted: counted });
        Ok(())
    }

    fn leave_if_due(&mut self) {
        let due = self.open.as_ref().is_some_and(|open| {
            self.plan.reconnect_every.is_some_and(|every| open.since.elapsed() >= every)
                || self.plan.calls_per_connection.is_some_and(|most| open.calls >= most)
        });
        if due {
            self.open = None;
        }
    }
}

fn late(what: &str) -> Trouble {
    Trouble::new(Kind::Timeout, format!("{what} took too long"))
}
