//! The shape of the source tree, held by tests: which crate may depend on which, how long a file may
//! be, what only some crates may name, and how documents are written. CONTRIBUTING.md gives the
//! reasons.
//!
//! Every check gathers all faults before it fails, each as `file:line: what is wrong`.

mod arrows;
mod docs;
mod fences;
mod sources;
mod words;

/// Fails with all faults, one a line.
#[track_caller]
fn no_faults(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

/// Whether `word` stands in `text` with no letter, digit or `_` at either side.
fn holds_word(text: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + word.len()..]);
        !before.ends_with(part) && !after.starts_with(part)
    })
}

#[test]
fn a_word_is_a_whole_word() {
    assert!(holds_word("an unsafe block", "unsafe"));
    assert!(holds_word("unsafe{", "unsafe"));
    assert!(!holds_word("#![forbid(unsafe_code)]", "unsafe"));
    assert!(!holds_word("mktemp /tmp/aXXXX", concat!("X", "XX")));
}
