//! What a client's first message says, read before TLS answers it: which setup serves it, and which sessions it names.
//!
//! Only a reader: whatever is malformed is left to rustls, which refuses it with the right alert, and nothing that is read here
//! is believed before rustls has accepted the same bytes.

use std::borrow::Cow;

/// A whole ClientHello is at most this long, in bytes, its record headers included.
pub(crate) const HELLO_MAX: usize = 32 * 1024;

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const RECORD_HEADER: usize = 5;
/// Records of a ClientHello, at most: each is walked again whenever more arrives.
const RECORDS_MAX: usize = 512;
/// The longest plaintext of a record (RFC 8446 section 5.1).
const RECORD_MAX: usize = 16 * 1024;

const SERVER_NAME: u16 = 0;
const SUPPORTED_VERSIONS: u16 = 43;
const EARLY_DATA: u16 = 42;
const TLS13: u16 = 0x0304;

/// What concerns us of a ClientHello (RFC 8446 section 4.1.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hello {
    /// The host that is asked for, in lower case.
    pub(crate) server_name: Option<Box<str>>,
    /// Whether TLS 1.3 is offered.
    pub(crate) tls13: bool,
    /// Whether data follows at once.
    pub(crate) early_data: bool,
}

/// What the first bytes of a connection are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum First {
    /// A ClientHello.
    Hello(Hello),
    /// The beginning of one.
    Incomplete,
    /// Something else, or a malformed one.
    Unreadable,
}

/// Reads `bytes`, the first of a connection.
pub(crate) fn read(bytes: &[u8]) -> First {
    match message(bytes) {
        Message::Whole(message) => parse(&message).map_or(First::Unreadable, First::Hello),
        Message::Incomplete if bytes.len() < HELLO_MAX => First::Incomplete,
        Message::Incomplete | Message::Unreadable => First::Unreadable,
    }
}

enum Message<'a> {
    Whole(Cow<'a, [u8]>),
    Incomplete,
    Unreadable,
}

/// The body of the first handshake message, which may be spread over several records.
fn message(mut bytes: &[u8]) -> Message<'_> {
    let mut joined: Cow<'_, [u8]> = Cow::Borrowed(&[]);
    for _ in 0..RECORDS_MAX {
        // The kind of a record that has only begun tells, too: a client that speaks no TLS must not be waited for.
        if bytes.first().is_some_and(|kind| *kind != HANDSHAKE) {
            return Message::Unreadable;
        }
        let Some((header, rest)) = bytes.split_at_checked(RECORD_HEADER) else {
            return Message::Incomplete;
        };
        let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
        if length == 0 || length > RECORD_MAX || header[1] != 3 {
            return Message::Unreadable;
        }
        let Some((fragment, rest)) = rest.split_at_checked(length) else {
            return Message::Incomplete;
        };
        match joined.is_empty() {
            true => joined = Cow::Borrowed(fragment),
            false => joined.to_mut().extend_from_slice(fragment),
        }
        if joined[0] != CLIENT_HELLO {
            return Message::Unreadable;
        }
        if let [_, high, middle, low, ..] = joined[..] {
            let end = 4 + u32::from_be_bytes([0, high, middle, low]) as usize;
            if end > HELLO_MAX {
                return Message::Unreadable;
            }
            if joined.len() >= end {
                return Message::Whole(match joined {
                    Cow::Borrowed(all) => Cow::Borrowed(&all[4..end]),
                    Cow::Owned(all) => Cow::Owned(all[4..end].to_vec()),
                });
            }
        }
        bytes = rest;
    }
    Message::Unreadable
}

fn parse(body: &[u8]) -> Option<Hello> {
    let mut body = Reader(body);
    // Version and random.
    body.take(2 + 32)?;
    let _session_id = body.vector8()?;
    let _suites = body.vector16()?;
    let _compression = body.vector8()?;
    let mut hello = Hello::default();
    if body.0.is_empty() {
        // TLS 1.2 has hellos without extensions.
        return Some(hello);
    }
    let mut extensions = Reader(body.vector16()?);
    while !extensions.0.is_empty() {
        let kind = extensions.u16()?;
        let content = Reader(extensions.vector16()?);
        match kind {
            SERVER_NAME => hello.server_name = server_name(content),
            SUPPORTED_VERSIONS => hello.tls13 = offers_tls13(content)?,
            EARLY_DATA => hello.early_data = true,
            _ => {}
        }
    }
    Some(hello)
}

/// The one host name (RFC 6066 section 3); none where it is an address or no name, which rustls takes as if it were not there.
fn server_name(mut content: Reader<'_>) -> Option<Box<str>> {
    let mut list = Reader(content.vector16()?);
    let (kind, name) = (list.u8()?, list.vector16()?);
    let name = std::str::from_utf8(name).ok()?;
    let valid = tokio_rustls::rustls::pki_types::DnsName::try_from(name).ok()?;
    (kind == 0 && list.0.is_empty()).then(|| valid.to_lowercase_owned().as_ref().into())
}

fn offers_tls13(mut content: Reader<'_>) -> Option<bool> {
    let mut versions = Reader(content.vector8()?);
    let mut offered = false;
    while !versions.0.is_empty() {
        offered |= versions.u16()? == TLS13;
    }
    Some(offered)
}

/// Takes from the front; `None` where there is too little.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|taken| taken[0])
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2).map(|taken| u16::from_be_bytes([taken[0], taken[1]]))
    }

    fn vector8(&mut self) -> Option<&'a [u8]> {
        let length = self.u8()?;
        self.take(length.into())
    }

    fn vector16(&mut self) -> Option<&'a [u8]> {
        let length = self.u16()?;
        self.take(length.into())
    }
}

#[cfg(test)]
#[path = "hello_tests.rs"]
mod tests;
