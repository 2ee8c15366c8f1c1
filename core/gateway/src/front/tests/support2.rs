//! An HTTP/2 client.

use super::support::{Server, soon};
use bytes::Bytes;
use h2::{
    RecvStream, SendStream,
    client::{ResponseFuture, SendRequest},
};
use http::{HeaderMap, Method, Request, Response};
use paifang_pipeline::Origin;
use std::sync::Arc;
use tokio::{net::TcpStream, sync::watch, task::AbortHandle};

/// A request for host `a`.
pub(super) fn request(method: Method, path: &str) -> Request<()> {
    Request::builder().method(method).uri(format!("http://a{path}")).body(()).unwrap()
}

/// A connection; clones share it.
#[derive(Clone)]
pub(super) struct Client2 {
    pub(super) sender: SendRequest<Bytes>,
    connection: AbortHandle,
    ended: watch::Receiver<Option<Result<(), Arc<h2::Error>>>>,
}

/// An answer, whole.
#[derive(Debug)]
pub(super) struct Answer2 {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
    pub(super) trailers: Option<HeaderMap>,
    pub(super) ended_with_head: bool,
}

impl Client2 {
    pub(super) async fn connect<O: Origin + 'static>(server: &Server<O>) -> Self {
        let tcp = soon(TcpStream::connect(server.address)).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        let (sender, connection) = soon(h2::client::handshake(tcp)).await.unwrap();
        let (ends, ended) = watch::channel(None);
        let task = tokio::spawn(async move {
            let end = connection.await.map_err(Arc::new);
            // Whoever waited may be gone.
            let _ = ends.send(Some(end));
        });
        Self { sender, connection: task.abort_handle(), ended }
    }

    /// Sends a request's head.
    pub(super) async fn try_send(
        &mut self,
        request: Request<()>,
        ended: bool,
    ) -> Result<(ResponseFuture, SendStream<Bytes>), h2::Error> {
        let sender = self.sender.clone();
        let mut ready = soon(sender.ready()).await?;
        ready.send_request(request, ended)
    }

    pub(super) async fn send(
        &mut self,
        request: Request<()>,
        ended: bool,
    ) -> (ResponseFuture, SendStream<Bytes>) {
        self.try_send(request, ended).await.unwrap()
    }

    /// The next interim answer.
    pub(super) async fn informational(answer: &mut ResponseFuture) -> Response<()> {
        soon(std::future::poll_fn(|cx| answer.poll_informational(cx))).await.unwrap().unwrap()
    }

    /// Sends a request with its body as the window allows, and reads the answer meanwhile.
    pub(super) async fn call(
        &mut self,
        request: Request<()>,
        body: Option<&'static str>,
    ) -> Result<Answer2, h2::Error> {
        let (answer, mut out) = self.try_send(request, body.is_none()).await?;
        let upload = async {
            let mut left = Bytes::from_static(body.unwrap_or_default().as_bytes());
            while !left.is_empty() {
                out.reserve_capacity(left.len());
                let room = soon(std::future::poll_fn(|cx| out.poll_capacity(cx))).await;
                let Some(Ok(room)) = room else { return };
                let piece = left.split_to(room.min(left.len()));
                if out.send_data(piece, left.is_empty()).is_err() {
                    return;
                }
            }
        };
        let (answer, ()) = tokio::join!(Self::read(answer), upload);
        answer
    }

    /// Reads an answer to its end.
    pub(super) async fn read(answer: ResponseFuture) -> Result<Answer2, h2::Error> {
        let (head, mut stream) = soon(answer).await?.into_parts();
        let ended_with_head = stream.is_end_stream();
        let body = Self::body(&mut stream).await?;
        let trailers = soon(stream.trailers()).await?;
        let body = String::from_utf8(body).unwrap();
        let status = head.status.as_u16();
        Ok(Answer2 { status, headers: head.headers, body, trailers, ended_with_head })
    }

    async fn body(stream: &mut RecvStream) -> Result<Vec<u8>, h2::Error> {
        let mut body = Vec::new();
        while let Some(data) = soon(stream.data()).await {
            let data = data?;
            stream.flow_control().release_capacity(data.len()).unwrap();
            body.extend_from_slice(&data);
        }
        Ok(body)
    }

    /// Drops the connection where it is.
    pub(super) fn abort(&self) {
        self.connection.abort();
    }

    /// Waits until the connection has ended, and says how.
    pub(super) async fn closed(mut self) -> Result<(), Arc<h2::Error>> {
        drop(self.sender);
        let ended = self.ended.wait_for(Option::is_some).await.unwrap();
        ended.clone().unwrap()
    }
}
