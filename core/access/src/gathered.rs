//! What devices have learnt about networks, gathered for those that are new to them.
//!
//! Each device finds out for itself how long a network leaves a silent connection alone (`core/client`). When it has settled on an
//! interval, it says so. From what devices of the same network say, one that is new begins where most of them ended.
//!
//! What counts, for somebody may lie:
//! - who has a user, or has proven a device's key, and of each the last word alone;
//! - no more than the silence that this server has itself seen on that very connection;
//! - within the figures of the config, the lower octile: seven of eight have come that far;
//! - at least [`FEWEST`] of them, and what was said within [`AGE`].

use std::{collections::HashMap, time::Duration};

use paifang_mmtp::greeting::{Heartbeat, Network};
use parking_lot::Mutex;
use tokio::time::Instant;

/// Networks that are remembered; the one with the fewest votes goes for another.
const NETWORKS: usize = 1024;
/// Votes of a network; the oldest goes for another.
const VOTES: usize = 64;
/// Votes that make a figure.
const FEWEST: usize = 8;
/// How long a vote counts.
const AGE: Duration = Duration::from_secs(7 * 86_400);
/// Milliseconds by which a silence may look shorter to this side: what was sent is late by chance.
const LATE: u64 = 2_000;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    networks: Mutex<HashMap<Network, Votes>>,
}

/// The votes of one network, the oldest first.
#[derive(Debug, Default)]
struct Votes {
    all: Vec<Vote>,
    /// What they come to.
    agreed: Option<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Vote {
    /// Whose it is.
    who: u64,
    seconds: u32,
    at: Instant,
}

/// What was gathered about a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Learnt {
    /// The network.
    pub network: Network,
    /// Devices that have said something about it, at most 64.
    pub devices: usize,
    /// The interval that seven of eight of them keep, in seconds; `None` while they are too few.
    pub seconds: Option<u32>,
}

impl Gathered {
    /// Somebody has settled on an interval, on a connection whose longest silence was so long.
    pub(crate) fn vote(&self, network: &Network, who: u64, seconds: u32, silence_ms: u64) {
        if silence_ms + LATE < u64::from(seconds) * 1000 {
            tracing::debug!(seconds, silence_ms, "an interval that the connection has not shown");
            return;
        }
        let now = Instant::now();
        let mut networks = self.networks.lock();
        if !networks.contains_key(network) && networks.len() >= NETWORKS {
            let weakest = networks.iter().min_by_key(|(_, votes)| votes.rank());
            if let Some(weakest) = weakest.map(|(network, _)| network.clone()) {
                networks.remove(&weakest);
            }
        }
        networks.entry(network.clone()).or_default().add(Vote { who, seconds, at: now });
    }

    /// What a client in this network is told to begin with.
    pub(crate) fn heartbeat(&self, network: Option<&Network>, bounds: Heartbeat) -> Heartbeat {
        let networks = self.networks.lock();
        let votes = network.and_then(|network| networks.get(network));
        let agreed = votes.and_then(|votes| votes.agreed.filter(|_| votes.is_fresh()));
        let initial = agreed.map_or(bounds.initial, |own| own.clamp(bounds.least, bounds.most));
        Heartbeat { initial, ..bounds }
    }

    /// All networks that something is known about, those that most have spoken of first; no more than `most`.
    pub(crate) fn all(&self, most: usize) -> Vec<Learnt> {
        let networks = self.networks.lock();
        let mut all: Vec<Learnt> = networks
            .iter()
            .map(|(network, votes)| Learnt {
                network: network.clone(),
                devices: votes.all.len(),
                seconds: votes.agreed.filter(|_| votes.is_fresh()),
            })
            .collect();
        drop(networks);
        all.sort_by(|one, other| {
            let name = |own: &Learnt| (own.network.kind, own.network.carrier.clone());
            other.devices.cmp(&one.devices).then_with(|| name(one).cmp(&name(other)))
        });
        all.truncate(most);
        all
    }
}

impl Votes {
    fn add(&mut self, vote: Vote) {
        self.all.retain(|own| own.who != vote.who && own.at.elapsed() < AGE);
        if self.all.len() >= VOTES {
            self.all.remove(0);
        }
        self.all.push(vote);
        let mut seconds: Vec<u32> = self.all.iter().map(|own| own.seconds).collect();
        seconds.sort_unstable();
        self.agreed = (seconds.len() >= FEWEST).then(|| seconds[seconds.len() / 8]);
    }

    /// Whether the last word is not too old.
    fn is_fresh(&self) -> bool {
        self.all.last().is_some_and(|vote| vote.at.elapsed() < AGE)
    }

    /// Those that rank lowest are given up first.
    fn rank(&self) -> (usize, Option<Instant>) {
        (self.all.len(), self.all.last().map(|vote| vote.at))
    }
}

#[cfg(test)]
mod tests {
    use paifang_mmtp::greeting::NetworkKind;

    use super::*;

    const BOUNDS: Heartbeat = Heartbeat { initial: 60, least: 20, most: 300 };

    fn network(carrier: &str) -> Network {
        Network { kind: NetworkKind::Mobile4g, carrier: carrier.into() }
    }

    fn initial(gathered: &Gathered, carrier: &str) -> u32 {
        gathered.heartbeat(Some(&network(carrier)), BOUNDS).initial
    }

    fn vote(gathered: &Gathered, who: u64, seconds: u32) {
        gathered.vote(&network("a"), who, seconds, u64::from(seconds) * 1000);
    }

    #[tokio::test(start_paused = true)]
    async fn enough_votes_make_a_figure_within_the_bounds() {
        let gathered = Gathered::default();
        for who in 0..7 {
            vote(&gathered, who, 200);
        }
        assert_eq!(initial(&gathered, "a"), 60, "too few");
        vote(&gathered, 7, 200);
        assert_eq!((initial(&gathered, "a"), initial(&gathered, "b")), (200, 60));
        assert_eq!(gathered.heartbeat(None, BOUNDS), BOUNDS);
        for (seconds, told) in [(3000, 300), (5, 20)] {
            for who in 0..64 {
                vote(&gathered, who, seconds);
            }
            assert_eq!(initial(&gathered, "a"), told);
        }
        let all = gathered.all(10);
        assert_eq!((all.len(), all[0].devices, all[0].seconds), (1, 64, Some(5)));
    }

    #[tokio::test(start_paused = true)]
    async fn no_single_voice_moves_it_and_silences_that_nobody_saw_do_not_count() {
        let gathered = Gathered::default();
        for who in 0..15 {
            vote(&gathered, who, 200);
        }
        for seconds in [20, 300].repeat(50) {
            vote(&gathered, 99, seconds);
            assert_eq!(initial(&gathered, "a"), 200, "one voice, however often");
        }
        for who in 100..200 {
            gathered.vote(&network("a"), who, 300, 297_000);
        }
        assert_eq!(initial(&gathered, "a"), 200);
        // To move it up takes most of all voices, down one in eight.
        for who in 100..144 {
            vote(&gathered, who, 300);
        }
        assert_eq!(initial(&gathered, "a"), 200);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_said_grows_old() {
        let gathered = Gathered::default();
        for who in 0..20 {
            vote(&gathered, who, 200);
        }
        tokio::time::advance(AGE / 2).await;
        for who in 20..40 {
            vote(&gathered, who, 100);
        }
        tokio::time::advance(AGE / 2).await;
        vote(&gathered, 40, 250);
        assert_eq!((gathered.all(9)[0].devices, initial(&gathered, "a")), (21, 100));
        tokio::time::advance(AGE).await;
        assert_eq!(initial(&gathered, "a"), 60);
        assert_eq!(gathered.all(9)[0].seconds, None);
    }

    #[tokio::test(start_paused = true)]
    async fn networks_and_votes_are_bounded_and_what_many_know_stays() {
        let gathered = Gathered::default();
        for who in 0..1000 {
            vote(&gathered, who, 200);
        }
        assert_eq!(gathered.all(1)[0].devices, VOTES);
        for carrier in 0..3000 {
            gathered.vote(&network(&format!("made up {carrier}")), 1, 20, 20_000);
        }
        assert_eq!(gathered.networks.lock().len(), NETWORKS);
        assert_eq!(initial(&gathered, "a"), 200);
    }
}
