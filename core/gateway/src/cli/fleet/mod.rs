//! `paifang fleet`: many simulated clients against a gateway, with a report.
//!
//! Each client is a task with one connection. It thinks, calls, thinks; what it meets goes into a tally. Networks are
//! simulated before the socket, by the client SDK's `simnet`.

mod args;
mod client;
mod dial;
mod driver;
mod limits;
mod plan;
mod progress;
mod report;
mod tally;
#[cfg(test)]
mod tests;
mod trouble;
mod wire;

use std::{
    io::{self, IsTerminal, stderr},
    sync::Arc,
    time::Duration,
};

pub(super) use args::FleetArguments;
use tokio::{
    signal::unix::{SignalKind, signal},
    task::JoinSet,
    time::{Instant, sleep_until, timeout_at},
};

use super::{Failed, terminal};
use client::Client;
use plan::Plan;
use report::{Report, Second};
use tally::Tally;

/// What a stopped fleet has beside its calls' deadline.
const GRACE: Duration = Duration::from_secs(2);

/// Runs a fleet and tells what it met.
pub(super) fn fleet(words: &FleetArguments) -> Result<(), Failed> {
    let usage = |why: String| Failed::Coded(2, why);
    for path in &words.report {
        report::prepare(path).map_err(usage)?;
    }
    limits::files(words.clients).map_err(usage)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failed::Said(error.to_string()))?;
    let report = runtime.block_on(async {
        let stopped = stopped().map_err(|error| Failed::Said(error.to_string()))?;
        let plan = Plan::make(words).await?;
        Ok(run(Arc::new(plan), words, stopped).await)
    })?;
    // Whatever still waits for a peer need not be waited for.
    runtime.shutdown_background();
    terminal::say(&report.text());
    for path in &words.report {
        report.write(path).map_err(Failed::Said)?;
    }
    report.verdict()
}

/// Waits for Ctrl-C, or for what `timeout` and supervisors send; the report is wanted all the same. They are listened to from now on.
fn stopped() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

async fn run(plan: Arc<Plan>, words: &FleetArguments, stopped: impl Future<Output = ()>) -> Report {
    let tally = Arc::new(Tally::new());
    let start = Instant::now();
    let mut clients = JoinSet::new();
    let mut seconds: Vec<Second> = Vec::new();
    let interrupted = tokio::select! {
        () = all(&plan, &tally, start, &mut clients) => false,
        () = progress::watch(tally.clone(), plan.clients, &mut seconds) => false,
        () = stopped => true,
    };
    if stderr().is_terminal() {
        terminal::over("");
    }
    let ended = start.elapsed();
    seconds.push(Second::of(ended.as_secs() + 1, &tally.turn()));
    clients.abort_all();
    Report::new(&plan, words, &tally, seconds, ended, interrupted)
}

/// Lets the clients begin, one after another, and waits for the last of them.
async fn all(plan: &Arc<Plan>, tally: &Arc<Tally>, start: Instant, clients: &mut JoinSet<()>) {
    let end = start + plan.duration;
    for number in 0..plan.clients {
        sleep_until(start + plan.ramp.mul_f64(f64::from(number) / f64::from(plan.clients))).await;
        let client = Client::new(plan.clone(), tally.clone(), number);
        clients.spawn(client.live(end));
    }
    let last = end + plan.timeout + GRACE;
    let _late = timeout_at(last, async { while clients.join_next().await.is_some() {} }).await;
}
