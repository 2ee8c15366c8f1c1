//! HTTP/1 servers that follow a script, and one that keeps what it was sent.

use super::{Client, Message, Wire};
use std::{
    future::Future,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};
use tokio::{net::TcpListener, task::JoinHandle, task::JoinSet};

/// A server that handles each connection as it is told. Gone when dropped, with its connections.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Server {
    /// `handle` gets each connection, with its number from 0 on.
    ///
    /// # Panics
    /// When there is no port.
    pub async fn start<F, R>(handle: F) -> Self
    where
        F: Fn(usize, Client) -> R + Send + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        Self::on(TcpListener::bind("127.0.0.1:0").await.expect("no port"), handle)
    }

    /// The same on a port that is there.
    ///
    /// # Panics
    /// When the port is not one.
    pub fn on<F, R>(listener: TcpListener, handle: F) -> Self
    where
        F: Fn(usize, Client) -> R + Send + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let address = listener.local_addr().expect("an address");
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            let mut running = JoinSet::new();
            while let Ok((tcp, _)) = listener.accept().await {
                tcp.set_nodelay(true).expect("no such option");
                running.spawn(handle(counter.fetch_add(1, SeqCst), Wire::new(tcp)));
            }
        });
        Self { address, connections, task }
    }

    /// Answers every request on every connection with these bytes.
    pub async fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let answer: Arc<[u8]> = answer.into().into();
        Self::start(move |_, mut client| {
            let answer = Arc::clone(&answer);
            async move {
                while client.request().await.is_some() && client.try_send(&answer).await.is_ok() {}
            }
        })
        .await
    }

    /// How many connections came.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.load(SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A server that answers every request with one answer and keeps the requests.
#[derive(Debug)]
pub struct Recorder {
    /// The server.
    pub server: Server,
    requests: Arc<Mutex<Vec<Message>>>,
}

impl Recorder {
    /// Answers with 200 and the body `upstream`.
    pub async fn start() -> Self {
        Self::answering("HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nupstream").await
    }

    /// Answers with these bytes.
    pub async fn answering(answer: &'static str) -> Self {
        Self::replying(move |_| answer.as_bytes().to_vec()).await
    }

    /// Answers with what `reply` makes of each request.
    ///
    /// # Panics
    /// When there is no port.
    pub async fn replying(reply: impl Fn(&Message) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let requests: Arc<Mutex<Vec<Message>>> = Arc::default();
        let (kept, reply) = (Arc::clone(&requests), Arc::new(reply));
        let server = Server::start(move |_, mut client| {
            let (kept, reply) = (Arc::clone(&kept), Arc::clone(&reply));
            async move {
                while let Some(request) = client.request().await {
                    let answer = reply(&request);
                    kept.lock().expect("a panic before").push(request);
                    if client.try_send(answer).await.is_err() {
                        return;
                    }
                }
            }
        })
        .await;
        Self { server, requests }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// How many requests came, whole.
    ///
    /// # Panics
    /// Never before another panic.
    #[must_use]
    pub fn count(&self) -> usize {
        self.requests.lock().expect("a panic before").len()
    }

    /// A request that came, from 0 on.
    ///
    /// # Panics
    /// When there were fewer.
    #[must_use]
    pub fn request(&self, index: usize) -> Message {
        let requests = self.requests.lock().expect("a panic before");
        let count = requests.len();
        requests.get(index).unwrap_or_else(|| panic!("only {count} requests came")).clone()
    }

    /// The latest request.
    ///
    /// # Panics
    /// When there was none.
    #[must_use]
    pub fn last(&self) -> Message {
        self.requests.lock().expect("a panic before").last().expect("no request came").clone()
    }
}

/// An address at which connections are refused: bound, so that nobody else takes it, and not
/// listening. It is free again when the socket is dropped.
///
/// # Panics
/// When there is no port.
#[must_use]
pub fn refused_address() -> (SocketAddr, tokio::net::TcpSocket) {
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("no port");
    (socket.local_addr().expect("an address"), socket)
}
