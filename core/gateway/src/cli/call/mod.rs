//! `paifang call`: one call over MMTP, as an app would make it.

mod args;
mod prepare;
mod run;
#[cfg(test)]
mod tests;
mod traced;

pub(super) use args::{CallArguments, EXAMPLES};

use super::Failed;
use run::Told;
use std::{
    cell::Cell,
    io::{ErrorKind, IsTerminal, Write, stdout},
};

/// Makes the call; its answer's body goes to standard output.
pub(super) fn call(arguments: &CallArguments) -> Result<(), Failed> {
    let prepared = prepare::prepare(arguments, |name| std::env::var(name).ok())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failed::Said(format!("no runtime: {error}")))?;
    // What follows on a terminal begins a line of its own.
    let terminal = stdout().is_terminal();
    let begun = Cell::new(false);
    let end_line = || {
        if begun.take() {
            super::terminal::say("");
        }
    };
    let mut tell = |told: Told<'_>| match told {
        Told::Body(bytes) => {
            begun.set(terminal && bytes.last().is_some_and(|last| *last != b'\n'));
            let mut out = stdout().lock();
            let written = out.write_all(bytes).and_then(|()| out.flush());
            written.map_err(|why| match why.kind() {
                // A reader that has closed the pipe (`| head`) wants no more.
                ErrorKind::BrokenPipe => Failed::Coded(0, String::new()),
                _ => Failed::Said(format!("the answer cannot be written: {why}")),
            })
        }
        Told::Line(line) => {
            end_line();
            super::terminal::complain(line);
            Ok(())
        }
    };
    let done = runtime.block_on(run::run(prepared, &mut tell));
    end_line();
    match done {
        Err(Failed::Coded(0, _)) => Ok(()),
        done => done,
    }
}
