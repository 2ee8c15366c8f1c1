//! The fleet while it is under way: a line a second on a terminal, one every five seconds elsewhere.

use std::{
    io::{IsTerminal, stderr},
    sync::Arc,
    time::Duration,
};

use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::{report::Second, tally::Tally};
use crate::cli::terminal;

/// How often a line is told where nothing can be overwritten.
const SELDOM: u64 = 5;

/// Takes the figures of each second into `seconds`, and tells them, for ever.
pub(super) async fn watch(tally: Arc<Tally>, clients: u32, seconds: &mut Vec<Second>) {
    let (start, second) = (Instant::now(), Duration::from_secs(1));
    let mut ticks = interval_at(start + second, second);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let live = stderr().is_terminal();
    let (mut ok, mut bad) = (0, 0);
    loop {
        ticks.tick().await;
        let seen = Second::of(start.elapsed().as_secs(), &tally.turn());
        ok += seen.calls;
        bad += seen.bad;
        let line = format!(
            "{:>4} s  {} of {clients} connected  {} calls/s  p50 {:.1} ms  p99 {:.1} ms  {ok} ok  {bad} failed",
            seen.at, seen.connected, seen.calls, seen.p50_ms, seen.p99_ms
        );
        if live {
            terminal::over(&line);
        } else if seen.at.is_multiple_of(SELDOM) {
            terminal::complain(&line);
        }
        seconds.push(seen);
    }
}
