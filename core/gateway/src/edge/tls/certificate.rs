//! One certificate with its key, from PEM to what the handshake uses, and the facts operators ask for.

use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ring::digest::{SHA256, digest};
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{Error, InconsistentKeys};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::time::ASN1Time;

use super::super::info::ClientCertificate;
use super::TlsError;

/// A certificate with its key.
#[derive(Clone)]
pub struct CertificateSpec {
    /// What errors call it: its file's path.
    pub label: String,
    /// PEM: the certificate first, then the intermediate ones in order.
    pub chain_pem: Arc<[u8]>,
    /// PEM: PKCS#8, PKCS#1 or SEC1; ECDSA P-256 or P-384, Ed25519, or RSA.
    pub key_pem: Arc<[u8]>,
}

impl fmt::Debug for CertificateSpec {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateSpec").field("label", &self.label).finish_non_exhaustive()
    }
}

/// What is known about a certificate in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFacts {
    /// As in the spec.
    pub label: String,
    /// The DNS names it is for, lower case; `*.example.com` stands for one label in front.
    pub names: Vec<String>,
    /// Not valid before.
    pub not_before: SystemTime,
    /// Not valid after.
    pub not_after: SystemTime,
}

/// A certificate, ready for handshakes.
pub(super) struct Loaded {
    pub(super) key: Arc<CertifiedKey>,
    pub(super) facts: CertificateFacts,
}

pub(super) fn load(spec: &CertificateSpec, provider: &CryptoProvider) -> Result<Loaded, TlsError> {
    let label = || spec.label.clone();
    let bad_certificate = |reason: String| TlsError::Certificate { label: label(), reason };
    let bad_key = |reason: String| TlsError::Key { label: label(), reason };

    let chain = CertificateDer::pem_slice_iter(&spec.chain_pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| bad_certificate(error.to_string()))?;
    let leaf = chain.first().ok_or_else(|| bad_certificate("it holds no certificate".into()))?;
    let facts = facts(spec.label.clone(), leaf).map_err(bad_certificate)?;
    for (index, intermediate) in chain.iter().enumerate().skip(1) {
        X509Certificate::from_der(intermediate).map_err(|error| {
            bad_certificate(format!("certificate {index} of its chain: {error}"))
        })?;
    }

    let key = PrivateKeyDer::from_pem_slice(&spec.key_pem)
        .map_err(|error| bad_key(key_reason(&error)))?;
    match CertifiedKey::from_der(chain, key, provider) {
        Ok(key) => Ok(Loaded { key: Arc::new(key), facts }),
        Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            Err(TlsError::KeyMismatch { label: label() })
        }
        Err(Error::InvalidCertificate(error)) => Err(bad_certificate(format!("{error:?}"))),
        Err(error) => Err(bad_key(error.to_string())),
    }
}

/// The PEM error without the line it quotes, which may be key material.
fn key_reason(error: &tokio_rustls::rustls::pki_types::pem::Error) -> String {
    use tokio_rustls::rustls::pki_types::pem::Error;
    match error {
        Error::NoItemsFound => "it holds no private key",
        _ => "it is not PEM",
    }
    .to_string()
}

fn facts(label: String, leaf: &CertificateDer<'_>) -> Result<CertificateFacts, String> {
    let (_, parsed) = X509Certificate::from_der(leaf).map_err(|error| error.to_string())?;
    let names = match parsed.subject_alternative_name() {
        Ok(Some(extension)) => extension
            .value
            .general_names
            .iter()
            .filter_map(|name| match name {
                GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
                _ => None,
            })
            .collect(),
        Ok(None) => Vec::new(),
        Err(error) => return Err(error.to_string()),
    };
    let validity = parsed.validity();
    Ok(CertificateFacts {
        label,
        names,
        not_before: system_time(validity.not_before),
        not_after: system_time(validity.not_after),
    })
}

fn system_time(time: ASN1Time) -> SystemTime {
    let seconds = Duration::from_secs(time.timestamp().unsigned_abs());
    match time.timestamp() >= 0 {
        true => UNIX_EPOCH + seconds,
        false => UNIX_EPOCH - seconds,
    }
}

/// The facts of a certificate that the handshake verified, and its SHA-256. What can't be parsed is empty.
pub(in super::super) fn client_certificate(
    der: &CertificateDer<'_>,
) -> (ClientCertificate, Vec<u8>) {
    let hash = digest(&SHA256, der);
    let mut fingerprint = String::with_capacity(64);
    for byte in hash.as_ref() {
        // Writing to a string cannot fail.
        let _ = write!(fingerprint, "{byte:02x}");
    }
    let (subject, serial) = match X509Certificate::from_der(der) {
        Ok((_, parsed)) => (parsed.subject().to_string(), parsed.raw_serial_as_string()),
        Err(_) => Default::default(),
    };
    let certificate = ClientCertificate {
        fingerprint: fingerprint.into(),
        subject: subject.into(),
        serial: serial.into(),
    };
    (certificate, hash.as_ref().to_vec())
}
