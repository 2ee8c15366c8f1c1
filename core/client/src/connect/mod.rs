//! How connections are opened: a small trait, so that a test, a simulated network or a proxy can stand in for TCP.

mod pins;
#[cfg(feature = "simnet")]
mod sim;
mod tcp;
#[cfg(test)]
mod tests;
mod tls;

pub use tcp::Plain;
pub use tls::{Encrypted, Tls, TlsBuilder, TlsError};

use std::{future::Future, io, net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use tokio::io::{AsyncRead, AsyncWrite};

/// A future that is owned by who waits for it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Opens connections.
pub trait Connect: Send + Sync + 'static {
    /// The addresses behind `host:port`, in the order in which the resolver prefers them.
    fn resolve<'a>(&'a self, address: &'a str) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>>;

    /// A connection over which frames may be written at once. Who asks gives up by dropping the future.
    fn dial<'a>(&'a self, to: &'a Target) -> BoxFuture<'a, io::Result<Dialed>>;
}

/// Where to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The name that was resolved; TLS's server name, where nothing else is set.
    pub host: Arc<str>,
    /// One of its addresses.
    pub address: SocketAddr,
}

/// A connection that has been opened.
pub struct Dialed {
    /// Its bytes.
    pub wire: Box<dyn Wire>,
    /// What TLS told the server as its name; `None` where it told none (an IP address, or no TLS).
    pub server_name: Option<Arc<str>>,
    /// How long it took.
    pub timing: Timing,
}

impl std::fmt::Debug for Dialed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dialed").field("timing", &self.timing).finish_non_exhaustive()
    }
}

/// How long opening a connection took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    /// TCP's handshake.
    pub tcp: Duration,
    /// TLS's after it; `None` without TLS, or where early data goes before its end.
    pub tls: Option<Duration>,
}

/// The bytes of one connection.
pub trait Wire: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    /// What became of early data so far.
    fn early_data(&self) -> EarlyData {
        EarlyData::None
    }
}

/// What became of the bytes that were sent before the handshake's end (RFC 8446 section 2.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EarlyData {
    /// None were sent.
    #[default]
    None,
    /// They may be, or are on their way.
    Offered,
    /// The server took them.
    Accepted,
    /// The server did not; they were sent once more behind the handshake.
    Refused,
}

/// Host and port of `host:port`; IPv6 addresses stand in brackets.
#[must_use]
pub fn split_address(address: &str) -> Option<(&str, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    let port = port.parse().ok()?;
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?,
        None if host.contains(':') => return None,
        None => host,
    };
    (!host.is_empty()).then_some((host, port))
}
