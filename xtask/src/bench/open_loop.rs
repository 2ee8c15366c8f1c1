//! Load on a schedule: calls begin when they are due, whatever became of those before, as those of many
//! clients do. A load that waits for answers would slow down with the server and never overload it.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use super::{http::Client, stats::hundredth};
use crate::failure::{Failure, Result};

/// Connections, each with one call at a time; calls that are due while all are busy begin late, and their
/// time counts from when they were due.
const CONNECTIONS: usize = 400;
/// The stack of a connection's thread, in bytes.
const STACK: usize = 128 * 1024;

/// Calls at random times, so many a second in the mean.
#[derive(Clone, Copy)]
pub(crate) struct Offer {
    pub(crate) port: u16,
    pub(crate) rate: f64,
    /// Seconds that are looked at.
    pub(crate) seconds: u32,
    /// Seconds before that, in which queues fill.
    pub(crate) warm_up: u32,
}

/// What came of it, in the seconds that are looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Outcome {
    /// Calls a second that were due.
    pub(crate) offered: f64,
    /// Answers of 200 a second.
    pub(crate) good: f64,
    /// Milliseconds that half of those did not exceed, from when the call was due.
    pub(crate) p50: f64,
    /// The like of 99 in 100.
    pub(crate) p99: f64,
}

/// A call: when it was due, its status and when it ended; times in seconds since the begin.
type Call = (f64, u16, f64);

impl Offer {
    /// Makes the calls and waits for their answers.
    ///
    /// # Errors
    /// When the gateway is not there or breaks a connection.
    pub(crate) fn run(&self) -> Result<Outcome> {
        let due = schedule(self.rate, f64::from(self.seconds + self.warm_up));
        let next = AtomicUsize::new(0);
        let calls = Mutex::new(Vec::with_capacity(due.len()));
        let clients = (0..CONNECTIONS).map(|_| Client::connect(self.port));
        let clients = clients.collect::<Result<Vec<_>>>()?;
        let began = Instant::now();
        thread::scope(|scope| {
            let spawn = |client| {
                let (due, next, calls) = (&due, &next, &calls);
                let work = move || connection(client, due, next, calls, began);
                thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work)
            };
            let threads: Vec<_> = clients.into_iter().map(spawn).collect();
            for thread in threads {
                let thread = thread.map_err(|e| Failure::Failed(format!("a thread: {e}")))?;
                let ended = thread.join();
                ended
                    .map_err(|_| Failure::Failed("a connection's thread panicked".to_owned()))??;
            }
            Ok::<_, Failure>(())
        })?;
        let calls = calls.into_inner().unwrap_or_default();
        Ok(Outcome::of(&calls, f64::from(self.warm_up), f64::from(self.seconds)))
    }
}

/// One connection: takes the next call, waits until it is due, asks.
fn connection(
    mut client: Client,
    due: &[f64],
    next: &AtomicUsize,
    calls: &Mutex<Vec<Call>>,
    began: Instant,
) -> Result<()> {
    let mut own = Vec::new();
    while let Some(at) = due.get(next.fetch_add(1, Relaxed)) {
        if let Some(early) = Duration::from_secs_f64(*at).checked_sub(began.elapsed()) {
            thread::sleep(early);
        }
        let answer = client.ask("GET", "/", "")?;
        own.push((*at, answer.status, began.elapsed().as_secs_f64()));
    }
    if let Ok(mut calls) = calls.lock() {
        calls.append(&mut own);
    }
    Ok(())
}

/// When calls are due, in seconds: a Poisson process, the same at each run.
fn schedule(rate: f64, seconds: f64) -> Vec<f64> {
    let (mut due, mut at, mut seed) = (Vec::new(), 0.0, 0x2545_f491_4f6c_dd1d_u64);
    loop {
        // Marsaglia's xorshift64.
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        let uniform = ((seed >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        at -= uniform.ln() / rate;
        if at >= seconds {
            return due;
        }
        due.push(at);
    }
}

impl Outcome {
    fn of(calls: &[Call], from: f64, seconds: f64) -> Self {
        let looked_at = |at: f64| at >= from && at < from + seconds;
        let offered = calls.iter().filter(|(due, ..)| looked_at(*due)).count();
        // By when they ended: what an overloaded server still answers after the end is not a rate.
        let good = calls.iter().filter(|(_, status, end)| *status == 200 && looked_at(*end));
        let times: Vec<f64> = good.map(|(due, _, end)| (end - due) * 1_000.0).collect();
        Self {
            offered: offered as f64 / seconds,
            good: times.len() as f64 / seconds,
            p50: hundredth(&times, 50),
            p99: hundredth(&times, 99),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_due_as_often_as_asked_for() {
        let due = schedule(1_000.0, 10.0);
        assert!((9_700..10_300).contains(&due.len()), "{}", due.len());
        assert!(due.is_sorted() && due.iter().all(|at| (0.0..10.0).contains(at)));
        let second = |n: usize| due.iter().filter(|at| **at as usize == n).count();
        assert!((0..10).all(|n| (850..1_150).contains(&second(n))));
    }

    #[test]
    fn refusals_and_the_warm_up_are_not_good() {
        let calls = [
            (0.5, 200, 0.6),
            (1.0, 200, 1.002),
            (1.5, 503, 1.501),
            (2.0, 200, 2.004),
            (2.5, 200, 3.5),
            (3.5, 200, 3.6),
        ];
        let outcome = Outcome::of(&calls, 1.0, 2.0);
        assert_eq!((outcome.offered, outcome.good), (2.0, 1.0));
        let close = |found: f64, wanted: f64| (found - wanted).abs() < 1e-6;
        assert!(close(outcome.p50, 4.0) && close(outcome.p99, 4.0), "{outcome:?}");
    }
}
