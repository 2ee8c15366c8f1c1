//! What goes wrong with a call or a connection, by kind.

use std::{error::Error, fmt, io};

/// A kind of trouble, as the report counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Nobody listens there.
    Refused,
    /// The connection could not be made for another reason.
    Connect,
    /// The handshake failed.
    Tls,
    /// The peer reset the connection.
    Reset,
    /// The peer closed the connection.
    Closed,
    /// Nothing came in time.
    Timeout,
    /// The peer did not keep to the protocol, or refused the call by it.
    Protocol,
    /// An answer with a status of 400 or more.
    Status(u16),
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("refused"),
            Self::Connect => f.write_str("connect"),
            Self::Tls => f.write_str("tls"),
            Self::Reset => f.write_str("reset"),
            Self::Closed => f.write_str("closed"),
            Self::Timeout => f.write_str("timeout"),
            Self::Protocol => f.write_str("protocol"),
            Self::Status(status) => write!(f, "status {status}"),
        }
    }
}

/// One trouble, with what was said of it.
#[derive(Debug, Clone)]
pub(super) struct Trouble {
    pub(super) kind: Kind,
    pub(super) said: String,
    /// Nothing of the call was sent: it may be made again without fear.
    pub(super) unsent: bool,
}

impl Trouble {
    pub(super) fn new(kind: Kind, said: impl Into<String>) -> Self {
        Self { kind, said: said.into(), unsent: false }
    }

    /// Of making a connection.
    pub(super) fn connecting(error: &io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::ConnectionRefused => Kind::Refused,
            _ => Kind::Connect,
        };
        Self { kind, said: error.to_string(), unsent: true }
    }

    /// Of a library's error, whose cause tells the kind.
    pub(super) fn of(error: &(dyn Error + 'static)) -> Self {
        let mut cause: Option<&(dyn Error + 'static)> = Some(error);
        let mut kind = Kind::Protocol;
        while let Some(error) = cause {
            if let Some(io) = error.downcast_ref::<io::Error>() {
                kind = match io.kind() {
                    io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Kind::Reset,
                    _ => Kind::Closed,
                };
                break;
            }
            cause = error.source();
        }
        Self::new(kind, error.to_string())
    }

    pub(super) fn unsent(self) -> Self {
        Self { unsent: true, ..self }
    }
}
