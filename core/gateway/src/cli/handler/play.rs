//! Playing cases, and telling how they went.

use super::wrong;
use crate::cli::{Failed, terminal::say};
use paifang_wasm::{
    Module,
    cases::{self, Case, Verdict},
};
use std::{fs, path::Path};

/// Cases with where they stand.
pub(super) struct Cases {
    from: String,
    cases: Vec<Case>,
}

/// Which cases are told one by one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    All,
    Failed,
}

impl Cases {
    /// Those that a module carries; `None` where it carries none.
    pub(super) fn probes(module: &Module) -> Result<Option<Self>, Failed> {
        let from = "its probes";
        let wrong = |why: String| Failed::Said(format!("{from}: {why}"));
        let read = |text| cases::parse(text).map_err(wrong);
        let cases = module.probes().map(read).transpose()?;
        Ok(cases.map(|cases| Self { from: from.to_owned(), cases }))
    }

    /// Those of a case file.
    pub(super) fn read(file: &Path) -> Result<Self, Failed> {
        let text = fs::read_to_string(file).map_err(|why| wrong(file, why))?;
        let cases = cases::parse(&text).map_err(|why| wrong(file, why))?;
        Ok(Self { from: file.display().to_string(), cases })
    }
}

/// Plays all of them; how many there are.
///
/// # Errors
/// How many failed, after each has been told with what differed.
pub(super) fn play(module: &Module, all: &[Cases], told: Told) -> Result<usize, Failed> {
    let (mut passed, mut failed) = (0, 0);
    for Cases { from, cases } in all {
        if told == Told::All {
            say(from);
        }
        for case in cases {
            match cases::run(module, case) {
                Verdict::Passed => {
                    passed += 1;
                    if told == Told::All {
                        say(&format!("  ok      {}", case.name));
                    }
                }
                Verdict::Failed(differences) => {
                    failed += 1;
                    let of = if told == Told::All { "" } else { &*format!(" ({from})") };
                    say(&format!("  FAILED  {}{of}", case.name));
                    differences.iter().for_each(|line| say(&format!("          {line}")));
                }
            }
        }
    }
    match failed {
        0 => Ok(passed),
        failed => Err(Failed::Said(format!("{failed} of {} cases failed", passed + failed))),
    }
}
