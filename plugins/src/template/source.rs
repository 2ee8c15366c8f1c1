//! What a placeholder can stand for.

use super::Values;
use super::values::Found;
use http::{HeaderName, uri::PathAndQuery};
use percent_encoding::percent_decode;

/// What a placeholder stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    Method,
    Path,
    Query,
    /// Path and query, as in a request line.
    Target,
    Host,
    Scheme,
    ClientIp,
    RequestId,
    App,
    Identity,
    Time,
    Unix,
    Body,
    QueryValue(Box<str>),
    Header(HeaderName),
    Param(Box<str>),
    /// A JSON pointer (RFC 6901) into the body.
    Pointer(Box<str>),
}

const HELP: &str = "known are `method`, `path`, `query`, `target`, `host`, `scheme`, `client_ip`, `request_id`, \
`app`, `identity`, `time`, `unix`, `body`, `query.NAME`, `header.NAME`, `param.NAME` and \
`body./JSON/POINTER`";

impl Source {
    /// Reads a source's name; on error says what is wrong and what helps.
    pub(super) fn parse(word: &str) -> Result<Self, (String, String)> {
        let plain = match word {
            "method" => Some(Self::Method),
            "path" => Some(Self::Path),
            "query" => Some(Self::Query),
            "target" => Some(Self::Target),
            "host" => Some(Self::Host),
            "scheme" => Some(Self::Scheme),
            "client_ip" => Some(Self::ClientIp),
            "request_id" => Some(Self::RequestId),
            "app" => Some(Self::App),
            "identity" => Some(Self::Identity),
            "time" => Some(Self::Time),
            "unix" => Some(Self::Unix),
            "body" => Some(Self::Body),
            _ => None,
        };
        if let Some(source) = plain {
            return Ok(source);
        }
        let (kind, name) = word.split_once('.').unwrap_or((word, ""));
        let wrong = |why: &str| Err((format!("`{word}` {why}"), HELP.to_owned()));
        match (kind, name) {
            ("query" | "header" | "param" | "body", "") => wrong("lacks a name behind the dot"),
            ("query", name) => Ok(Self::QueryValue(name.into())),
            ("param", name) => Ok(Self::Param(name.into())),
            ("header", name) => match HeaderName::from_bytes(name.as_bytes()) {
                Ok(name) => Ok(Self::Header(name)),
                Err(_) => wrong("is no header's name"),
            },
            ("body", pointer) if pointer.starts_with('/') => Ok(Self::Pointer(pointer.into())),
            ("body", _) => wrong("is no JSON pointer into the body: write `body./name`"),
            _ => wrong("is nothing that a template knows"),
        }
    }

    pub(super) fn needs_body(&self) -> bool {
        matches!(self, Self::Body | Self::Pointer(_))
    }

    /// The value in this call.
    pub(super) fn find<'a>(&self, values: &'a Values<'a>) -> Found<'a> {
        let call = values.call;
        let text =
            |text: Option<&'a str>| text.map_or(Found::Nothing, |t| Found::Text(t.as_bytes()));
        match self {
            Self::Method => text(Some(call.method().as_str())),
            Self::Path => Found::Url(call.path().as_bytes()),
            Self::Query => call.query().map_or(Found::Nothing, |q| Found::Url(q.as_bytes())),
            Self::Target => {
                let target = call.head().uri.path_and_query().map_or("/", PathAndQuery::as_str);
                Found::Url(target.as_bytes())
            }
            Self::Host => text(Some(call.facts().host()).filter(|host| !host.is_empty())),
            Self::Scheme => text(Some(call.facts().scheme.as_str())),
            Self::ClientIp => Found::print(call.facts().client_ip),
            Self::RequestId => {
                call.slots().request_id().map_or(Found::Nothing, |id| Found::Text(id.as_bytes()))
            }
            Self::App => text(call.slots().app().map(|app| &*app.id)),
            Self::Identity => text(call.slots().identity().map(|who| &*who.subject)),
            Self::Time => {
                let time = std::time::UNIX_EPOCH + call.facts().received_unix;
                Found::print(humantime::format_rfc3339_millis(time))
            }
            Self::Unix => Found::print(call.facts().received_unix.as_secs()),
            Self::Body => values.body.map_or(Found::Nothing, |body| Found::Text(body.bytes())),
            Self::QueryValue(name) => query_value(call.query().unwrap_or_default(), name),
            Self::Header(name) => {
                call.header(name).map_or(Found::Nothing, |value| Found::Text(value.as_bytes()))
            }
            Self::Param(name) => call.param(name).map_or(Found::Nothing, |value| Found::Encoded {
                bytes: value.as_bytes(),
                form: false,
            }),
            Self::Pointer(pointer) => values
                .body
                .and_then(|body| body.pointer(pointer))
                .map_or(Found::Nothing, Found::Json),
        }
    }
}

/// The first value of a query parameter, still encoded. A key may be encoded itself.
fn query_value<'a>(query: &'a str, name: &str) -> Found<'a> {
    let same = |key: &str| key == name || percent_decode(key.as_bytes()).eq(name.bytes());
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if same(key) {
            return Found::Encoded { bytes: value.as_bytes(), form: true };
        }
    }
    Found::Nothing
}
