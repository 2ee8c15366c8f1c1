//! The PROXY protocol, versions 1 and 2, as one pure function over the bytes read so far
//! (`proxy-protocol.txt` of HAProxy, revision 2020/03/05, sections 2.1 and 2.2).
//!
//! Why not a crate: `ppp`, the common one, calls some finished but malformed lines incomplete (a connection would
//! then hang until its deadline instead of being refused) and takes ports such as `+80`. The tests hold this parser
//! against it where both agree on what is valid.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::address::canonical;

/// The longest header of version 1, its CRLF included (section 2.1).
pub const V1_MAX: usize = 107;
/// The longest header of version 2 that is read, its 16 fixed bytes included. The protocol allows 65,551; real ones
/// carry a certificate's name and a few identifiers.
pub const V2_MAX: usize = 4096;

const V2_SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
const V2_FIXED: usize = 16;
const V1_PREFIX: &[u8] = b"PROXY ";

/// The two ends of the connection that the proxy accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// The client, as the proxy saw it.
    pub source: SocketAddr,
    /// The proxy's own address that the client had connected to.
    pub destination: SocketAddr,
}

/// What a prefix of a connection's bytes amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// A beginning of a header; at least `missing` (> 0) more bytes belong to it.
    Incomplete {
        /// A lower bound; reading more may run into the bytes after the header.
        missing: usize,
    },
    /// A whole header in the first `length` bytes.
    Complete {
        /// `None` when the proxy speaks for itself (`LOCAL`) or cannot tell (`UNKNOWN`, `UNSPEC`, Unix sockets): the
        /// connection goes on with its own addresses.
        endpoints: Option<Endpoints>,
        /// Where the header ends, in bytes; at most [`V1_MAX`] or [`V2_MAX`].
        length: usize,
    },
}

/// Why the bytes are no PROXY header, and never will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyProtocolError {
    /// The first bytes are neither `PROXY ` nor the signature of version 2.
    #[error("the connection does not begin with a PROXY header")]
    NotProxy,
    /// More than [`V1_MAX`] bytes without a CRLF, or a length field beyond [`V2_MAX`].
    #[error("the PROXY header is longer than allowed")]
    TooLong,
    /// A version 1 line with a wrong count of fields or wrong separators.
    #[error("the PROXY line is malformed")]
    BadLine,
    /// A protocol other than `TCP4`, `TCP6`, `UNKNOWN`; a family, transport, command or version that version 2
    /// doesn't define; or a datagram transport, which can't have come over TCP.
    #[error("the PROXY header names an unknown version, command or protocol")]
    BadProtocol,
    /// An address that isn't one of its family, or an address block that is too short.
    #[error("the PROXY header holds a bad address")]
    BadAddress,
    /// A port that isn't a decimal number of 0 to 65535 without leading zeros.
    #[error("the PROXY header holds a bad port")]
    BadPort,
}

/// Reads a PROXY header at the beginning of `input`. Never looks at bytes after it.
///
/// # Errors
/// When no continuation of `input` could be a valid header. A line of version 1 is judged as a whole, when it ends
/// or has reached [`V1_MAX`]; version 2 byte by byte.
pub fn parse(input: &[u8]) -> Result<Parsed, ProxyProtocolError> {
    match input.first() {
        None => Ok(Parsed::Incomplete { missing: V1_PREFIX.len() }),
        Some(b'P') => parse_v1(input),
        Some(b'\r') => parse_v2(input),
        Some(_) => Err(ProxyProtocolError::NotProxy),
    }
}

fn parse_v1(input: &[u8]) -> Result<Parsed, ProxyProtocolError> {
    if let Some(missing) = missing_of(V1_PREFIX, input)? {
        return Ok(Parsed::Incomplete { missing });
    }
    let window = &input[..input.len().min(V1_MAX)];
    let Some(end) = window.iter().position(|byte| *byte == b'\n') else {
        return match V1_MAX.saturating_sub(input.len()) {
            0 => Err(ProxyProtocolError::TooLong),
            _ => Ok(Parsed::Incomplete { missing: 1 }),
        };
    };
    let line = window[V1_PREFIX.len()..end]
        .strip_suffix(b"\r")
        .and_then(|line| std::str::from_utf8(line).ok())
        .ok_or(ProxyProtocolError::BadLine)?;
    Ok(Parsed::Complete { endpoints: parse_v1_line(line)?, length: end + 1 })
}

/// `line` is what stands between `PROXY ` and CRLF.
fn parse_v1_line(line: &str) -> Result<Option<Endpoints>, ProxyProtocolError> {
    let mut fields = line.split(' ');
    let family = fields.next().unwrap_or_default();
    if family == "UNKNOWN" {
        // Section 2.1: whatever follows must be ignored.
        return Ok(None);
    }
    if !matches!(family, "TCP4" | "TCP6") {
        return Err(ProxyProtocolError::BadProtocol);
    }
    let (Some(source), Some(destination), Some(source_port), Some(destination_port), None) =
        (fields.next(), fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err(ProxyProtocolError::BadLine);
    };
    let address = |text: &str| -> Result<IpAddr, ProxyProtocolError> {
        let parsed = match family {
            "TCP4" => text.parse::<Ipv4Addr>().map(IpAddr::V4),
            _ => text.parse::<Ipv6Addr>().map(IpAddr::V6),
        };
        parsed.map_err(|_| ProxyProtocolError::BadAddress)
    };
    Ok(Some(Endpoints {
        source: endpoint(address(source)?, v1_port(source_port)?),
        destination: endpoint(address(destination)?, v1_port(destination_port)?),
    }))
}

fn v1_port(text: &str) -> Result<u16, ProxyProtocolError> {
    let digits_only = text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits_only || (text.len() > 1 && text.starts_with('0')) {
        return Err(ProxyProtocolError::BadPort);
    }
    text.parse().map_err(|_| ProxyProtocolError::BadPort)
}

fn parse_v2(input: &[u8]) -> Result<Parsed, ProxyProtocolError> {
    if let Some(missing) = missing_of(V2_SIGNATURE, input)? {
        return Ok(Parsed::Incomplete { missing: missing + V2_FIXED - V2_SIGNATURE.len() });
    }
    let local = match input.get(12) {
        None | Some(0x20) => true,
        Some(0x21) => false,
        Some(_) => return Err(ProxyProtocolError::BadProtocol),
    };
    // Section 2.2: a receiver must discard the whole block of LOCAL, the family included.
    let addresses = match input.get(13) {
        Some(family) if !local => v2_addresses(*family)?,
        _ => 0,
    };
    // What has not come counts as zero, so this is a lower bound until it has.
    let block = [14, 15].map(|at| input.get(at).copied().unwrap_or(0));
    let block = usize::from(u16::from_be_bytes(block));
    let length = V2_FIXED + block;
    if length > V2_MAX {
        return Err(ProxyProtocolError::TooLong);
    }
    let Some(fixed) = input.first_chunk::<V2_FIXED>() else {
        return Ok(Parsed::Incomplete { missing: V2_FIXED - input.len() });
    };
    if block < addresses {
        return Err(ProxyProtocolError::BadAddress);
    }
    let Some(block) = input.get(V2_FIXED..length) else {
        return Ok(Parsed::Incomplete { missing: length - input.len() });
    };
    let endpoints = if local { None } else { v2_endpoints(fixed[13], block)? };
    Ok(Parsed::Complete { endpoints, length })
}

/// How many bytes the addresses of this family take; so a header that can't become valid is
/// refused before its block has come.
fn v2_addresses(family_and_transport: u8) -> Result<usize, ProxyProtocolError> {
    match family_and_transport {
        0x00 | 0x31 => Ok(0),
        0x11 => Ok(12),
        0x21 => Ok(36),
        _ => Err(ProxyProtocolError::BadProtocol),
    }
}

/// What follows the addresses in `block` (TLVs) is ignored.
fn v2_endpoints(
    family_and_transport: u8,
    block: &[u8],
) -> Result<Option<Endpoints>, ProxyProtocolError> {
    match family_and_transport {
        // UNSPEC, and a Unix stream: accepted, without an address for us.
        0x00 | 0x31 => Ok(None),
        0x11 => {
            let bytes = block.first_chunk::<12>().ok_or(ProxyProtocolError::BadAddress)?;
            let [s0, s1, s2, s3, d0, d1, d2, d3, sp0, sp1, dp0, dp1] = *bytes;
            Ok(Some(Endpoints {
                source: endpoint([s0, s1, s2, s3].into(), u16::from_be_bytes([sp0, sp1])),
                destination: endpoint([d0, d1, d2, d3].into(), u16::from_be_bytes([dp0, dp1])),
            }))
        }
        0x21 => {
            let (source, rest) =
                block.split_first_chunk::<16>().ok_or(ProxyProtocolError::BadAddress)?;
            let (destination, rest) =
                rest.split_first_chunk::<16>().ok_or(ProxyProtocolError::BadAddress)?;
            let [sp0, sp1, dp0, dp1] =
                *rest.first_chunk::<4>().ok_or(ProxyProtocolError::BadAddress)?;
            Ok(Some(Endpoints {
                source: endpoint((*source).into(), u16::from_be_bytes([sp0, sp1])),
                destination: endpoint((*destination).into(), u16::from_be_bytes([dp0, dp1])),
            }))
        }
        _ => Err(ProxyProtocolError::BadProtocol),
    }
}

fn endpoint(ip: IpAddr, port: u16) -> SocketAddr {
    canonical(SocketAddr::new(ip, port))
}

/// How many bytes of `expected` are still to come, `None` when `input` has them all.
fn missing_of(expected: &[u8], input: &[u8]) -> Result<Option<usize>, ProxyProtocolError> {
    let common = expected.len().min(input.len());
    if expected[..common] != input[..common] {
        return Err(ProxyProtocolError::NotProxy);
    }
    Ok((common < expected.len()).then(|| expected.len() - common))
}

#[cfg(test)]
#[path = "proxy_protocol_tests.rs"]
mod tests;
