//! Media types: which responses are worth compressing.

use paifang_pipeline::ConfigError;

/// What is compressed where the config names nothing: text, and binary formats that are not
/// compressed by themselves.
pub(super) const DEFAULT: &[&str] = &[
    "text/*",
    "*+json",
    "*+xml",
    "*+text",
    "application/json",
    "application/x-ndjson",
    "application/xml",
    "application/javascript",
    "application/x-javascript",
    "application/wasm",
    "application/yaml",
    "application/x-www-form-urlencoded",
    "application/graphql",
    "application/vnd.ms-fontobject",
    "font/otf",
    "font/ttf",
    "image/bmp",
    "image/x-icon",
];

/// The most patterns of a step.
const MAX_TYPES: usize = 64;

/// One pattern.
#[derive(Debug, PartialEq, Eq)]
enum Pattern {
    Any,
    /// `text/`, with its slash.
    Kind(Box<str>),
    /// `+json`, with its plus.
    Suffix(Box<str>),
    Exact(Box<str>),
}

/// A list of patterns.
#[derive(Debug)]
pub(super) struct Types(Box<[Pattern]>);

impl Types {
    pub(super) fn new(list: &[String]) -> Result<Self, ConfigError> {
        if list.is_empty() || list.len() > MAX_TYPES {
            let message = format!("a list of 1 to {MAX_TYPES} media types, not of {}", list.len());
            return Err(ConfigError::at("/types", message)
                .help("leave `types` away for the usual ones; `codecs: []` compresses nothing"));
        }
        let pattern = |(index, text): (usize, &String)| {
            pattern(text).ok_or_else(|| {
                let at = format!("/types/{index}");
                ConfigError::at(at, format!("`{text}` is no media type and no pattern of them"))
                    .help("write `text/html`, `text/*`, `*+json` or `*/*`")
            })
        };
        Ok(Self(list.iter().enumerate().map(pattern).collect::<Result<_, _>>()?))
    }

    /// Whether a `Content-Type` with this value is of the list; its parameters do not count.
    pub(super) fn has(&self, value: &[u8]) -> bool {
        let essence = essence(value);
        self.0.iter().any(|pattern| match pattern {
            Pattern::Any => true,
            Pattern::Kind(kind) => begins(essence, kind.as_bytes()),
            Pattern::Suffix(suffix) => ends(essence, suffix.as_bytes()),
            Pattern::Exact(exact) => essence.eq_ignore_ascii_case(exact.as_bytes()),
        })
    }
}

/// A `Content-Type` without its parameters.
fn essence(value: &[u8]) -> &[u8] {
    value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii()
}

/// Whether this is gRPC, whose frames have their own compression.
pub(super) fn is_grpc(value: &[u8]) -> bool {
    begins(essence(value), b"application/grpc")
}

/// Whether this is a stream of server-sent events.
pub(super) fn is_events(value: &[u8]) -> bool {
    essence(value).eq_ignore_ascii_case(b"text/event-stream")
}

fn begins(text: &[u8], with: &[u8]) -> bool {
    text.get(..with.len()).is_some_and(|head| head.eq_ignore_ascii_case(with))
}

fn ends(text: &[u8], with: &[u8]) -> bool {
    let cut = text.len().checked_sub(with.len());
    cut.is_some_and(|cut| text[cut..].eq_ignore_ascii_case(with))
}

fn pattern(text: &str) -> Option<Pattern> {
    let token = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    if text == "*/*" {
        return Some(Pattern::Any);
    }
    if let Some(suffix) = text.strip_prefix('*') {
        let named = suffix.strip_prefix('+').is_some_and(token);
        return named.then(|| Pattern::Suffix(suffix.into()));
    }
    let (kind, subtype) = text.split_once('/')?;
    match (token(kind), subtype) {
        (true, "*") => Some(Pattern::Kind(format!("{kind}/").into())),
        (true, subtype) if token(subtype) => Some(Pattern::Exact(text.into())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    //! Patterns against types.
    use super::{DEFAULT, Types, is_events, is_grpc, pattern};

    #[test]
    fn the_usual_types_are_text_and_what_is_like_it() {
        let list: Vec<String> = DEFAULT.iter().map(|&text| text.to_owned()).collect();
        let types = Types::new(&list).unwrap_or_else(|error| panic!("{error}"));
        for (value, wanted) in [
            ("text/html; charset=utf-8", true),
            ("TEXT/HTML", true),
            ("application/json", true),
            ("application/problem+json;x=1", true),
            ("image/svg+xml", true),
            ("application/wasm", true),
            ("text", false),
            ("texts/html", false),
            ("application/jsonp", false),
            ("image/png", false),
            ("application/octet-stream", false),
            ("video/mp4", false),
            ("font/woff2", false),
            ("+json", true),
            ("json", false),
            ("", false),
        ] {
            assert_eq!(types.has(value.as_bytes()), wanted, "{value}");
        }
        assert!(is_grpc(b"application/grpc+proto") && is_grpc(b"application/grpc-web"));
        assert!(is_events(b"text/event-stream;charset=utf-8") && !is_events(b"text/event"));
    }

    #[test]
    fn patterns_are_four_forms_and_nothing_else() {
        for text in ["text/html", "text/*", "*+json", "*/*", "application/vnd.api+json"] {
            assert!(pattern(text).is_some(), "{text}");
        }
        for text in [
            "",
            "text",
            "*",
            "*/json",
            "text/",
            "/html",
            "te*t/html",
            "text/h*",
            "*+",
            "a/b/c",
            "a b/c",
        ] {
            assert!(pattern(text).is_none(), "{text}");
        }
    }
}
