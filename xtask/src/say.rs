//! Progress lines, on standard error; reports go to standard output.

use std::io::{self, IsTerminal};

/// A step begins.
pub(crate) fn step(text: &str) {
    if io::stderr().is_terminal() {
        eprintln!("\n\x1b[1m==> {text}\x1b[0m");
    } else {
        eprintln!("\n==> {text}");
    }
}

/// Something worth a line inside a step.
pub(crate) fn note(text: &str) {
    eprintln!("    {text}");
}
