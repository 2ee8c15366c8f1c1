//! What `log.level` and the admin API take for a level.

/// The levels, most silent first.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Whether a text is a level, or levels by target: `info,paifang=debug`. A mistyped level must not
/// pass for a target: everything else would fall silent.
///
/// # Errors
/// What is wrong, and what is right.
pub(crate) fn check(text: &str) -> Result<(), String> {
    for part in text.split(',').map(str::trim) {
        let (target, level) = match part.split_once('=') {
            Some((target, level)) => (Some(target.trim()), level.trim()),
            None => (None, part),
        };
        if target.is_some_and(|target| !is_target(target)) {
            return Err(format!("`{part}` names no target; write it like `paifang=debug`"));
        }
        if !LEVELS.iter().any(|known| known.eq_ignore_ascii_case(level)) {
            return Err(format!(
                "`{level}` is no level: {}, or levels by target, as in `info,paifang=debug`",
                LEVELS.join(", ")
            ));
        }
    }
    Ok(())
}

/// A module path.
fn is_target(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_:-".contains(&byte);
    !text.is_empty() && text.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn levels_and_targets_with_levels() {
        for right in ["info", "OFF", "info,paifang=debug", "warn, h2=off ,paifang::edge=trace"] {
            assert_eq!(check(right), Ok(()), "{right}");
        }
        for wrong in ["", "inof", "info,", "paifang", "paifang=", "=info", "a b=info", "info debug"]
        {
            assert!(check(wrong).is_err(), "{wrong}");
        }
        assert!(check("inof").is_err_and(|why| why.contains("`inof` is no level: off, error")));
    }
}
