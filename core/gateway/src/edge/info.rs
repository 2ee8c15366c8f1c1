//! What is known about a connection by the time its first request is read.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use paifang_pipeline::TlsFacts;
use tokio::sync::watch;

use super::client_ip::client_ip;
use super::settings::Trust;

/// The facts of one connection, fixed once it is handed over.
#[derive(Clone, Debug)]
pub struct ConnInfo {
    /// A number that no other connection of this process's edges has; from 1 on.
    pub id: u64,
    /// The listener's name when the connection came.
    pub listener: Arc<str>,
    /// Who connected: the client, or the proxy in front.
    pub peer_addr: SocketAddr,
    /// Our end of the connection.
    pub local_addr: SocketAddr,
    /// The client: what the PROXY header named, else `peer_addr`. For `X-Forwarded-For` and `Forwarded` see
    /// [`Self::client_ip`].
    pub client_addr: SocketAddr,
    /// What the client had connected to: what the PROXY header named, else `local_addr`.
    pub destination_addr: SocketAddr,
    /// When it was accepted.
    pub accepted_at: Instant,
    /// What the client speaks.
    pub protocol: Protocol,
    /// `None` on a plain connection.
    pub tls: Option<TlsInfo>,
    /// Tells the end of the handshake of a connection that is served before it: see [`Self::handshake_done`].
    pub handshake: Option<watch::Receiver<bool>>,
    /// Whom the listener believes; lives with the listener, so that a proxy that loses its trust by a reload
    /// loses it on its open connections too.
    pub trust: Arc<ArcSwap<Trust>>,
}

impl ConnInfo {
    /// A plain HTTP/1 connection that nobody is believed on, with `client` as its client.
    pub fn new(id: u64, listener: Arc<str>, client: SocketAddr, local: SocketAddr) -> Self {
        Self {
            id,
            listener,
            peer_addr: client,
            local_addr: local,
            client_addr: client,
            destination_addr: local,
            accepted_at: Instant::now(),
            protocol: Protocol::Http1,
            tls: None,
            handshake: None,
            trust: Arc::new(ArcSwap::from_pointee(Trust::default())),
        }
    }

    /// Whether what was read from the connection so far is its client's own: whatever came before the end of a TLS handshake is early
    /// data (RFC 8446 section 8), which anybody may have recorded and sent again. It turns true when the stream is read beyond that end.
    pub fn handshake_done(&self) -> bool {
        self.handshake.as_ref().is_none_or(|handshake| *handshake.borrow())
    }

    /// Waits until [`Self::handshake_done`]; false when the connection ends before. Somebody must read the stream meanwhile.
    pub async fn handshake_end(&self) -> bool {
        match &self.handshake {
            Some(handshake) => handshake.clone().wait_for(|done| *done).await.is_ok(),
            None => true,
        }
    }

    /// The client of one request: [`client_ip`] over the header that the listener's proxies write. `headers` is the
    /// request's head.
    pub fn client_ip(&self, headers: &http::HeaderMap) -> IpAddr {
        let (trust, peer) = (self.trust.load(), self.client_addr.ip());
        match trust.header.name() {
            // The head of a client whom nobody believes need not be looked through.
            Some(name) if trust.proxies.contains(peer) => {
                let values = headers.get_all(name).iter().map(http::HeaderValue::as_bytes);
                client_ip(peer, &trust.proxies, trust.header, values)
            }
            _ => peer.to_canonical(),
        }
    }

    /// Whether the connection's client is a trusted proxy, so that what it says about the call it forwards
    /// (`X-Forwarded-Proto`, `-Host`) may be believed.
    pub fn from_trusted_proxy(&self) -> bool {
        self.trust.load().proxies.contains(self.client_addr.ip())
    }
}

/// What the client speaks, by ALPN under TLS, by its first bytes in plain text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Protocol {
    /// HTTP/1.0 or 1.1. Also what a TLS client without ALPN speaks.
    Http1,
    /// HTTP/2; its preface is still to be read from the stream.
    Http2,
    /// MMTP; its preface is still to be read from the stream.
    Mmtp,
}

/// The facts of a TLS session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsInfo {
    /// `TLSv1_3` or `TLSv1_2`.
    pub version: &'static str,
    /// Such as `TLS13_AES_128_GCM_SHA256`.
    pub cipher: &'static str,
    /// The name the client asked for, in lower case.
    pub server_name: Option<Box<str>>,
    /// The protocol agreed on, such as `h2`.
    pub alpn: Option<Box<str>>,
    /// Whether the session resumed an earlier one.
    pub resumed: bool,
    /// The certificate that the client proved to own, verified against the listener's client CAs.
    pub client_certificate: Option<ClientCertificate>,
    /// What calls on this connection are told of it; made once.
    pub facts: Arc<TlsFacts>,
}

/// A client's verified certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// SHA-256 of the DER bytes, as 64 lower-case hex digits.
    pub fingerprint: Box<str>,
    /// The subject's distinguished name, such as `CN=shop, O=Example`; empty when it has none.
    pub subject: Box<str>,
    /// The serial number, as hex bytes separated by colons.
    pub serial: Box<str>,
}
