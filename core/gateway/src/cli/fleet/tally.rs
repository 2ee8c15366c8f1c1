//! What the fleet has seen: counts and times, in shards that clients share.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use hdrhistogram::Histogram;
use parking_lot::Mutex;

use super::{
    dial::Handshake,
    trouble::{Kind, Trouble},
    wire::Bytes,
};

/// As many clients as possible find a shard of their own free.
const SHARDS: u32 = 16;

/// The longest time that is told apart, in microseconds: an hour.
const LONGEST: u64 = 3_600_000_000;

/// Times in microseconds.
pub(super) type Times = Histogram<u64>;

/// What the fleet has seen so far.
pub(super) struct Tally {
    shards: Vec<Mutex<Counts>>,
    present: AtomicU64,
    peak: AtomicU64,
}

/// Counts and times.
pub(super) struct Counts {
    /// Of calls that were answered with a status below 400.
    pub(super) latency: Times,
    /// The same since [`Tally::turn`] was last asked.
    recent: Times,
    /// Of connections, until calls could be made.
    pub(super) connect: Times,
    pub(super) ok: u64,
    /// Calls that were refused by their status, or that could not be sent.
    pub(super) failed: u64,
    /// Calls that were sent and got no answer.
    pub(super) lost: u64,
    /// Calls and connections by what went wrong with them, with the first thing said of it.
    pub(super) troubles: BTreeMap<Kind, (u64, String)>,
    pub(super) full: u64,
    pub(super) resumed: u64,
    pub(super) plain: u64,
    /// Connections whose first bytes went before the handshake's end.
    pub(super) early: u64,
    pub(super) connect_failed: u64,
    /// Connections that ended although the client had not left.
    pub(super) dropped: u64,
    pub(super) heartbeats: u64,
    /// Bytes while connections were made.
    pub(super) connect_bytes: Bytes,
    /// Bytes while calls were made.
    pub(super) call_bytes: Bytes,
    recent_bad: u64,
}

/// One of the connections that are open.
pub(super) struct Present(Arc<Tally>);

impl Present {
    /// Of one that [`Tally::connected`] has counted.
    pub(super) fn new(tally: Arc<Tally>) -> Self {
        Self(tally)
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.0.left();
    }
}

/// How a call went.
pub(super) struct Called {
    pub(super) outcome: Result<u16, Trouble>,
    pub(super) sent: bool,
    pub(super) took: Duration,
    pub(super) bytes: Bytes,
}

/// What has happened since the last turn.
pub(super) struct Turn {
    pub(super) latency: Times,
    /// Calls that failed or were lost.
    pub(super) bad: u64,
    /// Connections that are open.
    pub(super) present: u64,
}

impl Counts {
    fn new() -> Self {
        Self {
            latency: times(3),
            recent: times(2),
            connect: times(3),
            ok: 0,
            failed: 0,
            lost: 0,
            troubles: BTreeMap::new(),
            full: 0,
            resumed: 0,
            plain: 0,
            early: 0,
            connect_failed: 0,
            dropped: 0,
            heartbeats: 0,
            connect_bytes: Bytes::default(),
            call_bytes: Bytes::default(),
            recent_bad: 0,
        }
    }

    fn trouble(&mut self, kind: Kind, said: String) {
        let (count, _) = self.troubles.entry(kind).or_insert((0, said));
        *count += 1;
    }

    fn add(&mut self, other: &Self) {
        merge(&mut self.latency, &other.latency);
        merge(&mut self.connect, &other.connect);
        self.ok += other.ok;
        self.failed += other.failed;
        self.lost += other.lost;
        for (kind, (count, said)) in &other.troubles {
            self.troubles.entry(*kind).or_insert_with(|| (0, said.clone())).0 += count;
        }
        self.full += other.full;
        self.resumed += other.resumed;
        self.plain += other.plain;
        self.early += other.early;
        self.connect_failed += other.connect_failed;
        self.dropped += other.dropped;
        self.heartbeats += other.heartbeats;
        self.connect_bytes.add(other.connect_bytes);
        self.call_bytes.add(other.call_bytes);
    }
}

impl Tally {
    pub(super) fn new() -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::new(Counts::new())).collect();
        Self { shards, present: AtomicU64::new(0), peak: AtomicU64::new(0) }
    }

    pub(super) fn connected(&self, client: u32, kind: Handshake, took: Duration, bytes: Bytes) {
        let present = self.present.fetch_add(1, Relaxed) + 1;
        self.peak.fetch_max(present, Relaxed);
        let mut counts = self.of(client);
        match kind {
            Handshake::Plain => counts.plain += 1,
            Handshake::Full => counts.full += 1,
            Handshake::Resumed => counts.resumed += 1,
        }
        counts.connect.saturating_record(micros(took));
        counts.connect_bytes.add(bytes);
    }

    /// A connection has offered early data.
    pub(super) fn early(&self, client: u32) {
        self.of(client).early += 1;
    }

    fn left(&self) {
        self.present.fetch_sub(1, Relaxed);
    }

    /// A connection ended although its client had not left.
    pub(super) fn dropped(&self, client: u32, trouble: Option<Trouble>) {
        let mut counts = self.of(client);
        counts.dropped += 1;
        if let Some(trouble) = trouble {
            counts.trouble(trouble.kind, trouble.said);
        }
    }

    /// A client could not connect, before any call.
    pub(super) fn connect_failed(&self, client: u32, trouble: Trouble) {
        let mut counts = self.of(client);
        counts.connect_failed += 1;
        counts.trouble(trouble.kind, trouble.said);
    }

    pub(super) fn heartbeat(&self, client: u32) {
        self.of(client).heartbeats += 1;
    }

    pub(super) fn called(&self, client: u32, called: Called) {
        let mut counts = self.of(client);
        counts.call_bytes.add(called.bytes);
        match called.outcome {
            Ok(status) if status < 400 => {
                let took = micros(called.took);
                counts.latency.saturating_record(took);
                counts.recent.saturating_record(took);
                counts.ok += 1;
                return;
            }
            Ok(status) => {
                counts.failed += 1;
                counts.trouble(Kind::Status(status), String::new());
            }
            Err(trouble) => {
                match called.sent && !trouble.unsent {
                    true => counts.lost += 1,
                    false => counts.failed += 1,
                }
                counts.trouble(trouble.kind, trouble.said);
            }
        }
        counts.recent_bad += 1;
    }

    /// Everything so far.
    pub(super) fn whole(&self) -> Counts {
        let mut whole = Counts::new();
        self.shards.iter().for_each(|shard| whole.add(&shard.lock()));
        whole
    }

    /// What has happened since this was last asked.
    pub(super) fn turn(&self) -> Turn {
        let mut turn = Turn { latency: times(2), bad: 0, present: self.present.load(Relaxed) };
        for shard in &self.shards {
            let mut counts = shard.lock();
            merge(&mut turn.latency, &counts.recent);
            counts.recent.reset();
            turn.bad += std::mem::take(&mut counts.recent_bad);
        }
        turn
    }

    /// The most connections that were open at once.
    pub(super) fn peak(&self) -> u64 {
        self.peak.load(Relaxed)
    }

    fn of(&self, client: u32) -> parking_lot::MutexGuard<'_, Counts> {
        self.shards[(client % SHARDS) as usize].lock()
    }
}

#[allow(clippy::expect_used)]
fn times(digits: u8) -> Times {
    Histogram::new_with_bounds(1, LONGEST, digits).expect("bounds that are constant and right")
}

/// Adds times of the same bounds; no others are made here.
fn merge(sum: &mut Times, more: &Times) {
    let added = sum.add(more);
    debug_assert!(added.is_ok(), "bounds differ");
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(LONGEST)
}
