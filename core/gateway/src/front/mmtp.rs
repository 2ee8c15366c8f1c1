//! Which front serves a connection: HTTP, or whatever speaks MMTP.

use std::sync::Arc;

use tokio::sync::watch;

use crate::edge::{ConnInfo, ConnectionHandler, DrainState, EdgeStream, Protocol};

/// Serves connections that speak MMTP by `M`, all others by `H`.
#[derive(Debug)]
pub struct Fronts<H, M> {
    http: H,
    mmtp: M,
}

impl<H: ConnectionHandler, M: ConnectionHandler> Fronts<H, M> {
    /// `mmtp` gets the connections of [`Protocol::Mmtp`], from the first byte of their preface on.
    pub fn new(http: H, mmtp: M) -> Self {
        Self { http, mmtp }
    }
}

impl<H: ConnectionHandler, M: ConnectionHandler> ConnectionHandler for Fronts<H, M> {
    async fn serve(
        &self,
        stream: Box<EdgeStream>,
        info: Arc<ConnInfo>,
        drain: watch::Receiver<DrainState>,
    ) {
        // Each boxed: a connection of the one should not take the room that the other's future needs.
        match info.protocol {
            Protocol::Mmtp => Box::pin(self.mmtp.serve(stream, info, drain)).await,
            _ => Box::pin(self.http.serve(stream, info, drain)).await,
        }
    }
}

/// Serves no MMTP: closes every connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoMmtp;

impl ConnectionHandler for NoMmtp {
    async fn serve(
        &self,
        _stream: Box<EdgeStream>,
        info: Arc<ConnInfo>,
        _drain: watch::Receiver<DrainState>,
    ) {
        turn_away(&info);
    }
}

/// Says that a connection is closed because nobody here speaks MMTP.
pub(super) fn turn_away(info: &ConnInfo) {
    tracing::debug!(listener = &*info.listener, peer = %info.peer_addr, "MMTP is not served");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::ListenerSpec;
    use std::net::SocketAddr;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    /// Says who it is, and echoes what comes.
    struct Named(&'static str);

    impl ConnectionHandler for Named {
        async fn serve(
            &self,
            mut stream: Box<EdgeStream>,
            _info: Arc<ConnInfo>,
            _drain: watch::Receiver<DrainState>,
        ) {
            let mut first = [0; 6];
            stream.read_exact(&mut first).await.unwrap();
            stream.write_all(self.0.as_bytes()).await.unwrap();
            stream.write_all(&first).await.unwrap();
            stream.flush().await.unwrap();
        }
    }

    async fn answer(front: impl ConnectionHandler, first: &[u8]) -> Vec<u8> {
        let edge = crate::edge::Edge::new(Arc::new(front), tokio::runtime::Handle::current());
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let spec = ListenerSpec { plain_mmtp: true, ..ListenerSpec::new("a", address) };
        edge.apply(vec![spec], std::time::Duration::from_secs(1)).await.unwrap();
        let mut client = TcpStream::connect(edge.listeners()[0].address).await.unwrap();
        client.write_all(first).await.unwrap();
        let mut answer = Vec::new();
        // A connection that is closed unread is reset.
        let _ = client.read_to_end(&mut answer).await;
        answer
    }

    #[tokio::test]
    async fn each_protocol_goes_to_its_front() {
        for (first, expected) in
            [(&b"MMTP/\x01"[..], &b"mmtp MMTP/\x01"[..]), (b"GET / ", b"http GET / ")]
        {
            let fronts = Fronts::new(Named("http "), Named("mmtp "));
            assert_eq!(answer(fronts, first).await, expected);
        }
        assert_eq!(answer(Fronts::new(Named("http "), NoMmtp), b"MMTP/\x01").await, b"");
    }
}
