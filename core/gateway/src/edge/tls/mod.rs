//! TLS on a listener: from PEM bytes to a checked server config.
//!
//! Building is pure but for random ticket keys: it reads no file and no clock, so a release is refused before
//! it goes live when a key doesn't fit its certificate. Versions 1.2 and 1.3 with the suites of `ring`.
//!
//! Sessions resume by tickets that hold them, whose keys rotate every six hours; or, of TLS 1.3 where [`TlsSpec::sessions`] says so, by
//! tickets that name them, each once. Only those may carry early data.

mod accept;
mod buffers;
mod certificate;
mod hello;
mod keeping;
mod resolver;
mod session;
mod sessions;
mod stream;
mod turns;

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use ring::digest::{Context, SHA256};
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use tokio_rustls::rustls::{self, RootCertStore, ServerConfig, crypto::ring as provider};

pub(super) use accept::accept;
pub(super) use certificate::client_certificate;
pub use certificate::{CertificateFacts, CertificateSpec};
pub(super) use hello::Hello;
pub use sessions::{SessionLimits, SessionStats};
pub(super) use stream::TlsStream;
pub(super) use turns::Turns;

use keeping::Keeping;
use resolver::SniResolver;

/// What a listener's TLS is made of. The caller reads files.
#[derive(Clone, Debug)]
pub struct TlsSpec {
    /// At least one. A client that names no host, or one that no certificate has, gets the first.
    pub certificates: Vec<CertificateSpec>,
    /// What ALPN offers, most preferred first. A client that offers only others is refused (RFC 7301 section
    /// 3.2); one without ALPN speaks HTTP/1.
    pub alpn: Vec<Alpn>,
    /// The oldest version taken.
    pub min_version: TlsVersion,
    /// Whether clients show certificates.
    pub client_auth: ClientAuth,
    /// Keeps sessions of TLS 1.3 here, to be resumed once each, instead of in tickets.
    pub sessions: Option<SessionLimits>,
    /// Early data that is taken from a client that resumes, at most, in bytes; 0 takes none, and so does a spec without `sessions`.
    pub early_data: u32,
}

impl TlsSpec {
    /// `certificates` with h2 before http/1.1, from TLS 1.2 on, without client certificates, with sessions in tickets.
    pub fn new(certificates: Vec<CertificateSpec>) -> Self {
        Self {
            certificates,
            alpn: vec![Alpn::H2, Alpn::Http1],
            min_version: TlsVersion::Tls12,
            client_auth: ClientAuth::Off,
            sessions: None,
            early_data: 0,
        }
    }
}

/// A protocol that ALPN can choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alpn {
    /// `h2`
    H2,
    /// `http/1.1`
    Http1,
    /// `mmtp/1`; needs TLS 1.3, and a client that agrees on it under 1.2 is refused.
    Mmtp,
}

impl Alpn {
    pub(super) fn wire(self) -> &'static [u8] {
        match self {
            Self::H2 => b"h2",
            Self::Http1 => b"http/1.1",
            Self::Mmtp => b"mmtp/1",
        }
    }
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// RFC 5246.
    #[default]
    Tls12,
    /// RFC 8446.
    Tls13,
}

/// Whether clients show certificates.
#[derive(Clone, Debug, Default)]
pub enum ClientAuth {
    /// They aren't asked.
    #[default]
    Off,
    /// They are asked; one that is shown must chain to the CAs in these PEM bytes, none is fine too.
    Optional(Arc<[u8]>),
    /// No connection without a certificate that chains to the CAs in these PEM bytes.
    Required(Arc<[u8]>),
}

/// A checked TLS setup; cheap to clone.
#[derive(Clone)]
pub struct TlsConfig {
    /// With tickets that hold sessions.
    server: Arc<ServerConfig>,
    /// For clients that offer TLS 1.3, where sessions are kept.
    keeping: Option<Keeping>,
    certificates: Arc<[CertificateFacts]>,
    /// Of everything in the spec.
    fingerprint: [u8; 32],
    /// Of what decides whether a session may resume: another setup with the same one verifies clients alike.
    resumption_fingerprint: [u8; 32],
}

impl TlsConfig {
    /// Checks and builds `spec`.
    ///
    /// # Errors
    /// Names the certificate by its label, and never quotes key material.
    pub fn build(spec: &TlsSpec) -> Result<Self, TlsError> {
        let provider = Arc::new(provider::default_provider());
        if spec.certificates.is_empty() {
            return Err(TlsError::NoCertificate);
        }
        let loaded = spec
            .certificates
            .iter()
            .map(|certificate| certificate::load(certificate, &provider))
            .collect::<Result<Vec<_>, _>>()?;
        let versions: &[_] = match spec.min_version {
            TlsVersion::Tls12 => &[&rustls::version::TLS13, &rustls::version::TLS12],
            TlsVersion::Tls13 => &[&rustls::version::TLS13],
        };
        let verifier = verifier(&spec.client_auth, &provider)?;
        let resolver = SniResolver::new(&loaded);
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .map_err(TlsError::Setup)?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(resolver));
        server.alpn_protocols = spec.alpn.iter().map(|alpn| alpn.wire().to_vec()).collect();
        // Tickets hold the session; nothing is stored per client.
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.ticketer = provider::Ticketer::new().map_err(TlsError::Setup)?;
        Ok(Self {
            keeping: spec.sessions.map(|limits| Keeping::new(spec, limits, &server)),
            server: Arc::new(server),
            certificates: loaded.into_iter().map(|certificate| certificate.facts).collect(),
            fingerprint: fingerprint(spec),
            resumption_fingerprint: resumption_fingerprint(spec),
        })
    }

    /// What is known about each certificate, in the order of the spec.
    pub fn certificates(&self) -> &[CertificateFacts] {
        &self.certificates
    }

    /// What an operator should know although it stops nothing, at the time `now`.
    pub fn warnings(&self, now: SystemTime) -> Vec<TlsWarning> {
        let dates = self.certificates.iter().filter_map(|certificate| {
            let label = certificate.label.clone();
            if now > certificate.not_after {
                Some(TlsWarning::Expired { label })
            } else if now < certificate.not_before {
                Some(TlsWarning::NotYetValid { label })
            } else {
                None
            }
        });
        let unreachable = self.certificates.iter().skip(1).filter(|c| c.names.is_empty());
        dates.chain(unreachable.map(|c| TlsWarning::NoNames { label: c.label.clone() })).collect()
    }

    /// What serves a client that says `hello`; one whose hello can't be read is told so by rustls.
    fn server(&self, hello: Option<&Hello>) -> &Arc<ServerConfig> {
        let keeping = self.keeping.as_ref().filter(|_| hello.is_some_and(|hello| hello.tls13));
        keeping.map_or(&self.server, |keeping| &keeping.server)
    }

    /// What became of the sessions that are kept here, where they are.
    pub(super) fn session_stats(&self) -> Option<&Arc<SessionStats>> {
        self.keeping.as_ref().map(|keeping| keeping.sessions.stats())
    }

    /// This setup as the successor of `old`: where nothing changed it is `old`; where sessions of `old` would be
    /// accepted by this one too, they resume, so that a renewed certificate costs no storm of full handshakes.
    pub(super) fn succeeding(self, old: &Self) -> Self {
        if self.fingerprint == old.fingerprint {
            return old.clone();
        }
        if self.resumption_fingerprint != old.resumption_fingerprint {
            return self;
        }
        let mut server = (*self.server).clone();
        server.ticketer = Arc::clone(&old.server.ticketer);
        let keeping = match (self.keeping, &old.keeping) {
            (Some(new), Some(old)) => Some(new.succeeding(old)),
            (keeping, _) => keeping,
        };
        Self { server: Arc::new(server), keeping, ..self }
    }
}

impl fmt::Debug for TlsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsConfig")
            .field("certificates", &self.certificates)
            .finish_non_exhaustive()
    }
}

fn verifier(
    auth: &ClientAuth,
    provider: &Arc<rustls::crypto::CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let (pem, optional) = match auth {
        ClientAuth::Off => return Ok(WebPkiClientVerifier::no_client_auth()),
        ClientAuth::Optional(pem) => (pem, true),
        ClientAuth::Required(pem) => (pem, false),
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate =
            certificate.map_err(|error| TlsError::ClientCa { reason: error.to_string() })?;
        roots.add(certificate).map_err(|error| TlsError::ClientCa { reason: error.to_string() })?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(provider));
    let builder = if optional { builder.allow_unauthenticated() } else { builder };
    builder.build().map_err(|error| TlsError::ClientCa { reason: error.to_string() })
}

fn fingerprint(spec: &TlsSpec) -> [u8; 32] {
    let mut hash = Fields::new();
    hash.field(&resumption_fingerprint(spec));
    for certificate in &spec.certificates {
        hash.field(certificate.label.as_bytes());
        hash.field(&certificate.chain_pem);
        hash.field(&certificate.key_pem);
    }
    spec.alpn.iter().for_each(|alpn| hash.field(alpn.wire()));
    if let Some(SessionLimits { count, bytes, lifetime }) = spec.sessions {
        let limits = [count as u128, bytes as u128, lifetime.as_nanos(), spec.early_data.into()];
        limits.iter().for_each(|limit| hash.field(&limit.to_be_bytes()));
    }
    hash.finish()
}

fn resumption_fingerprint(spec: &TlsSpec) -> [u8; 32] {
    let mut hash = Fields::new();
    hash.field(&[spec.min_version as u8]);
    match &spec.client_auth {
        ClientAuth::Off => hash.field(b"off"),
        ClientAuth::Optional(pem) => {
            hash.field(b"optional");
            hash.field(pem);
        }
        ClientAuth::Required(pem) => {
            hash.field(b"required");
            hash.field(pem);
        }
    }
    hash.finish()
}

/// A hash of fields, each with its length, so that no two lists of fields run into the same bytes.
struct Fields(Context);

impl Fields {
    fn new() -> Self {
        Self(Context::new(&SHA256))
    }

    fn field(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }

    fn finish(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.0.finish().as_ref());
        bytes
    }
}

/// Why a [`TlsSpec`] can't be built.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TlsError {
    /// A TLS listener needs a certificate.
    #[error("no certificate is given")]
    NoCertificate,
    /// The chain isn't PEM, or holds no certificate, or one that isn't X.509.
    #[error("certificate {label}: {reason}")]
    Certificate {
        /// The certificate's label.
        label: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The key isn't PEM, or holds no private key, or one of a kind that isn't supported.
    #[error("private key of certificate {label}: {reason}")]
    Key {
        /// The certificate's label.
        label: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The key is one certificate's, but not this one's.
    #[error("the private key given for certificate {label} belongs to another certificate")]
    KeyMismatch {
        /// The certificate's label.
        label: String,
    },
    /// The client CAs aren't PEM, or none is in there, or one that isn't X.509.
    #[error("client CAs: {reason}")]
    ClientCa {
        /// What is wrong with them.
        reason: String,
    },
    /// The crypto provider can't do what is asked, or gives no random numbers.
    #[error("TLS can't be set up: {0}")]
    Setup(rustls::Error),
}

/// What an operator should know about a setup that works.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsWarning {
    /// Clients will refuse it.
    #[error("certificate {label} has expired")]
    Expired {
        /// The certificate's label.
        label: String,
    },
    /// Clients will refuse it until it is.
    #[error("certificate {label} is not valid yet")]
    NotYetValid {
        /// The certificate's label.
        label: String,
    },
    /// It names no host and isn't the first, so no client will ever get it.
    #[error(
        "certificate {label} names no host (no DNS subject alternative name); it is never chosen"
    )]
    NoNames {
        /// The certificate's label.
        label: String,
    },
}

#[cfg(test)]
mod tests;
