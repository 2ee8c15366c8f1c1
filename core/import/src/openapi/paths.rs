//! Paths of a description as patterns of ours.

use paifang_config::route::PathPattern;

use crate::expression::escape;
use crate::out::Node;

/// What a path takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Taken {
    /// Our pattern.
    pub(super) path: String,
    /// Where a parameter is only part of a segment, an expression holds to the letter.
    regex: Option<String>,
}

impl Taken {
    /// A path behind the base path of its server.
    ///
    /// # Errors
    /// Why it is no pattern.
    pub(super) fn read(base: &str, path: &str) -> Result<Self, String> {
        if !path.starts_with('/') {
            return Err("a path begins with `/`".into());
        }
        let mut names: Vec<String> = Vec::new();
        let (mut pattern, mut regex, mut partly) = (encoded(base), escape(&encoded(base)), false);
        for segment in path.split('/').skip(1) {
            let parts = parts(segment).ok_or("braces that do not fit")?;
            pattern.push('/');
            regex.push('/');
            match &*parts {
                [] => {}
                [Part::Text(text)] => {
                    pattern.push_str(&encoded(text));
                    regex.push_str(&escape(&encoded(text)));
                }
                [Part::Name(name)] => {
                    pattern.push_str(&format!("{{{}}}", unlike(name, &mut names)));
                    regex.push_str("[^/]+");
                }
                parts => {
                    partly = true;
                    let first = parts.iter().find_map(|part| match part {
                        Part::Name(name) => Some(name.as_str()),
                        Part::Text(_) => None,
                    });
                    let name = unlike(first.unwrap_or_default(), &mut names);
                    pattern.push_str(&format!("{{{name}}}"));
                    for part in parts {
                        match part {
                            Part::Text(text) => regex.push_str(&escape(&encoded(text))),
                            Part::Name(_) => regex.push_str("[^/]+"),
                        }
                    }
                }
            }
        }
        PathPattern::parse(&pattern).map_err(|error| error.to_string())?;
        let regex = partly.then(|| format!("^{regex}$"));
        if regex.as_ref().is_some_and(|regex| regex.len() > 1024) {
            return Err("it is too long for an expression".into());
        }
        Ok(Self { path: pattern, regex })
    }

    /// The same for every name of its parameters: two paths with it cannot be told apart.
    pub(super) fn shape(&self) -> String {
        if let Some(regex) = &self.regex {
            return regex.clone();
        }
        let same =
            |part: &str| if part.starts_with('{') { "{}".to_owned() } else { part.to_owned() };
        self.path.split('/').map(same).collect::<Vec<_>>().join("/")
    }

    /// The match for a method.
    pub(super) fn matches(&self, method: &str) -> Node {
        let mut matches = Node::map()
            .with("method", Node::text(method.to_ascii_uppercase()))
            .with("path", Node::text(self.path.clone()));
        if let Some(regex) = &self.regex {
            matches.put("path_regex", Node::text(regex.clone()));
        }
        matches
    }
}

enum Part {
    Text(String),
    Name(String),
}

/// A segment's texts and parameters.
fn parts(segment: &str) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut rest = segment;
    while let Some(open) = rest.find('{') {
        let close = open + rest[open..].find('}')?;
        let name = &rest[open + 1..close];
        if name.is_empty() || name.contains('{') || rest[..open].contains('}') {
            return None;
        }
        if open > 0 {
            parts.push(Part::Text(rest[..open].to_owned()));
        }
        parts.push(Part::Name(name.to_owned()));
        rest = &rest[close + 1..];
    }
    if rest.contains('}') {
        return None;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest.to_owned()));
    }
    Some(parts)
}

/// A name as parameters of ours have them, once in a path.
fn unlike(name: &str, names: &mut Vec<String>) -> String {
    let fits = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' };
    let mut wanted: String = name.chars().map(fits).take(60).collect();
    if !wanted.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        wanted.insert(0, 'p');
    }
    let name =
        crate::out::unique(&wanted, |name| names.iter().any(|n| *n == name.replace('-', "_")));
    let name = name.replace('-', "_");
    names.push(name.clone());
    name
}

/// What a path cannot have as it is, escaped; escapes stay.
fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/%".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}
