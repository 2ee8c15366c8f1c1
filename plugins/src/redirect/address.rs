//! Where a redirect may lead: what of an address is fixed at load, and what a filled one must be.
//!
//! An open redirect is an address whose host a stranger chooses: `/{{ query.next | raw }}` filled
//! with `/evil.example` is `//evil.example`, which browsers read as a host. So the part up to the
//! host's end is fixed at load, and a filled relative address is looked at again.

use crate::template::Template;
use http::Uri;

/// What a template's own text fixes of the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Host {
    /// A path on the same host.
    Own,
    /// A scheme and a host that the config names.
    Fixed,
    /// The request decides the host.
    Open,
}

/// Why a template is refused.
pub(super) enum BadAddress {
    /// It begins with what is no address.
    NoAddress,
    /// A scheme that runs code or shows text in a client.
    Scheme(String),
    /// A value of the request would be part of the host.
    Stranger,
}

impl Host {
    /// What `template` fixes; `allow_host` lets the request decide the host.
    pub(super) fn of(template: &Template, allow_host: bool) -> Result<Self, BadAddress> {
        let prefix = template.prefix();
        let whole = template.fixed().is_some();
        if template.begins_with_path() {
            return Ok(Self::Own);
        }
        // `/` alone before a value could become `//host`; that is seen when it is filled.
        if prefix.starts_with('/') && !is_network_path(prefix) {
            return Ok(Self::Own);
        }
        let open = if allow_host { Ok(Self::Open) } else { Err(BadAddress::Stranger) };
        let Some((scheme, rest)) = prefix.split_once("://") else {
            let begun = prefix.is_empty() || is_network_path(prefix);
            return if begun && !whole { open } else { Err(BadAddress::NoAddress) };
        };
        if !is_scheme(scheme) {
            return Err(BadAddress::NoAddress);
        }
        if is_dangerous(scheme) {
            return Err(BadAddress::Scheme(scheme.to_owned()));
        }
        match rest.find(['/', '?', '#']) {
            Some(0) => Err(BadAddress::NoAddress),
            Some(_) => Ok(Self::Fixed),
            None if whole && !rest.is_empty() => Ok(Self::Fixed),
            None => open,
        }
    }

    /// Whether a filled address keeps to this.
    pub(super) fn admits(self, address: &str) -> bool {
        if !address.bytes().all(|byte| byte.is_ascii_graphic()) || address.contains('\\') {
            return false;
        }
        match self {
            Self::Own => address.starts_with('/') && !is_network_path(address),
            Self::Fixed => true,
            Self::Open if address.starts_with('/') => !is_network_path(address),
            Self::Open => {
                let scheme = address.split_once("://").map(|(scheme, _)| scheme);
                let web = scheme.is_some_and(|scheme| matches!(scheme, "http" | "https"));
                let host = address.parse::<Uri>().ok().and_then(|uri| uri.host().map(str::len));
                web && host.is_some_and(|length| length > 0)
            }
        }
    }
}

/// `//host`, and `/\host`, which browsers take for the same.
fn is_network_path(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next() == Some(b'/') && matches!(bytes.next(), Some(b'/' | b'\\'))
}

/// RFC 3986 section 3.1.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
}

fn is_dangerous(scheme: &str) -> bool {
    ["javascript", "data", "vbscript", "file"].iter().any(|bad| scheme.eq_ignore_ascii_case(bad))
}
