//! Connections: from an address, over a simulated network, with TLS.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use paifang_client::simnet::{Link, Profile};
use tokio::{
    net::{TcpSocket, TcpStream},
    time::Instant,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{ClientConfig, HandshakeKind, client::Resumption, pki_types::ServerName},
};

use super::{
    trouble::{Kind, Trouble},
    wire::{Counted, Stream, Wire},
};
use crate::cli::tls::advised;

/// TLS sessions that a client keeps: one server's newest tickets.
const SESSIONS: usize = 8;

/// How all clients of a fleet connect.
#[derive(Debug)]
pub(super) struct Dialer {
    pub(super) target: SocketAddr,
    pub(super) sources: Vec<IpAddr>,
    pub(super) tls: Option<Tls>,
    pub(super) network: Option<Profile>,
    /// Bytes of all connections.
    pub(super) wire: Arc<Wire>,
}

/// TLS of a fleet.
#[derive(Debug)]
pub(super) struct Tls {
    pub(super) config: ClientConfig,
    pub(super) name: ServerName<'static>,
    /// Whether clients remember sessions.
    pub(super) resume: bool,
}

/// How one client connects: with its own sessions, network and address.
pub(super) struct OwnDialer {
    pub(super) shared: Arc<Dialer>,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    source: Option<IpAddr>,
    /// Seed of the next connection's network.
    seed: AtomicU64,
    origin: Instant,
}

/// Bytes as they are on the wire.
type Raw = Counted<Box<dyn Stream>>;

/// An established connection. With early data its handshake ends later; it resumes then, or does not.
pub(super) enum Line {
    Plain(Raw),
    Tls(Box<TlsStream<Raw>>, Handshake),
}

impl Line {
    /// It as a stream, and what kind of handshake it had.
    pub(super) fn into_stream(self) -> (Box<dyn Stream>, Handshake) {
        match self {
            Self::Plain(stream) => (Box::new(stream), Handshake::Plain),
            Self::Tls(stream, handshake) => (stream, handshake),
        }
    }
}

/// What kind of handshake a connection had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Handshake {
    Plain,
    Full,
    Resumed,
}

impl OwnDialer {
    /// The dialer of client number `client`.
    pub(super) fn new(shared: Arc<Dialer>, client: u32, seed: u64) -> Self {
        let tls = shared.tls.as_ref().map(|tls| {
            let mut config = tls.config.clone();
            config.resumption = match tls.resume {
                true => Resumption::in_memory_sessions(SESSIONS),
                false => Resumption::disabled(),
            };
            let early = config.enable_early_data;
            (TlsConnector::from(Arc::new(config)).early_data(early), tls.name.clone())
        });
        let source = match shared.sources.len() {
            0 => None,
            count => Some(shared.sources[client as usize % count]),
        };
        let mut rng = fastrand::Rng::with_seed(seed);
        // Not all clients are in the tunnel at the same time.
        let period = shared.network.as_ref().and_then(|network| network.outages?.every);
        let ahead = period.map(|period| period.mul_f64(rng.f64())).unwrap_or_default();
        let now = Instant::now();
        let (origin, seed) = (now.checked_sub(ahead).unwrap_or(now), rng.u64(..));
        Self { shared, tls, source, seed: AtomicU64::new(seed), origin }
    }

    /// Connects; bytes are counted into `wire` too.
    pub(super) async fn dial(&self, wire: &Arc<Wire>) -> Result<Line, Trouble> {
        let stream = self.reach().await.map_err(|error| Trouble::connecting(&error))?;
        let counted = Counted::new(stream, wire.clone(), self.shared.wire.clone());
        let Some((tls, name)) = &self.tls else { return Ok(Line::Plain(counted)) };
        let stream = tls.connect(name.clone(), counted).await.map_err(|error| {
            let kind = match error.kind() {
                io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Kind::Reset,
                io::ErrorKind::UnexpectedEof => Kind::Closed,
                _ => Kind::Tls,
            };
            Trouble::new(kind, advised(&error.to_string())).unsent()
        })?;
        let session = stream.get_ref().1;
        let handshake = match session.handshake_kind() {
            Some(HandshakeKind::Resumed) => Handshake::Resumed,
            // Early data has been offered.
            None if session.is_handshaking() => Handshake::Resumed,
            _ => Handshake::Full,
        };
        Ok(Line::Tls(Box::new(stream), handshake))
    }

    async fn reach(&self) -> io::Result<Box<dyn Stream>> {
        let connect = connect(self.shared.target, self.source);
        let Some(network) = &self.shared.network else { return Ok(Box::new(connect.await?)) };
        let (end, _) =
            Link::dial(network, self.seed.fetch_add(1, Relaxed), self.origin, connect).await?;
        Ok(Box::new(end))
    }
}

async fn connect(target: SocketAddr, source: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = if target.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(source) = source {
        socket.set_reuseaddr(true)?;
        socket.bind(SocketAddr::new(source, 0))?;
    }
    let stream = socket.connect(target).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
