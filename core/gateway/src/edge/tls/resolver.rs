//! Which certificate a client gets: by the host it names, exact before wildcard before the first.

use std::collections::HashMap;
use std::sync::Arc;

use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;

use super::certificate::Loaded;

/// Several certificates may have the same name, one for each kind of key; the client gets the first
/// whose kind it can verify.
#[derive(Debug)]
pub(super) struct SniResolver {
    exact: HashMap<Box<str>, Vec<Arc<CertifiedKey>>>,
    /// By what follows `*.`.
    wildcard: HashMap<Box<str>, Vec<Arc<CertifiedKey>>>,
    fallback: Vec<Arc<CertifiedKey>>,
}

impl SniResolver {
    /// `certificates` in the order of preference; the first one is the fallback, with those that have the same names
    /// but another kind of key.
    pub(super) fn new(certificates: &[Loaded]) -> Self {
        let mut resolver =
            Self { exact: HashMap::new(), wildcard: HashMap::new(), fallback: Vec::new() };
        for certificate in certificates {
            for name in &certificate.facts.names {
                let (map, name) = match name.strip_prefix("*.") {
                    Some(parent) => (&mut resolver.wildcard, parent),
                    None => (&mut resolver.exact, name.as_str()),
                };
                map.entry(name.into()).or_default().push(Arc::clone(&certificate.key));
            }
        }
        if let Some(first) = certificates.first() {
            resolver.fallback = certificates
                .iter()
                .filter(|other| other.facts.names == first.facts.names)
                .map(|other| Arc::clone(&other.key))
                .collect();
        }
        resolver
    }

    /// The candidates for `name`, which is in lower case.
    pub(super) fn candidates(&self, name: Option<&str>) -> &[Arc<CertifiedKey>] {
        let named = name.and_then(|name| {
            self.exact.get(name).or_else(|| {
                // RFC 9525 section 6.3: a wildcard stands for exactly one label.
                let (_, parent) = name.split_once('.')?;
                self.wildcard.get(parent)
            })
        });
        named.unwrap_or(&self.fallback)
    }
}

impl ResolvesServerCert for SniResolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let candidates = self.candidates(hello.server_name());
        candidates
            .iter()
            .find(|candidate| candidate.key.choose_scheme(hello.signature_schemes()).is_some())
            // The handshake then fails with the right alert.
            .or(candidates.first())
            .cloned()
    }
}
