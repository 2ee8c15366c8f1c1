//! What is known of a call from the moment it arrived, and never changes.

use crate::ports::Nanos;
use smallvec::SmallVec;
use std::{net::IpAddr, net::SocketAddr, sync::Arc, time::Duration};

/// Which front a call came through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FrontKind {
    /// HTTP/1.0 or HTTP/1.1.
    Http1,
    /// HTTP/2, over TLS or in clear.
    Http2,
    /// MMTP, over whatever connection.
    Mmtp,
    /// In this process, without a transport.
    Embedded,
}

impl FrontKind {
    /// The name in logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http1 => "http1",
            Self::Http2 => "http2",
            Self::Mmtp => "mmtp",
            Self::Embedded => "embedded",
        }
    }
}

/// Whether the client's connection is encrypted, as the client sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// In clear.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// `http` or `https`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// What the TLS handshake told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFacts {
    /// Protocol version, such as `TLSv1_3`.
    pub version: &'static str,
    /// The server name that the client asked for.
    pub sni: Option<Box<str>>,
    /// SHA-256 of the client's verified certificate, lower-case hex.
    pub client_cert_sha256: Option<Box<str>>,
    /// Subject of the client's verified certificate.
    pub client_cert_subject: Option<Box<str>>,
}

/// The host that a call is for: lower case, no port, no trailing dot. At most 255 bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostName(SmallVec<[u8; 56]>);

impl HostName {
    /// A host in normal form; no allocation up to 56 bytes.
    #[must_use]
    pub fn new(host: &str) -> Self {
        Self(SmallVec::from_slice(host.as_bytes()))
    }

    /// The host as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Who called, from where, when.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The listener's name.
    pub listener: Arc<str>,
    /// The door.
    pub front: FrontKind,
    /// Encrypted or not.
    pub scheme: Scheme,
    /// The host the call is for, in normal form.
    pub host: HostName,
    /// The other end of the connection.
    pub peer: SocketAddr,
    /// This end of the connection.
    pub local: SocketAddr,
    /// The client, after PROXY protocol and trusted forwarding headers; unforgeable.
    pub client_ip: IpAddr,
    /// Whether the peer is a proxy that the listener trusts, so that what it says of the client
    /// may be handed on.
    pub peer_trusted: bool,
    /// What TLS told, where there is TLS.
    pub tls: Option<Arc<TlsFacts>>,
    /// Whether the call came as TLS early data, or so a trusted proxy says: it may be a recording of an earlier one, sent again
    /// (RFC 8470). Servers are told by `Early-Data`.
    pub early_data: bool,
    /// When the head had arrived, on the monotonic clock.
    pub received: Nanos,
    /// When the head had arrived, since the Unix epoch.
    pub received_unix: Duration,
    /// Until when the caller waits for the answer, where it says so. The gateway gives up then (error 4006), or when the API's own
    /// timeout ends before, and tells servers what is left.
    pub deadline: Option<tokio::time::Instant>,
    /// Of a call that goes to a gateway of another zone: its credential, which that gateway looks at itself, whatever the steps here have done
    /// with the field `authorization`.
    pub carried: Option<Box<http::HeaderValue>>,
    /// 64 random bits of this call; `when: share` and `mock: share` decide by them.
    pub entropy: u64,
}

impl Facts {
    /// The host the call is for: lower case, no port. Empty where HTTP/1.0 sent none.
    #[must_use]
    pub fn host(&self) -> &str {
        self.host.as_str()
    }

    /// Sets the normalised host; fronts do so once.
    #[must_use]
    pub fn with_host(mut self, host: &str) -> Self {
        self.host = HostName::new(host);
        self
    }

    /// Facts of a call over a connection; the client is the peer until it is known better, and
    /// entropy is zero until it is set.
    #[must_use]
    pub fn new(
        listener: Arc<str>,
        front: FrontKind,
        peer: SocketAddr,
        local: SocketAddr,
        received: Nanos,
        received_unix: Duration,
    ) -> Self {
        Self {
            listener,
            front,
            scheme: Scheme::Http,
            host: HostName::default(),
            peer,
            local,
            client_ip: peer.ip(),
            peer_trusted: false,
            tls: None,
            early_data: false,
            received,
            received_unix,
            deadline: None,
            carried: None,
            entropy: 0,
        }
    }

    /// Facts of a call that came in without a transport, at `received`: loopback, no host.
    /// Embedders and tests start from here and set what they know.
    #[must_use]
    pub fn embedded(received: Nanos, received_unix: Duration) -> Self {
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = Arc::from("embedded");
        Self::new(listener, FrontKind::Embedded, nowhere, nowhere, received, received_unix)
    }
}
