//! From an accepted socket to a connection that can be served: PROXY header, limits, gate, TLS, protocol.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::BytesMut;
use paifang_pipeline::TlsFacts;
use pingora_core::protocols::tls::SslDigest;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::rustls::{CommonState, HandshakeKind};

use super::accept::{ListenerShared, draining};
use super::address::canonical;
use super::handler::DrainState;
use super::info::{ConnInfo, Protocol, TlsInfo};
use super::limits::Permit;
use super::proxy_protocol::{self, Endpoints, Parsed};
use super::settings::{ListenerSpec, ProxyProtocol};
use super::sniff::{Known, sniff};
use super::stats::{EarlyData, Refusal};
use super::stream::EdgeStream;
use super::tls::{Hello, accept, client_certificate};
use super::transport::Transport;

/// Numbers connections.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);
/// Read at once while the protocol of a plain connection isn't known: most requests' heads fit.
const FIRST_READ: usize = 2048;

/// A socket just accepted, counted already.
pub(super) struct Accepted {
    pub(super) tcp: TcpStream,
    /// In its one spelling.
    pub(super) peer: SocketAddr,
    pub(super) accepted_at: std::time::Instant,
    /// The listener's settings of that moment; a reload in between changes nothing for this connection.
    pub(super) spec: Arc<ListenerSpec>,
}

/// Why a connection never came to be served. Counted where it is logged.
#[derive(Debug, thiserror::Error)]
pub(super) enum SetupError {
    #[error("refused: {}", .0.label())]
    Refused(Refusal),
    #[error("TLS handshake: {0}")]
    Handshake(io::Error),
    #[error("the TLS handshake took too long")]
    HandshakeTimeout,
    /// The socket broke, the client left before saying anything, or the listener drains.
    #[error("gone before it began")]
    Gone,
}

impl From<io::Error> for SetupError {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

/// Makes a connection of a socket, within the deadlines. `permit` is the connection's; it is also counted to
/// its client here when that is only known from the PROXY header.
pub(super) async fn establish(
    accepted: Accepted,
    permit: &mut Permit,
    shared: &ListenerShared,
    drain: &mut watch::Receiver<DrainState>,
) -> Result<(Box<EdgeStream>, Arc<ConnInfo>), SetupError> {
    let Accepted { mut tcp, peer, accepted_at, spec } = accepted;
    tcp.set_nodelay(true)?;
    let local = canonical(tcp.local_addr()?);
    let mut ahead = BytesMut::new();
    let mut ends = Endpoints { source: peer, destination: local };
    if spec.proxy_protocol == ProxyProtocol::Required {
        let read = timeout(spec.deadlines.proxy_header, read_proxy_header(&mut tcp, &mut ahead));
        let named = read.await.map_err(|_| SetupError::Refused(Refusal::ProxyHeaderTimeout))??;
        ends = named.unwrap_or(ends);
        if !permit.admit_client(ends.source.ip(), spec.limits.connections_per_ip) {
            return Err(SetupError::Refused(Refusal::TooManyFromClient));
        }
    }
    let mut info = ConnInfo {
        id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
        listener: Arc::clone(&spec.name),
        peer_addr: peer,
        local_addr: local,
        client_addr: ends.source,
        destination_addr: ends.destination,
        accepted_at,
        protocol: Protocol::Http1,
        tls: None,
        handshake: None,
        trust: Arc::clone(&shared.trust),
    };
    if spec.gate.as_ref().is_some_and(|gate| !gate.admit(&info)) {
        return Err(SetupError::Refused(Refusal::Gate));
    }
    let stream = match &spec.tls {
        Some(tls) => {
            let deadline = Instant::now() + spec.deadlines.handshake;
            let handshake = accept(tls, &shared.turns, Transport::new(tcp, ahead.freeze()));
            let (mut stream, hello) = timeout_at(deadline, handshake)
                .await
                .map_err(|_| SetupError::HandshakeTimeout)?
                .map_err(SetupError::Handshake)?;
            info.handshake = stream.serve_early(deadline);
            let early = EarlyData { offered: hello.early_data, taken: stream.had_early_data() };
            let (tls_info, digest) = facts(stream.session(), hello);
            info.protocol = agreed(&tls_info)?;
            shared.stats.count_handshake(tls_info.resumed, early);
            info.tls = Some(tls_info);
            EdgeStream::tls(stream, digest)
        }
        None => {
            let known = Known { h2c: spec.h2c, mmtp: spec.plain_mmtp };
            if known != Known::default() {
                let read = read_first(&mut tcp, &mut ahead, known);
                let read = timeout(spec.deadlines.first_bytes, read);
                info.protocol = tokio::select! {
                    read = read => {
                        read.map_err(|_| SetupError::Refused(Refusal::SilentTimeout))??
                    }
                    // Nothing is in flight yet.
                    () = draining(drain) => return Err(SetupError::Gone),
                };
            }
            EdgeStream::plain(tcp, ahead.freeze())
        }
    };
    if info.protocol == Protocol::Mmtp {
        stream.carry_mmtp()?;
    }
    // Boxed: each that hands it on would have room for it.
    Ok((Box::new(stream), Arc::new(info)))
}

/// Reads until the PROXY header is whole; what follows it stays in `ahead`.
async fn read_proxy_header(
    tcp: &mut TcpStream,
    ahead: &mut BytesMut,
) -> Result<Option<Endpoints>, SetupError> {
    loop {
        ahead.reserve(proxy_protocol::V1_MAX);
        if tcp.read_buf(ahead).await? == 0 {
            return Err(SetupError::Gone);
        }
        match proxy_protocol::parse(ahead) {
            Ok(Parsed::Complete { endpoints, length }) => {
                let _header = ahead.split_to(length);
                return Ok(endpoints);
            }
            Ok(Parsed::Incomplete { missing }) => ahead.reserve(missing),
            Err(error) => {
                tracing::debug!(%error, "PROXY header refused");
                return Err(SetupError::Refused(Refusal::BadProxyHeader));
            }
        }
    }
}

/// Reads until the bytes tell the protocol. A client that closes or says less is left to the HTTP/1 session, which
/// knows how to answer it.
async fn read_first(
    tcp: &mut TcpStream,
    ahead: &mut BytesMut,
    known: Known,
) -> Result<Protocol, SetupError> {
    loop {
        if !ahead.is_empty()
            && let Some(protocol) = sniff(ahead, known)
        {
            return Ok(protocol);
        }
        if ahead.is_empty() {
            // No buffer for who only keeps a connection ready.
            tcp.readable().await?;
        }
        ahead.reserve(FIRST_READ);
        if tcp.read_buf(ahead).await? == 0 {
            return match ahead.is_empty() {
                true => Err(SetupError::Gone),
                false => Ok(Protocol::Http1),
            };
        }
    }
}

/// What ALPN agreed on.
fn agreed(tls: &TlsInfo) -> Result<Protocol, SetupError> {
    match tls.alpn.as_deref() {
        Some("h2") => Ok(Protocol::Http2),
        // What MMTP promises of forward secrecy and of early data holds from TLS 1.3 on.
        Some("mmtp/1") if tls.version != "TLSv1_3" => {
            let wrong = format!("mmtp/1 needs TLS 1.3, not {}", tls.version);
            Err(SetupError::Handshake(io::Error::other(wrong)))
        }
        Some("mmtp/1") => Ok(Protocol::Mmtp),
        _ => Ok(Protocol::Http1),
    }
}

/// The session's facts, for us and for Pingora's sessions.
fn facts(session: &CommonState, hello: Hello) -> (TlsInfo, SslDigest) {
    let version = session.protocol_version().and_then(|version| version.as_str());
    let cipher = session.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
    let (version, cipher) = (version.unwrap_or_default(), cipher.unwrap_or_default());
    let certificate = session.peer_certificates().and_then(|chain| chain.first());
    let (certificate, hash) = certificate.map(client_certificate).unzip();
    let serial = certificate.as_ref().map(|certificate| certificate.serial.to_string());
    let digest = SslDigest::new(cipher, version, None, serial, hash.unwrap_or_default());
    let server_name = hello.server_name;
    let facts = Arc::new(TlsFacts {
        version,
        sni: server_name.clone(),
        client_cert_sha256: certificate.as_ref().map(|shown| shown.fingerprint.clone()),
        client_cert_subject: certificate.as_ref().map(|shown| shown.subject.clone()),
    });
    let info = TlsInfo {
        facts,
        version,
        cipher,
        server_name,
        alpn: session.alpn_protocol().map(|alpn| String::from_utf8_lossy(alpn).into()),
        resumed: session.handshake_kind() == Some(HandshakeKind::Resumed),
        client_certificate: certificate,
    };
    (info, digest)
}
