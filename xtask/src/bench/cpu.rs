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

/// CPU seconds of each thread of a process, by its id, to the nanosecond (`schedstat`).
///
/// # Errors
/// When the process is gone, or the system keeps no such account.
pub(crate) fn threads(pid: u32) -> Result<Vec<(u32, f64)>> {
    let folder = format!("/proc/{pid}/task");
    let failed = |e: std::io::Error| Failure::Failed(format!("{folder}: {e}"));
    let mut times = Vec::new();
    for entry in fs::read_dir(&folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let id = path.file_name().and_then(|name| name.to_str()?.parse().ok());
        // A thread may end meanwhile.
        let Ok(text) = fs::read_to_string(path.join("schedstat")) else { continue };
        let nanos = text.split_whitespace().next().and_then(|first| first.parse::<u64>().ok());
        times.extend(id.zip(nanos).map(|(id, nanos)| (id, nanos as f64 / 1e9)));
    }
    match times.is_empty() {
        true => Err(Failure::Failed(format!("{folder}: no thread tells its time"))),
        false => Ok(times),
    }
}

/// The CPU seconds of the thread that has used the most between two readings.
pub(crate) fn most(before: &[(u32, f64)], after: &[(u32, f64)]) -> f64 {
    let earlier = |id: u32| before.iter().find(|(known, _)| *known == id).map_or(0.0, |(_, t)| *t);
    after.iter().map(|(id, time)| time - earlier(*id)).fold(0.0, f64::max)
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
    fn the_thread_that_used_the_most_is_found() {
        let before = [(1, 5.0), (2, 7.0)];
        assert_eq!(most(&before, &[(1, 5.5), (2, 7.25), (3, 0.125)]), 0.5);
        assert!(!threads(std::process::id()).unwrap().is_empty());
    }

    #[test]
    fn our_own_process_has_an_account() {
        assert!(seconds(std::process::id()).unwrap() >= 0.0);
        assert!(resident(std::process::id()).unwrap() > 0.1);
    }
}
