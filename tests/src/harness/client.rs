//! An HTTP/1 client that says what it is told to, byte for byte.

use super::{Message, Wire, soon};
use std::net::{IpAddr, SocketAddr};
use tokio::net::{TcpSocket, TcpStream};

/// A client's connection in clear text.
pub type Client = Wire<TcpStream>;

impl Wire<TcpStream> {
    /// A new connection.
    ///
    /// # Panics
    /// When nobody listens.
    pub async fn connect(address: SocketAddr) -> Self {
        let tcp = soon(TcpStream::connect(address)).await.expect("nobody listens");
        tcp.set_nodelay(true).expect("no such option");
        Self::new(tcp)
    }

    /// Goes away without a word: the connection is reset.
    pub fn reset(self) {
        self.io.set_zero_linger().expect("no such option");
    }
}

impl<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin> Wire<S> {
    /// Asks for `target` at the host `a.example` and reads the answer.
    ///
    /// # Panics
    /// When the answer breaks off.
    #[track_caller]
    pub fn get(&mut self, target: &str) -> impl Future<Output = Message> {
        let request = format!("GET {target} HTTP/1.1\r\nhost: a.example\r\n\r\n");
        async move {
            self.send(request).await;
            self.answer().await
        }
    }

    /// Sends these bytes and reads the answer to them.
    ///
    /// # Panics
    /// When the answer breaks off.
    pub async fn ask(&mut self, request: impl AsRef<[u8]>) -> Message {
        self.send(request).await;
        self.answer().await
    }
}

/// A connection from another address of this machine (Linux has all of 127.0.0.0/8).
///
/// # Panics
/// When it cannot be made.
pub async fn connect_from(from: &str, address: SocketAddr) -> Client {
    let ip: IpAddr = from.parse().expect("an address");
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::new(ip, 0)).expect("an address of this machine");
    let tcp = soon(socket.connect(address)).await.expect("nobody listens");
    tcp.set_nodelay(true).expect("no such option");
    Wire::new(tcp)
}
