//! What servers are told of the client: `X-Forwarded-*` and `Forwarded` (RFC 7239).
//!
//! What an untrusted client sent under these names never reaches a server. What a trusted proxy
//! sent is kept and our peer, the proxy, appended; about scheme, host and port the proxy knows
//! better than we do. Names that are switched off are still dropped from untrusted clients.

use super::spec::Forwarding;
use http::{HeaderMap, HeaderName, HeaderValue, header::FORWARDED};
use paifang_pipeline::{Facts, Scheme};
use std::{io::Write, net::IpAddr};

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const PORT: HeaderName = HeaderName::from_static("x-forwarded-port");

/// Sets them. `host` is what the client asked for. Two allocations for an untrusted client with
/// `X-Forwarded-*` alone.
pub(super) fn apply(
    headers: &mut HeaderMap,
    facts: &Facts,
    host: Option<&HeaderValue>,
    policy: Forwarding,
) {
    if !facts.peer_trusted {
        let sent = headers
            .keys()
            .any(|name| name == FORWARDED || name.as_str().starts_with("x-forwarded-"));
        if sent {
            for name in [&FOR, &PROTO, &HOST, &PORT, &FORWARDED] {
                headers.remove(name);
            }
        }
    }
    let peer = facts.peer.ip().to_canonical();
    if policy.x_forwarded {
        x_forwarded(headers, facts, peer, host);
    }
    if policy.forwarded {
        let mut value = earlier(headers, &FORWARDED);
        element(&mut value, peer, facts.scheme, host);
        set(headers, FORWARDED, value);
    }
}

fn x_forwarded(headers: &mut HeaderMap, facts: &Facts, peer: IpAddr, host: Option<&HeaderValue>) {
    let mut value = earlier(headers, &FOR);
    let _ = write!(value, "{peer}");
    set(headers, FOR, value);
    // A proxy that tells the scheme or the host stands where the client connected; our port
    // is then not the client's.
    let told = headers.contains_key(PROTO) || headers.contains_key(HOST);
    if !told && !headers.contains_key(PORT) {
        headers.insert(PORT, facts.local.port().into());
    }
    if !headers.contains_key(PROTO) {
        headers.insert(PROTO, HeaderValue::from_static(facts.scheme.as_str()));
    }
    if let (Some(host), false) = (host, headers.contains_key(HOST)) {
        headers.insert(HOST, host.clone());
    }
}

/// What stands in a list header already, on one line and ready to be appended to.
fn earlier(headers: &HeaderMap, name: &HeaderName) -> Vec<u8> {
    // The longest address with its separators; mostly nothing comes before it.
    let mut joined = Vec::with_capacity(48);
    for value in headers.get_all(name) {
        if !value.is_empty() {
            joined.extend_from_slice(value.as_bytes());
            joined.extend_from_slice(b", ");
        }
    }
    joined
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: Vec<u8>) {
    // Made of header values and of text without control characters, so it is one.
    if let Ok(value) = HeaderValue::from_maybe_shared(bytes::Bytes::from(value)) {
        headers.insert(name, value);
    }
}

/// One element: `for=192.0.2.1;proto=https;host="a.example"` (RFC 7239 section 4).
fn element(value: &mut Vec<u8>, peer: IpAddr, scheme: Scheme, host: Option<&HeaderValue>) {
    let _ = match peer {
        IpAddr::V4(ip) => write!(value, "for={ip}"),
        IpAddr::V6(ip) => write!(value, "for=\"[{ip}]\""),
    };
    let _ = write!(value, ";proto={}", scheme.as_str());
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
    use super::apply;
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
        apply(&mut headers, facts, Some(&HeaderValue::from_static("a.example")), policy);
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
    fn a_host_cannot_break_out_of_its_quotes() {
        let mut headers = HeaderMap::new();
        let host = HeaderValue::from_static("a\";for=9.9.9.9\\");
        let policy = Forwarding { x_forwarded: false, forwarded: true };
        apply(&mut headers, &facts("192.0.2.7:99", false), Some(&host), policy);
        assert_eq!(
            headers["forwarded"],
            "for=192.0.2.7;proto=https;host=\"a\\\";for=9.9.9.9\\\\\""
        );
    }
}
