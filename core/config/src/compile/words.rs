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
        if let Some(entry) = node.as_map().and_then(|map| map.entry(name)) {
            span = entry.key.span;
        }
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
            .maybe_help(
                error.help.clone().or_else(|| {
                    crate::diag::closest(name, known)
                        .map(|name| format!("did you mean `{name}`?"))
                }),
            );
    }
    for prefix in ["invalid type: ", "invalid value: "] {
        if let Some((_, expected)) =
            message.strip_prefix(prefix).and_then(|rest| rest.rsplit_once(", expected "))
        {
            return Problem::new(span, format!("expected {expected}, found {}", node.describe()))
                .maybe_help(error.help.clone());
        }
    }
    Problem::new(span, message).maybe_help(error.help.clone())
}
