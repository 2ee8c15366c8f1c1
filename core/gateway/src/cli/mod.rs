//! The command line: `paifang run`, and everything people ask of a config or a running gateway.
//!
//! Exit codes: 0 done; 1 refused or failed, with the reason on standard error; 2 wrong use of the
//! command line; 3 the running gateway cannot be reached; 4 and 5 of `import`, taken in part and not
//! at all.

mod about;
mod args;
mod cache;
mod call;
mod connections;
mod dict;
#[cfg(test)]
mod examples;
mod fleet;
mod given;
mod handler;
mod import;
mod lock;
mod log;
mod offline;
mod online;
mod plan;
mod remote;
mod run;
mod secrets;
mod service;
mod terminal;
mod tls;
mod top;

use crate::Builder;
use args::{Arguments, Command};
use clap::Parser;
use std::process::ExitCode;

/// How a command failed.
#[derive(Debug)]
pub(crate) enum Failed {
    /// With this to say; exit code 1.
    Said(String),
    /// The gateway cannot be reached; exit code 3.
    Unreachable(String),
    /// With this exit code, which tells more than that it failed.
    Coded(u8, String),
}

/// Runs the command line of a gateway built from `builder`: what a binary's `main` calls.
///
/// A gateway with plugins of its own gets the whole command line with them: `check`, `schema` and
/// `explain` know them too.
#[must_use]
pub(crate) fn main(builder: Builder) -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.command {
        Command::Run(run) => run::run(builder, run),
        Command::Check(check) => offline::check(&builder, check),
        Command::Lock(lock) => lock::lock(&builder, lock),
        Command::Import(import) => import::import(&import),
        Command::Call(arguments) => call::call(&arguments),
        Command::Dict(command) => dict::dict(&command),
        Command::Handler(command) => handler::handler(&builder, command),
        Command::Schema(wanted) => offline::schema(&builder, wanted.get()),
        Command::Explain(explain) => match explain.live {
            true => online::explain(&explain),
            false => offline::explain(&builder, &explain),
        },
        Command::Diff(diff) => match &diff.against {
            Some(against) => offline::diff(&builder, &diff, against),
            None => online::diff(&diff.gateway),
        },
        Command::Reload(gateway) => online::reload(&gateway),
        Command::Upgrade(gateway) => online::upgrade(&gateway),
        Command::Releases(gateway) => online::releases(&gateway),
        Command::Rollback(rollback) => online::rollback(&rollback),
        Command::Plan(command) => plan::plan(&command),
        Command::Status(gateway) => online::status(&gateway),
        Command::Upstreams(gateway) => online::upstreams(&gateway),
        Command::Connections(wanted) => connections::run(&wanted),
        Command::Top(top) => top::top(&top),
        Command::Cache(command) => cache::cache(&command),
        Command::LogLevel(level) => online::log_level(&level),
        Command::Trace(trace) => online::trace(&trace),
        Command::Fleet(words) => fleet::fleet(&words),
        Command::Completions(shell) => about::completions(&shell),
        Command::Man(man) => about::man(&man),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed::Said(why)) => {
            terminal::complain(&why);
            ExitCode::from(1)
        }
        Err(Failed::Unreachable(why)) => {
            terminal::complain(&why);
            ExitCode::from(3)
        }
        Err(Failed::Coded(code, why)) => {
            terminal::complain(&why);
            ExitCode::from(code)
        }
    }
}
