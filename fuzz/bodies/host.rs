//! Host parsing: whatever is accepted is in normal form, and stays what it is when parsed again.

use http::Version;
use paifang_config::route::{Host, HostKind, HostPattern, effective_host};

/// Lines of `data` are the fields of a request; the first is also parsed by itself.
pub fn run(data: &[u8]) {
    let mut lines = data.split(|&byte| byte == b'\n');
    let first = lines.next().unwrap_or_default();
    if let Ok(host) = Host::parse(first) {
        check(first, &host);
        check_effective(&host, lines);
    }
}

fn check(input: &[u8], host: &Host<'_>) {
    let name = host.name();
    assert!(!name.is_empty() && name.len() <= 253, "{name:?}");
    assert!(!name.contains(|c: char| c.is_ascii_uppercase() || !c.is_ascii_graphic()), "{name:?}");
    assert!(name.len() <= input.len().max(41), "{name:?} grew");
    match host.kind() {
        HostKind::Ipv6 => {
            let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
            let address: std::net::Ipv6Addr = address.unwrap().parse().unwrap();
            assert_eq!(format!("[{address}]"), name);
        }
        HostKind::Ipv4 => {
            let address: std::net::Ipv4Addr = name.parse().unwrap();
            assert_eq!(address.to_string(), name);
        }
        HostKind::Name => {
            assert!(name.split('.').all(|label| !label.is_empty() && label.len() <= 63));
            assert!(name.parse::<std::net::IpAddr>().is_err());
        }
    }
    assert_ne!(host.port(), Some(0));

    let text = host.to_string();
    assert_eq!(Host::parse(text.as_bytes()).as_ref(), Ok(host), "{text:?} reads differently");
    let again = Host::parse(name.as_bytes()).unwrap();
    assert_eq!((again.name(), again.kind(), again.port()), (name, host.kind(), None));
    assert_eq!(HostPattern::parse(name), Ok(HostPattern::Exact(name.into())));
}

fn check_effective<'a>(authority: &Host<'a>, fields: impl Iterator<Item = &'a [u8]> + Clone) {
    let count = fields.clone().count();
    for version in [Version::HTTP_10, Version::HTTP_11, Version::HTTP_2, Version::HTTP_3] {
        let own = Some(authority.clone());
        if let Ok(host) = effective_host(version, own, fields.clone()) {
            assert_eq!(host.as_ref(), Some(authority), "an authority rules");
            assert!(count <= 1);
        }
        if let Ok(host) = effective_host(version, None, fields.clone()) {
            assert!(count <= 1);
            assert!(host.is_some() || version == Version::HTTP_10);
        }
    }
}
