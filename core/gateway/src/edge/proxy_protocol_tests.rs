//! PROXY headers byte by byte, against garbage and another parser.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::ProxyProtocolError::*;
use super::*;

fn v2(version_command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let mut header = V2_SIGNATURE.to_vec();
    header.extend([version_command, family]);
    header.extend(u16::try_from(block.len()).unwrap().to_be_bytes());
    header.extend(block);
    header
}

const V4_BLOCK: [u8; 12] = [192, 0, 2, 1, 198, 51, 100, 2, 0xC0, 0x01, 0x01, 0xBB];

fn ends(source: &str, destination: &str) -> Option<Endpoints> {
    Some(Endpoints { source: source.parse().unwrap(), destination: destination.parse().unwrap() })
}

/// Whole headers and what they say.
fn valid() -> Vec<(Vec<u8>, Option<Endpoints>)> {
    let mut v6_block = Vec::new();
    v6_block.extend("2001:db8::1".parse::<Ipv6Addr>().unwrap().octets());
    v6_block.extend("2001:db8::2".parse::<Ipv6Addr>().unwrap().octets());
    v6_block.extend([0x00, 0x50, 0x1F, 0x90]);
    let with_tlv = [&V4_BLOCK[..], &[0x02, 0x00, 0x03, b'a', b'.', b'b']].concat();
    let v4 = ends("192.0.2.1:49153", "198.51.100.2:443");
    vec![
        (b"PROXY TCP4 192.0.2.1 198.51.100.2 49153 443\r\n".to_vec(), v4),
        (
            b"PROXY TCP6 2001:db8::1 2001:db8::2 80 8080\r\n".to_vec(),
            ends("[2001:db8::1]:80", "[2001:db8::2]:8080"),
        ),
        (
            b"PROXY TCP6 ::ffff:192.0.2.1 ::ffff:198.51.100.2 0 65535\r\n".to_vec(),
            ends("192.0.2.1:0", "198.51.100.2:65535"),
        ),
        (b"PROXY UNKNOWN\r\n".to_vec(), None),
        (b"PROXY UNKNOWN whatever stands here is to be ignored by us\r\n".to_vec(), None),
        (v2(0x21, 0x11, &V4_BLOCK), v4),
        (v2(0x21, 0x11, &with_tlv), v4),
        (v2(0x21, 0x21, &v6_block), ends("[2001:db8::1]:80", "[2001:db8::2]:8080")),
        (v2(0x20, 0x00, &[]), None),
        (v2(0x20, 0x11, &V4_BLOCK), None),
        (v2(0x20, 0xFF, &[1, 2, 3]), None),
        (v2(0x21, 0x00, &[]), None),
        (v2(0x21, 0x00, &[4, 0, 1, 0]), None),
        (v2(0x21, 0x31, &[0; 216]), None),
    ]
}

#[test]
fn headers_byte_by_byte_with_bytes_after_them() {
    for (header, endpoints) in valid() {
        for end in 0..header.len() {
            match parse(&header[..end]) {
                Ok(Parsed::Incomplete { missing }) => {
                    assert!(missing > 0 && end + missing <= header.len(), "{end} of {header:?}");
                }
                other => panic!("{end} of {header:?}: {other:?}"),
            }
        }
        let complete = Ok(Parsed::Complete { endpoints, length: header.len() });
        assert_eq!(parse(&header), complete);
        let followed = [&header[..], b"GET / HTTP/1.1\r\n"].concat();
        assert_eq!(parse(&followed), complete);
    }
}

#[test]
fn refusals() {
    let long = [b"PROXY UNKNOWN ".as_slice(), &[b'x'; 100]].concat();
    let cases: Vec<(Vec<u8>, ProxyProtocolError)> = vec![
        (b"GET / HTTP/1.1\r\n".to_vec(), NotProxy),
        (b"PUT / HTTP/1.1\r\n".to_vec(), NotProxy),
        (b"proxy TCP4 1.1.1.1 2.2.2.2 1 2\r\n".to_vec(), NotProxy),
        (b"PROXY\tTCP4".to_vec(), NotProxy),
        (b"\x16\x03\x01\x00".to_vec(), NotProxy),
        (b"\r\n\r\n\x00\r\nQUIX".to_vec(), NotProxy),
        (long, TooLong),
        (b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n".to_vec(), BadLine),
        (b"PROXY TCP4 1.1.1.1\r\n".to_vec(), BadLine),
        (b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2 \r\n".to_vec(), BadLine),
        (b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n".to_vec(), BadLine),
        (b"PROXY TCP4  1.1.1.1 2.2.2.2 1\r\n".to_vec(), BadAddress),
        (b"PROXY TCP4 \xFF.1.1.1 2.2.2.2 1 2\r\n".to_vec(), BadLine),
        (b"PROXY \r\n".to_vec(), BadProtocol),
        (b"PROXY TCP5 1.1.1.1 2.2.2.2 1 2\r\n".to_vec(), BadProtocol),
        (b"PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n".to_vec(), BadProtocol),
        (b"PROXY TCP4 ::1 ::1 1 2\r\n".to_vec(), BadAddress),
        (b"PROXY TCP6 1.1.1.1 2.2.2.2 1 2\r\n".to_vec(), BadAddress),
        (b"PROXY TCP4 01.1.1.1 2.2.2.2 1 2\r\n".to_vec(), BadAddress),
        (b"PROXY TCP4 1.1.1.1 2.2.2.2 +1 2\r\n".to_vec(), BadPort),
        (b"PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n".to_vec(), BadPort),
        (b"PROXY TCP4 1.1.1.1 2.2.2.2 1 65536\r\n".to_vec(), BadPort),
        (b"PROXY TCP4 1.1.1.1 2.2.2.2 1 \r\n".to_vec(), BadPort),
        (v2(0x11, 0x11, &V4_BLOCK), BadProtocol),
        (v2(0x22, 0x11, &V4_BLOCK), BadProtocol),
        (v2(0x21, 0x12, &V4_BLOCK), BadProtocol),
        (v2(0x21, 0x41, &V4_BLOCK), BadProtocol),
        (v2(0x21, 0x11, &V4_BLOCK[..11]), BadAddress),
        (v2(0x21, 0x21, &V4_BLOCK), BadAddress),
        (v2(0x21, 0x11, &vec![0; V2_MAX]), TooLong),
    ];
    for (input, error) in cases {
        assert_eq!(parse(&input), Err(error), "{}", input.escape_ascii());
    }
}

#[test]
fn version_2_is_refused_by_its_first_wrong_byte() {
    let long = v2(0x21, 0x11, &vec![0; V2_MAX]);
    for (header, wrong, error) in [
        (long, 15, TooLong),
        (v2(0x22, 0x11, &V4_BLOCK), 13, BadProtocol),
        (v2(0x21, 0x12, &V4_BLOCK), 14, BadProtocol),
        (v2(0x21, 0x11, &V4_BLOCK[..11]), 16, BadAddress),
        (v2(0x21, 0x21, &V4_BLOCK), 16, BadAddress),
    ] {
        assert!(matches!(parse(&header[..wrong - 1]), Ok(Parsed::Incomplete { .. })), "{error}");
        assert_eq!(parse(&header[..wrong]), Err(error));
    }
}

fn v1_like() -> impl Strategy<Value = Vec<u8>> {
    let field = prop_oneof![
        Just("TCP4".to_string()),
        Just("TCP6".to_string()),
        Just("UNKNOWN".to_string()),
        Just("192.0.2.7".to_string()),
        Just("2001:db8::7".to_string()),
        "[0-9]{0,6}",
        "[ -~]{0,8}",
    ];
    let loose = proptest::collection::vec(field, 0..7)
        .prop_map(|fields| format!("PROXY {}\r\n", fields.join(" ")).into_bytes());
    let v4 = any::<(Ipv4Addr, Ipv4Addr, u16, u16)>()
        .prop_map(|(s, d, sp, dp)| format!("PROXY TCP4 {s} {d} {sp} {dp}\r\n").into_bytes());
    let v6 = any::<(Ipv6Addr, Ipv6Addr, u16, u16)>()
        .prop_map(|(s, d, sp, dp)| format!("PROXY TCP6 {s} {d} {sp} {dp}\r\n").into_bytes());
    prop_oneof![loose, v4, v6]
}

fn v2_like() -> impl Strategy<Value = Vec<u8>> {
    let family = prop_oneof![Just(0x11u8), Just(0x21), Just(0x31), Just(0), any::<u8>()];
    (prop_oneof![Just(0x20u8), Just(0x21), any::<u8>()], family, any::<[u8; 64]>(), 0usize..64)
        .prop_map(|(command, family, block, length)| v2(command, family, &block[..length]))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..Default::default() })]

    /// Any bytes: no panic, a sane answer, and more bytes never change an answer that was final.
    #[test]
    fn answers_are_final(
        input in prop_oneof![proptest::collection::vec(any::<u8>(), 0..300), v1_like(), v2_like()],
        more in proptest::collection::vec(any::<u8>(), 0..64),
    ) {
        let whole = [&input[..], &more[..]].concat();
        match parse(&input) {
            Ok(Parsed::Incomplete { missing }) => {
                prop_assert!(missing > 0);
                prop_assert!(input.len() + missing <= V2_MAX);
            }
            Ok(Parsed::Complete { length, .. }) => {
                prop_assert!(length <= input.len() && length <= V2_MAX);
                prop_assert_eq!(parse(&whole), parse(&input));
                prop_assert_eq!(parse(&input[..length]), parse(&input));
            }
            Err(error) => prop_assert_eq!(parse(&whole), Err(error)),
        }
    }

    /// Whatever we take as two addresses, the independent parser takes as the same two.
    #[test]
    fn agrees_with_an_independent_parser(input in prop_oneof![v1_like(), v2_like()]) {
        let Ok(Parsed::Complete { endpoints: Some(ours), .. }) = parse(&input) else { return Ok(()) };
        let theirs = match ppp::HeaderResult::parse(&input) {
            ppp::HeaderResult::V1(header) => match header.unwrap().addresses {
                ppp::v1::Addresses::Tcp4(a) => (a.source_address.into(), a.source_port),
                ppp::v1::Addresses::Tcp6(a) => (a.source_address.into(), a.source_port),
                ppp::v1::Addresses::Unknown => panic!("unknown"),
            },
            ppp::HeaderResult::V2(header) => match header.unwrap().addresses {
                ppp::v2::Addresses::IPv4(a) => (IpAddr::V4(a.source_address), a.source_port),
                ppp::v2::Addresses::IPv6(a) => (IpAddr::V6(a.source_address), a.source_port),
                other => panic!("{other:?}"),
            },
        };
        prop_assert_eq!(ours.source, endpoint(theirs.0, theirs.1));
    }
}
