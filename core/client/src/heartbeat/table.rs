//! The networks that are known, and whose fault a loss was.

use std::{collections::VecDeque, fmt::Write as _, time::Duration};

use paifang_mmtp::greeting::{Heartbeat, Network};
use tokio::time::Instant;

use super::Learner;

/// Networks that are remembered; the one that was not used for longest goes first.
const MOST: usize = 64;
/// A connection that is made so soon after another was lost shows that the network is well.
const SOON: Duration = Duration::from_secs(10);

/// What was learnt, network by network.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// The one that was used last is last.
    networks: VecDeque<(Box<str>, Learner)>,
    /// What the device is in.
    current: Box<str>,
    /// A loss after a silence that is not explained.
    unexplained: Option<Unexplained>,
    /// The newest connection that has worked, in the network that the device is in.
    newest: u64,
}

#[derive(Debug)]
struct Unexplained {
    idle: u32,
    at: Instant,
    serial: u64,
}

impl Table {
    /// What was kept before; lines that are none are left out.
    pub(crate) fn restore(text: &str) -> Self {
        let lines = text.lines().filter_map(|line| {
            let (name, numbers) = line.split_once('\t')?;
            Some((name.into(), Learner::from_numbers(numbers)?))
        });
        Self { networks: lines.take(MOST).collect(), ..Self::default() }
    }

    /// What is to be kept.
    pub(crate) fn to_text(&self) -> String {
        self.networks.iter().fold(String::new(), |mut text, (name, learner)| {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{name}\t{}", learner.to_numbers());
            text
        })
    }

    /// The device is in this network now. Whatever is lost in the change tells nothing of either.
    pub(crate) fn enter(&mut self, network: Option<&Network>) {
        self.current = match network {
            Some(network) => {
                let carrier: String = network.carrier.chars().filter(|c| !c.is_control()).collect();
                format!("{}:{carrier}", network.kind.label()).into()
            }
            None => "".into(),
        };
        self.unexplained = None;
        self.newest = u64::MAX;
    }

    /// A connection works, with the server's bounds.
    pub(crate) fn connected(&mut self, serial: u64, bounds: Heartbeat, now: Instant) {
        if self.newest == u64::MAX {
            self.newest = 0;
        }
        self.newest = self.newest.max(serial);
        self.learner(bounds).set_bounds(bounds);
        if let Some(loss) = self.unexplained.take()
            && loss.serial < serial
            && now.duration_since(loss.at) <= SOON
        {
            self.learner(bounds).forgotten(loss.idle);
        }
    }

    /// The server says other bounds on a connection. Of one that another network has left behind they say nothing of this one.
    pub(crate) fn rebound(&mut self, serial: u64, bounds: Heartbeat) {
        if self.is_here(serial) {
            self.learner(bounds).set_bounds(bounds);
        }
    }

    /// Seconds between heartbeats.
    pub(crate) fn interval(&mut self, bounds: Heartbeat, foreground: bool) -> u32 {
        self.learner(bounds).interval(foreground)
    }

    /// A connection of this number survived a silence.
    pub(crate) fn survived(&mut self, serial: u64, bounds: Heartbeat, idle: u32) {
        if self.is_here(serial) {
            self.learner(bounds).survived(idle);
        }
    }

    /// The interval that was settled on in the network that a connection was made in, where the device still is.
    pub(crate) fn settled(&mut self, serial: u64, bounds: Heartbeat) -> Option<u32> {
        let here = self.is_here(serial);
        let learner = self.learner(bounds);
        (here && learner.is_settled()).then(|| learner.interval(false))
    }

    /// A connection of this number was lost right after a silence. Only where another one works soon was it something on the way
    /// that had forgotten it; otherwise the network itself was away.
    pub(crate) fn lost(&mut self, serial: u64, bounds: Heartbeat, idle: u32, now: Instant) {
        if !self.is_here(serial) {
            return;
        }
        if self.newest > serial {
            self.learner(bounds).forgotten(idle);
        } else {
            self.unexplained = Some(Unexplained { idle, at: now, serial });
        }
    }

    /// Whether a connection was made in the network that the device is in.
    fn is_here(&self, serial: u64) -> bool {
        self.newest != u64::MAX && serial <= self.newest
    }

    fn learner(&mut self, bounds: Heartbeat) -> &mut Learner {
        let known = self.networks.iter().position(|(name, _)| *name == self.current);
        let entry = match known.and_then(|place| self.networks.remove(place)) {
            Some(entry) => entry,
            None => (self.current.clone(), Learner::new(bounds)),
        };
        if self.networks.len() >= MOST {
            self.networks.pop_front();
        }
        self.networks.push_back(entry);
        // It was just put there.
        let last = self.networks.len() - 1;
        &mut self.networks[last].1
    }
}
