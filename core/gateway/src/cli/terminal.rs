//! Standard output and standard error: the one place that writes to them.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::{borrow::Cow, fmt::Write as _, io::Write};

/// Prints a result. A reader that has closed the pipe (`| head`) is no error.
pub(super) fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let end = if text.ends_with('\n') { "" } else { "\n" };
    // What cannot be printed has no reader left.
    let _ = write!(out, "{}{end}", plain(text));
}

/// Prints why something failed.
pub(super) fn complain(text: &str) {
    let mut out = std::io::stderr().lock();
    // Nowhere is left to tell that standard error is gone.
    let _ = writeln!(out, "{}", plain(text).trim_end());
}

/// Writes a line over the one that was there, on standard error, which is a terminal; an empty one clears it.
pub(super) fn over(line: &str) {
    let mut out = std::io::stderr().lock();
    // As above.
    let _ = write!(out, "\r\x1b[K{}", plain(line));
    let _ = out.flush();
}

/// The text without what a terminal would obey: names of apps, reasons and fields are the word of whoever is at the other end.
fn plain(text: &str) -> Cow<'_, str> {
    let obeyed = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if !text.contains(obeyed) {
        return text.into();
    }
    let mut plain = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if obeyed(c) {
            // Writing into a string cannot fail.
            let _ = write!(plain, "{}", c.escape_debug());
        } else {
            plain.push(c);
        }
    }
    plain.into()
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn a_terminal_is_told_nothing() {
        assert_eq!(
            plain("a\u{1b}]0;b\u{7}\r\n\tc\u{9b}2J\u{7f}é"),
            "a\\u{1b}]0;b\\u{7}\\r\n\tc\\u{9b}2J\\u{7f}é"
        );
        assert!(matches!(plain("plain\n"), std::borrow::Cow::Borrowed(_)));
    }
}
