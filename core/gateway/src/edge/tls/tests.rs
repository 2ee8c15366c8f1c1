//! Certificates chosen, refused, renewed.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use super::super::tests::support::{Pki, server_certificate};
use super::resolver::SniResolver;
use super::*;

fn spec(names: &[&str]) -> CertificateSpec {
    server_certificate(&Pki::new(), names)
}

fn build(certificates: Vec<CertificateSpec>) -> Result<TlsConfig, TlsError> {
    TlsConfig::build(&TlsSpec::new(certificates))
}

#[test]
fn a_good_certificate_tells_its_facts() {
    let config = build(vec![spec(&["Example.com", "*.example.com"])]).unwrap();
    let [facts] = config.certificates() else { panic!("{:?}", config.certificates()) };
    assert_eq!(facts.names, ["example.com", "*.example.com"]);
    assert!(facts.not_before < facts.not_after);
    assert_eq!(config.warnings(SystemTime::now()), []);
}

#[test]
fn bad_certificates_are_told_apart() {
    let good = spec(&["a.example"]);
    let other = spec(&["a.example"]);
    let with = |chain: &[u8], key: &[u8]| CertificateSpec {
        label: "a.pem".into(),
        chain_pem: chain.into(),
        key_pem: key.into(),
    };
    let garbled = String::from_utf8(good.chain_pem.to_vec()).unwrap().replace("MII", "AAA");
    let truncated = &good.key_pem[..good.key_pem.len() - 30];
    let two = [&good.chain_pem[..], garbled.as_bytes()].concat();
    let cases = [
        (vec![], "no certificate is given"),
        (vec![with(b"", &good.key_pem)], "certificate a.pem: it holds no certificate"),
        (vec![with(&good.key_pem, &good.key_pem)], "certificate a.pem: it holds no certificate"),
        (vec![with(garbled.as_bytes(), &good.key_pem)], "certificate a.pem: "),
        (vec![with(&two, &good.key_pem)], "certificate a.pem: certificate 1 of its chain: "),
        (
            vec![with(&good.chain_pem, b"")],
            "private key of certificate a.pem: it holds no private key",
        ),
        (
            vec![with(&good.chain_pem, &good.chain_pem)],
            "private key of certificate a.pem: it holds no private key",
        ),
        (vec![with(&good.chain_pem, truncated)], "private key of certificate a.pem: it is not PEM"),
        (
            vec![with(&good.chain_pem, &other.key_pem)],
            "the private key given for certificate a.pem belongs to another certificate",
        ),
    ];
    for (certificates, expected) in cases {
        let error = build(certificates).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error:?} is not {expected:?}");
    }
}

#[test]
fn bad_client_cas_are_refused() {
    let build = |pem: &[u8]| {
        let client_auth = ClientAuth::Required(pem.into());
        TlsConfig::build(&TlsSpec { client_auth, ..TlsSpec::new(vec![spec(&["a.example"])]) })
    };
    assert!(matches!(build(b""), Err(TlsError::ClientCa { .. })));
    assert!(matches!(build(b"-----BEGIN CERTIFICATE-----\n"), Err(TlsError::ClientCa { .. })));
    assert!(build(Pki::new().ca_pem().as_bytes()).is_ok());
}

#[test]
fn warnings_tell_of_dates_and_of_certificates_nobody_gets() {
    let config = build(vec![spec(&["a.example"]), spec(&[])]).unwrap();
    let facts = &config.certificates()[0];
    let label = facts.label.clone();
    let unnamed = TlsWarning::NoNames { label: config.certificates()[1].label.clone() };
    let second = Duration::from_secs(1);
    assert_eq!(config.warnings(SystemTime::now()), [unnamed]);
    let late = config.warnings(facts.not_after + second);
    assert!(late.contains(&TlsWarning::Expired { label: label.clone() }), "{late:?}");
    let early = config.warnings(facts.not_before - second);
    assert!(early.contains(&TlsWarning::NotYetValid { label }), "{early:?}");
}

#[test]
fn keys_stay_out_of_debug() {
    let spec = spec(&["a.example"]);
    let key = String::from_utf8(spec.key_pem.to_vec()).unwrap();
    let secret_line = key.lines().nth(1).unwrap();
    assert!(!format!("{:?}", TlsSpec::new(vec![spec])).contains(secret_line));
}

#[test]
fn names_pick_exact_then_wildcard_then_the_first() {
    let pki = Pki::new();
    let provider = provider::default_provider();
    let loaded: Vec<_> = [&["first.example"][..], &["*.example.com"], &["api.example.com"]]
        .iter()
        .map(|names| certificate::load(&server_certificate(&pki, names), &provider).unwrap())
        .collect();
    let resolver = SniResolver::new(&loaded);
    for (name, index) in [
        (None, 0),
        (Some("unknown.example"), 0),
        (Some("first.example"), 0),
        (Some("api.example.com"), 2),
        (Some("www.example.com"), 1),
        (Some("a.b.example.com"), 0),
        (Some("example.com"), 0),
        (Some("com"), 0),
    ] {
        let [picked] = resolver.candidates(name) else { panic!("{name:?}: not one") };
        assert!(Arc::ptr_eq(picked, &loaded[index].key), "{name:?}");
    }
}

#[test]
fn one_name_may_have_several_kinds_of_keys() {
    let pki = Pki::new();
    let provider = provider::default_provider();
    let loaded: Vec<_> = (0..2)
        .map(|_| certificate::load(&server_certificate(&pki, &["a.example"]), &provider).unwrap())
        .collect();
    let resolver = SniResolver::new(&loaded);
    assert_eq!(resolver.candidates(Some("a.example")).len(), 2);
    assert_eq!(resolver.candidates(None).len(), 2);
}

#[test]
fn succession_keeps_what_did_not_change() {
    let first = TlsSpec::new(vec![spec(&["a.example"])]);
    let renewed = TlsSpec::new(vec![spec(&["a.example"])]);
    let stricter = TlsSpec { min_version: TlsVersion::Tls13, ..first.clone() };
    let old = TlsConfig::build(&first).unwrap();
    let succeed = |spec: &TlsSpec| TlsConfig::build(spec).unwrap().succeeding(&old);

    assert!(Arc::ptr_eq(succeed(&first).server(None), old.server(None)));
    let renewed = succeed(&renewed);
    assert!(!Arc::ptr_eq(renewed.server(None), old.server(None)));
    assert!(Arc::ptr_eq(&renewed.server(None).ticketer, &old.server(None).ticketer));
    assert!(!Arc::ptr_eq(&succeed(&stricter).server(None).ticketer, &old.server(None).ticketer));
}

#[test]
fn sessions_outlive_a_renewed_certificate_but_not_other_rules_for_clients() {
    let limits = SessionLimits { count: 1000, bytes: 1 << 20, lifetime: Duration::from_secs(60) };
    let sessions = Some(limits);
    let first = TlsSpec { sessions, ..TlsSpec::new(vec![spec(&["a.example"])]) };
    let old = TlsConfig::build(&first).unwrap();
    let tls13 = Hello { tls13: true, ..Hello::default() };
    let name = vec![7; 32];
    let store = |config: &TlsConfig| Arc::clone(&config.server(Some(&tls13)).session_storage);
    let succeed = |spec: &TlsSpec| TlsConfig::build(spec).unwrap().succeeding(&old);

    let renewed = TlsSpec { sessions, ..TlsSpec::new(vec![spec(&["a.example"])]) };
    let early = TlsSpec { early_data: 1000, ..renewed.clone() };
    let smaller =
        TlsSpec { sessions: Some(SessionLimits { count: 10, ..limits }), ..first.clone() };
    for (change, spec) in [("renewed", &renewed), ("early", &early), ("smaller", &smaller)] {
        let next = succeed(spec);
        assert!(store(&old).put(name.clone(), vec![1]));
        assert_eq!(store(&next).take(&name), Some(vec![1]), "{change}");
        assert_eq!(store(&old).take(&name), None, "{change}");
        let server = next.server(Some(&tls13));
        assert_eq!(server.max_early_data_size, spec.early_data, "{change}");
        assert!(!server.ticketer.enabled(), "{change}");
        assert!(next.server(None).ticketer.enabled(), "{change}");
    }
    let stricter = TlsSpec { min_version: TlsVersion::Tls13, ..renewed };
    assert!(store(&old).put(name.clone(), vec![1]));
    assert_eq!(store(&succeed(&stricter)).take(&name), None);
    let without = succeed(&TlsSpec { sessions: None, ..first });
    assert!(without.server(Some(&tls13)).ticketer.enabled());
}
