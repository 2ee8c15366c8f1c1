//! TLS towards servers: from PEM bytes to client configs that are built once, at load.
//!
//! One config serves all connections of an upstream, so sessions resume across them. Versions 1.2
//! and 1.3 with the suites of `ring`. Certificates are verified for a name always, unless `verify`
//! says otherwise; a missing name never turns it off.

use super::spec::{Protocol, UpstreamError};
use std::{
    fmt,
    sync::{Arc, OnceLock},
};
use tokio_rustls::rustls::{
    self, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
};

/// TLS of one upstream. Built from PEM bytes; the caller reads files.
#[derive(Clone, PartialEq)]
pub struct TlsSpec {
    /// Certificates to trust. The system's where absent.
    pub ca: Option<Vec<u8>>,
    /// The name that is asked for and verified. The endpoint's host where absent.
    pub server_name: Option<String>,
    /// Whether certificates are verified.
    pub verify: bool,
    /// Our certificate chain and its private key.
    pub client: Option<ClientCertificate>,
}

impl Default for TlsSpec {
    fn default() -> Self {
        Self { ca: None, server_name: None, verify: true, client: None }
    }
}

impl TlsSpec {
    /// The client config that it says, which offers nothing by ALPN.
    pub(crate) fn client_config(
        &self,
        system: &SystemRoots,
    ) -> Result<ClientConfig, UpstreamError> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| UpstreamError::ClientCertificate(error.to_string()))?;
        let builder = if self.verify {
            let roots = match &self.ca {
                Some(pem) => Arc::new(roots(pem)?),
                None => system.get()?,
            };
            builder.with_root_certificates(roots)
        } else {
            let verifier = Arc::new(AnyCertificate(provider));
            builder.dangerous().with_custom_certificate_verifier(verifier)
        };
        match &self.client {
            None => Ok(builder.with_no_client_auth()),
            Some(client) => {
                let chain = certificates("client certificate", &client.chain)?;
                let key = PrivateKeyDer::from_pem_slice(&client.key).map_err(|_| {
                    pem_error("client key", "no private key in PEM (PKCS #8, PKCS #1 or SEC 1)")
                })?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|error| UpstreamError::ClientCertificate(error.to_string()))
            }
        }
    }
}

impl fmt::Debug for TlsSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsSpec")
            .field("ca", &self.ca.as_ref().map(Vec::len))
            .field("server_name", &self.server_name)
            .field("verify", &self.verify)
            .field("client", &self.client.is_some())
            .finish()
    }
}

/// A client certificate with its key. Its `Debug` shows neither.
#[derive(Clone, PartialEq)]
pub struct ClientCertificate {
    /// The chain, leaf first, PEM.
    pub chain: Vec<u8>,
    /// The private key, PEM: PKCS #8, PKCS #1 or SEC 1.
    pub key: Vec<u8>,
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientCertificate")
    }
}

/// The system's trusted certificates, read when first asked for; one value for a whole gateway.
#[derive(Debug, Default)]
pub struct SystemRoots(OnceLock<Result<Arc<RootCertStore>, String>>);

impl SystemRoots {
    fn get(&self) -> Result<Arc<RootCertStore>, UpstreamError> {
        self.0.get_or_init(Self::load).clone().map_err(UpstreamError::SystemRoots)
    }

    fn load() -> Result<Arc<RootCertStore>, String> {
        let found = rustls_native_certs::load_native_certs().map_err(|error| error.to_string())?;
        let mut roots = RootCertStore::empty();
        // Stores hold odd old certificates that nothing can be verified with; they are left out.
        let (added, _) = roots.add_parsable_certificates(found);
        if added == 0 { Err("none found".to_owned()) } else { Ok(Arc::new(roots)) }
    }
}

/// The client configs of one upstream: the same but for what they offer by ALPN.
pub(super) struct TlsClient {
    /// For calls that must be HTTP/1.1.
    pub(super) h1: Arc<ClientConfig>,
    /// For all others.
    pub(super) any: Arc<ClientConfig>,
    server_name: Option<ServerName<'static>>,
}

impl TlsClient {
    pub(super) fn build(
        spec: &TlsSpec,
        protocol: Protocol,
        system: &SystemRoots,
    ) -> Result<Self, UpstreamError> {
        let base = spec.client_config(system)?;
        let server_name = spec.server_name.as_deref().map(parse_server_name).transpose()?;
        let with_alpn = |protocols: &[&[u8]]| {
            let mut config = base.clone();
            config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
            Arc::new(config)
        };
        let h1 = with_alpn(&[b"http/1.1"]);
        let any = match protocol {
            Protocol::H1 => h1.clone(),
            Protocol::H2 => with_alpn(&[b"h2"]),
            Protocol::Auto => with_alpn(&[b"h2", b"http/1.1"]),
        };
        Ok(Self { h1, any, server_name })
    }

    /// The name that is verified for an endpoint with this host.
    pub(super) fn server_name(&self, host: &str) -> Result<ServerName<'static>, UpstreamError> {
        self.server_name.clone().map_or_else(|| parse_server_name(host), Ok)
    }
}

fn parse_server_name(name: &str) -> Result<ServerName<'static>, UpstreamError> {
    ServerName::try_from(name.to_owned()).map_err(|_| UpstreamError::BadServerName(name.to_owned()))
}

fn roots(pem: &[u8]) -> Result<RootCertStore, UpstreamError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates("ca", pem)? {
        roots.add(certificate).map_err(|error| pem_error("ca", error.to_string()))?;
    }
    Ok(roots)
}

fn certificates(
    part: &'static str,
    pem: &[u8],
) -> Result<Vec<CertificateDer<'static>>, UpstreamError> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| pem_error(part, format!("broken PEM: {error}")))?;
    if found.is_empty() {
        return Err(pem_error(part, "no certificate in PEM"));
    }
    Ok(found)
}

fn pem_error(part: &'static str, problem: impl Into<String>) -> UpstreamError {
    UpstreamError::Pem { part, problem: problem.into() }
}

/// Takes any certificate whose key signed the handshake: what `verify: false` asks for.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
