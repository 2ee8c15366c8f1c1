//! What the edge's tests share: an edge whose connections are handed to the test, clients, certificates.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use crate::edge::tls::CertificateSpec;
use crate::edge::{
    ConnInfo, ConnectionHandler, DrainState, Edge, EdgeStats, EdgeStream, ListenError, ListenerSpec,
};

/// A test that waits longer than this has failed.
pub(crate) const SOON: Duration = Duration::from_secs(20);
/// Drain time in tests that don't expect to use it up.
pub(crate) const LONG: Duration = Duration::from_secs(600);

pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, future).await.expect("it takes too long")
}

/// A connection in the test's hands. Its task ends when this is dropped.
pub(crate) struct Served {
    pub(crate) stream: Box<EdgeStream>,
    pub(crate) info: Arc<ConnInfo>,
    pub(crate) drain: watch::Receiver<DrainState>,
    _task: oneshot::Sender<()>,
}

struct ToTest(mpsc::UnboundedSender<Served>);

impl ConnectionHandler for ToTest {
    async fn serve(
        &self,
        stream: Box<EdgeStream>,
        info: Arc<ConnInfo>,
        drain: watch::Receiver<DrainState>,
    ) {
        let (task, released) = oneshot::channel();
        if self.0.send(Served { stream, info, drain, _task: task }).is_ok() {
            let _ = released.await;
        }
    }
}

pub(crate) struct TestEdge {
    pub(crate) edge: Edge,
    served: mpsc::UnboundedReceiver<Served>,
}

impl TestEdge {
    pub(crate) fn empty() -> Self {
        let (sender, served) = mpsc::unbounded_channel();
        Self { edge: Edge::new(Arc::new(ToTest(sender)), Handle::current()), served }
    }

    pub(crate) async fn with(specs: Vec<ListenerSpec>) -> Self {
        let this = Self::empty();
        this.apply(specs).await.unwrap();
        this
    }

    pub(crate) async fn apply(&self, specs: Vec<ListenerSpec>) -> Result<(), ListenError> {
        soon(self.edge.apply(specs, LONG)).await
    }

    pub(crate) async fn served(&mut self) -> Served {
        soon(self.served.recv()).await.unwrap()
    }

    pub(crate) fn address(&self, name: &str) -> SocketAddr {
        self.find(name).address
    }

    pub(crate) fn stats(&self, name: &str) -> Arc<EdgeStats> {
        self.find(name).stats
    }

    pub(crate) fn active(&self, name: &str) -> u32 {
        self.find(name).active
    }

    fn find(&self, name: &str) -> crate::edge::ListenerStatus {
        let listeners = self.edge.listeners();
        listeners.into_iter().find(|listener| &*listener.name == name).unwrap()
    }

    pub(crate) async fn connect(&self, name: &str) -> TcpStream {
        soon(TcpStream::connect(self.address(name))).await.unwrap()
    }

    /// From another address of this machine.
    pub(crate) async fn connect_from(&self, name: &str, from: &str) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(from.parse().unwrap(), 0)).unwrap();
        soon(socket.connect(self.address(name))).await.unwrap()
    }
}

/// A listener that hands connections over at once, without waiting for their first bytes.
pub(crate) fn plain(name: &str) -> ListenerSpec {
    plain_on("127.0.0.1", name)
}

/// The same on another address of this machine (Linux has all of 127.0.0.0/8). A test that closes a port and
/// counts on its being free takes an address that no other test uses: ports of the shared one are given to
/// others at once.
pub(crate) fn plain_on(ip: &str, name: &str) -> ListenerSpec {
    let mut spec = ListenerSpec::new(name, SocketAddr::new(ip.parse().unwrap(), 0));
    spec.h2c = false;
    spec
}

/// Reads to the end; a reset is an end too.
pub(crate) async fn closed(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut all = Vec::new();
    let mut piece = [0; 1024];
    loop {
        match soon(stream.read(&mut piece)).await {
            Ok(0) | Err(_) => return all,
            Ok(read) => all.extend_from_slice(&piece[..read]),
        }
    }
}

/// Waits until a number that another task changes is `expected`.
pub(crate) async fn until(expected: u64, number: impl Fn() -> u64) {
    let reached = async {
        while number() != expected {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    if tokio::time::timeout(SOON, reached).await.is_err() {
        panic!("it stays at {} instead of {expected}", number());
    }
}

/// A certificate authority of its own.
pub(crate) struct Pki(CertifiedIssuer<'static, KeyPair>);

impl Pki {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "Test CA");
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn ca_pem(&self) -> String {
        self.0.pem()
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        roots
    }

    pub(crate) fn client_up_to_tls12(&self) -> TlsClient {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS12])
            .unwrap()
            .with_root_certificates(self.roots())
            .with_no_client_auth();
        TlsClient(Arc::new(config))
    }

    /// A client that believes this authority, offers `alpn`, and shows `certificate`.
    pub(crate) fn client(&self, alpn: &[&str], certificate: Option<CertificateSpec>) -> TlsClient {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.roots());
        let mut config = match certificate {
            None => builder.with_no_client_auth(),
            Some(spec) => builder
                .with_client_auth_cert(
                    vec![CertificateDer::from_pem_slice(&spec.chain_pem).unwrap()],
                    PrivateKeyDer::from_pem_slice(&spec.key_pem).unwrap(),
                )
                .unwrap(),
        };
        config.alpn_protocols = alpn.iter().map(|alpn| alpn.as_bytes().to_vec()).collect();
        TlsClient(Arc::new(config))
    }
}

/// Sessions are kept over the connections of one client.
#[derive(Clone)]
pub(crate) struct TlsClient(Arc<ClientConfig>);

impl TlsClient {
    pub(crate) fn offering(self, alpn: &[&str]) -> Self {
        let mut config = (*self.0).clone();
        config.alpn_protocols = alpn.iter().map(|alpn| alpn.as_bytes().to_vec()).collect();
        Self(Arc::new(config))
    }

    /// Sends data along with its first flight, where it resumes.
    pub(crate) fn early(self) -> Self {
        let mut config = (*self.0).clone();
        config.enable_early_data = true;
        Self(Arc::new(config))
    }

    /// A connection's own state, for who moves its bytes.
    pub(crate) fn session(&self, host: &str) -> rustls::ClientConnection {
        let name = ServerName::try_from(host.to_owned()).unwrap();
        rustls::ClientConnection::new(Arc::clone(&self.0), name).unwrap()
    }

    pub(crate) async fn handshake<IO: AsyncRead + AsyncWrite + Unpin>(
        &self,
        tcp: IO,
        host: &str,
    ) -> std::io::Result<TlsStream<IO>> {
        let name = ServerName::try_from(host.to_owned()).unwrap();
        soon(TlsConnector::from(Arc::clone(&self.0)).connect(name, tcp)).await
    }
}

pub(crate) fn server_certificate(pki: &Pki, names: &[&str]) -> CertificateSpec {
    let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
    let label = names.first().cloned().unwrap_or("unnamed".into());
    issue(pki, label, CertificateParams::new(names).unwrap())
}

pub(crate) fn client_certificate(pki: &Pki, common_name: &str) -> CertificateSpec {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
    issue(pki, common_name.into(), params)
}

fn issue(pki: &Pki, label: String, params: CertificateParams) -> CertificateSpec {
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &pki.0).unwrap();
    CertificateSpec {
        label,
        chain_pem: certificate.pem().into_bytes().into(),
        key_pem: key.serialize_pem().into_bytes().into(),
    }
}
