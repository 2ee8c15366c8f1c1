//! An HTTP/2 server that follows a script.

use super::client_h2::read;
use bytes::Bytes;
use h2::{RecvStream, SendStream, server::SendResponse};
use http::{HeaderMap, HeaderName, HeaderValue, Response, request::Parts};
use std::{
    future::Future,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};
use tokio::{net::TcpListener, task::JoinHandle, task::JoinSet};

/// A server that handles each stream as it is told; HTTP/2 in clear text by prior knowledge.
#[derive(Debug)]
pub struct H2Server {
    /// Where it listens.
    pub address: SocketAddr,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

/// A stream that came.
#[derive(Debug)]
pub struct H2Call {
    /// Its head.
    pub head: Parts,
    /// Its body.
    pub body: RecvStream,
    /// What answers it.
    pub respond: SendResponse<Bytes>,
}

impl H2Server {
    /// `handle` gets each stream.
    ///
    /// # Panics
    /// When there is no port.
    pub async fn start<F, R>(handle: F) -> Self
    where
        F: Fn(H2Call) -> R + Clone + Send + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("no port");
        let address = listener.local_addr().expect("an address");
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            let mut running = JoinSet::new();
            while let Ok((tcp, _)) = listener.accept().await {
                tcp.set_nodelay(true).expect("no such option");
                counter.fetch_add(1, SeqCst);
                let handle = handle.clone();
                running.spawn(async move {
                    let mut streams = JoinSet::new();
                    let Ok(mut connection) = h2::server::handshake(tcp).await else { return };
                    while let Some(Ok((request, respond))) = connection.accept().await {
                        let (head, body) = request.into_parts();
                        streams.spawn(handle(H2Call { head, body, respond }));
                    }
                });
            }
        });
        Self { address, connections, task }
    }

    /// How many connections came.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.load(SeqCst)
    }
}

impl Drop for H2Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl H2Call {
    /// The body to its end, with its trailers, and whether it was whole.
    pub async fn read(&mut self) -> (Bytes, HeaderMap, bool) {
        read(&mut self.body).await
    }

    /// Sends a head with more to come.
    ///
    /// # Panics
    /// When the stream is gone.
    pub fn begin(&mut self, status: u16) -> SendStream<Bytes> {
        let head = Response::builder().status(status).body(()).expect("a head");
        self.respond.send_response(head, false).expect("the stream is gone")
    }

    /// Answers whole.
    ///
    /// # Panics
    /// When the stream is gone.
    pub fn answer(&mut self, status: u16, body: impl Into<Bytes>) {
        self.begin(status).send_data(body.into(), true).expect("the stream is gone");
    }

    /// Answers whole, with a trailer.
    ///
    /// # Panics
    /// When the stream is gone.
    pub fn answer_with(&mut self, body: impl Into<Bytes>, name: &'static str, value: &'static str) {
        let mut stream = self.begin(200);
        stream.send_data(body.into(), false).expect("the stream is gone");
        let trailer = (HeaderName::from_static(name), HeaderValue::from_static(value));
        stream.send_trailers(HeaderMap::from_iter([trailer])).expect("the stream is gone");
    }
}
