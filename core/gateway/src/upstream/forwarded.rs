//! What servers are told of the client: `X-Forwarded-*` and `Forwarded` (RFC 7239).
//!
//! What an untrusted client sent under these names never reaches a server. What a trusted proxy
//! sent is kept and our peer, the proxy, appended; about scheme, host and port the proxy knows
//! better than we do. Names that are switched off are still dropped from untrusted clients.

use super::spec::Forwarding;
use crate::front::fields::{Field, Fields};
use http::{HeaderMap, HeaderValue};
use paifang_pipeline::{Facts, Scheme};
use smallvec::SmallVec;
use std::{io::Write, net::IpAddr};

/// Where values are put together; most fit without an allocation.
type Text = SmallVec<[u8; 64]>;

/// Sets them. `fields` are those that `headers` has, `host` is what the client asked for.
pub(super) fn apply(
    headers: &mut HeaderMap,
    fields: Fields,
    facts: &Facts,
    host: Option<&HeaderValue>,
    policy: Forwarding,
) {
    let told = match facts.peer_trusted {
        true => fields,
        false => {
            for field in [
                Field::ForwardedFor,
                Field::ForwardedProto,
                Field::ForwardedHost,
                Field::ForwardedPort,
                Field::Forwarded,
            ] {
                fields.take(field, headers);
            }
            Fields::default()
        }
    };
    // What clients and proxies said of it has become a fact, or was not believed.
    if facts.early_data {
        headers.insert(Field::EarlyData.name(), HeaderValue::from_static("1"));
    }
    let peer = facts.peer.ip().to_canonical();
    if policy.x_forwarded {
        x_forwarded(headers, told, facts, peer, host);
    }
    if policy.forwarded {
        let mut value = earlier(headers, told, Field::Forwarded);
        element(&mut value, peer, facts.scheme, host);
        set(headers, Field::Forwarded, &value);
    }
}

/// `told`: what the proxy in front has said.
fn x_forwarded(
    headers: &mut HeaderMap,
    told: Fields,
    facts: &Facts,
    peer: IpAddr,
    host: Option<&HeaderValue>,
) {
    let mut value = earlier(headers, told, Field::ForwardedFor);
    push_address(&mut value, peer);
    set(headers, Field::ForwardedFor, &value);
    let (proto, port) = (told.has(Field::ForwardedProto), told.has(Field::ForwardedPort));
    let named = told.has(Field::ForwardedHost);
    // A proxy that tells the scheme or the host stands where the client connected; our port
    // is then not the client's.
    if !proto && !named && !port {
        headers.insert(Field::ForwardedPort.name(), facts.local.port().into());
    }
    if !proto {
        let scheme = HeaderValue::from_static(facts.scheme.as_str());
        headers.insert(Field::ForwardedProto.name(), scheme);
    }
    if let (Some(host), false) = (host, named) {
        headers.insert(Field::ForwardedHost.name(), host.clone());
    }
}

/// What stands in a list header already, on one line and ready to be appended to.
fn earlier(headers: &HeaderMap, told: Fields, field: Field) -> Text {
    let mut joined = Text::new();
    for value in told.values(field, headers) {
        if !value.is_empty() {
            joined.extend_from_slice(value.as_bytes());
            joined.extend_from_slice(b", ");
        }
    }
    joined
}

fn set(headers: &mut HeaderMap, field: Field, value: &[u8]) {
    // Made of header values and of text without control characters, so it is one.
    if let Ok(value) = HeaderValue::from_bytes(value) {
        headers.insert(field.name(), value);
    }
}

/// An address as text. Nearly every call has an IPv4 one to write, so that is done without the
/// formatting machinery.
fn push_address(value: &mut Text, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            for (index, octet) in address.octets().into_iter().enumerate() {
                if index > 0 {
                    value.push(b'.');
                }
                if octet >= 100 {
                    value.push(b'0' + octet / 100);
                }
                if octet >= 10 {
                    value.push(b'0' + octet / 10 % 10);
                }
                value.push(b'0' + octet % 10);
            }
        }
        // Writing into memory cannot fail.
        IpAddr::V6(address) => drop(write!(value, "{address}")),
    }
}

/// One element: `for=192.0.2.1;proto=https;host="a.example"` (RFC 7239 section 4).
fn element(value: &mut Text, peer: IpAddr, scheme: Scheme, host: Option<&HeaderValue>) {
    let (before, after): (&[u8], &[u8]) = match peer {
        IpAddr::V4(_) => (b"for=", b""),
        IpAddr::V6(_) => (b"for=\"[", b"]\""),
    };
    value.extend_from_slice(before);
    push_address(value, peer);
    value.extend_from_slice(after);
    value.extend_from_slice(b";proto=");
    value.extend_from_slice(scheme.as_str().as_bytes());
    if let Some(host) = host {
        value.extend_from_slice(b";host=\"");
        for &byte in host.as_bytes() {
            if matches!(byte, b'"' | b'\\') {
                value.push(b'\\');
            }
            value.push(byte);
        }
        value.push(b'"');
    }
}

#[cfg(test)]
mod tests {
    //! Forged, honest, and none.
    use super::{Fields, apply};
    use crate::upstream::spec::Forwarding;
    use http::{HeaderMap, HeaderValue};
    use paifang_pipeline::{Facts, Scheme, ports::Nanos};
    use std::time::Duration;

    const BOTH: Forwarding = Forwarding { x_forwarded: true, forwarded: true };

    fn facts(peer: &str, trusted: bool) -> Facts {
        let mut facts = Facts::embedded(Nanos(0), Duration::ZERO);
        facts.peer = peer.parse().unwrap();
        facts.local = "10.0.0.1:8443".parse().unwrap();
        facts.scheme = Scheme::Https;
        facts.peer_trusted = trusted;
        facts
    }

    fn run(sent: &[(&'static str, &'static str)], facts: &Facts, policy: Forwarding) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for &(name, value) in sent {
            headers.append(name, HeaderValue::from_static(value));
        }
        let (fields, host) = (Fields::of(&headers), HeaderValue::from_static("a.example"));
        apply(&mut headers, fields, facts, Some(&host), policy);
        headers
    }

    const FORGED: &[(&str, &str)] = &[
        ("x-forwarded-for", "6.6.6.6"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "evil"),
        ("x-forwarded-port", "1"),
        ("forwarded", "for=6.6.6.6"),
    ];

    #[test]
    fn what_an_untrusted_client_says_of_itself_is_dropped() {
        let headers = run(FORGED, &facts("192.0.2.7:99", false), BOTH);
        assert_eq!(headers["x-forwarded-for"], "192.0.2.7");
        assert_eq!(headers["x-forwarded-proto"], "https");
        assert_eq!(headers["x-forwarded-host"], "a.example");
        assert_eq!(headers["x-forwarded-port"], "8443");
        assert_eq!(headers["forwarded"], "for=192.0.2.7;proto=https;host=\"a.example\"");
        let off = Forwarding { x_forwarded: false, forwarded: false };
        assert!(run(FORGED, &facts("192.0.2.7:99", false), off).is_empty());
    }

    #[test]
    fn what_a_trusted_proxy_says_is_kept_and_the_proxy_appended() {
        let sent = [
            ("x-forwarded-for", "1.1.1.1, 2.2.2.2"),
            ("x-forwarded-for", "3.3.3.3"),
            ("x-forwarded-proto", "http"),
            ("forwarded", "for=1.1.1.1"),
        ];
        let headers = run(&sent, &facts("[2001:db8::1]:99", true), BOTH);
        assert_eq!(headers["x-forwarded-for"], "1.1.1.1, 2.2.2.2, 3.3.3.3, 2001:db8::1");
        assert_eq!(headers.get_all("x-forwarded-for").iter().count(), 1);
        assert_eq!(headers["x-forwarded-proto"], "http");
        assert!(!headers.contains_key("x-forwarded-port"));
        assert_eq!(
            headers["forwarded"],
            "for=1.1.1.1, for=\"[2001:db8::1]\";proto=https;host=\"a.example\""
        );
    }

    #[test]
    fn early_data_is_told() {
        let policy = Forwarding { x_forwarded: false, forwarded: false };
        let mut facts = facts("192.0.2.7:99", false);
        assert!(!run(&[], &facts, policy).contains_key("early-data"));
        facts.early_data = true;
        assert_eq!(run(&[], &facts, policy)["early-data"], "1");
    }

    #[test]
    fn addresses_are_written_as_everywhere() {
        for text in ["0.0.0.0", "9.10.99.100", "101.255.109.1", "2001:db8::ff", "::1"] {
            let mut value = super::Text::new();
            super::push_address(&mut value, text.parse().unwrap());
            assert_eq!(value.as_slice(), text.as_bytes());
        }
    }

    #[test]
    fn a_host_cannot_break_out_of_its_quotes() {
        let mut headers = HeaderMap::new();
        let host = HeaderValue::from_static("a\";for=9.9.9.9\\");
        let policy = Forwarding { x_forwarded: false, forwarded: true };
        let facts = facts("192.0.2.7:99", false);
        apply(&mut headers, Fields::default(), &facts, Some(&host), policy);
        assert_eq!(
            headers["forwarded"],
            "for=192.0.2.7;proto=https;host=\"a\\\";for=9.9.9.9\\\\\""
        );
    }
}
