//! Standard output and standard error: the one place that writes to them.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::io::Write;

/// Prints a result. A reader that has closed the pipe (`| head`) is no error.
pub(super) fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let end = if text.ends_with('\n') { "" } else { "\n" };
    // What cannot be printed has no reader left.
    let _ = write!(out, "{text}{end}");
}

/// Prints why something failed.
pub(super) fn complain(text: &str) {
    let mut out = std::io::stderr().lock();
    // Nowhere is left to tell that standard error is gone.
    let _ = writeln!(out, "{}", text.trim_end());
}

/// Writes a line over the one that was there, on standard error, which is a terminal; an empty one clears it.
pub(super) fn over(line: &str) {
    let mut out = std::io::stderr().lock();
    // As above.
    let _ = write!(out, "\r\x1b[K{line}");
    let _ = out.flush();
}
