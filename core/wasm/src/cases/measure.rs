//! What a case costs: its stages played again and again, the instances prepared as in production.

use super::{format::Case, run::Stage};
use crate::module::Module;
use std::time::{Duration, Instant};

/// Rounds before anything counts.
const WARM_UP: u32 = 200;

/// Times of one case, all its stages together, `log` among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Half of the rounds took no longer.
    pub p50: Duration,
    /// Ninety-nine of a hundred rounds took no longer.
    pub p99: Duration,
}

/// Plays a case so many times. With `reuse` above zero an instance serves that many calls.
///
/// # Errors
/// Why the case cannot be played at all; its expectations are not looked at.
pub fn measure(module: &Module, case: &Case, rounds: u32, reuse: u32) -> Result<Timing, String> {
    let stage = Stage::set(module, case, reuse, true)?;
    (0..WARM_UP).for_each(|_| stage.follow());
    let mut times: Vec<Duration> = (0..rounds.max(1))
        .map(|_| {
            let began = Instant::now();
            stage.follow();
            began.elapsed()
        })
        .collect();
    times.sort_unstable();
    let at = |hundredths: usize| times[(times.len() - 1) * hundredths / 100];
    Ok(Timing { p50: at(50), p99: at(99) })
}
