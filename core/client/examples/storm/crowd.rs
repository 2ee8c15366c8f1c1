//! The clients of a storm and what they meet.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use paifang_mmtp::greeting::Closing;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::Semaphore,
    task::JoinHandle,
    time::{Instant, sleep, sleep_until, timeout},
};

use crate::{
    Result,
    figures::Times,
    wire::{Came, Open, Wire},
};

/// Clients begin within this: as fast as one process can open connections.
const WITHIN: Duration = Duration::from_secs(1);
/// Tries under way at once, below the kernel's queue for connections that are not accepted: what waits for a lost SYN to be sent
/// again says nothing of the server.
const AT_ONCE: usize = 800;
/// How long who was let in stays; shorter than the storm, for a process has only so many files.
const STAY: Duration = Duration::from_secs(2);
/// How often a held connection asks for a sign of life.
const BEAT: Duration = Duration::from_millis(250);
/// A PONG that does not come.
const LOST: Duration = Duration::from_secs(10);
/// The first bound of the wait of who was sent away without a word; it doubles up to the second.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(4));

/// See the module.
pub(crate) struct Crowd {
    wire: Wire,
    places: Semaphore,
    storm: AtomicBool,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    began: Option<Instant>,
    /// When clients were let in, after the beginning.
    admitted: Vec<Duration>,
    refused: Times,
    words: u64,
    failed: u64,
    pongs_calm: Times,
    pongs: Times,
    lost: u64,
}

/// What was seen.
pub(crate) struct Figures {
    clients: u32,
    /// Clients that were let in a second, without the first twentieth of them, where a burst is, and the last tenth, where fewer wait.
    rate: f64,
    seen: Seen,
}

impl Crowd {
    pub(crate) fn new(wire: Wire) -> Self {
        let places = Semaphore::new(AT_ONCE);
        Self { wire, places, storm: AtomicBool::new(false), seen: Mutex::default() }
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection that is there before the storm.
    pub(crate) async fn hold(&self, device: u32) -> Result<Open> {
        for _ in 0..200 {
            if let Came::In(open) = self.wire.come(device).await {
                return Ok(open);
            }
            sleep(Duration::from_millis(20)).await;
        }
        Err("the server lets nobody in".into())
    }

    /// Asks each held connection for a sign of life, for ever.
    pub(crate) fn keep(self: Arc<Self>, held: Vec<Open>) -> JoinHandle<()> {
        tokio::spawn(async move {
            let tasks: Vec<_> =
                held.into_iter().map(|open| tokio::spawn(self.clone().beat(open))).collect();
            for task in tasks {
                // A connection that has ended was counted.
                let _ = task.await;
            }
        })
    }

    async fn beat(self: Arc<Self>, mut open: Open) {
        sleep(BEAT.mul_f64(fastrand::f64())).await;
        for number in (0..=u8::MAX).cycle() {
            let asked = Instant::now();
            let mut answer = [0; 2];
            let beat = async {
                open.stream.write_all(&[8, number]).await?;
                open.stream.flush().await?;
                open.stream.read_exact(&mut answer).await
            };
            let came = matches!(timeout(LOST, beat).await, Ok(Ok(_))) && answer == [16, number];
            self.beaten(came.then(|| asked.elapsed()));
            if !came {
                return;
            }
            sleep_until(asked + BEAT).await;
        }
    }

    /// A sign of life came after so long, or did not.
    fn beaten(&self, after: Option<Duration>) {
        let mut seen = self.seen();
        match after {
            None => seen.lost += 1,
            Some(after) if self.storm.load(Relaxed) => seen.pongs.add(after),
            Some(after) => seen.pongs_calm.add(after),
        }
    }

    fn admitted(&self, now: Instant) {
        let mut seen = self.seen();
        let began = seen.began.unwrap_or(now);
        seen.admitted.push(now - began);
    }

    /// A client was sent away; how long it waits.
    fn away(&self, word: Option<&Closing>, after: Duration, bound: &mut Duration) -> Duration {
        let mut seen = self.seen();
        seen.refused.add(after);
        match word {
            Some(word) => {
                seen.words += 1;
                let jitter = fastrand::u64(0..=u64::from(word.jitter));
                Duration::from_millis(u64::from(word.after) + jitter)
            }
            None => {
                let wait = bound.mul_f64(fastrand::f64());
                *bound = (*bound * 2).min(BACKOFF.1);
                wait
            }
        }
    }

    /// The storm begins.
    pub(crate) fn begin(&self) {
        let mut seen = self.seen();
        seen.began = Some(Instant::now());
        seen.refused.clear();
        self.storm.store(true, Relaxed);
    }

    /// One client, until it is let in.
    pub(crate) async fn come(self: Arc<Self>, device: u32, until: Instant) {
        sleep(WITHIN.mul_f64(fastrand::f64())).await;
        let mut bound = BACKOFF.0;
        while Instant::now() < until {
            let Ok(place) = self.places.acquire().await else { return };
            let came = self.wire.come(device).await;
            drop(place);
            let now = Instant::now();
            let wait = match came {
                Came::In(open) => {
                    self.admitted(now);
                    sleep(STAY).await;
                    drop(open);
                    return;
                }
                Came::Away(word, connected) => {
                    self.away(word.as_deref(), now - connected, &mut bound)
                }
                Came::Failed => {
                    self.seen().failed += 1;
                    bound
                }
            };
            sleep(wait).await;
        }
    }

    /// What was seen; an error where nobody was let in.
    pub(crate) fn figures(&self, clients: u32) -> Result<Figures> {
        let mut seen = std::mem::take(&mut *self.seen());
        seen.admitted.sort_unstable();
        // Behind the burst, and not the tail, in which there are fewer clients than places.
        let head = seen.admitted.len() / 20;
        let tail = seen.admitted.len() * 9 / 10;
        let (Some(first), Some(last)) = (seen.admitted.get(head), seen.admitted.get(tail)) else {
            return Err("nobody was let in".into());
        };
        let rate = (tail - head) as f64 / (*last - *first).as_secs_f64();
        Ok(Figures { clients, rate, seen })
    }
}

impl Figures {
    pub(crate) fn json(&self) -> String {
        let Self { clients, rate, seen } = self;
        let last = seen.admitted.last().map_or(0.0, Duration::as_secs_f64);
        format!(
            "{{\"clients\":{clients},\"admitted\":{},\"rate\":{rate:.1},\"seconds\":{last:.2},\"words\":{},\"failed\":{},\
             \"refused_ms\":{},\"pong_ms\":{},\"calm_pong_ms\":{},\"lost\":{}}}",
            seen.admitted.len(),
            seen.words,
            seen.failed,
            seen.refused.json(),
            seen.pongs.json(),
            seen.pongs_calm.json(),
            seen.lost
        )
    }
}
