//! `paifang run`: the process around a gateway, its log, its runtime, its signals.

use super::{Failed, args::RunArguments, log};
use crate::{Builder, Gateway, StartError, control::Cause};
use std::sync::Arc;
use tokio::signal::unix::{Signal, SignalKind, signal};

pub(super) fn run(builder: Builder, arguments: RunArguments) -> Result<(), Failed> {
    let log = log::install(arguments.log_format).map_err(Failed::Said)?;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if let Some(workers) = arguments.workers {
        runtime.worker_threads(workers.get());
    }
    let runtime = runtime
        .enable_all()
        .thread_name("paifang-worker")
        .build()
        .map_err(|error| Failed::Said(format!("no runtime: {error}")))?;
    let mut builder = arguments.config.get().into_builder(builder).log(Arc::new(log));
    if let Some(directory) = arguments.code_cache {
        builder = builder.code_cache(directory);
    }
    if let Some(directory) = arguments.releases {
        builder = builder.releases(directory);
    }
    let done = runtime.block_on(async {
        // Signals are caught before the gateway is up, so that none of them can kill it halfway.
        let signals = Signals::catch().map_err(|error| Failed::Said(error.to_string()))?;
        let gateway = builder.start().await.map_err(|error| Failed::Said(tell(&error)))?;
        for listener in gateway.listeners() {
            let scheme = if listener.tls { "https" } else { "http" };
            tracing::info!(listener = %listener.name, "listening on {scheme}://{}", listener.address);
        }
        serve(gateway, signals).await;
        Ok(())
    });
    // Whatever still compiles or looks up a name is of no use to anybody.
    runtime.shutdown_background();
    done
}

/// An error with all that is known of it.
fn tell(error: &StartError) -> String {
    match error {
        StartError::Release(failed) => failed.told(),
        other => other.to_string(),
    }
}

/// The signals that a gateway listens to.
struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
}

/// What a signal asks for.
enum Wish {
    Reload,
    Stop(&'static str),
}

impl Signals {
    fn catch() -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
        })
    }

    async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.hangup.recv() => Wish::Reload,
            _ = self.terminate.recv() => Wish::Stop("SIGTERM"),
            _ = self.interrupt.recv() => Wish::Stop("SIGINT"),
            _ = self.quit.recv() => Wish::Stop("SIGQUIT"),
        }
    }
}

/// Runs until a signal says to stop. A second one during the drain ends it at once.
async fn serve(gateway: Gateway, mut signals: Signals) {
    let why = loop {
        match signals.next().await {
            Wish::Stop(why) => break why,
            Wish::Reload => {
                let controller = gateway.controller().clone();
                // A failure has been logged where it happened; the release before serves on.
                tokio::spawn(async move { drop(controller.reload(Cause::Reload).await) });
            }
        }
    };
    let grace = gateway.grace();
    tracing::info!(signal = why, grace = ?grace, "stopping");
    let stopping = gateway.stop(grace);
    tokio::pin!(stopping);
    loop {
        tokio::select! {
            cut = &mut stopping => {
                tracing::info!(connections_cut = cut, "stopped");
                return;
            }
            wish = signals.next() => {
                if let Wish::Stop(again) = wish {
                    tracing::warn!(signal = again, "stopping at once");
                    return;
                }
            }
        }
    }
}
