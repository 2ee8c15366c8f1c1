//! `paifang handler test`: the cases that a module carries, and those of case files.

use super::open;
use crate::cli::{Failed, args::HandlerTest, terminal::say};
use paifang_wasm::cases::{self, Case, Verdict};
use std::fs;

pub(super) fn test(wanted: &HandlerTest) -> Result<(), Failed> {
    let module = open(&wanted.module.file)?;
    let mut all: Vec<(String, Vec<Case>)> = Vec::new();
    if let Some(text) = module.probes() {
        all.push(("its probes".to_owned(), read("its probes", text)?));
    }
    for file in &wanted.cases {
        let name = file.display().to_string();
        let text =
            fs::read_to_string(file).map_err(|why| Failed::Said(format!("{name}: {why}")))?;
        let cases = read(&name, &text)?;
        all.push((name, cases));
    }
    if all.is_empty() {
        let help = "name a case file; its format is told in docs/handlers.md";
        return Err(Failed::Said(format!("the module carries no probes; {help}")));
    }
    let (mut passed, mut failed) = (0, 0);
    for (name, cases) in &all {
        say(name);
        for case in cases {
            match cases::run(&module, case) {
                Verdict::Passed => {
                    passed += 1;
                    say(&format!("  ok      {}", case.name));
                }
                Verdict::Failed(differences) => {
                    failed += 1;
                    say(&format!("  FAILED  {}", case.name));
                    differences.iter().for_each(|line| say(&format!("          {line}")));
                }
            }
        }
    }
    if failed > 0 {
        return Err(Failed::Said(format!("{failed} of {} cases failed", passed + failed)));
    }
    say(&format!("{passed} cases passed"));
    Ok(())
}

fn read(name: &str, text: &str) -> Result<Vec<Case>, Failed> {
    cases::parse(text).map_err(|why| Failed::Said(format!("{name}: {why}")))
}
