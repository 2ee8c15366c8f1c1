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
use std::io::{ErrorKind, Write};

/// Makes the call; its answer's body goes to standard output.
pub(super) fn call(arguments: &CallArguments) -> Result<(), Failed> {
    let prepared = prepare::prepare(arguments, |name| std::env::var(name).ok())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failed::Said(format!("no runtime: {error}")))?;
    let mut tell = |told: Told<'_>| match told {
        Told::Body(bytes) => {
            let mut out = std::io::stdout().lock();
            let written = out.write_all(bytes).and_then(|()| out.flush());
            written.map_err(|why| match why.kind() {
                // A reader that has closed the pipe (`| head`) wants no more.
                ErrorKind::BrokenPipe => Failed::Coded(0, String::new()),
                _ => Failed::Said(format!("the answer cannot be written: {why}")),
            })
        }
        Told::Line(line) => {
            super::terminal::complain(line);
            Ok(())
        }
    };
    match runtime.block_on(run::run(prepared, &mut tell)) {
        Err(Failed::Coded(0, _)) => Ok(()),
        done => done,
    }
}
