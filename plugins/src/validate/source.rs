//! Where the parts of a request are found: texts by name, from the query, the path, headers and
//! cookies.

use super::query::{Pairs, Unreadable, cookies, pairs};
use http::header::COOKIE;
use paifang_pipeline::RequestCall;
use percent_encoding::percent_decode_str;
use std::borrow::Cow;

/// Where a parameter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Query,
    Path,
    Header,
    Cookie,
}

impl Place {
    /// As OpenAPI and error answers call it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Path => "path",
            Self::Header => "header",
            Self::Cookie => "cookie",
        }
    }
}

/// One request's texts, the query and the cookies read at most once.
pub(super) struct Sources<'a> {
    call: &'a RequestCall<'a>,
    query: Option<Result<Pairs<'a>, Unreadable>>,
    cookies: Option<Result<Pairs<'a>, Unreadable>>,
    /// What a template of the description has found in the path.
    captures: &'a [(&'a str, &'a str)],
}

impl<'a> Sources<'a> {
    pub(super) fn new(call: &'a RequestCall<'a>, captures: &'a [(&'a str, &'a str)]) -> Self {
        Self { call, query: None, cookies: None, captures }
    }

    /// The query's pairs.
    pub(super) fn query(&mut self) -> Result<&Pairs<'a>, Unreadable> {
        let call = self.call;
        let read = self.query.get_or_insert_with(|| pairs(call.query().unwrap_or_default()));
        read.as_ref().map_err(|wrong| Unreadable(wrong.0))
    }

    /// The cookies.
    pub(super) fn cookies(&mut self) -> Result<&Pairs<'a>, Unreadable> {
        let call = self.call;
        let read = self.cookies.get_or_insert_with(|| {
            cookies(call.headers().get_all(COOKIE).iter().map(http::HeaderValue::as_bytes))
        });
        read.as_ref().map_err(|wrong| Unreadable(wrong.0))
    }

    /// All texts of that name; none where it is not there.
    pub(super) fn values(&mut self, place: Place, name: &str) -> Result<Vec<String>, Unreadable> {
        let named = |pairs: &Pairs<'_>| {
            let found = pairs.iter().filter(|(known, _)| known == name);
            found.map(|(_, value)| value.clone().into_owned()).collect()
        };
        match place {
            Place::Query => self.query().map(named),
            Place::Cookie => self.cookies().map(named),
            Place::Header => {
                let values = self.call.headers().get_all(name).iter();
                let text = |value: &http::HeaderValue| {
                    let text = std::str::from_utf8(value.as_bytes());
                    text.map(str::to_owned).map_err(|_| Unreadable("is no text in UTF-8"))
                };
                values.map(text).collect()
            }
            Place::Path => {
                let captured = self.captures.iter().find(|(known, _)| *known == name);
                let text = captured.map(|(_, text)| *text).or_else(|| self.call.param(name));
                Ok(text.map(str::to_owned).into_iter().collect())
            }
        }
    }
}

/// A segment of a path as a text.
pub(super) fn unescaped(text: &str) -> Result<String, Unreadable> {
    let plain = percent_decode_str(text).decode_utf8();
    plain.map(Cow::into_owned).map_err(|_| Unreadable("is no text in UTF-8"))
}
