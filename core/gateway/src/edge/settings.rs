//! What a listener is told: where to listen, whom to let in, how long to wait, whom to believe.
//!
//! Everything but the address can change while connections live on.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::address::TrustedProxies;
use super::client_ip::ForwardedHeader;
use super::handler::AcceptGate;
use super::tls::TlsConfig;

/// One listener of a release.
#[derive(Clone)]
pub struct ListenerSpec {
    /// Its name in config, metrics and logs; unique in a set.
    pub name: Arc<str>,
    /// Where to listen; unique in a set unless the port is 0, which takes any free port. `[::]` takes IPv4
    /// clients too where the system's default has it so.
    pub address: SocketAddr,
    /// Connections that the kernel may hold before they are accepted; it caps this by `net.core.somaxconn`.
    pub backlog: u32,
    /// TLS, checked and built; `None` listens in plain text.
    pub tls: Option<TlsConfig>,
    /// Whether a plain listener takes HTTP/2 from a client that begins with its preface (RFC 9113 section 3.3). No
    /// effect under TLS, where ALPN decides.
    pub h2c: bool,
    /// Whether a plain listener takes MMTP from a client that begins with its preface. No effect under TLS, where ALPN
    /// decides.
    pub plain_mmtp: bool,
    /// Whether connections begin with a PROXY header.
    pub proxy_protocol: ProxyProtocol,
    /// Whom to believe about who the client is.
    pub trust: Trust,
    /// How many connections to hold.
    pub limits: Limits,
    /// How long to wait for a connection to become one.
    pub deadlines: Deadlines,
    /// Asked about every connection, before TLS; `None` lets all in.
    pub gate: Option<Arc<dyn AcceptGate>>,
}

impl ListenerSpec {
    /// A plain listener with the default backlog, deadlines, no limits, no trust, h2c on.
    pub fn new(name: impl Into<Arc<str>>, address: SocketAddr) -> Self {
        Self {
            name: name.into(),
            address,
            backlog: 1024,
            tls: None,
            h2c: true,
            plain_mmtp: false,
            proxy_protocol: ProxyProtocol::Off,
            trust: Trust::default(),
            limits: Limits::default(),
            deadlines: Deadlines::default(),
            gate: None,
        }
    }
}

/// Whether connections begin with a PROXY header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProxyProtocol {
    /// They don't; a header is garbage like any other.
    #[default]
    Off,
    /// They do, version 1 or 2. Peers outside [`Trust::proxies`] are refused, so nobody can skip the proxy and name
    /// an address of their choice. There is no "optional": guessing would let any client write a header.
    Required,
}

/// Whom to believe about who the client is.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// The proxies in front of the listener.
    pub proxies: TrustedProxies,
    /// The header they write.
    pub header: ForwardedHeader,
}

/// How many connections to hold. What exceeds a limit is closed at once, before TLS. Lowering a limit closes
/// nothing: the count falls as connections end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Of the listener; `None` is no limit.
    pub connections: Option<u32>,
    /// Per client: IPv4 address or IPv6 /64 ([`ClientKey`](super::ClientKey)), the one the PROXY header names where
    /// that is used. `None` is no limit.
    pub connections_per_ip: Option<u32>,
}

/// How long to wait for a connection to become one. Each runs from its step's beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// For the whole PROXY header. 5 s.
    pub proxy_header: Duration,
    /// For the whole TLS handshake. 10 s.
    pub handshake: Duration,
    /// For the first bytes of a plain connection, by which HTTP/1 and h2c are told apart. The deadline for the
    /// whole request head is the HTTP front's. 30 s.
    pub first_bytes: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            proxy_header: Duration::from_secs(5),
            handshake: Duration::from_secs(10),
            first_bytes: Duration::from_secs(30),
        }
    }
}
