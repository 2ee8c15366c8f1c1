//! Tables of hosts, and of the places a host may come from.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use http::Version;

use super::*;

fn parse(text: &str) -> Result<Host<'_>, HostError> {
    Host::parse(text.as_bytes())
}

#[test]
fn hosts_become_one_spelling() {
    use HostKind::{Ipv4, Ipv6, Name};
    for (text, name, kind, port) in [
        ("example.com", "example.com", Name, None),
        ("API.Example.COM.", "api.example.com", Name, None),
        ("a:80", "a", Name, Some(80)),
        ("a.:", "a", Name, None),
        ("a:00443", "a", Name, Some(443)),
        ("xn--bcher-kva.example", "xn--bcher-kva.example", Name, None),
        ("r3---x_y.a-", "r3---x_y.a-", Name, None),
        ("127.0.0.1:65535", "127.0.0.1", Ipv4, Some(65535)),
        ("127.0.0.1.", "127.0.0.1", Ipv4, None),
        ("1.2.3.4a", "1.2.3.4a", Name, None),
        ("[::1]", "[::1]", Ipv6, None),
        ("[2001:DB8:0:0::1]:8443", "[2001:db8::1]", Ipv6, Some(8443)),
        ("[::FFFF:1.2.3.4]", "[::ffff:1.2.3.4]", Ipv6, None),
    ] {
        let host = parse(text).unwrap();
        assert_eq!((host.name(), host.kind(), host.port()), (name, kind, port), "{text}");
    }
    assert!(matches!(parse("a.b").unwrap().name, Cow::Borrowed(_)));
    assert_eq!(parse("A:8").unwrap().into_owned().to_string(), "a:8");
}

#[test]
fn each_refusal_has_its_own_error() {
    use HostError as E;
    let label = "a".repeat(64);
    let name = "a.".repeat(126) + "ab";
    for (text, error) in [
        ("", E::Empty),
        (":80", E::Empty),
        ("u@h", E::Userinfo),
        ("u:p@h:1", E::Userinfo),
        (" h", E::BadByte { byte: b' ' }),
        ("a b", E::BadByte { byte: b' ' }),
        ("a\0", E::BadByte { byte: 0 }),
        ("é", E::BadByte { byte: 0xC3 }),
        ("a%62", E::BadByte { byte: b'%' }),
        ("a,b", E::BadByte { byte: b',' }),
        ("a/b", E::BadByte { byte: b'/' }),
        ("*.a", E::BadByte { byte: b'*' }),
        ("a:b", E::BadPort),
        ("a:0", E::BadPort),
        ("a:65536", E::BadPort),
        ("a:000080", E::BadPort),
        ("a:+1", E::BadPort),
        ("a:1:2", E::BadPort),
        ("::1", E::BadPort),
        ("[::1", E::BadIpv6),
        ("[]", E::BadIpv6),
        ("[::1]a", E::BadIpv6),
        ("[::1]]", E::BadIpv6),
        ("[fe80::1%25eth0]", E::BadIpv6),
        ("[v1.x]", E::BadIpv6),
        ("[1.2.3.4]", E::BadIpv6),
        ("[::1]:x", E::BadPort),
        ("1.2.3", E::BadIpv4),
        ("1.2.3.256", E::BadIpv4),
        ("01.2.3.4", E::BadIpv4),
        ("2130706433", E::BadIpv4),
        ("a.1", E::BadIpv4),
        (".", E::EmptyLabel),
        (".a", E::EmptyLabel),
        ("a..b", E::EmptyLabel),
        ("a..", E::EmptyLabel),
        (label.as_str(), E::LabelTooLong),
        (name.as_str(), E::NameTooLong),
    ] {
        assert_eq!(parse(text), Err(error), "{text:?}");
    }
    assert!(parse(&label[1..]).is_ok() && parse(&name[1..]).is_err() && parse(&name[2..]).is_ok());
}

#[test]
fn one_host_comes_out_of_several_places() {
    use HostError as E;
    const V10: Version = Version::HTTP_10;
    const V11: Version = Version::HTTP_11;
    const V2: Version = Version::HTTP_2;
    for (version, authority, fields, expected) in [
        (V11, None, &["a"][..], Ok(Some("a"))),
        (V11, None, &[], Err(E::Missing)),
        (V11, None, &[""], Err(E::Empty)),
        (V11, None, &["a", "a"], Err(E::Several)),
        (V11, None, &["a,b"], Err(E::BadByte { byte: b',' })),
        // The absolute form rules, but the field must be there and valid.
        (V11, Some("b:1"), &["a"], Ok(Some("b:1"))),
        (V11, Some("b"), &[], Err(E::Missing)),
        (V11, Some("b"), &["a@"], Err(E::Userinfo)),
        (V10, None, &[], Ok(None)),
        (V10, None, &[""], Ok(None)),
        (V10, None, &["a"], Ok(Some("a"))),
        (V10, None, &["a", "b"], Err(E::Several)),
        (V10, Some("b"), &[], Ok(Some("b"))),
        (V2, Some("b"), &[], Ok(Some("b"))),
        (V2, None, &["a"], Ok(Some("a"))),
        (V2, None, &[], Err(E::Missing)),
        (V2, Some("b"), &["B."], Ok(Some("b"))),
        (V2, Some("b:1"), &["b"], Ok(Some("b:1"))),
        (V2, Some("b:1"), &["b:2"], Err(E::Differ)),
        (V2, Some("b"), &["c"], Err(E::Differ)),
        (V2, Some("b"), &[""], Err(E::Empty)),
        (V2, Some("b"), &["b", "b"], Err(E::Several)),
        (Version::HTTP_3, None, &[], Err(E::Missing)),
    ] {
        let own = authority.map(|text| parse(text).unwrap());
        let got = effective_host(version, own, fields.iter().map(|field| field.as_bytes()));
        let got = got.map(|host| host.map(|host| host.to_string()));
        let expected = expected.map(|host: Option<&str>| host.map(str::to_owned));
        assert_eq!(got, expected, "{version:?} {authority:?} {fields:?}");
    }
}
