//! One way: each packet waits for its turn, its latency and jitter, or is lost.

use std::{
    collections::VecDeque,
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread,
    time::{Duration, Instant},
};

use tun_rs::SyncDevice;

use crate::{
    MTU,
    profile::{self, Outages},
};

/// The longest that a packet waits for its turn at the narrowest place; what comes when that is full is lost. Mobile networks have large
/// buffers.
const QUEUE: Duration = Duration::from_millis(600);

/// One way of the link.
pub(crate) struct Lane {
    figures: profile::Lane,
    outages: Option<Outages>,
    origin: Instant,
    rng: fastrand::Rng,
    /// When the narrowest place is free again.
    free: Instant,
    /// When the packet before arrives: none overtakes it.
    latest: Instant,
}

/// A packet, and when it arrives.
struct Packet {
    at: Instant,
    bytes: Vec<u8>,
}

impl Lane {
    pub(crate) fn new(
        figures: profile::Lane,
        outages: Option<Outages>,
        origin: Instant,
        seed: u64,
    ) -> Self {
        let rng = fastrand::Rng::with_seed(seed);
        Self { figures, outages, origin, rng, free: origin, latest: origin }
    }

    /// Moves packets until a device is gone.
    pub(crate) fn carry(mut self, from: &SyncDevice, to: &SyncDevice) {
        let (sender, receiver) = channel();
        thread::scope(|scope| {
            scope.spawn(move || deliver(&receiver, to));
            self.take(from, &sender);
        });
    }

    fn take(&mut self, from: &SyncDevice, sender: &Sender<Packet>) {
        let mut buffer = [0; MTU as usize];
        loop {
            let count = match from.recv(&mut buffer) {
                Ok(count) => count,
                // A device that is down for a moment, while it is put into its namespace.
                Err(_) if self.origin.elapsed() < Duration::from_secs(5) => {
                    thread::park_timeout(Duration::from_millis(10));
                    continue;
                }
                Err(_) => return,
            };
            if let Some(at) = self.arrival(count, Instant::now()) {
                let packet = Packet { at, bytes: buffer[..count].to_vec() };
                if sender.send(packet).is_err() {
                    return;
                }
            }
        }
    }

    /// When a packet of so many bytes arrives that came at `now`; `None` when it is lost.
    fn arrival(&mut self, count: usize, now: Instant) -> Option<Instant> {
        let turn = self.free.max(now);
        let since = now.saturating_duration_since(self.origin);
        let out = self.outages.is_some_and(|outages| outages.end_of(since).is_some());
        if out || turn - now > QUEUE {
            return None;
        }
        self.free = turn + self.figures.serialisation(count);
        let jitter = self.figures.jitter.mul_f64(self.rng.f64());
        if self.rng.f64() < self.figures.loss {
            return None;
        }
        self.latest = self.latest.max(self.free + self.figures.latency + jitter);
        Some(self.latest)
    }
}

/// Writes packets when it is their time.
fn deliver(receiver: &Receiver<Packet>, to: &SyncDevice) {
    let mut waiting: VecDeque<Packet> = VecDeque::new();
    loop {
        let received = match waiting.front() {
            None => receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(first) => {
                receiver.recv_timeout(first.at.saturating_duration_since(Instant::now()))
            }
        };
        match received {
            Ok(packet) => waiting.push_back(packet),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        while let Some(packet) = waiting.pop_front_if(|packet| packet.at <= Instant::now()) {
            // A device that is down takes no packet: it is lost, as on any link.
            let _ = to.send(&packet.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(figures: profile::Lane, outages: Option<Outages>) -> Lane {
        Lane::new(figures, outages, Instant::now(), 7)
    }

    const PLAIN: profile::Lane =
        profile::Lane { latency: Duration::from_millis(50), ..profile::Lane::CLEAR };

    #[test]
    fn packets_take_latency_and_length_and_do_not_overtake() {
        let figures =
            profile::Lane { bandwidth: Some(100_000), jitter: Duration::from_millis(40), ..PLAIN };
        let mut lane = lane(figures, None);
        let start = lane.origin;
        let arrivals: Vec<_> =
            (0..50).map(|_| lane.arrival(1000, start).unwrap() - start).collect();
        assert!(arrivals.is_sorted());
        // The last one had 50 packets' length before it and within it: 500 ms.
        let last = arrivals[49];
        assert!(
            last >= Duration::from_millis(550) && last <= Duration::from_millis(590),
            "{last:?}"
        );
    }

    #[test]
    fn the_queue_has_an_end() {
        let mut lane = lane(profile::Lane { bandwidth: Some(100_000), ..PLAIN }, None);
        let start = lane.origin;
        let passed = (0..200).filter(|_| lane.arrival(1000, start).is_some()).count();
        assert_eq!(passed, 61);
    }

    #[test]
    fn the_share_that_is_lost_is_lost() {
        let mut lane = lane(profile::Lane { loss: 0.1, ..PLAIN }, None);
        let start = lane.origin;
        let passed = (0..10_000).filter(|_| lane.arrival(100, start).is_some()).count();
        assert!((8_800..9_200).contains(&passed), "{passed}");
    }

    #[test]
    fn nothing_passes_in_an_outage() {
        let outages = Outages {
            first: Duration::from_secs(1),
            length: Duration::from_secs(1),
            every: Some(Duration::from_secs(3)),
        };
        let mut lane = lane(PLAIN, Some(outages));
        let start = lane.origin;
        let passes: Vec<_> = (0..6u64)
            .map(|at| lane.arrival(100, start + Duration::from_millis(at * 1000 + 500)).is_some())
            .collect();
        assert_eq!(passes, [true, false, true, true, false, true]);
    }
}
