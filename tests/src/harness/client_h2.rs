//! An HTTP/2 client, and calls that can be made through either version.

use super::{Client, Message, message::code, soon};
use bytes::Bytes;
use h2::{RecvStream, client::SendRequest};
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use std::net::SocketAddr;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinHandle,
};

/// A call, before it is known how it will be made.
#[derive(Debug, Clone, Default)]
pub struct Ask {
    method: &'static str,
    target: String,
    fields: Vec<(String, String)>,
    pieces: Vec<Bytes>,
    trailers: Option<HeaderMap>,
}

impl Ask {
    /// Without a body, at the host `a.example`.
    #[must_use]
    pub fn new(method: &'static str, target: impl Into<String>) -> Self {
        Self { method, target: target.into(), ..Self::default() }
    }

    /// With one more field.
    #[must_use]
    pub fn field(mut self, name: &str, value: impl Into<String>) -> Self {
        self.fields.push((name.to_owned(), value.into()));
        self
    }

    /// With a body of unknown length in these pieces.
    #[must_use]
    pub fn pieces<B: Into<Bytes>>(mut self, pieces: impl IntoIterator<Item = B>) -> Self {
        self.pieces = pieces.into_iter().map(Into::into).collect();
        self
    }

    /// With a body whose length is told.
    #[must_use]
    pub fn body(self, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        self.field("content-length", body.len().to_string()).pieces([body])
    }

    /// With a trailer behind its body.
    #[must_use]
    pub fn trailer(mut self, name: &'static str, value: &'static str) -> Self {
        let trailers = self.trailers.get_or_insert_default();
        trailers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        self
    }

    fn is_chunked(&self) -> bool {
        let told = self.fields.iter().any(|(name, _)| name == "content-length");
        !told && (!self.pieces.is_empty() || self.trailers.is_some())
    }

    /// The call as HTTP/1 has it on the wire.
    #[must_use]
    pub fn to_http1(&self) -> Vec<u8> {
        let mut wire = format!("{} {} HTTP/1.1\r\nhost: a.example\r\n", self.method, self.target);
        for (name, value) in &self.fields {
            wire.push_str(&format!("{name}: {value}\r\n"));
        }
        let chunked = self.is_chunked();
        if chunked {
            wire.push_str("transfer-encoding: chunked\r\n");
        }
        let mut wire = (wire + "\r\n").into_bytes();
        for piece in &self.pieces {
            if chunked {
                wire.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
            }
            wire.extend_from_slice(piece);
            if chunked {
                wire.extend_from_slice(b"\r\n");
            }
        }
        if chunked {
            wire.extend_from_slice(b"0\r\n");
            for (name, value) in self.trailers.iter().flat_map(HeaderMap::iter) {
                wire.extend_from_slice(format!("{name}: ").as_bytes());
                wire.extend_from_slice(value.as_bytes());
                wire.extend_from_slice(b"\r\n");
            }
            wire.extend_from_slice(b"\r\n");
        }
        wire
    }

    /// The head as HTTP/2 takes it.
    ///
    /// # Panics
    /// When it is no head.
    #[must_use]
    pub fn to_head(&self) -> Request<()> {
        let uri = format!("http://a.example{}", self.target);
        let mut head = Request::builder().method(self.method).uri(uri);
        for (name, value) in &self.fields {
            head = head.header(name, value);
        }
        head.body(()).expect("a head")
    }

    /// Makes the call over a new HTTP/1 connection.
    pub async fn over_http1(&self, address: SocketAddr) -> Reply {
        let mut client = Client::connect(address).await;
        let wire = self.to_http1();
        // An answer may come, and the connection end, before all is sent.
        let sent = client.try_send(&wire).await;
        let mut infos = Vec::new();
        loop {
            let answer = match self.method {
                "HEAD" => client.head().await.ok_or(super::Cut(Message::default())),
                _ => client.try_answer().await,
            };
            return match answer {
                Ok(info) if info.status() < 200 && info.status() != 101 => {
                    infos.push(info.status());
                    continue;
                }
                Ok(answer) => Reply::of(answer, infos, true),
                Err(super::Cut(answer)) if !answer.start.is_empty() => {
                    Reply::of(answer, infos, false)
                }
                Err(_) => {
                    assert!(sent.is_ok(), "neither sent nor answered: {sent:?}");
                    Reply { infos, ..Reply::default() }
                }
            };
        }
    }

    /// Makes the call over a new HTTP/2 connection.
    pub async fn over_http2(&self, address: SocketAddr) -> Reply {
        H2::connect(address).await.call(self).await
    }
}

/// An answer, however it came.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    /// Statuses of interim answers.
    pub infos: Vec<u16>,
    /// The status; 0 where no head came.
    pub status: u16,
    /// The fields of its head.
    pub headers: HeaderMap,
    /// What came of its body.
    pub body: Bytes,
    /// Its trailers.
    pub trailers: HeaderMap,
    /// Whether it came to its end in order.
    pub whole: bool,
}

impl Reply {
    fn of(message: Message, infos: Vec<u16>, whole: bool) -> Self {
        let map = |fields: &[(String, String)]| {
            let field = |(name, value): &(String, String)| {
                let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
                (name, HeaderValue::from_str(value).expect("a value"))
            };
            fields.iter().map(field).collect()
        };
        Self {
            infos,
            status: message.status(),
            headers: map(&message.fields),
            trailers: map(&message.trailers),
            body: message.body.into(),
            whole,
        }
    }

    /// A field's value; empty where it is missing.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body as text.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is no text")
    }

    /// The code of the gateway's error that this answer is; empty where it is none.
    #[must_use]
    pub fn code(&self) -> String {
        code(&self.body)
    }
}

/// An HTTP/2 connection.
#[derive(Debug)]
pub struct H2 {
    /// What opens streams.
    pub sender: SendRequest<Bytes>,
    connection: JoinHandle<Result<(), h2::Error>>,
}

impl H2 {
    /// In clear text, by prior knowledge.
    ///
    /// # Panics
    /// When nobody listens or it is no HTTP/2.
    pub async fn connect(address: SocketAddr) -> Self {
        let tcp = soon(TcpStream::connect(address)).await.expect("nobody listens");
        tcp.set_nodelay(true).expect("no such option");
        Self::over(tcp).await
    }

    /// Over a connection that is there, TLS for one.
    ///
    /// # Panics
    /// When the other end speaks no HTTP/2.
    pub async fn over(io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Self {
        let (sender, connection) = soon(h2::client::handshake(io)).await.expect("no HTTP/2");
        Self { sender, connection: tokio::spawn(connection) }
    }

    /// Makes a call and reads its answer to the end.
    ///
    /// # Panics
    /// When no stream can be opened.
    pub async fn call(&self, ask: &Ask) -> Reply {
        let ends = ask.pieces.is_empty() && ask.trailers.is_none();
        let mut sender = soon(self.sender.clone().ready()).await.expect("the connection is gone");
        let (mut response, mut body) = sender.send_request(ask.to_head(), ends).expect("a stream");
        for (index, piece) in ask.pieces.iter().enumerate() {
            let last = index + 1 == ask.pieces.len() && ask.trailers.is_none();
            // The stream may have been answered and reset already.
            if body.send_data(piece.clone(), last).is_err() {
                break;
            }
        }
        if let Some(trailers) = ask.trailers.clone() {
            let _ = body.send_trailers(trailers);
        }
        let mut infos = Vec::new();
        let head = soon(std::future::poll_fn(|cx| {
            while let std::task::Poll::Ready(Some(Ok(info))) = response.poll_informational(cx) {
                infos.push(info.status().as_u16());
            }
            std::pin::Pin::new(&mut response).poll(cx)
        }))
        .await;
        let Ok(head) = head else { return Reply { infos, ..Reply::default() } };
        let (head, mut stream) = head.into_parts();
        let (body, trailers, whole) = read(&mut stream).await;
        Reply { infos, status: head.status.as_u16(), headers: head.headers, body, trailers, whole }
    }

    /// How the connection has ended, once it has.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn ended(self) -> Result<(), h2::Error> {
        drop(self.sender);
        soon(self.connection).await.expect("the connection's task panicked")
    }
}

/// A body to its end: data, trailers, and whether it was whole.
pub(super) async fn read(stream: &mut RecvStream) -> (Bytes, HeaderMap, bool) {
    let mut all = Vec::new();
    while let Some(data) = soon(stream.data()).await {
        let Ok(data) = data else { return (all.into(), HeaderMap::new(), false) };
        // The window may be closed by the other end's reset meanwhile.
        let _ = stream.flow_control().release_capacity(data.len());
        all.extend_from_slice(&data);
    }
    match soon(stream.trailers()).await {
        Ok(trailers) => (all.into(), trailers.unwrap_or_default(), true),
        Err(_) => (all.into(), HeaderMap::new(), false),
    }
}
