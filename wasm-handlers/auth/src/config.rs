//! The step's config, and what is made of it once.

use paifang_guest::{ConfigError, HeaderName, prelude::*, units::Span};
use std::collections::BTreeMap;

/// The most claims that are handed on.
const MAX_CLAIMS: usize = 32;
/// Stands in `path` for the token.
pub(crate) const PLACEHOLDER: &str = "{token}";

/// As it is written; schema.json says what each means.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    pub(crate) header: Option<HeaderName>,
    pub(crate) scheme: Option<String>,
    pub(crate) cookie: Option<String>,
    pub(crate) hide: bool,
    pub(crate) realm: String,
    pub(crate) upstream: String,
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<HeaderName, String>,
    pub(crate) timeout: Span,
    pub(crate) subject: String,
    pub(crate) app: Option<String>,
    pub(crate) claims: Vec<String>,
    pub(crate) ttl: Span,
    pub(crate) negative_ttl: Span,
    pub(crate) stale: Span,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            header: None,
            scheme: None,
            cookie: None,
            hide: false,
            realm: "paifang".to_owned(),
            upstream: String::new(),
            path: "/introspect".to_owned(),
            headers: BTreeMap::new(),
            timeout: Span::seconds(2),
            subject: "sub".to_owned(),
            app: None,
            claims: vec!["scope".to_owned()],
            ttl: Span::seconds(300),
            negative_ttl: Span::seconds(10),
            stale: Span::ZERO,
        }
    }
}

/// Where a request carries its token.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In a header; after this scheme and a space, or, where it is empty, alone.
    Header { name: HeaderName, scheme: String },
    /// In the cookie of this name.
    Cookie(String),
}

/// What all instances begin with.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) place: Place,
    pub(crate) hide: bool,
    /// `WWW-Authenticate` for a call without a token.
    pub(crate) challenge: String,
    pub(crate) lookup: Lookup,
    pub(crate) claims: Claims,
    pub(crate) times: Times,
}

/// How the session service is asked.
#[derive(Debug)]
pub(crate) struct Lookup {
    pub(crate) upstream: String,
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<HeaderName, String>,
    pub(crate) timeout_millis: u32,
}

/// What is taken from its answers.
#[derive(Debug)]
pub(crate) struct Claims {
    pub(crate) subject: String,
    pub(crate) app: Option<String>,
    pub(crate) others: Vec<String>,
}

/// How long answers hold, in seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    pub(crate) positive: u64,
    pub(crate) negative: u64,
    pub(crate) stale: u64,
}

impl Config {
    pub(crate) fn settings(self) -> Result<Settings, ConfigError> {
        let (place, challenge) = place(self.header, self.scheme, self.cookie)?;
        if !self.realm.bytes().all(|b| matches!(b, b' '..=b'~') && !matches!(b, b'"' | b'\\')) {
            return Err(ConfigError::at("/realm", "letters, digits and signs of ASCII, no quotes"));
        }
        if self.upstream.is_empty() {
            return Err(ConfigError::at("/upstream", "say who knows the tokens").help(
                "name an upstream and grant it to this handler: grants: [ { http: [ … ] } ]",
            ));
        }
        let plain = self.path.replace(PLACEHOLDER, "");
        if !plain.starts_with('/') || !plain.bytes().all(|b| b.is_ascii_graphic() && b != b'#') {
            return Err(ConfigError::at("/path", "a path begins with `/` and is escaped ASCII"));
        }
        for (name, value) in &self.headers {
            if !value.bytes().all(|b| matches!(b, b' '..=b'~')) {
                let pointer = format!("/headers/{}", name.replace('~', "~0"));
                return Err(ConfigError::at(pointer, "a value is ASCII without controls"));
            }
        }
        if self.claims.len() > MAX_CLAIMS {
            return Err(ConfigError::at("/claims", format!("at most {MAX_CLAIMS}")));
        }
        let timeout = self.timeout.between(Span::millis(10), Span::seconds(60), "/timeout")?;
        let positive = self.ttl.between(Span::seconds(1), Span::hours(24), "/ttl")?;
        let negative =
            self.negative_ttl.between(Span::seconds(1), Span::seconds(300), "/negative_ttl")?;
        let stale = self.stale.between(Span::ZERO, Span::hours(24), "/stale")?;
        Ok(Settings {
            place,
            hide: self.hide,
            challenge: format!("{challenge} realm=\"{}\"", self.realm),
            lookup: Lookup {
                upstream: self.upstream,
                path: self.path,
                headers: self.headers,
                timeout_millis: u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX),
            },
            claims: Claims { subject: self.subject, app: self.app, others: self.claims },
            times: Times {
                positive: positive.as_seconds(),
                negative: negative.as_seconds(),
                stale: stale.as_seconds(),
            },
        })
    }
}

/// Where the token is, and the scheme that a challenge names.
fn place(
    header: Option<HeaderName>,
    scheme: Option<String>,
    cookie: Option<String>,
) -> Result<(Place, String), ConfigError> {
    if let Some(cookie) = cookie {
        if header.is_some() || scheme.is_some() {
            return Err(ConfigError::at("/cookie", "a token is in a header or in a cookie"));
        }
        if HeaderName::new(&cookie).is_none() {
            return Err(ConfigError::at("/cookie", "this is no name of a cookie"));
        }
        return Ok((Place::Cookie(cookie), "Cookie".to_owned()));
    }
    let name = header.unwrap_or_else(|| HeaderName::known("authorization"));
    // Headers of other names carry the token alone unless the config says other.
    let usual = if &*name == "authorization" { "Bearer" } else { "" };
    let scheme = scheme.unwrap_or_else(|| usual.to_owned());
    if !scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return Err(ConfigError::at("/scheme", "a scheme is letters, digits and `-`"));
    }
    let challenge = if scheme.is_empty() { "Bearer" } else { &scheme }.to_owned();
    Ok((Place::Header { name, scheme }, challenge))
}
