//! One way of a connection: the bytes that are on it, and when each may be read.

use std::collections::VecDeque;

use bytes::Bytes;
use tokio::time::Instant;

use super::link::Traffic;
use super::retransmit::Sender;

/// Payload of a segment, in bytes: an Ethernet frame less headers of IPv6 and TCP with timestamps.
pub(super) const SEGMENT: usize = 1428;

/// Bytes of headers that a segment carries beside its payload (IPv4, TCP with timestamps).
const HEADERS: usize = 52;

/// A run of bytes that travels together; an empty one is the end of the stream.
#[derive(Debug)]
struct Segment {
    data: Bytes,
    /// When it first left.
    left: Instant,
    /// When it may be read.
    at: Instant,
}

/// What a reader meets.
pub(super) enum Next {
    /// Bytes that have arrived.
    Data(Bytes),
    /// The other end sends no more.
    End,
    /// Nothing before then.
    Later(Instant),
    /// Nothing, unless something else happens.
    Never,
}

/// One way of a connection.
#[derive(Debug)]
pub(super) struct Flow {
    pub(super) sender: Sender,
    pub(super) window: usize,
    queue: VecDeque<Segment>,
    /// Bytes written and not read, those that vanished among them.
    held: usize,
    /// When the narrowest place is free again.
    free: Instant,
    /// When the latest segment arrives: none behind it arrives sooner.
    latest: Instant,
    /// Since when nothing moves, although nobody was told.
    stalled: Option<Instant>,
    /// Whatever is sent vanishes for good.
    hole: bool,
    /// The end that reads is gone: whoever writes is told so.
    pub(super) deaf: bool,
    traffic: Traffic,
}

impl Flow {
    pub(super) fn new(sender: Sender, window: usize, now: Instant) -> Self {
        Self {
            sender,
            window,
            queue: VecDeque::new(),
            held: 0,
            free: now,
            latest: now,
            stalled: None,
            hole: false,
            deaf: false,
            traffic: Traffic::default(),
        }
    }

    /// How many bytes may be written.
    pub(super) fn room(&self) -> usize {
        self.window.saturating_sub(self.held)
    }

    pub(super) fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Whether bytes reach the other end, sooner or later.
    pub(super) fn open(&self) -> bool {
        !self.hole && self.stalled.is_none()
    }

    /// Whether bytes are on the way or unread.
    pub(super) fn busy(&self) -> bool {
        self.queue.iter().any(|segment| !segment.data.is_empty())
    }

    /// Puts `data` on its way, which may be no more than there is room; empty for the end of the stream.
    pub(super) fn send(&mut self, mut data: Bytes, now: Instant, rng: &mut fastrand::Rng) {
        self.held += data.len();
        self.traffic.sent += data.len() as u64;
        if self.hole {
            return;
        }
        loop {
            let part = data.split_to(data.len().min(SEGMENT));
            let turn = self.free.max(now);
            let left = turn + self.sender.lane().serialisation(part.len() + HEADERS);
            self.free = left;
            let followed = data.len() > 2 * SEGMENT;
            let at = self.sender.arrival(left, now, followed, rng, &mut self.traffic.lost);
            self.latest = self.latest.max(at);
            self.queue.push_back(Segment { data: part, left, at: self.latest });
            if data.is_empty() {
                return;
            }
        }
    }

    /// What may be read at `now`, of bytes `most` at most.
    pub(super) fn take(&mut self, now: Instant, most: usize) -> Next {
        let Some(first) = self.queue.front_mut() else { return Next::Never };
        if self.stalled.is_some_and(|since| first.at > since) {
            return Next::Never;
        }
        if first.at > now {
            return Next::Later(first.at);
        }
        if first.data.is_empty() {
            return Next::End;
        }
        let data = first.data.split_to(first.data.len().min(most));
        if first.data.is_empty() {
            self.queue.pop_front();
        }
        self.held -= data.len();
        self.traffic.arrived += data.len() as u64;
        Next::Data(data)
    }

    /// From now on nothing moves, until [`Flow::restore`].
    pub(super) fn stall(&mut self, now: Instant) {
        self.stalled.get_or_insert(now);
    }

    /// What was held back is repeated as TCP would: at the next of its timeouts.
    pub(super) fn restore(&mut self, now: Instant, rng: &mut fastrand::Rng) {
        let Some(since) = self.stalled.take() else { return };
        self.latest = since;
        for segment in self.queue.iter_mut().filter(|segment| segment.at > since) {
            let at = self.sender.arrival(segment.left, now, false, rng, &mut self.traffic.lost);
            self.latest = self.latest.max(at);
            segment.at = self.latest;
        }
    }

    /// What has not arrived vanishes, and so does all that is sent from now on. Its room is not given back:
    /// a sender without acknowledgements fills its buffer and then waits.
    pub(super) fn forget(&mut self, now: Instant) {
        let arrived = self.stalled.map_or(now, |since| since.min(now));
        self.queue.retain(|segment| segment.at <= arrived);
        self.hole = true;
    }
}
