//! The token: where it stands in a request, and how it is taken out.

use crate::config::Place;
use paifang_guest::{Call, Reads};

/// A longer token is refused unseen.
const MAX_BYTES: usize = 4096;

/// What a request says of itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Presented<'a> {
    /// Nothing.
    None,
    /// This token.
    Token(&'a str),
    /// A text that is no token of anyone: empty, too long, or with signs that no token has.
    Unfit,
    /// Several tokens; whichever is taken, someone else may take another.
    Several,
}

impl Place {
    pub(crate) fn reads(&self) -> Reads {
        match self {
            Self::Header { name, .. } => Reads::new().header(name),
            Self::Cookie(_) => Reads::new().header("cookie"),
        }
    }

    /// Finds the token.
    pub(crate) fn find<'a>(&'a self, call: &'a Call) -> Presented<'a> {
        match self {
            Self::Header { name, scheme } => match call.one_header(name) {
                Ok(None) => Presented::None,
                Ok(Some(value)) => in_header(value.trim_matches([' ', '\t']), scheme),
                Err(_) => Presented::Several,
            },
            Self::Cookie(name) => {
                let mut found = pairs(call).filter_map(|pair| cookie(pair, name));
                match (found.next(), found.next()) {
                    (None, _) => Presented::None,
                    (Some(token), None) => fit(token),
                    (Some(_), Some(_)) => Presented::Several,
                }
            }
        }
    }

    /// The header to change so that the token is gone, and its new value where one is left.
    pub(crate) fn without(&self, call: &Call) -> (&str, Option<String>) {
        match self {
            Self::Header { name, .. } => (name, None),
            Self::Cookie(name) => {
                let others: Vec<&str> =
                    pairs(call).filter(|pair| cookie(pair, name).is_none()).collect();
                ("cookie", (!others.is_empty()).then(|| others.join("; ")))
            }
        }
    }
}

fn in_header<'a>(value: &'a str, scheme: &str) -> Presented<'a> {
    if scheme.is_empty() {
        return fit(value);
    }
    match value.split_once(' ') {
        Some((name, token)) if name.eq_ignore_ascii_case(scheme) => {
            fit(token.trim_start_matches(' '))
        }
        None if value.eq_ignore_ascii_case(scheme) => Presented::Unfit,
        // Another scheme is another's business; here it is no token.
        _ => Presented::None,
    }
}

/// The pairs of all cookie lines: HTTP/2 clients may send one line for each (RFC 9113 section
/// 8.2.3).
fn pairs(call: &Call) -> impl Iterator<Item = &str> {
    let lines = call.header_values("cookie");
    lines.flat_map(|line| line.split(';')).map(str::trim).filter(|pair| !pair.is_empty())
}

fn cookie<'a>(pair: &'a str, name: &str) -> Option<&'a str> {
    let (found, value) = pair.split_once('=')?;
    (found.trim_end() == name).then(|| value.trim_start())
}

fn fit(token: &str) -> Presented<'_> {
    let fits = (1..=MAX_BYTES).contains(&token.len())
        && token.bytes().all(|b| b.is_ascii_graphic() && b != b',' && b != b'"');
    if fits { Presented::Token(token) } else { Presented::Unfit }
}

#[cfg(test)]
mod tests {
    use super::*;
    use paifang_guest::HeaderName;

    fn bearer() -> Place {
        Place::Header { name: HeaderName::known("authorization"), scheme: "Bearer".to_owned() }
    }

    fn cookies() -> Place {
        Place::Cookie("sid".to_owned())
    }

    #[test]
    fn a_header_is_read_by_its_scheme() {
        for (value, presented) in [
            ("Bearer abc", Presented::Token("abc")),
            ("bearer  a.b-c~/+=", Presented::Token("a.b-c~/+=")),
            (" Bearer abc ", Presented::Token("abc")),
            ("Basic abc", Presented::None),
            ("Bearerabc", Presented::None),
            ("", Presented::None),
            ("Bearer", Presented::Unfit),
            ("Bearer ", Presented::Unfit),
            ("Bearer a b", Presented::Unfit),
            ("Bearer a,Bearer b", Presented::Unfit),
            ("Bearer ä", Presented::Unfit),
        ] {
            let call = Call::default().with_header("authorization", value);
            assert_eq!(bearer().find(&call), presented, "{value}");
        }
        assert_eq!(bearer().find(&Call::default()), Presented::None);
    }

    #[test]
    fn a_bare_header_is_the_token() {
        let place = Place::Header { name: HeaderName::known("x-session"), scheme: String::new() };
        let call = Call::default().with_header("x-session", "abc");
        assert_eq!(place.find(&call), Presented::Token("abc"));
        let call = Call::default().with_header("x-session", "");
        assert_eq!(place.find(&call), Presented::Unfit);
    }

    #[test]
    fn a_long_token_is_unfit() {
        let call = |bytes| {
            Call::default().with_header("authorization", format!("Bearer {}", "a".repeat(bytes)))
        };
        assert!(matches!(bearer().find(&call(MAX_BYTES)), Presented::Token(_)));
        assert_eq!(bearer().find(&call(MAX_BYTES + 1)), Presented::Unfit);
    }

    #[test]
    fn two_tokens_are_too_many() {
        let call = Call::default()
            .with_header("authorization", "Bearer a")
            .with_header("authorization", "Bearer a");
        assert_eq!(bearer().find(&call), Presented::Several);
        let call = Call::default().with_header("authorization", b"Bearer \xFF");
        assert_eq!(bearer().find(&call), Presented::Several, "no text");
        let call = Call::default().with_header("cookie", "sid=a").with_header("cookie", "sid=b");
        assert_eq!(cookies().find(&call), Presented::Several);
        let call = Call::default().with_header("cookie", "sid=a; sid=a");
        assert_eq!(cookies().find(&call), Presented::Several);
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        for (lines, presented) in [
            (&["sid=abc"][..], Presented::Token("abc")),
            (&["a=1; sid=abc; b=2"], Presented::Token("abc")),
            (&["a=1", "sid=a=b=="], Presented::Token("a=b==")),
            (&["xsid=abc; sid2=abc; SID=abc; sid"], Presented::None),
            (&["sid="], Presented::Unfit),
            (&["sid=a b"], Presented::Unfit),
            (&[], Presented::None),
        ] {
            let call =
                lines.iter().fold(Call::default(), |call, line| call.with_header("cookie", *line));
            assert_eq!(cookies().find(&call), presented, "{lines:?}");
        }
    }

    #[test]
    fn other_cookies_stay_when_the_token_is_hidden() {
        let call = Call::default().with_header("cookie", "a=1; sid=x").with_header("cookie", "b=2");
        assert_eq!(cookies().without(&call), ("cookie", Some("a=1; b=2".to_owned())));
        let call = Call::default().with_header("cookie", "sid=x");
        assert_eq!(cookies().without(&call), ("cookie", None));
        let call = Call::default().with_header("authorization", "Bearer x");
        assert_eq!(bearer().without(&call), ("authorization", None));
    }
}
