//! What a process has used, from its own accounting under /proc (Linux).

use std::{fs, process::Command};

use crate::{
    failure::{Failure, Result},
    run,
};

/// CPU seconds of a process since its start: user and system, all threads, ended ones too.
///
/// # Errors
/// When the process is gone, or the system keeps no such account.
pub(crate) fn seconds(pid: u32) -> Result<f64> {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path).map_err(|e| Failure::Failed(format!("{path}: {e}")))?;
    let ticks = ticks(&stat).ok_or_else(|| Failure::Failed(format!("{path}: not understood")))?;
    Ok(f64::from(ticks) / ticks_per_second())
}

/// Fields 14 and 15, `utime` and `stime` (proc(5)); the name in field 2 may hold blanks.
fn ticks(stat: &str) -> Option<u32> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some(user + system)
}

fn ticks_per_second() -> f64 {
    let known = run::captured(Command::new("getconf").arg("CLK_TCK"));
    known.ok().and_then(|output| output.text.trim().parse().ok()).unwrap_or(100.0)
}

/// Resident memory in MiB.
///
/// # Errors
/// When the process is gone, or the system keeps no such account.
pub(crate) fn resident(pid: u32) -> Result<f64> {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&path).map_err(|e| Failure::Failed(format!("{path}: {e}")))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: Option<f64> = line.and_then(|l| l.split_whitespace().next()?.parse().ok());
    kib.map(|kib| kib / 1024.0)
        .ok_or_else(|| Failure::Failed(format!("{path}: no resident memory in it")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_name_may_hold_blanks_and_brackets() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194304 123 0 0 0 40 2 0 0 20 0 3 0 99 1 1";
        assert_eq!(ticks(stat), Some(42));
        assert_eq!(ticks("nonsense"), None);
    }

    #[test]
    fn our_own_process_has_an_account() {
        assert!(seconds(std::process::id()).unwrap() >= 0.0);
        assert!(resident(std::process::id()).unwrap() > 0.1);
    }
}
