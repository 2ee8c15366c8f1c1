//! Who the client is, whatever headers say.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

fn trusted() -> TrustedProxies {
    TrustedProxies::new(["10.0.0.0/8", "2001:db8::/32"].map(|net| net.parse().unwrap()))
}

fn ask(peer: &str, header: ForwardedHeader, values: &[&str]) -> String {
    let values = values.iter().map(|value| value.as_bytes());
    client_ip(peer.parse().unwrap(), &trusted(), header, values).to_string()
}

/// Peer, header values in the order received, client.
type Case = (&'static str, &'static [&'static str], &'static str);

fn hold(header: ForwardedHeader, cases: &[Case]) {
    for (peer, values, client) in cases {
        assert_eq!(ask(peer, header, values), *client, "{peer} {values:?}");
    }
}

#[test]
fn x_forwarded_for() {
    hold(
        ForwardedHeader::XForwardedFor,
        &[
            // No header, or nobody to believe.
            ("192.0.2.9", &[], "192.0.2.9"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("192.0.2.9", &["1.1.1.1"], "192.0.2.9"),
            ("192.0.2.9", &["10.0.0.1, 10.0.0.2"], "192.0.2.9"),
            // One proxy, and a client that forged what it sent.
            ("10.0.0.1", &["192.0.2.9"], "192.0.2.9"),
            ("10.0.0.1", &["1.1.1.1, 192.0.2.9"], "192.0.2.9"),
            ("10.0.0.1", &["10.0.0.7, 192.0.2.9"], "192.0.2.9"),
            ("10.0.0.1", &["garbage\"\\, 192.0.2.9"], "192.0.2.9"),
            // Lines are one list; the proxy's own may be the last line.
            ("10.0.0.1", &["1.1.1.1", "192.0.2.9"], "192.0.2.9"),
            ("10.0.0.1", &["192.0.2.9", "10.0.0.2, 10.0.0.3"], "192.0.2.9"),
            // Many trusted hops; all trusted: the leftmost is the client.
            ("10.0.0.1", &["192.0.2.9, 10.0.0.3, 10.0.0.2"], "192.0.2.9"),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            // What names no address ends the walk at the hop that wrote it.
            ("10.0.0.1", &["192.0.2.9, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["192.0.2.9, _hidden, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &["192.0.2.9, 10.0.0.256, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &["localhost"], "10.0.0.1"),
            ("10.0.0.1", &["010.0.0.5"], "10.0.0.1"),
            ("10.0.0.1", &["fe80::1%eth0"], "10.0.0.1"),
            ("10.0.0.1", &["192.0.2.9:"], "10.0.0.1"),
            ("10.0.0.1", &["192.0.2.9:99x"], "10.0.0.1"),
            ("10.0.0.1", &["[2001:db9::1"], "10.0.0.1"),
            ("10.0.0.1", &["[2001:db9::1]x"], "10.0.0.1"),
            ("10.0.0.1", &["[192.0.2.9]"], "10.0.0.1"),
            ("10.0.0.1", &["192.0.2.9 1.1.1.1"], "10.0.0.1"),
            // Empty elements are no hops.
            ("10.0.0.1", &["192.0.2.9,, ,", ""], "192.0.2.9"),
            // Spellings.
            ("10.0.0.1", &["192.0.2.9:4711"], "192.0.2.9"),
            ("10.0.0.1", &["\t 192.0.2.9 \t"], "192.0.2.9"),
            ("10.0.0.1", &["2001:db9::1"], "2001:db9::1"),
            ("10.0.0.1", &["[2001:db9::1]"], "2001:db9::1"),
            ("10.0.0.1", &["[2001:DB9:0::1]:443"], "2001:db9::1"),
            ("10.0.0.1", &["192.0.2.9, ::ffff:10.0.0.4"], "192.0.2.9"),
            ("::ffff:10.0.0.1", &["::ffff:192.0.2.9"], "192.0.2.9"),
            ("2001:db8::1", &["192.0.2.9, 2001:db8:5::2"], "192.0.2.9"),
        ],
    );
}

#[test]
fn forwarded() {
    hold(
        ForwardedHeader::Forwarded,
        &[
            ("192.0.2.9", &["for=1.1.1.1"], "192.0.2.9"),
            ("10.0.0.1", &["for=192.0.2.9"], "192.0.2.9"),
            ("10.0.0.1", &["for=192.0.2.9;proto=https;by=10.0.0.1"], "192.0.2.9"),
            ("10.0.0.1", &["proto=https; FOR=192.0.2.9"], "192.0.2.9"),
            ("10.0.0.1", &["For=\"192.0.2.9:4711\""], "192.0.2.9"),
            ("10.0.0.1", &["for=\"[2001:db9::17]:4711\""], "2001:db9::17"),
            ("10.0.0.1", &["for=\"[2001:db9::17]:_port\""], "2001:db9::17"),
            ("10.0.0.1", &["for=1.1.1.1, for=192.0.2.9, for=10.0.0.2"], "192.0.2.9"),
            ("10.0.0.1", &["for=1.1.1.1", "for=192.0.2.9", "for=10.0.0.2"], "192.0.2.9"),
            // A comma or a semicolon within quotes separates nothing.
            ("10.0.0.1", &["for=192.0.2.9;host=\"a,for=1.1.1.1\""], "192.0.2.9"),
            ("10.0.0.1", &["for=192.0.2.9;host=\"a;for=1.1.1.1\\\"\""], "192.0.2.9"),
            // What names no address.
            ("10.0.0.1", &["for=192.0.2.9, for=unknown"], "10.0.0.1"),
            ("10.0.0.1", &["for=192.0.2.9, for=_gazonk, for=10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &["for=192.0.2.9, proto=https"], "10.0.0.1"),
            ("10.0.0.1", &["for=192.0.2.9, for=\"\""], "10.0.0.1"),
            // Forgeries that try to swallow or double what the proxy appends.
            ("10.0.0.1", &["for=\"1.1.1.1, for=192.0.2.9"], "10.0.0.1"),
            ("10.0.0.1", &["for=1.1.1.1;for=192.0.2.9"], "10.0.0.1"),
            ("10.0.0.1", &["for=1.1.1.1;x, for=192.0.2.9"], "10.0.0.1"),
            ("10.0.0.1", &["for=\"1.1.1.1, for=192.0.2.9\""], "10.0.0.1"),
            ("10.0.0.1", &["\"", "for=192.0.2.9"], "192.0.2.9"),
            ("10.0.0.1", &["192.0.2.9"], "10.0.0.1"),
        ],
    );
}

#[test]
fn no_header_is_read_when_none_is_configured() {
    assert_eq!(ask("10.0.0.1", ForwardedHeader::None, &["192.0.2.9"]), "10.0.0.1");
}

#[test]
fn many_hops_are_bounded() {
    let hops = vec!["10.0.0.2"; MAX_HOPS];
    let chain = format!("192.0.2.9, {}", hops[1..].join(", "));
    assert_eq!(ask("10.0.0.1", ForwardedHeader::XForwardedFor, &[&chain]), "192.0.2.9");
    let chain = format!("192.0.2.9, {}", hops.join(", "));
    assert_eq!(ask("10.0.0.1", ForwardedHeader::XForwardedFor, &[&chain]), "10.0.0.2");
    let chain = format!("for=192.0.2.9, for={}", hops.join(", for="));
    assert_eq!(ask("10.0.0.1", ForwardedHeader::Forwarded, &[&chain]), "10.0.0.2");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..Default::default() })]

    /// Whatever the client sends in X-Forwarded-For, behind one honest proxy it is seen as who it is.
    #[test]
    fn unforgeable_behind_one_proxy(sent in "[ -~]{0,80}", own_line in any::<bool>()) {
        let lines = match own_line {
            true => vec![sent, "192.0.2.9".to_string()],
            false => vec![format!("{sent}, 192.0.2.9")],
        };
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        prop_assert_eq!(ask("10.0.0.1", ForwardedHeader::XForwardedFor, &lines), "192.0.2.9");
    }

    /// `Forwarded` can be spoilt by an unbalanced quote, to the proxy's address at worst; never to a chosen one.
    #[test]
    fn forwarded_never_yields_a_chosen_address(sent in "(for=|\"|,|;|=|\\\\|1\\.1\\.1\\.1| ){0,12}") {
        let line = format!("{sent}, for=192.0.2.9");
        let client = ask("10.0.0.1", ForwardedHeader::Forwarded, &[&line]);
        prop_assert!(client == "192.0.2.9" || client == "10.0.0.1", "{} gave {}", line, client);
    }

    /// Any bytes: an answer, and no panic.
    #[test]
    fn any_bytes(value in proptest::collection::vec(any::<u8>(), 0..120), forwarded in any::<bool>()) {
        let header = if forwarded { ForwardedHeader::Forwarded } else { ForwardedHeader::XForwardedFor };
        let peer = "10.0.0.1".parse().unwrap();
        client_ip(peer, &trusted(), header, [value.as_slice()].into_iter());
    }
}
