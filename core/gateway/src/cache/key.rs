//! What tells kept answers apart, and what of a request may reach the upstream for one.
//!
//! A key is the API, its rules, where a step sends the call, scheme, host as it was sent, path and query, and what the rules add.
//! The upstream is asked for nothing that the key does not tell: parameters and cookies beside those
//! that count are left out of the request. Otherwise a caller could shape, by something that nobody
//! compares, the answer that others get.

use http::{
    HeaderMap, HeaderName, HeaderValue, Uri,
    header::{COOKIE, HOST},
};
use paifang_config::model;
use paifang_pipeline::{Api, Exchange, RequestHead};
use percent_encoding::percent_decode_str;
use smallvec::SmallVec;

/// A key; most need no allocation until they are kept.
pub(super) type Key = SmallVec<[u8; 256]>;

/// Between parts. No part can hold it: URIs and header values have no such byte.
const END: u8 = 0;
/// In place of a header or cookie that is not there.
const ABSENT: u8 = 1;

/// What an API's keys are made of.
pub(super) struct KeyRules {
    /// The API, its upstream and these rules, so that answers kept by other rules are not found.
    prefix: Box<[u8]>,
    /// Where steps may send calls instead, by the places of the chain's routes.
    routes: Vec<Box<str>>,
    /// The parameters that count; all of the query as it is where `None`.
    query: Option<Vec<String>>,
    headers: Vec<HeaderName>,
    cookies: Vec<String>,
    identity: bool,
}

impl KeyRules {
    pub(super) fn new(config: &model::Cache, api: &Api) -> Self {
        let rules = serde_json::to_string(&config.key).unwrap_or_default();
        let upstream = api.upstream.as_deref().unwrap_or_default();
        let texts = |all: &[paifang_config::yaml::Located<String>]| {
            all.iter().map(|one| one.value().clone()).collect::<Vec<_>>()
        };
        let headers = config.key.headers.iter();
        Self {
            prefix: format!("{}\0{upstream}\0{rules}\0", api.id).into_bytes().into(),
            routes: api.chain.routes().iter().map(|name| (**name).into()).collect(),
            query: config.key.query.as_deref().map(texts),
            headers: headers
                .filter_map(|name| HeaderName::from_bytes(name.as_bytes()).ok())
                .collect(),
            cookies: texts(&config.key.cookies),
            identity: config.key.identity,
        }
    }

    /// The key of a call, as its chain left it.
    pub(super) fn of(&self, call: &Exchange) -> Key {
        let mut key = Key::from_slice(&self.prefix);
        let mut part = |bytes: &[u8]| {
            key.extend_from_slice(bytes);
            key.push(END);
        };
        let route = call.route().and_then(|route| self.routes.get(route.index()));
        part(route.map_or(&[][..], |name| name.as_bytes()));
        part(call.facts().scheme.as_str().as_bytes());
        part(call.header(HOST).map_or(&[][..], HeaderValue::as_bytes));
        part(call.path().as_bytes());
        match &self.query {
            None => part(call.query().map_or(&[ABSENT][..], str::as_bytes)),
            Some(names) => {
                for pair in counted(call.query().unwrap_or_default(), names) {
                    part(pair.as_bytes());
                }
                part(&[]);
            }
        }
        for name in &self.headers {
            let mut values = call.headers().get_all(name).iter().peekable();
            if values.peek().is_none() {
                part(&[ABSENT]);
            }
            values.for_each(|value| part(value.as_bytes()));
            part(&[]);
        }
        for name in &self.cookies {
            part(cookie(call.headers(), name).unwrap_or(&[ABSENT]));
        }
        if self.identity {
            let subject = call.slots().identity().map(|identity| identity.subject.as_bytes());
            part(subject.unwrap_or(&[ABSENT]));
        }
        key
    }

    /// Whether the request says who asks by something that its key does not tell.
    pub(super) fn has_credentials(&self, call: &Exchange) -> bool {
        let headers = call.headers();
        headers.contains_key(http::header::AUTHORIZATION)
            && !self.counts(&http::header::AUTHORIZATION)
            || headers.contains_key(COOKIE) && self.cookies.is_empty() && !self.counts(&COOKIE)
            || call.slots().identity().is_some() && !self.identity
    }

    /// Whether a header is part of the key.
    pub(super) fn counts(&self, name: &HeaderName) -> bool {
        self.headers.contains(name)
    }

    /// Takes out of a request what its key does not tell.
    pub(super) fn trim(&self, head: &mut RequestHead) {
        if let Some(names) = &self.query
            && let Some(query) = head.uri.query()
        {
            let kept: Vec<_> = counted(query, names).collect();
            let path = head.uri.path();
            let target = match kept.is_empty() {
                true => path.to_owned(),
                false => format!("{path}?{}", kept.join("&")),
            };
            // Parts of a valid target make a valid one.
            if let Ok(target) = Uri::try_from(target) {
                head.uri = target;
            }
        }
        if !self.cookies.is_empty() && head.headers.contains_key(COOKIE) {
            let mut kept = Vec::new();
            for name in &self.cookies {
                if let Some(value) = cookie(&head.headers, name) {
                    let between: &[u8] = if kept.is_empty() { b"" } else { b"; " };
                    kept.extend_from_slice(between);
                    kept.extend_from_slice(name.as_bytes());
                    kept.push(b'=');
                    kept.extend_from_slice(value);
                }
            }
            head.headers.remove(COOKIE);
            if let Ok(value) = HeaderValue::from_bytes(&kept)
                && !kept.is_empty()
            {
                head.headers.insert(COOKIE, value);
            }
        }
    }
}

/// The pairs of a query whose names count, in their order. Names are compared decoded: what the
/// upstream takes for a parameter that counts, counts.
fn counted<'a>(query: &'a str, names: &'a [String]) -> impl Iterator<Item = &'a str> {
    query.split('&').filter(move |pair| {
        let name = pair.split('=').next().unwrap_or_default();
        if pair.is_empty() {
            return false;
        }
        let plain = name.replace('+', " ");
        let decoded = percent_decode_str(&plain).decode_utf8_lossy();
        names.iter().any(|known| **known == decoded)
    })
}

/// The value of the first cookie of that name (RFC 6265, section 4.2.1).
fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    let pairs =
        headers.get_all(COOKIE).iter().flat_map(|value| value.as_bytes().split(|b| *b == b';'));
    pairs
        .map(<[u8]>::trim_ascii)
        .find_map(|pair| pair.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
}

#[cfg(test)]
mod tests {
    //! Pairs and cookies that count.
    use super::{cookie, counted};
    use http::{HeaderMap, HeaderValue, header::COOKIE};

    #[test]
    fn parameters_are_compared_as_the_upstream_reads_them() {
        let names = ["page".to_owned(), "a b".to_owned()];
        let pairs = |query| counted(query, &names).collect::<Vec<_>>();
        assert_eq!(pairs("x=1&page=2&utm=3&p%61ge=4&page"), ["page=2", "p%61ge=4", "page"]);
        assert_eq!(pairs("a+b=1&a%20b=2&a%2bb=3"), ["a+b=1", "a%20b=2"]);
        assert!(pairs("").is_empty() && pairs("&&").is_empty() && pairs("Page=1").is_empty());
    }

    #[test]
    fn cookies_are_found_over_several_fields() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, HeaderValue::from_static("a=1;  lang=de; xlang=no"));
        headers.append(COOKIE, HeaderValue::from_static("theme=dark"));
        assert_eq!(cookie(&headers, "lang"), Some(&b"de"[..]));
        assert_eq!(cookie(&headers, "theme"), Some(&b"dark"[..]));
        assert_eq!(cookie(&headers, "ang"), None);
    }
}
