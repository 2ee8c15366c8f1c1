//! One connection: TCP, TLS where there is a certificate, and the session machine.

use std::{net::SocketAddr, sync::Arc};

use bytes::BytesMut;
use paifang_mmtp::{
    greeting::{Closing, Hello},
    session::{Config, Event, Millis, Session},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::Instant,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring::default_provider,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
        version::TLS13,
    },
};

use crate::Result;

/// The name in the certificate.
const HOST: &str = "storm.example";

/// Where connections go, and how.
pub(crate) struct Wire {
    address: SocketAddr,
    tls: Option<TlsConnector>,
}

pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A connection that was let in.
pub(crate) struct Open {
    pub(crate) stream: Box<dyn Stream>,
}

/// What became of a try.
pub(crate) enum Came {
    In(Open),
    /// Sent away, with a word or without one; since when it was connected.
    Away(Option<Box<Closing>>, Instant),
    /// Not even connected, or the server broke the protocol.
    Failed,
}

impl Wire {
    pub(crate) fn new(address: SocketAddr, certificate: Option<&String>) -> Result<Self> {
        let Some(file) = certificate else { return Ok(Self { address, tls: None }) };
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(file)?)?;
        let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"mmtp/1".to_vec()];
        Ok(Self { address, tls: Some(TlsConnector::from(Arc::new(config))) })
    }

    /// Connects, says HELLO, and hears what the server says to it.
    pub(crate) async fn come(&self, device: u32) -> Came {
        let Ok(tcp) = TcpStream::connect(self.address).await else { return Came::Failed };
        let connected = Instant::now();
        // Buffered writes would be a client's own delay.
        let _ = tcp.set_nodelay(true);
        let stream: Box<dyn Stream> = match &self.tls {
            None => Box::new(tcp),
            Some(tls) => {
                let Ok(host) = ServerName::try_from(HOST) else { return Came::Failed };
                match tls.connect(host, tcp).await {
                    Ok(stream) => Box::new(stream),
                    // Before its handshake a server has no words.
                    Err(_) => return Came::Away(None, connected),
                }
            }
        };
        self.greet(stream, device, connected).await
    }

    async fn greet(&self, mut stream: Box<dyn Stream>, device: u32, connected: Instant) -> Came {
        let mut nonce = [0; 16];
        nonce[..4].copy_from_slice(&device.to_be_bytes());
        let device = device.to_be_bytes().into();
        let hello = Hello { app: "storm".into(), device, nonce, ..Hello::default() };
        let mut session = Session::client(Config::default(), &hello, Millis(0));
        let mut out = BytesMut::new();
        if self.tls.is_none() {
            out.extend_from_slice(b"MMTP/\x01");
        }
        session.poll_transmit(&mut out, 1 << 14);
        let mut bytes = [0; 2048];
        // A server that closes has sent its word before; it is read all the same.
        let _ = stream.write_all(&out).await;
        let _ = stream.flush().await;
        loop {
            match stream.read(&mut bytes).await {
                Ok(read) if read > 0 => session.receive(&bytes[..read], Millis(0)),
                _ => return Came::Away(None, connected),
            }
            match session.poll_event() {
                Some(Event::Welcome(_)) => return Came::In(Open { stream }),
                Some(Event::Closed(closed)) if closed.is_by_peer() => {
                    return Came::Away(Some(Box::new(closed.closing)), connected);
                }
                Some(_) => return Came::Failed,
                None => {}
            }
        }
    }
}
