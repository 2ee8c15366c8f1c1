//! `${NAME}` and `${NAME:-default}` in scalars.

use std::collections::BTreeSet;

use super::Env;
use crate::diag::{Problem, Problems};
use crate::yaml::{Entry, Kind, Node, Scalar};

/// The same tree with its variables filled in. Parts without any are shared with the old tree.
pub(super) fn fill(
    node: &Node,
    env: Env<'_>,
    names: &mut BTreeSet<String>,
    problems: &mut Problems,
) -> Node {
    if !node.is_fillable() {
        return node.clone();
    }
    let kind = match &node.kind {
        Kind::Null => Kind::Null,
        Kind::Seq(items) => {
            Kind::Seq(items.iter().map(|item| fill(item, env, names, problems)).collect())
        }
        Kind::Map(map) => {
            let entries = map
                .entries()
                .iter()
                .map(|entry| Entry {
                    key: entry.key.clone(),
                    value: fill(&entry.value, env, names, problems),
                })
                .collect();
            let mut filled = Node::map(node.span, entries);
            filled.overrode.clone_from(&node.overrode);
            return filled;
        }
        Kind::Scalar(scalar) => match text(&scalar.text, env, names) {
            Ok(text) => Kind::Scalar(Scalar { text: text.into(), filled: true, ..*scalar }),
            Err((message, help)) => {
                problems.push(Problem::new(node.span, message).help(help));
                return node.clone();
            }
        },
    };
    let mut filled = Node::new(node.span, kind);
    filled.overrode.clone_from(&node.overrode);
    filled
}

/// One text, filled; or what is wrong and what to do.
fn text(
    text: &str,
    env: Env<'_>,
    names: &mut BTreeSet<String>,
) -> Result<String, (String, String)> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        // `$${` is a literal `${`.
        if let Some(before) = rest[..at].strip_suffix('$') {
            out.push_str(before);
            out.push_str("${");
            rest = &rest[at + 2..];
            continue;
        }
        out.push_str(&rest[..at]);
        let Some(end) = rest[at..].find('}') else {
            return Err((
                "`${` without its `}`".into(),
                "close it, or write $${ for a literal ${".into(),
            ));
        };
        let inside = &rest[at + 2..at + end];
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        if !is_name(name) {
            return Err((
                format!("`${{{inside}}}` does not name a variable"),
                "names are letters, digits and `_`; write $${ for a literal ${".into(),
            ));
        }
        names.insert(name.to_owned());
        match (env(name).filter(|value| !value.is_empty()), default) {
            (Some(value), _) => out.push_str(&value),
            (None, Some(default)) => out.push_str(default),
            (None, None) => {
                return Err((
                    format!("the variable `{name}` is not set"),
                    format!("set it, or give a default: ${{{name}:-…}}"),
                ));
            }
        }
        rest = &rest[at + end + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(input: &str) -> Result<String, String> {
        let env = |name: &str| match name {
            "A" => Some("alpha".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        text(input, &env, &mut BTreeSet::new()).map_err(|(message, _)| message)
    }

    #[test]
    fn variables_defaults_and_escapes() {
        for (input, output) in [
            ("plain", "plain"),
            ("${A}", "alpha"),
            ("x${A}y${A}", "xalphayalpha"),
            ("${NONE:-fallback}", "fallback"),
            ("${NONE:-}", ""),
            ("${EMPTY:-fallback}", "fallback"),
            ("$${A}", "${A}"),
            ("$$${A}", "$${A}"),
            ("$5 ${A:-x}", "$5 alpha"),
            ("${NONE:-a:-b}", "a:-b"),
        ] {
            assert_eq!(filled(input).as_deref(), Ok(output), "{input}");
        }
        for (input, message) in [
            ("${NONE}", "the variable `NONE` is not set"),
            ("${EMPTY}", "the variable `EMPTY` is not set"),
            ("${A", "`${` without its `}`"),
            ("${}", "`${}` does not name a variable"),
            ("${1A}", "`${1A}` does not name a variable"),
        ] {
            assert_eq!(filled(input), Err(message.to_owned()), "{input}");
        }
    }

    #[test]
    fn a_filled_text_is_not_filled_again() {
        let env = |_: &str| Some("${OTHER}".to_owned());
        let filled = text("${A}", &env, &mut BTreeSet::new());
        assert_eq!(filled.as_deref(), Ok("${OTHER}"));
    }
}
