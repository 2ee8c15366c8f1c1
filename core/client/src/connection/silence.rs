//! How long the connection was silent, and what came of it: what the smart heartbeat learns from.

use std::time::Duration;

use paifang_mmtp::{
    code::CloseCode,
    greeting::{Heartbeat, Update},
    session::{Closed, ClosedBy},
};
use tokio::time::Instant;

use super::{Phase, driver::Driver};

/// When something last moved.
pub(super) struct Silence {
    moved: Instant,
    /// The longest silence, in seconds, before anything that was sent since something came.
    trial: Option<u32>,
    /// What the server allows; nothing is learnt before it has said so.
    pub(super) bounds: Option<Heartbeat>,
    /// The interval that the server was told of.
    told: Option<u32>,
}

impl Silence {
    pub(super) fn new(now: Instant) -> Self {
        Self { moved: now, trial: None, bounds: None, told: None }
    }

    fn seconds(&self, now: Instant) -> u32 {
        // Timers count whole milliseconds: what is nearly a second is one.
        let half = Duration::from_millis(500);
        u32::try_from((now.duration_since(self.moved) + half).as_secs()).unwrap_or(u32::MAX)
    }

    /// Something was sent.
    pub(super) fn went(&mut self, now: Instant) {
        let silent = self.seconds(now);
        self.trial = self.trial.max(Some(silent));
        self.moved = now;
    }

    /// Something came: the silence that it ended, or the one before what it answers.
    fn came(&mut self, now: Instant) -> u32 {
        let silent = self.trial.take().unwrap_or_default().max(self.seconds(now));
        self.moved = now;
        silent
    }
}

impl Driver {
    /// The server has said its bounds.
    pub(super) fn connected(&mut self) {
        if let Some(bounds) = self.silence.bounds {
            self.shared.heartbeats().connected(self.serial, bounds, Instant::now());
            self.set_heartbeat();
        }
    }

    /// The server says others.
    pub(super) fn rebound(&mut self, bounds: Option<Heartbeat>) {
        self.silence.bounds = bounds;
        if let Some(bounds) = bounds {
            self.shared.heartbeats().rebound(self.serial, bounds);
            self.set_heartbeat();
        }
    }

    /// The interval that was learnt.
    pub(super) fn set_heartbeat(&mut self) {
        let Some(bounds) = self.silence.bounds else { return };
        let foreground = self.shared.memory().foreground == Some(true);
        let seconds = self.shared.heartbeats().interval(bounds, foreground);
        self.session.set_heartbeat(u64::from(seconds) * 1000);
    }

    /// Something came.
    pub(super) fn came(&mut self) {
        let silent = self.silence.came(Instant::now());
        let Some(bounds) = self.silence.bounds else { return };
        // No shorter silence tells anything; most reads end here.
        if silent >= bounds.least {
            self.shared.heartbeats().survived(self.serial, bounds, silent);
            self.set_heartbeat();
            self.tell_learnt(bounds, silent);
        }
    }

    /// Tells the server what this network tolerates, for others: once for each interval, and only after this very connection has survived
    /// it, for the server believes nothing else.
    fn tell_learnt(&mut self, bounds: Heartbeat, silent: u32) {
        let settled = self.shared.heartbeats().settled(self.serial, bounds);
        let learnt = settled.filter(|learnt| *learnt <= silent && self.silence.told != settled);
        if learnt.is_some() {
            self.silence.told = learnt;
            self.session.update(&Update { learnt, ..Update::default() });
        }
    }

    /// The connection has ended.
    pub(super) fn ended(&mut self, closed: &Closed) {
        // One that another has taken over from is closed before it is sure to be dead.
        let suspect = self.standing.borrow().phase == Phase::Suspect;
        let dead = match closed.by {
            ClosedBy::Lost => true,
            ClosedBy::Us => suspect || closed.closing.code == CloseCode::HALF_DEAD,
            ClosedBy::Peer => false,
        };
        if let (true, Some(silent), Some(bounds)) = (dead, self.silence.trial, self.silence.bounds)
        {
            self.shared.heartbeats().lost(self.serial, bounds, silent, Instant::now());
        }
    }
}
