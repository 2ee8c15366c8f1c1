//! PROXY headers: what is read does not depend on how the bytes come, what is called incomplete
//! can be completed, and what was read can be written again.

use std::net::{IpAddr, SocketAddr};

// Whoever includes this file has the parser at hand: the crate, or its file alone.
use super::proxy_protocol::{Endpoints, Parsed, V1_MAX, V2_MAX, parse};

/// `data` is the beginning of a connection.
pub fn run(data: &[u8]) {
    let whole = parse(data);
    // How many bytes at least belong to the header, as far as was told.
    let mut promised = 0;
    let mut decided = None;
    for end in 0..=data.len().min(V2_MAX + 1) {
        let seen = parse(&data[..end]);
        if let Some(decided) = &decided {
            assert_eq!(&seen, decided, "decided before {end}, then otherwise");
            continue;
        }
        match seen {
            Ok(Parsed::Incomplete { missing }) => {
                assert!(missing > 0 && end + missing <= V2_MAX);
                promised = promised.max(end + missing);
                completed(&data[..end]);
            }
            Ok(Parsed::Complete { endpoints, length }) => {
                assert_eq!(length, end, "read to its end, and no further");
                assert!(promised <= length, "{promised} bytes were asked for");
                if let Some(endpoints) = endpoints {
                    written_again(endpoints);
                }
                decided = Some(seen);
            }
            Err(_) => decided = Some(seen),
        }
    }
    if let Some(decided) = decided {
        assert_eq!(whole, decided);
    }
}

/// What is incomplete has a continuation that is a header. A line of version 1 is judged when it
/// ends, so here only its beginning is looked at, and that it ends in time.
fn completed(begun: &[u8]) {
    const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
    if begun.first() == Some(&b'P') {
        let common = begun.len().min(6);
        assert!(begun[..common] == b"PROXY "[..common]);
        assert!(begun.len() < V1_MAX && !begun.contains(&b'\n'), "{begun:?}");
        return;
    }
    // LOCAL, of no family, and so without an address.
    let fixed = [SIGNATURE, &[0x20, 0, 0, 0]].concat();
    let mut header = begun.to_vec();
    header.extend_from_slice(fixed.get(begun.len()..).unwrap_or_default());
    // A family that was begun has room for its addresses.
    if begun.len() < 16 && header[12] == 0x21 {
        header[15] = header[15].max(36);
    }
    let length = 16 + usize::from(u16::from_be_bytes([header[14], header[15]]));
    header.resize(length.max(header.len()), 0);
    assert!(
        matches!(parse(&header), Ok(Parsed::Complete { .. })),
        "{begun:?}: {:?}",
        parse(&header)
    );
}

/// Both versions say the same of the same endpoints.
fn written_again(endpoints: Endpoints) {
    let Endpoints { source, destination } = endpoints;
    assert_eq!(source.ip(), source.ip().to_canonical());
    let v6 = source.is_ipv6() || destination.is_ipv6();
    let octets = |address: SocketAddr| match address.ip() {
        IpAddr::V4(ip) if v6 => ip.to_ipv6_mapped().octets().to_vec(),
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let shown = |address: SocketAddr| match address.ip() {
        IpAddr::V4(ip) if v6 => ip.to_ipv6_mapped().to_string(),
        ip => ip.to_string(),
    };
    let family = if v6 { "TCP6" } else { "TCP4" };
    let line = format!(
        "PROXY {family} {} {} {} {}\r\n",
        shown(source),
        shown(destination),
        source.port(),
        destination.port()
    );
    let mut block = [octets(source), octets(destination)].concat();
    block.extend(source.port().to_be_bytes());
    block.extend(destination.port().to_be_bytes());
    let mut binary = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    binary.extend([0x21, if v6 { 0x21 } else { 0x11 }, 0, block.len() as u8]);
    binary.extend(block);
    for header in [line.as_bytes(), &binary] {
        let read = Parsed::Complete { endpoints: Some(endpoints), length: header.len() };
        assert_eq!(parse(header), Ok(read), "{line}");
    }
}
