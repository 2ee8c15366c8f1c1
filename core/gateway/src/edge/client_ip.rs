//! Who the client is: the peer's address and a forwarding header, walked from the right over trusted proxies.
//!
//! Each proxy appends the address that it was called from, so the rightmost element was written by our peer,
//! the one before it by the proxy that our peer was called from, and so on. The walk believes an element only
//! while the hop that wrote it is trusted; the first untrusted address is the client, and whatever stands
//! left of it (a forgery, often) is never looked at. When the chain ends or stops making sense, the client is
//! the last address that a trusted hop vouched for. So an outsider can never choose an address. In
//! `X-Forwarded-For` they can't hide theirs either; in `Forwarded` an unbalanced quote spoils what honest
//! proxies append to the same line, and such a client is seen as the last trusted proxy before it.
//!
//! Only one header is read, the one that the proxies in front really write: a proxy that appends to
//! `X-Forwarded-For` hands a client's own `Forwarded` on untouched.

use std::net::{IpAddr, Ipv6Addr};

use smallvec::SmallVec;

use super::address::TrustedProxies;

/// The most elements that are walked. Beyond them the client is the last hop reached: a chain of trusted
/// proxies as long as this is a loop or an attack.
pub const MAX_HOPS: usize = 32;

/// Which header the trusted proxies write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardedHeader {
    /// None: the client is the peer, or whom the PROXY header names.
    None,
    /// `X-Forwarded-For`: addresses separated by commas, each with or without a port.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239), of which the `for` parameters are read.
    Forwarded,
}

impl ForwardedHeader {
    /// The header's name in lower case, `None` when none is read.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::XForwardedFor => Some("x-forwarded-for"),
            Self::Forwarded => Some("forwarded"),
        }
    }
}

/// The client's address.
///
/// `peer` is whom the connection came from (after the PROXY protocol, if that is used). `values` are
/// the values of the header that `header` names, in the order received; they are walked from the last.
/// IPv4-mapped addresses come out as IPv4. Costs no allocation for up to 8 elements in a `Forwarded` value, and
/// nothing but one look-up when the peer isn't trusted.
pub fn client_ip<'a>(
    peer: IpAddr,
    trusted: &TrustedProxies,
    header: ForwardedHeader,
    values: impl DoubleEndedIterator<Item = &'a [u8]>,
) -> IpAddr {
    let mut walk = Walk { client: peer.to_canonical(), trusted, hops: 0 };
    if header == ForwardedHeader::None || !walk.may_go_on() {
        return walk.client;
    }
    for value in values.rev() {
        let went_through = match header {
            ForwardedHeader::Forwarded => walk.forwarded(value),
            _ => walk.x_forwarded_for(value),
        };
        if !went_through {
            break;
        }
    }
    walk.client
}

struct Walk<'t> {
    /// The last address vouched for by a trusted hop.
    client: IpAddr,
    trusted: &'t TrustedProxies,
    hops: usize,
}

impl Walk<'_> {
    fn may_go_on(&self) -> bool {
        self.hops < MAX_HOPS && self.trusted.contains(self.client)
    }

    /// Takes the next element to the left; `None` is one that names no address. False ends the walk.
    fn step(&mut self, address: Option<IpAddr>) -> bool {
        let Some(address) = address else { return false };
        self.client = address;
        self.hops += 1;
        self.may_go_on()
    }

    /// False when the walk ended within this value.
    fn x_forwarded_for(&mut self, value: &[u8]) -> bool {
        value
            .rsplit(|byte| *byte == b',')
            .map(<[u8]>::trim_ascii)
            // RFC 9110 section 5.6.1.2: empty list elements are to be ignored.
            .filter(|element| !element.is_empty())
            .all(|element| self.step(parse_node(element)))
    }

    /// False when the walk ended within this value.
    fn forwarded(&mut self, value: &[u8]) -> bool {
        match forwarded_elements(value) {
            Some(elements) => elements.into_iter().rev().all(|node| self.step(node)),
            None => false,
        }
    }
}

/// The `for` nodes of a `Forwarded` value from left to right (RFC 7239 section 4), `None` for an element
/// without a usable one. `None` altogether when the value is no list of elements: a broken quote on the left
/// swallows what trusted proxies appended on the right, so nothing in it can be told from forgery.
fn forwarded_elements(value: &[u8]) -> Option<SmallVec<[Option<IpAddr>; 8]>> {
    let mut elements = SmallVec::new();
    for element in split_unquoted(value, b',') {
        let element = element?.trim_ascii();
        if element.is_empty() {
            continue;
        }
        let mut node = None;
        let mut seen = false;
        for pair in split_unquoted(element, b';') {
            let pair = pair?.trim_ascii();
            if pair.is_empty() {
                continue;
            }
            let equals = pair.iter().position(|byte| *byte == b'=')?;
            let (name, value) = (&pair[..equals], &pair[equals + 1..]);
            if name.eq_ignore_ascii_case(b"for") {
                if seen {
                    // Section 4: a parameter must not occur twice; which one is the proxy's can't be told.
                    return None;
                }
                seen = true;
                node = parse_node(unquote(value)?);
            }
        }
        elements.push(node);
    }
    Some(elements)
}

/// The pieces of `value` between `separator`s that stand outside quoted strings; a last `None` if a quoted
/// string doesn't end.
fn split_unquoted(value: &[u8], separator: u8) -> impl Iterator<Item = Option<&[u8]>> {
    let mut rest = Some(value);
    std::iter::from_fn(move || {
        let value = rest?;
        let (mut quoted, mut escaped) = (false, false);
        for (at, byte) in value.iter().enumerate() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                byte if *byte == separator && !quoted => {
                    rest = Some(&value[at + 1..]);
                    return Some(Some(&value[..at]));
                }
                _ => {}
            }
        }
        rest = None;
        Some((!quoted).then_some(value))
    })
}

/// A token as it is, or what a quoted string holds. No node needs an escape, so one that has some is refused by the
/// address parser.
fn unquote(value: &[u8]) -> Option<&[u8]> {
    match value.strip_prefix(b"\"") {
        Some(inner) => inner.strip_suffix(b"\"").filter(|inner| !inner.contains(&b'"')),
        None => (!value.contains(&b'"')).then_some(value),
    }
}

/// An address with or without a port; IPv6 bare, or in brackets as RFC 7239 section 6 has it.
/// `unknown`, obfuscated identifiers (`_hidden`), zone ids and garbage are no addresses.
fn parse_node(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let ip = match text.strip_prefix('[') {
        Some(rest) => {
            let (inside, after) = rest.split_once(']')?;
            match after.strip_prefix(':') {
                Some(port) if is_port(port) => {}
                None if after.is_empty() => {}
                _ => return None,
            }
            IpAddr::V6(inside.parse::<Ipv6Addr>().ok()?)
        }
        None => match text.split_once(':') {
            Some((host, port)) if !port.contains(':') => {
                is_port(port).then_some(())?;
                IpAddr::V4(host.parse().ok()?)
            }
            _ => text.parse().ok()?,
        },
    };
    Some(ip.to_canonical())
}

/// A port, or an obfuscated one (RFC 7239 section 6.3).
fn is_port(text: &str) -> bool {
    match text.strip_prefix('_') {
        Some(hidden) => {
            let plain =
                |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
            !hidden.is_empty() && hidden.bytes().all(plain)
        }
        None => (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

#[cfg(test)]
#[path = "client_ip_tests.rs"]
mod tests;
