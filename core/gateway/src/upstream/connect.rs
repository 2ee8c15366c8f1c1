//! Connections to servers: TCP and TLS under one deadline.

use super::{error, io::Wire, spec::Protocol, tls::TlsClient};
use paifang_pipeline::OriginError;
use socket2::{SockRef, TcpKeepalive};
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};

/// A silent connection is probed after so long, so that a server that vanished is noticed.
const KEEPALIVE_TIME: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// A fresh connection.
pub(super) struct Connected {
    pub(super) wire: Wire,
    /// HTTP/2 is to be spoken on it.
    pub(super) h2: bool,
}

/// How one upstream's connections are made.
pub(super) struct Connector {
    pub(super) tls: Option<TlsClient>,
    pub(super) protocol: Protocol,
    pub(super) timeout: Duration,
}

impl Connector {
    /// Whether HTTP/2 may come of a connection.
    pub(super) fn may_be_h2(&self) -> bool {
        match self.protocol {
            Protocol::H1 => false,
            Protocol::H2 => true,
            Protocol::Auto => self.tls.is_some(),
        }
    }

    /// Connects. `server_name` is there where TLS is. `only_h1` is for calls that HTTP/2 cannot
    /// carry.
    pub(super) async fn connect(
        &self,
        to: SocketAddr,
        server_name: Option<&ServerName<'static>>,
        only_h1: bool,
    ) -> Result<Connected, OriginError> {
        match timeout(self.timeout, self.handshake(to, server_name, only_h1)).await {
            Ok(connected) => connected,
            Err(_) => Err(error::connect_timeout(to, self.timeout)),
        }
    }

    async fn handshake(
        &self,
        to: SocketAddr,
        server_name: Option<&ServerName<'static>>,
        only_h1: bool,
    ) -> Result<Connected, OriginError> {
        let tcp = tcp(to).await.map_err(|error| error::connect_failed(to, &error))?;
        let (Some(tls), Some(name)) = (&self.tls, server_name) else {
            let h2 = self.protocol == Protocol::H2;
            return Ok(Connected { wire: Wire::Plain(tcp), h2 });
        };
        let config = if only_h1 { &tls.h1 } else { &tls.any };
        let stream = TlsConnector::from(Arc::clone(config))
            .connect(name.clone(), tcp)
            .await
            .map_err(|error| error::tls_failed(to, &error))?;
        let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        if self.protocol == Protocol::H2 && !h2 {
            return Err(error::not_h2(to));
        }
        Ok(Connected { wire: Wire::Tls(Box::new(stream)), h2 })
    }
}

async fn tcp(to: SocketAddr) -> io::Result<TcpStream> {
    let tcp = TcpStream::connect(to).await?;
    // Small requests must not wait for the acknowledgement of the one before.
    tcp.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_TIME).with_interval(KEEPALIVE_INTERVAL);
    SockRef::from(&tcp).set_tcp_keepalive(&keepalive)?;
    Ok(tcp)
}
