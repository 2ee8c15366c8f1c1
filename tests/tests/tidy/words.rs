//! Words that mark unfinished work. What is unfinished is finished, or told in the documents as not
//! there; it is not left as a remark.

use paifang_tests::tidy::sources;

use crate::{holds_word, no_faults};

/// In pieces, so that this file does not hold them.
const WORDS: &[&str] =
    &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX"), concat!("HA", "CK")];
/// In any case of letters.
const PHRASES: &[&str] = &[
    concat!("for", " now"),
    concat!("not yet", " implemented"),
    concat!("todo", "!("),
    concat!("unimplemented", "!("),
];

const ENDINGS: &[&str] = &[
    ".rs",
    ".md",
    ".toml",
    ".yaml",
    ".yml",
    ".sh",
    ".py",
    ".js",
    ".lua",
    ".go",
    ".proto",
    ".wit",
    ".ci/run",
    ".gitignore",
];

#[test]
fn nothing_is_marked_as_unfinished() {
    let mut faults = Vec::new();
    for file in sources(ENDINGS) {
        for (at, line) in file.text.lines().enumerate() {
            // A loop over times is no excuse.
            let small = line.to_lowercase().replace(concat!("for", " now in "), "");
            let word = WORDS.iter().find(|word| holds_word(line, word));
            let phrase = PHRASES.iter().find(|phrase| holds_phrase(&small, phrase));
            if let Some(found) = word.or(phrase) {
                faults.push(format!("{}:{}: `{found}`", file.path, at + 1));
            }
        }
    }
    no_faults(&faults);
}

/// A phrase that ends in a letter ends a word.
fn holds_phrase(line: &str, phrase: &str) -> bool {
    if phrase.ends_with(char::is_alphanumeric) {
        holds_word(line, phrase)
    } else {
        line.contains(phrase)
    }
}
