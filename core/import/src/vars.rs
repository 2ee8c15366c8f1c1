//! nginx's variables in our templates.

use std::collections::HashMap;

/// What variables stand for in one server.
#[derive(Debug, Clone, Default)]
pub(crate) struct Vars {
    /// Those with a constant value: `set`, and what the server itself fixes.
    pub(crate) fixed: HashMap<String, String>,
    /// Those that one of our sources stands for in this place.
    pub(crate) known: HashMap<String, String>,
    /// Variables of `map` blocks that only say whether a connection is upgraded.
    pub(crate) upgrade: Vec<String>,
}

/// A text of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Filled {
    /// A template.
    pub(crate) text: String,
    /// Whether it depends on the call: it has `{{ … }}` in it.
    pub(crate) varies: bool,
    /// Whether a step must make a request id before it.
    pub(crate) request_id: bool,
}

/// A piece of a text of nginx.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece<'t> {
    Text(&'t str),
    Variable(&'t str),
}

/// Parts text and variables, `$name` and `${name}`. A dollar with no name behind it is text.
pub(crate) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut from = 0;
    let mut at = 0;
    while let Some(found) = text[at..].find('$') {
        let dollar = at + found;
        let rest = &text[dollar + 1..];
        let name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let (variable, end) = if let Some(braced) = rest.strip_prefix('{') {
            match braced.find('}') {
                Some(close) => (&braced[..close], dollar + close + 3),
                None => ("", dollar + 1),
            }
        } else {
            let length = rest.find(|c| !name(c)).unwrap_or(rest.len());
            (&rest[..length], dollar + 1 + length)
        };
        at = end;
        if variable.is_empty() || !variable.chars().all(name) {
            continue;
        }
        if dollar > from {
            pieces.push(Piece::Text(&text[from..dollar]));
        }
        pieces.push(Piece::Variable(variable));
        from = end;
    }
    if from < text.len() {
        pieces.push(Piece::Text(&text[from..]));
    }
    pieces
}

impl Vars {
    /// A text of nginx as a template of ours.
    ///
    /// # Errors
    /// Which variable has no counterpart, and why.
    pub(crate) fn fill(&self, text: &str) -> Result<Filled, String> {
        let mut filled = Filled { text: String::new(), varies: false, request_id: false };
        for piece in pieces(text) {
            match piece {
                Piece::Text(text) => filled.text.push_str(&literal(text)),
                Piece::Variable(name) => {
                    if let Some(fixed) = self.fixed.get(name) {
                        filled.text.push_str(&literal(fixed));
                        continue;
                    }
                    let source = match self.known.get(name) {
                        Some(source) => source.clone(),
                        None => source(name)?,
                    };
                    filled.varies = true;
                    filled.request_id |= name == "request_id";
                    filled.text.push_str(&format!("{{{{ {source} }}}}"));
                }
            }
        }
        Ok(filled)
    }

    /// The text, where all of it is constant.
    pub(crate) fn constant(&self, text: &str) -> Option<String> {
        let mut all = String::new();
        for piece in pieces(text) {
            match piece {
                Piece::Text(text) => all.push_str(text),
                Piece::Variable(name) => all.push_str(self.fixed.get(name)?),
            }
        }
        Some(all)
    }
}

/// Text of a template that stands for itself.
pub(crate) fn literal(text: &str) -> String {
    text.replace("{{", "{{ \"{{\" }}")
}

/// What a variable is called in our templates.
fn source(name: &str) -> Result<String, String> {
    let dashed = |name: &str| name.replace('_', "-");
    Ok(match name {
        "host" => "host".into(),
        "remote_addr" | "realip_remote_addr" => "client_ip".into(),
        "scheme" => "scheme".into(),
        "request_method" => "method".into(),
        "uri" | "document_uri" => "path".into(),
        "args" | "query_string" => "query".into(),
        "request_id" => "request_id".into(),
        "remote_user" => "identity".into(),
        "time_iso8601" => "time".into(),
        "content_type" => "header.content-type".into(),
        _ => match (name.strip_prefix("http_"), name.strip_prefix("arg_")) {
            (Some(header), _) if !header.is_empty() => format!("header.{}", dashed(header)),
            (_, Some(argument)) if !argument.is_empty() => format!("query.{argument}"),
            _ if name.chars().all(|c| c.is_ascii_digit()) => {
                return Err(format!(
                    "`${name}` is a group of an expression, which templates do not know"
                ));
            }
            _ => return Err(format!("templates have no `${name}`")),
        },
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_templates() {
        let mut vars = Vars::default();
        vars.fixed.insert("pool".into(), "blue".into());
        let fill = |text: &str| vars.fill(text).map(|filled| filled.text);
        assert_eq!(fill("https://${host}$uri").unwrap(), "https://{{ host }}{{ path }}");
        assert_eq!(fill("a $5x ${pool}-1 $ {{x}}").unwrap_err(), "templates have no `$5x`");
        assert_eq!(fill("${pool}-1 $ {{x}}").unwrap(), "blue-1 $ {{ \"{{\" }}x}}");
        assert_eq!(
            fill("$http_x_api_key/$arg_page").unwrap(),
            "{{ header.x-api-key }}/{{ query.page }}"
        );
        assert!(fill("$upstream_addr").is_err());
        assert!(fill("$1").unwrap_err().contains("group"));
        assert!(vars.fill("$request_id").unwrap().request_id);
        assert_eq!(vars.constant("${pool}-$pool").as_deref(), Some("blue-blue"));
        assert_eq!(vars.constant("$host"), None);
    }
}
