//! What a caller is known by, read off a call without an allocation.

use crate::points::Points;
use http::{
    HeaderMap, HeaderName,
    header::{COOKIE, HeaderValue},
};
use paifang_pipeline::{ConfigError, Exchange};
use std::net::IpAddr;

/// What a caller is known by, ready to read it off a call.
#[derive(Debug)]
pub(crate) enum Subject {
    /// Chance: each call is a caller of its own.
    Random,
    /// The address; of IPv6 the network of 64 bits.
    ClientIp,
    /// Who a step above has found the caller to be.
    Identity,
    /// The app that a step above has found.
    App,
    /// The first value of a request header.
    Header(HeaderName),
    /// The value of a cookie.
    Cookie(String),
}

impl Subject {
    /// A header by its name, which stands at `/by/header` of the config.
    pub(crate) fn header(name: &str) -> Result<Self, ConfigError> {
        HeaderName::from_bytes(name.as_bytes())
            .map(Self::Header)
            .map_err(|_| ConfigError::at("/by/header", format!("`{name}` is no header's name")))
    }

    /// A cookie by its name, which stands at `/by/cookie` of the config.
    pub(crate) fn cookie(name: &str) -> Result<Self, ConfigError> {
        if !is_token(name) {
            let message = format!("`{name}` is no cookie's name");
            return Err(ConfigError::at("/by/cookie", message));
        }
        Ok(Self::Cookie(name.to_owned()))
    }

    /// The call's point; `None` where it lacks what decides.
    pub(crate) fn point(&self, points: &Points, call: &Exchange) -> Option<u32> {
        match self {
            Self::Random => Some(points.of(&[&call.facts().entropy.to_le_bytes()])),
            Self::ClientIp => Some(match call.facts().client_ip.to_canonical() {
                IpAddr::V4(client) => points.of(&[&client.octets()]),
                IpAddr::V6(client) => points.of(&[&client.octets()[..8]]),
            }),
            Self::Identity => {
                let who = call.slots().identity()?;
                let app = who.app.as_deref().unwrap_or_default();
                Some(points.of(&[app.as_bytes(), who.subject.as_bytes()]))
            }
            Self::App => Some(points.of(&[call.slots().app()?.id.as_bytes()])),
            Self::Header(name) => given(points, call.header(name)?.as_bytes()),
            Self::Cookie(name) => given(points, cookie(call.headers(), name)?),
        }
    }
}

fn given(points: &Points, value: &[u8]) -> Option<u32> {
    (!value.is_empty()).then(|| points.of(&[value]))
}

/// The value of a cookie (RFC 6265 section 4.2.1): the first of its name.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    let fields = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes);
    let pairs = fields.flat_map(|field| field.split(|byte| *byte == b';'));
    pairs.map(<[u8]>::trim_ascii).find_map(|pair| {
        let value = pair.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        Some(value)
    })
}

/// A token (RFC 9110 section 5.6.2): what cookies may be called.
fn is_token(text: &str) -> bool {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    (1..=256).contains(&text.len()) && text.bytes().all(token)
}
