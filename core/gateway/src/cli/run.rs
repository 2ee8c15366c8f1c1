//! `paifang run`: the process around a gateway, its log, its runtime, its signals.

use super::{Failed, args::RunArguments, log, service};
use crate::{
    Builder, Gateway, StartError,
    control::{Cause, Process},
    edge::Sockets,
    upgrade::{Program, Successor, Takeover},
};
use std::{fmt::Display, io, sync::Arc, time::Duration};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How often the process that has taken our place is told how many connections are left.
const TELLS: Duration = Duration::from_secs(1);

pub(super) fn run(builder: Builder, arguments: RunArguments) -> Result<(), Failed> {
    let log = log::install(arguments.log_format).map_err(Failed::Said)?;
    let process = process().map_err(said)?;
    // Whoever waits for this process to take its place is told when it does not.
    let voice = process.takeover.as_ref().map(Takeover::voice).transpose().map_err(said)?;
    let done = run_as(builder, arguments, log, process);
    if let (Err(Failed::Said(why)), Some(voice)) = (&done, voice) {
        Takeover::failed(&voice, why);
    }
    done
}

fn said(why: impl Display) -> Failed {
    Failed::Said(why.to_string())
}

/// What this process is to a gateway. First of all: a process that takes over has been handed descriptors.
fn process() -> io::Result<Process> {
    let mut takeover = Takeover::from_environment()?;
    let mut listening = service::sockets()?;
    if let Some(takeover) = &mut takeover {
        listening.append(&mut takeover.listening);
    }
    let sockets = Arc::new(Sockets::new(listening));
    Ok(Process { program: Some(Program::of_this_process()?), takeover, sockets })
}

fn run_as(
    builder: Builder,
    arguments: RunArguments,
    log: log::Handle,
    process: Process,
) -> Result<(), Failed> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if let Some(workers) = arguments.workers {
        runtime.worker_threads(workers.get());
    }
    let runtime = runtime
        .enable_all()
        .thread_name("paifang-worker")
        .build()
        .map_err(|error| Failed::Said(format!("no runtime: {error}")))?;
    // The process before has told the service manager itself.
    let tells = process.takeover.is_none();
    let sockets = process.sockets.clone();
    let mut builder = arguments.config.get().into_builder(builder).log(Arc::new(log));
    builder = builder.process(process);
    if let Some(directory) = arguments.code_cache {
        builder = builder.code_cache(directory);
    }
    if let Some(directory) = arguments.releases {
        builder = builder.releases(directory);
    }
    let done = runtime.block_on(async {
        // Signals are caught before the gateway is up, so that none of them can kill it halfway.
        let signals = Signals::catch().map_err(said)?;
        let gateway = builder.start().await.map_err(|error| Failed::Said(tell(&error)))?;
        for listener in gateway.listeners() {
            let scheme = if listener.tls { "https" } else { "http" };
            tracing::info!(listener = %listener.name, "listening on {scheme}://{}", listener.address);
        }
        tell_unused(&sockets, &gateway);
        if tells {
            service::tell("READY=1\n");
        }
        serve(gateway, signals).await;
        Ok(())
    });
    // Whatever still compiles or looks up a name is of no use to anybody.
    runtime.shutdown_background();
    done
}

/// Somebody opened these sockets for nothing: clients get through and nobody answers.
fn tell_unused(sockets: &Sockets, gateway: &Gateway) {
    let used = gateway.listeners().into_iter().map(|listener| listener.address);
    let used: Vec<_> = used.chain(gateway.admin_address()).collect();
    for address in sockets.addresses().into_iter().filter(|address| !used.contains(address)) {
        tracing::warn!(%address, "the service manager has opened a socket that no listener has");
    }
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
    upgrade: Signal,
}

/// What a signal asks for.
enum Wish {
    Reload,
    Upgrade,
    Stop(&'static str),
}

impl Signals {
    fn catch() -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            upgrade: signal(SignalKind::user_defined2())?,
        })
    }

    /// Waits for one that says to stop.
    async fn stop(&mut self) {
        while !matches!(self.next().await, Wish::Stop(_)) {}
    }

    async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.hangup.recv() => Wish::Reload,
            _ = self.upgrade.recv() => Wish::Upgrade,
            _ = self.terminate.recv() => Wish::Stop("SIGTERM"),
            _ = self.interrupt.recv() => Wish::Stop("SIGINT"),
            _ = self.quit.recv() => Wish::Stop("SIGQUIT"),
        }
    }
}

/// Runs until a signal says to stop, or until another process has taken this one's place.
async fn serve(gateway: Gateway, mut signals: Signals) {
    let mut succeeded = gateway.controller().succeeded();
    let why = loop {
        let wish = tokio::select! {
            successor = succeeded.wait_for(Option::is_some) => {
                // The sender is the controller's, which lives as long as the gateway.
                let Some(successor) = successor.ok().and_then(|one| one.clone()) else { return };
                return leave(gateway, signals, &successor).await;
            }
            wish = signals.next() => wish,
        };
        let controller = gateway.controller().clone();
        match wish {
            Wish::Stop(why) => break why,
            // A failure is logged where it happens; what was before serves on.
            Wish::Reload => drop(tokio::spawn(async move {
                service::tell_reloading();
                drop(controller.reload(Cause::Reload).await);
                service::tell("READY=1\n");
            })),
            Wish::Upgrade => drop(tokio::spawn(async move { controller.upgrade().await })),
        }
    };
    let grace = gateway.grace();
    tracing::info!(signal = why, grace = ?grace, "stopping");
    service::tell("STOPPING=1\n");
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

/// Another process serves: lets what is left end. A signal makes it a stop like any other, the next one ends it.
async fn leave(gateway: Gateway, mut signals: Signals, successor: &Successor) {
    // From here on the service manager watches that process.
    service::tell(&format!("MAINPID={}\nREADY=1\n", successor.pid));
    let patience = gateway.controller().patience();
    tracing::info!(pid = successor.pid, patience = ?patience, "another process serves; leaving");
    let mut leaving = Box::pin(gateway.leave(patience));
    let mut tells = tokio::time::interval(TELLS);
    let why = loop {
        tokio::select! {
            cut = &mut leaving => {
                tracing::info!(connections_cut = cut, "left");
                return;
            }
            _ = tells.tick() => successor.tell(gateway.controller().connections()),
            wish = signals.next() => if let Wish::Stop(why) = wish { break why },
        }
    };
    drop(leaving);
    let grace = gateway.grace();
    tracing::info!(signal = why, grace = ?grace, "stopping");
    tokio::select! {
        cut = gateway.stop(grace) => tracing::info!(connections_cut = cut, "stopped"),
        () = signals.stop() => tracing::warn!("stopping at once"),
    }
}
