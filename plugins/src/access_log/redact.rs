//! What is never written out.

use http::HeaderName;
use percent_encoding::percent_decode;
use smallvec::SmallVec;

/// What stands for a value.
pub(super) const REDACTED: &[u8] = b"[redacted]";

/// Headers that carry secrets, whatever the config says.
const HEADERS: &[&str] = &[
    "api-key",
    "authorization",
    "cookie",
    "proxy-authorization",
    "set-cookie",
    "x-amz-security-token",
    "x-api-key",
    "x-auth-token",
    "x-csrf-token",
    "x-signature",
    "x-xsrf-token",
];

/// Query parameters that carry secrets, whatever the config says.
const PARAMETERS: &[&str] = &[
    "access_key",
    "access_token",
    "api_key",
    "apikey",
    "assertion",
    "auth",
    "authorization",
    "client_secret",
    "code",
    "id_token",
    "jwt",
    "key",
    "passwd",
    "password",
    "refresh_token",
    "secret",
    "session",
    "sig",
    "sign",
    "signature",
    "token",
];

/// Which names hold secrets.
#[derive(Debug)]
pub(super) struct Secrets {
    headers: Vec<HeaderName>,
    parameters: Vec<String>,
}

impl Secrets {
    /// The names that always do, and these.
    pub(super) fn new(headers: Vec<HeaderName>, parameters: &[String]) -> Self {
        Self { headers, parameters: parameters.to_vec() }
    }

    /// Whether a header's value is secret.
    pub(super) fn hides_header(&self, name: &HeaderName) -> bool {
        HEADERS.contains(&name.as_str()) || self.headers.contains(name)
    }

    fn hides_parameter(&self, name: &[u8]) -> bool {
        let same = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        PARAMETERS.iter().any(|known| same(known))
            || self.parameters.iter().any(|known| same(known))
    }

    /// Whether a pair of a query has a secret value; the name may be percent-encoded.
    fn hides_pair(&self, pair: &[u8]) -> Option<usize> {
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        let name = &pair[..equals];
        let hidden = if name.contains(&b'%') {
            let decoded: SmallVec<[u8; 64]> = percent_decode(name).collect();
            self.hides_parameter(&decoded)
        } else {
            self.hides_parameter(name)
        };
        hidden.then_some(equals)
    }

    /// A query with its secret values replaced; `None` where it has none.
    pub(super) fn query(&self, query: &[u8]) -> Option<SmallVec<[u8; 256]>> {
        let pairs = || query.split(|byte| *byte == b'&');
        if !pairs().any(|pair| self.hides_pair(pair).is_some()) {
            return None;
        }
        let mut out = SmallVec::new();
        for (index, pair) in pairs().enumerate() {
            if index > 0 {
                out.push(b'&');
            }
            match self.hides_pair(pair) {
                None => out.extend_from_slice(pair),
                Some(equals) => {
                    out.extend_from_slice(&pair[..=equals]);
                    out.extend_from_slice(REDACTED);
                }
            }
        }
        Some(out)
    }

    /// A URL with the secret values of its query replaced; `None` where it has none.
    pub(super) fn url(&self, url: &[u8]) -> Option<SmallVec<[u8; 256]>> {
        let begin = url.iter().position(|byte| *byte == b'?')? + 1;
        let end = url.iter().position(|byte| *byte == b'#').unwrap_or(url.len()).max(begin);
        let query = self.query(&url[begin..end])?;
        let mut out = SmallVec::from_slice(&url[..begin]);
        out.extend_from_slice(&query);
        out.extend_from_slice(&url[end..]);
        Some(out)
    }
}
