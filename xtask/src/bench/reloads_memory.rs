//! What a thousand reloads of a module that changes each time leave in the gateway's memory.

use super::{Args, http::Client, report::Report, stats::Spread, swap::Swapped};
use crate::{
    failure::{Failure, Result},
    say,
};

/// Reloads after which memory has come to its usual size.
const WARM_UP: u32 = 50;
/// Readings of which the median is taken, at either end.
const READINGS: usize = 10;
/// Calls between two reloads: instances are made and used.
const CALLS: u32 = 20;
/// Percent that memory may grow by from the warm-up to the end.
const GOAL: f64 = 5.0;

/// Measures and writes the table.
///
/// # Errors
/// When the gateway does not come up, refuses a reload, or fails a call.
pub(crate) fn measure(args: &Args, report: &mut Report) -> Result<()> {
    let mut swapped = Swapped::start("reloads-memory", report)?;
    let mut client = Client::connect(swapped.gateway.port)?;
    let first = swapped.gateway.resident()?;
    let reloads = args.reloads.max(2 * WARM_UP);
    let (mut resident, mut took) = (Vec::new(), Vec::new());
    for number in 1..=reloads {
        took.push(swapped.swap()?.as_secs_f64() * 1e3);
        for _ in 0..CALLS {
            let answer = client.ask("GET", "/", "x-h0: a\r\n")?;
            if answer.status != 200 {
                return Err(Failure::Failed(format!("a call was answered with {}", answer.status)));
            }
        }
        resident.push(swapped.gateway.resident()?);
        if number % WARM_UP == 0 {
            let now = resident.last().copied().unwrap_or(f64::NAN);
            say::note(&format!("{number}/{reloads} reloads: {now:.1} MiB"));
        }
    }
    let warm = Spread::of(&resident[WARM_UP as usize - READINGS..WARM_UP as usize]);
    let last = Spread::of(&resident[resident.len() - READINGS..]);
    let row = |what: String, mib: String| vec![what, mib];
    report.table(
        &format!("{reloads} reloads of a changed module"),
        &format!(
            "Resident memory of the gateway. Each reload has a module that was never there, {CALLS} calls \
             after each. Median of {READINGS} reloads (least–greatest). A reload took {:.0} ms.",
            Spread::of(&took)
        ),
        &["", "MiB"],
        &[
            row("at the start".to_owned(), format!("{first:.1}")),
            row(format!("after {WARM_UP} reloads"), warm.to_string()),
            row(format!("after {reloads} reloads"), last.to_string()),
        ],
    );
    let growth = (last.median / warm.median - 1.0) * 100.0;
    report.goal(
        &format!("memory grows by at most 5 % from reload {WARM_UP} to reload {reloads}"),
        format!("{growth:.1} %"),
        growth <= GOAL,
    );
    Ok(())
}
