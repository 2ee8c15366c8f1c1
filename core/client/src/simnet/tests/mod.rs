//! Tests of the simulated network, under a paused clock.

mod ends;
mod faults;
mod net;
mod paths;
mod timing;

use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::time::Instant;

use super::{End, Lane, Link, Profile};

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// 50 ms each way and no fault.
fn plain() -> (End, End, Link) {
    Link::pair(&Profile::latency(ms(50)), 1)
}

/// Reads `count` bytes; gives them and when the last came, from `start`.
async fn got(end: &mut End, count: usize, start: Instant) -> (Vec<u8>, Duration) {
    let mut bytes = vec![0; count];
    end.read_exact(&mut bytes).await.unwrap();
    (bytes, start.elapsed())
}

/// Whether nothing is to be read for `time`.
async fn silent(end: &mut End, time: Duration) -> bool {
    tokio::time::timeout(time, end.read(&mut [0])).await.is_err()
}

/// A profile with one lane both ways.
fn both(lane: Lane) -> Profile {
    Profile { up: lane, down: lane, ..Profile::clear() }
}
