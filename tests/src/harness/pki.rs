//! A certificate authority of its own, and TLS clients that believe it.

use super::soon;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use std::{net::SocketAddr, sync::Arc};
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, ClientConnection, RootCertStore,
        crypto::ring::default_provider,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    },
};

/// A certificate authority.
#[derive(Debug)]
pub struct Pki(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, both PEM.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The certificate.
    pub cert: String,
    /// The private key.
    pub key: String,
}

/// A TLS client. Sessions are kept over the connections of one client.
#[derive(Debug, Clone)]
pub struct TlsClient(Arc<ClientConfig>);

impl Default for Pki {
    fn default() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "Test CA");
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a certificate"))
    }
}

impl Pki {
    /// Its own certificate, PEM.
    #[must_use]
    pub fn ca(&self) -> String {
        self.0.pem()
    }

    /// A server's certificate for these names.
    ///
    /// # Panics
    /// When a name is none.
    #[must_use]
    pub fn server(&self, names: &[&str]) -> Pair {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        self.issue(&CertificateParams::new(names).expect("names"))
    }

    /// A client's certificate.
    #[must_use]
    pub fn client_certificate(&self, common_name: &str) -> Pair {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
        self.issue(&params)
    }

    fn issue(&self, params: &CertificateParams) -> Pair {
        let key = KeyPair::generate().expect("a key");
        let cert = params.signed_by(&key, &self.0).expect("a certificate").pem();
        Pair { cert, key: key.serialize_pem() }
    }

    /// A client that believes this authority, offers `alpn`, and shows `own`.
    ///
    /// # Panics
    /// When `own` is no certificate.
    #[must_use]
    pub fn client(&self, alpn: &[&str], own: Option<&Pair>) -> TlsClient {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).expect("a certificate");
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots);
        let mut config = match own {
            None => builder.with_no_client_auth(),
            Some(own) => {
                let chain = CertificateDer::from_pem_slice(own.cert.as_bytes()).expect("PEM");
                let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).expect("PEM");
                builder.with_client_auth_cert(vec![chain], key).expect("a certificate")
            }
        };
        config.alpn_protocols = alpn.iter().map(|alpn| alpn.as_bytes().to_vec()).collect();
        TlsClient(Arc::new(config))
    }
}

impl TlsClient {
    /// The same, sending data along with its first flight where it resumes.
    #[must_use]
    pub fn early(self) -> Self {
        let mut config = (*self.0).clone();
        config.enable_early_data = true;
        Self(Arc::new(config))
    }

    /// The state of a connection for `host`, for who moves its bytes.
    ///
    /// # Panics
    /// When `host` is no name.
    #[must_use]
    pub fn session(&self, host: &str) -> ClientConnection {
        let name = ServerName::try_from(host.to_owned()).expect("a name");
        ClientConnection::new(Arc::clone(&self.0), name).expect("a connection")
    }

    /// A connection for `host`, past its handshake.
    ///
    /// # Errors
    /// When the handshake fails.
    ///
    /// # Panics
    /// When nobody listens.
    pub async fn connect(
        &self,
        address: SocketAddr,
        host: &str,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let tcp = soon(TcpStream::connect(address)).await.expect("nobody listens");
        tcp.set_nodelay(true).expect("no such option");
        self.handshake(tcp, host).await
    }

    /// The handshake on a connection that is there.
    ///
    /// # Errors
    /// When it fails.
    ///
    /// # Panics
    /// When `host` is no name.
    pub async fn handshake(
        &self,
        tcp: TcpStream,
        host: &str,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned()).expect("a name");
        soon(TlsConnector::from(Arc::clone(&self.0)).connect(name, tcp)).await
    }
}
