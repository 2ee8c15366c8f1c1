//! TLS 1.3: the long form by ALPN `mmtp/1`, the others within HTTP/1.1; session tickets and early data.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::Instant,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore,
        client::{Resumption, WebPkiServerVerifier, danger::ServerCertVerifier},
        crypto::ring::default_provider,
        pki_types::{CertificateDer, ServerName},
        version::TLS13,
    },
};

use super::{
    BoxFuture, Connect, Dialed, EarlyData, Form, Target, Timing, Wire,
    pins::{AnyCertificate, Pin as KeyPin, Pinned},
    tcp,
};

/// What MMTP is called in TLS (RFC 7301), and what carries it within HTTP.
const ALPN: &[u8] = b"mmtp/1";
const HTTP_ALPN: &[u8] = b"http/1.1";

/// All forms over TLS. Session tickets are kept in memory, so the next connection of the same `Tls` to the same host resumes, and its
/// first frames go as early data where the server allows it.
#[derive(Clone)]
pub struct Tls {
    connector: TlsConnector,
    /// For the forms within HTTP.
    http: TlsConnector,
    server_name: Option<Arc<str>>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("server_name", &self.server_name).finish_non_exhaustive()
    }
}

/// Makes a [`Tls`].
#[derive(Clone, Debug, Default)]
pub struct TlsBuilder {
    roots: Vec<CertificateDer<'static>>,
    pins: Vec<KeyPin>,
    server_name: Option<Arc<str>>,
    any_certificate: bool,
    no_early_data: bool,
}

/// Why there is no [`Tls`].
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A root is no certificate.
    #[error("a root certificate cannot be used: {0}")]
    Root(String),
    /// There are no roots: nothing could be verified.
    #[error("no root certificates")]
    NoRoots,
    /// The server's name is neither a DNS name nor an IP address.
    #[error("`{0}` is no server name")]
    Name(String),
    /// TLS itself refuses.
    #[error("TLS: {0}")]
    Refused(String),
}

impl Tls {
    /// Begins to make one.
    #[must_use]
    pub fn builder() -> TlsBuilder {
        TlsBuilder::default()
    }
}

impl TlsBuilder {
    /// Trusts these certificates, DER, beside those given before. Nothing is trusted by itself.
    #[must_use]
    pub fn with_roots(mut self, roots: impl IntoIterator<Item = CertificateDer<'static>>) -> Self {
        self.roots.extend(roots);
        self
    }

    /// Wants, beside the ordinary verification, that the public key (SubjectPublicKeyInfo, DER) of the server's own certificate has this
    /// SHA-256; authorities cannot be pinned. Of several pins one is enough: one in use and one kept for the next.
    #[must_use]
    pub fn with_pin(mut self, sha256: [u8; 32]) -> Self {
        self.pins.push(sha256);
        self
    }

    /// Verifies this name, and tells it to the server, instead of the address's host.
    #[must_use]
    pub fn server_name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Believes any certificate, whoever signed it and whatever its name is; pins still hold. Only for tests and tools: anybody on
    /// the way can read and change everything.
    #[must_use]
    pub fn dangerous_any_certificate(mut self) -> Self {
        self.any_certificate = true;
        self
    }

    /// Sends nothing before the handshake has ended.
    #[must_use]
    pub fn without_early_data(mut self) -> Self {
        self.no_early_data = true;
        self
    }

    /// Makes it.
    ///
    /// # Errors
    /// When a root or the name cannot be used, or nothing can be verified.
    pub fn build(self) -> Result<Tls, TlsError> {
        if let Some(name) = &self.server_name {
            ServerName::try_from(&**name).map_err(|_| TlsError::Name(name.to_string()))?;
        }
        let provider = Arc::new(default_provider());
        let ordinary: Arc<dyn ServerCertVerifier> = if self.any_certificate {
            Arc::new(AnyCertificate(provider.signature_verification_algorithms))
        } else {
            let mut roots = RootCertStore::empty();
            for root in self.roots {
                roots.add(root).map_err(|cause| TlsError::Root(cause.to_string()))?;
            }
            if roots.is_empty() {
                return Err(TlsError::NoRoots);
            }
            let builder =
                WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone());
            builder.build().map_err(|cause| TlsError::Refused(cause.to_string()))?
        };
        let verifier = Arc::new(Pinned { inner: ordinary, pins: self.pins });
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .map_err(|cause| TlsError::Refused(cause.to_string()))?;
        let config = config.dangerous().with_custom_certificate_verifier(verifier);
        let mut config = config.with_no_client_auth();
        config.enable_early_data = !self.no_early_data;
        let connector = |alpn: &[u8]| {
            // Each with tickets of its own: what was agreed with one protocol is not good for the other's early data.
            let mut config = config.clone();
            config.resumption = Resumption::default();
            config.alpn_protocols = vec![alpn.to_vec()];
            TlsConnector::from(Arc::new(config)).early_data(!self.no_early_data)
        };
        let (connector, http) = (connector(ALPN), connector(HTTP_ALPN));
        Ok(Tls { connector, http, server_name: self.server_name })
    }
}

impl Connect for Tls {
    fn resolve<'a>(&'a self, address: &'a str) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(tcp::lookup(address))
    }

    fn dial<'a>(&'a self, to: &'a Target) -> BoxFuture<'a, io::Result<Dialed>> {
        self.dial_as(to, Form::Long)
    }

    fn dial_as<'a>(&'a self, to: &'a Target, form: Form) -> BoxFuture<'a, io::Result<Dialed>> {
        Box::pin(async move {
            let name = self.server_name.as_ref().unwrap_or(&to.host);
            let server_name = ServerName::try_from(name.to_string());
            let server_name =
                server_name.map_err(|cause| io::Error::new(io::ErrorKind::InvalidInput, cause))?;
            let told = matches!(server_name, ServerName::DnsName(_)).then(|| name.clone());
            let begun = Instant::now();
            let stream = tcp::open(to.address).await?;
            let opened = Instant::now();
            let connector = if form == Form::Long { &self.connector } else { &self.http };
            let stream = connector.connect(server_name, stream).await?;
            let wire = Encrypted::new(stream);
            if !wire.early && form == Form::Long {
                speaks_mmtp(&wire.stream)?;
            }
            let tls = (!wire.early).then(|| opened.elapsed());
            let timing = Timing { tcp: opened - begun, tls };
            let wire = to.within(form, wire, &to.http_host(Some(name), 443)).await?;
            Ok(Dialed { wire, server_name: told, timing })
        })
    }
}

/// Whether the server has chosen MMTP.
fn speaks_mmtp(stream: &TlsStream<TcpStream>) -> io::Result<()> {
    if stream.get_ref().1.alpn_protocol() == Some(ALPN) {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::Unsupported, "the server does not offer mmtp/1 there"))
}

/// TLS over any stream, whose handshake may end later: for a [`Connect`] of one's own.
#[derive(Debug)]
pub struct Encrypted<S> {
    stream: TlsStream<S>,
    /// Early data was offered.
    early: bool,
}

impl<S> Encrypted<S> {
    /// Of a stream as its connector gave it. Where that has offered early data, the handshake has not ended.
    #[must_use]
    pub fn new(stream: TlsStream<S>) -> Self {
        let early = stream.get_ref().1.is_handshaking();
        Self { stream, early }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Encrypted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Encrypted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Wire for Encrypted<S> {
    fn early_data(&self) -> EarlyData {
        let session = self.stream.get_ref().1;
        match (self.early, session.is_handshaking(), session.is_early_data_accepted()) {
            (false, ..) => EarlyData::None,
            (_, true, _) => EarlyData::Offered,
            (_, false, true) => EarlyData::Accepted,
            (_, false, false) => EarlyData::Refused,
        }
    }
}
