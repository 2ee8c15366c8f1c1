//! What a handler may be called: what cargo takes for a package and rustc for a crate, in lower case.

/// The longest name.
const LONGEST: usize = 64;

/// Words of the language (the Rust reference, "Keywords"), which no crate can be called.
const KEYWORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate",
    "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl",
    "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref",
    "return", "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof",
    "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// Crates that are there already, and folders that cargo makes among what it builds.
const TAKEN: &[&str] = &[
    "alloc",
    "core",
    "paifang-guest",
    "paifang_guest",
    "proc-macro",
    "proc_macro",
    "serde",
    "serde_json",
    "std",
    "test",
    "build",
    "deps",
    "examples",
    "incremental",
    "kit",
];

/// A name as it is, where it can be one.
///
/// # Errors
/// Why it cannot.
pub(in crate::cli::handler) fn parse(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    if !text.starts_with(|c: char| c.is_ascii_lowercase()) || !text.chars().all(fits) {
        return Err(
            "a handler's name begins with a letter; lower-case letters, digits, `-` and `_` \
                    follow"
                .to_owned(),
        );
    }
    if text.len() > LONGEST {
        return Err(format!("a handler's name has {LONGEST} characters at most"));
    }
    if KEYWORDS.contains(&text) {
        return Err("a word of the Rust language is no package's name".to_owned());
    }
    if TAKEN.contains(&text) {
        return Err("that name is taken by Rust, cargo or the kit".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_name_is_one_for_cargo_and_for_yaml() {
        for right in ["a", "greet", "risk-score", "v2_audit", &"a".repeat(64)] {
            assert_eq!(parse(right).as_deref(), Ok(right));
        }
        for wrong in [
            "",
            "2fast",
            "-a",
            "_a",
            "Greet",
            "a b",
            "a/b",
            "../a",
            "a.b",
            "größe",
            &"a".repeat(65),
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        for (taken, why) in
            [("fn", "word"), ("test", "taken"), ("serde", "taken"), ("kit", "taken")]
        {
            assert!(parse(taken).is_err_and(|said| said.contains(why)), "{taken}");
        }
    }
}
