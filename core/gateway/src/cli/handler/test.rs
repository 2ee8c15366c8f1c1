//! `paifang handler test`: the cases that a module carries, and those of case files.

use super::{
    args::HandlerTest,
    open,
    play::{Cases, Told, play},
};
use crate::cli::{Failed, terminal::say};

pub(super) fn test(wanted: &HandlerTest) -> Result<(), Failed> {
    let module = open(&wanted.module.file)?;
    let mut all: Vec<Cases> = Cases::probes(&module)?.into_iter().collect();
    for file in &wanted.cases {
        all.push(Cases::read(file)?);
    }
    if all.is_empty() {
        let help = "name a case file; its format is told in docs/handlers.md";
        return Err(Failed::Said(format!("the module carries no probes; {help}")));
    }
    let passed = play(&module, &all, Told::All)?;
    say(&format!("{passed} cases passed"));
    Ok(())
}
