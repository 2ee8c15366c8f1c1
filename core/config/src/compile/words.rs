//! What a plugin says about its config, at the place it means and in the words of the rest.

use paifang_pipeline::ConfigError;

use crate::diag::{Problem, did_you_mean};
use crate::yaml::{Node, Span, by_pointer};

/// A problem for an error in a step's config; `kind` is where the step's kind stands.
pub(super) fn problem(error: &ConfigError, config: &Node, kind: Span) -> Problem {
    let (node, mut span) = by_pointer(config, &error.pointer, kind);
    let message = error.message.as_str();
    // A secret that was written down must not be shown.
    if message.contains("expected `env` or `file`") {
        return Problem::new(span, "expected a reference to a secret, found something else")
            .help("write { env: NAME } or { file: path }; secrets do not stand in config")
            .hidden();
    }
    if let Some(rest) = message.strip_prefix("unknown field `")
        && let Some((name, rest)) = rest.split_once('`')
    {
        // The pointer names the map or the key in it.
        let parent = error.pointer.rsplit_once('/').map_or("", |(parent, _)| parent);
        let maps = [node, by_pointer(config, parent, kind).0];
        let entry = maps.iter().find_map(|node| node.as_map().and_then(|map| map.entry(name)));
        span = entry.map_or(span, |entry| entry.key.span);
        let known: Vec<&str> = rest.split('`').skip(1).step_by(2).collect();
        return Problem::new(span, format!("unknown key `{name}`"))
            .maybe_help(error.help.clone().or_else(|| did_you_mean(name, known)));
    }
    if let Some(name) =
        message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`'))
    {
        return Problem::new(span, format!("the key `{name}` is missing"))
            .maybe_help(error.help.clone());
    }
    if let Some(rest) = message.strip_prefix("unknown variant `")
        && let Some((name, rest)) = rest.split_once('`')
    {
        let known: Vec<&str> = rest.split('`').skip(1).step_by(2).collect();
        return Problem::new(span, format!("expected one of {}, found `{name}`", known.join(", ")))
            .maybe_help(error.help.clone().or_else(|| {
                crate::diag::closest(name, known).map(|name| format!("did you mean `{name}`?"))
            }));
    }
    for prefix in ["invalid type: ", "invalid value: "] {
        if let Some((_, expected)) =
            message.strip_prefix(prefix).and_then(|rest| rest.rsplit_once(", expected "))
        {
            let expected = plain(expected);
            return Problem::new(span, format!("expected {expected}, found {}", node.describe()))
                .maybe_help(error.help.clone());
        }
    }
    Problem::new(span, message).maybe_help(error.help.clone())
}

/// Serde's names of Rust's types, for people who write YAML.
fn plain(expected: &str) -> String {
    let most = match expected {
        "u8" => u8::MAX.into(),
        "u16" => u16::MAX.into(),
        "u32" => u32::MAX.into(),
        "u64" | "usize" => u64::MAX,
        "a string" => return "a text".into(),
        "a boolean" => return "true or false".into(),
        "a sequence" => return "a list".into(),
        "f32" | "f64" => return "a number".into(),
        "i8" | "i16" | "i32" | "i64" | "isize" => return "a whole number".into(),
        _ if expected.starts_with("struct ") => return "a map".into(),
        _ => return expected.into(),
    };
    format!("a whole number from 0 to {most}")
}
