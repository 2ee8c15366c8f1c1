//! `cargo xtask`: everything a developer does around the gateway, one subcommand each.
//!
//! Exit codes, the same for all tasks: 0 all is well, 1 something that ran has failed, 2 a tool is
//! missing or the command line is wrong (the message holds the line to type).
//!
//! The crate depends on no other crate of the workspace, so it builds in seconds and when the
//! gateway does not.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "telling the developer is the task")]
#![allow(
    clippy::disallowed_methods,
    reason = "a command-line tool waits and reads the environment"
)]

mod bench;
mod check;
mod demo;
mod failure;
mod fuzz;
mod handlers;
mod package;
mod run;
mod say;
mod server;
mod setup;
mod tally;
mod test;
mod tree;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Tasks around the gateway. Each one first looks whether its tools are there.
#[derive(Parser)]
#[command(name = "xtask", bin_name = "cargo xtask")]
#[command(after_help = "Exit codes: 0 all is well, 1 a step has failed, 2 a tool is missing.")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    Demo(demo::Args),
    Test(test::Args),
    Bench(bench::Args),
    Fuzz(fuzz::Args),
    Check(check::Args),
    Handlers(handlers::Args),
    Package(package::Args),
    Setup(setup::Args),
}

fn main() -> ExitCode {
    let done = match Cli::parse().task {
        Task::Demo(args) => demo::task(&args),
        Task::Test(args) => test::task(&args),
        Task::Bench(args) => bench::task(&args),
        Task::Fuzz(args) => fuzz::task(&args),
        Task::Check(args) => check::task(&args),
        Task::Handlers(args) => handlers::task(&args),
        Task::Package(args) => package::task(&args),
        Task::Setup(args) => setup::task(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("\n{failure}");
            ExitCode::from(failure.code())
        }
    }
}
