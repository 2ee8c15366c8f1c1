//! Which requests that a browser sends are the console's own, and which another page's.
//!
//! A browser says two things that no page can take back or make up: `Origin` (RFC 6454), the page that
//! asks, with every request that changes something; and `Sec-Fetch-Site` (W3C Fetch Metadata), how that
//! page stands to the one that is asked. A page of this listener has this listener's origin. What stands
//! in `X-Forwarded-…` is not looked at: anybody can write it.

use axum::http::{HeaderMap, Method, header};
use std::net::IpAddr;

const SEC_FETCH_SITE: &str = "sec-fetch-site";

/// Whether a request comes from no browser, from a page of this very listener or of `configured`, or from
/// the address line, which only reads.
pub(super) fn is_ours(method: &Method, headers: &HeaderMap, configured: Option<&str>) -> bool {
    let reads = *method == Method::GET || *method == Method::HEAD;
    let mut sites = headers.get_all(SEC_FETCH_SITE).iter().map(|site| site.as_bytes());
    // `same-site` is another port of this host, or its sister: not ours.
    if !sites.all(|site| site == b"same-origin" || (reads && site == b"none")) {
        return false;
    }
    let mut origins = headers.get_all(header::ORIGIN).iter();
    match (origins.next(), origins.next()) {
        (None, _) => true,
        (Some(origin), None) => {
            let is = |own: &str| origin.as_bytes().eq_ignore_ascii_case(own.as_bytes());
            configured.is_some_and(is) || only_host(headers).is_some_and(|host| is(&own(host)))
        }
        // Nobody sends two.
        _ => false,
    }
}

/// The origin of a page that this listener served under this name: it speaks plain HTTP.
fn own(host: &str) -> String {
    format!("http://{host}")
}

fn only_host(headers: &HeaderMap) -> Option<&str> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next().filter(|_| hosts.next().is_none())?;
    host.to_str().ok().filter(|host| !host.is_empty())
}

/// Whether `Host` is an address or `localhost`: what no name server was asked for.
pub(super) fn names_this_machine(headers: &HeaderMap) -> bool {
    let Some(host) = only_host(headers) else { return false };
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::{is_ours, names_this_machine};
    use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        map
    }

    const HOST: (&str, &str) = ("host", "127.0.0.1:9900");
    const SAME: (&str, &str) = (super::SEC_FETCH_SITE, "same-origin");

    #[test]
    fn tools_and_the_console_itself_may_ask() {
        let own = ("origin", "http://127.0.0.1:9900");
        for lines in [&[HOST][..], &[HOST, SAME], &[HOST, own], &[HOST, own, SAME]] {
            for method in [Method::GET, Method::POST, Method::PUT] {
                assert!(is_ours(&method, &headers(lines), None), "{method} {lines:?}");
            }
        }
        let typed = headers(&[HOST, (super::SEC_FETCH_SITE, "none")]);
        assert!(is_ours(&Method::GET, &typed, None));
        assert!(!is_ours(&Method::POST, &typed, None));
    }

    #[test]
    fn other_pages_may_not() {
        for (name, value) in [
            ("origin", "null"),
            ("origin", ""),
            ("origin", "http://127.0.0.1"),
            ("origin", "http://127.0.0.1:8080"),
            ("origin", "http://127.0.0.1:99000"),
            ("origin", "http://localhost:9900"),
            ("origin", "https://127.0.0.1:9900"),
            ("origin", "http://127.0.0.1:9900.evil.example"),
            ("origin", "http://127.0.0.1:9900 http://evil.example"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("sec-fetch-site", "same-origin, cross-site"),
        ] {
            for method in [Method::GET, Method::POST] {
                let lines = headers(&[HOST, (name, value)]);
                assert!(!is_ours(&method, &lines, None), "{method} {name}: {value}");
            }
        }
        let own = ("origin", "http://127.0.0.1:9900");
        let cross = ("sec-fetch-site", "cross-site");
        for lines in [
            &[HOST, own, cross][..],
            &[HOST, own, own],
            &[HOST, HOST, own],
            &[HOST, SAME, cross],
            &[own],
            &[("host", ""), ("origin", "http://")],
        ] {
            assert!(!is_ours(&Method::POST, &headers(lines), None), "{lines:?}");
        }
    }

    #[test]
    fn behind_a_proxy_the_configured_origin_counts_and_what_is_forwarded_does_not() {
        let host = ("host", "10.0.0.5:9900");
        let page = ("origin", "https://gateway.example.com");
        let told = ("x-forwarded-host", "gateway.example.com");
        let proto = ("x-forwarded-proto", "https");
        let lines = headers(&[host, page, told, proto, SAME]);
        assert!(!is_ours(&Method::POST, &lines, None));
        assert!(is_ours(&Method::POST, &lines, Some("https://gateway.example.com")));
        assert!(!is_ours(&Method::POST, &lines, Some("https://gateway.example.com:8443")));
        let direct = headers(&[host, ("origin", "http://10.0.0.5:9900"), SAME]);
        assert!(is_ours(&Method::POST, &direct, Some("https://gateway.example.com")));
    }

    #[test]
    fn names_that_a_name_server_answers_are_not_this_machine() {
        let named = |host: &'static str| {
            let host = (header::HOST, HeaderValue::from_static(host));
            names_this_machine(&HeaderMap::from_iter([host]))
        };
        for own in ["127.0.0.1:9900", "localhost", "LocalHost:1", "[::1]:9900", "10.0.0.1"] {
            assert!(named(own), "{own}");
        }
        for other in ["evil.example:9900", "localhost.evil.example", "127.0.0.1.evil.example", ""] {
            assert!(!named(other), "{other}");
        }
        assert!(!names_this_machine(&HeaderMap::new()));
    }
}
