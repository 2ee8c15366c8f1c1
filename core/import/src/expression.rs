//! What can be said of a regular expression on a path before it meets one.

use paifang_config::route::PathRegex;

/// An expression, as ours are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expression {
    text: String,
    /// What every path that it takes begins with; empty where that is not known.
    literal: String,
    tail: Tail,
}

/// What follows the literal beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tail {
    /// Anything: every path with this beginning is taken.
    Anything,
    /// The end: only the literal itself is.
    End,
    /// More that must match.
    More,
}

/// How an expression stands to all paths below a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// It takes none of them.
    None,
    /// It may take some.
    Some,
    /// It takes all of them.
    All,
}

impl Expression {
    /// Reads an expression of nginx.
    ///
    /// # Errors
    /// Why it cannot be one of ours.
    pub(super) fn parse(text: &str, ignore_case: bool) -> Result<Self, String> {
        let written = if ignore_case { format!("(?i){text}") } else { text.to_owned() };
        PathRegex::parse(&written).map_err(|error| format!("the expression `{text}`: {error}"))?;
        let (literal, tail) =
            if ignore_case { (String::new(), Tail::More) } else { beginning(text) };
        Ok(Self { text: written, literal, tail })
    }

    /// One that takes the paths that begin with this text.
    pub(super) fn starting(with: &str) -> Self {
        let text = format!("^{}", escape(with));
        Self { text, literal: with.to_owned(), tail: Tail::Anything }
    }

    /// As it is written in our configs.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// The only path that it takes, where there is but one.
    pub(super) fn only(&self) -> Option<&str> {
        (self.tail == Tail::End).then_some(&*self.literal)
    }

    /// The longest directory that all paths that it takes are below.
    pub(super) fn directory(&self) -> &str {
        self.literal.rfind('/').map_or("/", |at| &self.literal[..=at])
    }

    /// Whether it takes this path.
    pub(super) fn takes(&self, path: &str) -> bool {
        regex::Regex::new(&self.text).is_ok_and(|regex| regex.is_match(path))
    }

    /// How it stands to all paths below a directory (a path with a slash at its end).
    pub(super) fn reach(&self, directory: &str) -> Reach {
        if self.literal.is_empty() {
            return Reach::Some;
        }
        if directory.starts_with(&self.literal) {
            return match self.tail {
                Tail::Anything => Reach::All,
                Tail::More => Reach::Some,
                Tail::End if directory == self.literal => Reach::Some,
                Tail::End => Reach::None,
            };
        }
        if self.literal.starts_with(directory) { Reach::Some } else { Reach::None }
    }

    /// The same expression so that it spans the whole path, for replacing all of it.
    pub(super) fn spanning(&self) -> String {
        let text = &self.text;
        let (flags, body) = match text.strip_prefix("(?i)") {
            Some(body) => ("(?i)", body),
            None => ("", text.as_str()),
        };
        let alternatives = body.contains('|');
        let begins = body.starts_with('^') && !alternatives;
        let ends = body.ends_with('$') && !body.ends_with("\\$") && !alternatives;
        let core = if alternatives { format!("(?:{body})") } else { body.to_owned() };
        let before = if begins { "" } else { "^.*?" };
        let after = if ends { "" } else { ".*$" };
        format!("{flags}{before}{core}{after}")
    }
}

/// The literal beginning of an anchored expression, and what follows it.
fn beginning(text: &str) -> (String, Tail) {
    let unknown = (String::new(), Tail::More);
    let Some(body) = text.strip_prefix('^') else { return unknown };
    // An alternative may begin otherwise.
    if body.contains('|') {
        return unknown;
    }
    let mut literal = String::new();
    let mut rest = body;
    while let Some(c) = rest.chars().next() {
        let (taken, length) = match c {
            '\\' => match rest[1..].chars().next() {
                Some(next) if next.is_ascii_punctuation() => (next, 2),
                _ => break,
            },
            '.' | '$' | '(' | ')' | '[' | ']' | '{' | '}' | '*' | '+' | '?' | '^' => break,
            c => (c, c.len_utf8()),
        };
        // A quantifier makes what stands before it uncertain.
        if rest[length..].starts_with(['*', '+', '?', '{']) {
            break;
        }
        literal.push(taken);
        rest = &rest[length..];
    }
    let tail = match rest {
        "" | ".*" | ".*$" | "(.*)" | "(.*)$" => Tail::Anything,
        "$" => Tail::End,
        _ => Tail::More,
    };
    (literal, tail)
}

/// A text that stands for itself in an expression; readable, so only what must be is escaped.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        if "\\.+*?()|[]{}^$#&~".contains(c) && c != '~' && c != '&' && c != '#' {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn expression(text: &str) -> Expression {
        Expression::parse(text, false).unwrap()
    }

    #[test]
    fn beginnings_are_found() {
        let found = |text: &str| beginning(text);
        assert_eq!(found("^/old/(.*)$"), ("/old/".into(), Tail::Anything));
        assert_eq!(found("^/old$"), ("/old".into(), Tail::End));
        assert_eq!(found("^/a\\.b/[0-9]+"), ("/a.b/".into(), Tail::More));
        assert_eq!(found("^/colou?r"), ("/colo".into(), Tail::More));
        assert_eq!(found("^/a|/b"), (String::new(), Tail::More));
        assert_eq!(found("\\.php$"), (String::new(), Tail::More));
    }

    #[test]
    fn reach_tells_which_directories_are_touched() {
        let old = expression("^/old/(.*)$");
        assert_eq!(old.reach("/old/"), Reach::All);
        assert_eq!(old.reach("/old/x/"), Reach::All);
        assert_eq!(old.reach("/"), Reach::Some);
        assert_eq!(old.reach("/new/"), Reach::None);
        assert_eq!(old.directory(), "/old/");
        assert_eq!(expression("\\.php$").reach("/x/"), Reach::Some);
        assert_eq!(expression("^/x/a$").reach("/x/a/"), Reach::None);
        assert_eq!(expression("^/x$").only(), Some("/x"));
        assert!(expression("\\.php$").takes("/a.php"));
        assert!(Expression::parse("(?!x)", false).is_err());
        assert!(Expression::parse("\\.PHP$", true).unwrap().takes("/a.php"));
    }

    #[test]
    fn spanning_expressions_take_the_whole_path() {
        let replace = |text: &str, path: &str, by: &str| {
            let regex = regex::Regex::new(&expression(text).spanning()).unwrap();
            regex.replacen(path, 1, by).into_owned()
        };
        assert_eq!(replace("^/a/", "/a/b/c", "/z"), "/z");
        assert_eq!(replace("b/(.*)$", "/a/b/c", "/z/$1"), "/z/c");
        assert_eq!(replace("^/x|y", "/a/y/c", "/z"), "/z");
        assert_eq!(expression("^/a$").spanning(), "^/a$");
        assert_eq!(Expression::starting("/a.b").as_str(), "^/a\\.b");
    }
}
