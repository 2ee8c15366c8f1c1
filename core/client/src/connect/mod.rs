//! How connections are opened: a small trait, so that a test, a simulated network or a proxy can stand in for TCP.

pub mod http;
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

use ring::rand::{SecureRandom, SystemRandom};
use tokio::io::{AsyncRead, AsyncWrite};

/// A future that is owned by who waits for it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Opens connections.
pub trait Connect: Send + Sync + 'static {
    /// The addresses behind `host:port`, in the order in which the resolver prefers them.
    fn resolve<'a>(&'a self, address: &'a str) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>>;

    /// A connection over which frames may be written at once. Who asks gives up by dropping the future.
    fn dial<'a>(&'a self, to: &'a Target) -> BoxFuture<'a, io::Result<Dialed>>;

    /// The like in another form, where this connects in others: [`http::Post`] and [`http::WebSocket`] make one of a stream. Without it there is
    /// the long form alone.
    fn dial_as<'a>(&'a self, to: &'a Target, form: Form) -> BoxFuture<'a, io::Result<Dialed>> {
        match form {
            Form::Long => self.dial(to),
            Form::WebSocket | Form::Post => Box::pin(async {
                let why = "not connected in this form here";
                Err(io::Error::new(io::ErrorKind::Unsupported, why))
            }),
        }
    }
}

/// In which form a connection speaks (spec section 1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Form {
    /// Frames from the first byte on.
    #[default]
    Long,
    /// Within WebSocket; a long connection like that.
    WebSocket,
    /// Within one POST: a conversation, which ends with its answers.
    Post,
}

/// Where to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The name that was resolved; TLS's server name, where nothing else is set.
    pub host: Arc<str>,
    /// One of its addresses.
    pub address: SocketAddr,
    /// The path of MMTP within HTTP.
    pub path: Arc<str>,
}

impl Target {
    /// What a request within HTTP calls the server: `name`, or the host, with the port where it is not `usual`.
    fn http_host(&self, name: Option<&str>, usual: u16) -> String {
        let name = name.unwrap_or(&self.host);
        let name = if name.contains(':') { format!("[{name}]") } else { name.to_owned() };
        match self.address.port() {
            port if port == usual => name,
            port => format!("{name}:{port}"),
        }
    }

    /// A stream of bytes put into a form within HTTP.
    async fn within<S: Wire>(
        &self,
        form: Form,
        stream: S,
        host: &str,
    ) -> io::Result<Box<dyn Wire>> {
        match form {
            Form::Long => Ok(Box::new(stream)),
            Form::Post => Ok(Box::new(http::Post::new(stream, host, &self.path))),
            Form::WebSocket => {
                let mut random = [0; 16];
                let filled = SystemRandom::new().fill(&mut random);
                filled.map_err(|_| io::Error::other("the system has no randomness"))?;
                let socket = http::WebSocket::connect(stream, host, &self.path, &random).await?;
                Ok(Box::new(socket))
            }
        }
    }
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

    /// For another conversation of the short form, when the last one has come to its end and the server keeps the connection: [`http::Post`] does
    /// so. `None` where the connection ends with its conversation.
    fn again(self: Box<Self>) -> Option<Box<dyn Wire>> {
        None
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
