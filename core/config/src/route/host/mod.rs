//! Hosts: `Host` fields, `:authority`, and the authority of absolute request-targets.
//!
//! Normative: docs/specs/paths.md, "Hosts". Names are lower-cased, lose their port and one trailing
//! dot, and stay A-labels (`xn--…`) where internationalised; address literals are brought into
//! their one spelling.

mod effective;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};

use thiserror::Error;

pub use effective::effective_host;

/// A host in normal form, with the port that came with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host<'a> {
    name: Cow<'a, str>,
    kind: HostKind,
    port: Option<u16>,
}

/// What sort of host it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostKind {
    /// A DNS name.
    Name,
    /// An IPv4 address.
    Ipv4,
    /// An IPv6 address in brackets.
    Ipv6,
}

/// Why a host is refused; always answered with 400.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HostError {
    /// No host where the protocol demands one (RFC 9112 section 3.2).
    #[error("no host given")]
    Missing,
    /// More than one `Host` field, even if they agree (RFC 9112 section 3.2).
    #[error("several Host fields")]
    Several,
    /// An empty value.
    #[error("the host is empty")]
    Empty,
    /// `:authority` and `Host` name different hosts (RFC 9113 section 8.3.1).
    #[error("Host and :authority differ")]
    Differ,
    /// `user@host` (RFC 9110 section 4.2.4).
    #[error("the host has user information before an `@`")]
    Userinfo,
    /// A byte that stands in no host name: space, control, `%`, `,`, `/`, above 0x7F …
    #[error("byte 0x{byte:02X} stands in no host name")]
    BadByte {
        /// Which.
        byte: u8,
    },
    /// The port is no number from 1 to 65535 of at most five digits.
    #[error("the host's port is not a number from 1 to 65535")]
    BadPort,
    /// Brackets with something else than an IPv6 address in them (zones are refused too).
    #[error("the host is no IPv6 address in brackets")]
    BadIpv6,
    /// A name whose last label is a number, but no dotted IPv4 address.
    #[error("the host ends in a number but is no IPv4 address")]
    BadIpv4,
    /// Two dots in a row, or a dot at the start.
    #[error("the host has an empty label")]
    EmptyLabel,
    /// A label of more than 63 bytes (RFC 1035 section 2.3.4).
    #[error("a label of the host has more than 63 bytes")]
    LabelTooLong,
    /// A name of more than 253 bytes (RFC 1035 section 2.3.4, as text).
    #[error("the host has more than 253 bytes")]
    NameTooLong,
}

impl<'a> Host<'a> {
    /// Parses `host` or `host:port`. Allocates only when the name must be changed or is IPv6.
    ///
    /// # Errors
    /// Each way to be refused is a variant of [`HostError`].
    pub fn parse(text: &'a [u8]) -> Result<Self, HostError> {
        // Nothing that `overriding` looks for gets through, so good hosts need not pay for it.
        Self::read(text).map_err(|bad| overriding(text).unwrap_or(bad))
    }

    fn read(text: &'a [u8]) -> Result<Self, HostError> {
        let text = std::str::from_utf8(text).map_err(|_| HostError::BadByte { byte: 0xFF })?;
        if text.starts_with('[') {
            return Self::ipv6(text);
        }
        let (name, port) = match text.bytes().position(|byte| byte == b':') {
            Some(colon) => (&text[..colon], parse_port(&text[colon + 1..])?),
            None => (text, None),
        };
        if name.is_empty() {
            return Err(HostError::Empty);
        }
        let name = name.strip_suffix('.').unwrap_or(name);
        let kind = check_name(name)?;
        let name = if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(name.to_ascii_lowercase())
        } else {
            Cow::Borrowed(name)
        };
        Ok(Host { name, kind, port })
    }

    /// The host without port, in normal form: what routes are matched against. IPv6 in brackets.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What sort of host it is.
    pub fn kind(&self) -> HostKind {
        self.kind
    }

    /// The port, when one was given.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// Copies what is borrowed.
    pub fn into_owned(self) -> Host<'static> {
        Host { name: Cow::Owned(self.name.into_owned()), kind: self.kind, port: self.port }
    }

    fn ipv6(text: &'a str) -> Result<Self, HostError> {
        let (inner, after) =
            text.strip_prefix('[').and_then(|t| t.split_once(']')).ok_or(HostError::BadIpv6)?;
        let address: Ipv6Addr = inner.parse().map_err(|_| HostError::BadIpv6)?;
        let port = match after.strip_prefix(':') {
            Some(port) => parse_port(port)?,
            None if after.is_empty() => None,
            None => return Err(HostError::BadIpv6),
        };
        // `Ipv6Addr` prints the one spelling of RFC 5952.
        Ok(Host { name: Cow::Owned(format!("[{address}]")), kind: HostKind::Ipv6, port })
    }
}

impl std::fmt::Display for Host<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// What a refused host is refused for before anything else: user information, then the first byte
/// that stands in no host at all.
fn overriding(text: &[u8]) -> Option<HostError> {
    if text.contains(&b'@') {
        return Some(HostError::Userinfo);
    }
    let &byte = text.iter().find(|byte| !byte.is_ascii_graphic())?;
    Some(HostError::BadByte { byte })
}

/// `port = *DIGIT` (RFC 3986 section 3.2.3): an empty one means none.
fn parse_port(text: &str) -> Result<Option<u16>, HostError> {
    if text.is_empty() {
        return Ok(None);
    }
    if text.len() > 5 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(HostError::BadPort);
    }
    match text.parse() {
        Ok(port) if port != 0 => Ok(Some(port)),
        _ => Err(HostError::BadPort),
    }
}

/// Letters, digits, `-` and `_` in labels of 1 to 63 bytes. Underscores are no host name by
/// RFC 952, but common in private DNS.
fn check_name(name: &str) -> Result<HostKind, HostError> {
    if name.len() > 253 {
        return Err(HostError::NameTooLong);
    }
    let mut label = 0;
    let mut digits = true;
    for byte in name.bytes() {
        match byte {
            b'.' if label == 0 => return Err(HostError::EmptyLabel),
            b'.' => (label, digits) = (0, true),
            b'-' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' if label == 63 => {
                return Err(HostError::LabelTooLong);
            }
            b'0'..=b'9' => label += 1,
            b'-' | b'_' | b'A'..=b'Z' | b'a'..=b'z' => (label, digits) = (label + 1, false),
            byte => return Err(HostError::BadByte { byte }),
        }
    }
    if label == 0 {
        return Err(HostError::EmptyLabel);
    }
    if digits {
        // A last label of digits is no top-level domain; other readers would take it for IPv4.
        return match name.parse::<Ipv4Addr>() {
            Ok(_) => Ok(HostKind::Ipv4),
            Err(_) => Err(HostError::BadIpv4),
        };
    }
    Ok(HostKind::Name)
}
