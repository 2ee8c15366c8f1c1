//! HTTP/1 by hand, for either end of a connection: bytes out as they are given, messages in.

use super::{Message, message::field, soon};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// A connection that is read message by message and written byte by byte.
#[derive(Debug)]
pub struct Wire<S> {
    /// What carries the bytes.
    pub io: S,
    read: Vec<u8>,
}

/// The message ended before its framing said so; what had come of it.
#[derive(Debug)]
pub struct Cut(pub Message);

/// How the end of a body is told.
enum Framing {
    None,
    Length(usize),
    Chunked,
    Close,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    /// On a connection from which nothing was read before.
    pub fn new(io: S) -> Self {
        Self { io, read: Vec::new() }
    }

    /// Writes.
    ///
    /// # Panics
    /// When the other end is gone.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).await.expect("the other end is gone");
    }

    /// Writes, where the other end may be gone.
    ///
    /// # Errors
    /// When it is.
    pub async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        soon(async {
            self.io.write_all(bytes.as_ref()).await?;
            self.io.flush().await
        })
        .await
    }

    /// Says that nothing more will be written.
    pub async fn finish(&mut self) {
        soon(self.io.shutdown()).await.expect("the other end is gone");
    }

    /// Reads some more; false at the end, orderly or not.
    async fn more(&mut self) -> bool {
        matches!(soon(self.io.read_buf(&mut self.read)).await, Ok(1..))
    }

    /// Bytes that have been read and not taken.
    #[must_use]
    pub fn buffered(&self) -> &[u8] {
        &self.read
    }

    /// All up to `end`, which is part of it; `None` when the connection ends before.
    pub async fn take_until(&mut self, end: &str) -> Option<String> {
        let mut looked = 0;
        loop {
            let from = self.read.len().min(looked);
            let found = self.read[from..].windows(end.len()).position(|at| at == end.as_bytes());
            if let Some(at) = found {
                let taken: Vec<u8> = self.read.drain(..from + at + end.len()).collect();
                return Some(String::from_utf8(taken).expect("bytes that are no text"));
            }
            looked = self.read.len().saturating_sub(end.len());
            if !self.more().await {
                return None;
            }
        }
    }

    /// So many bytes; fewer when the connection ends before.
    pub async fn take(&mut self, length: usize) -> Vec<u8> {
        while self.read.len() < length && self.more().await {}
        let length = length.min(self.read.len());
        self.read.drain(..length).collect()
    }

    /// The next head, without its body; `None` when the connection ends first.
    pub async fn head(&mut self) -> Option<Message> {
        self.take_until("\r\n\r\n").await.map(|head| Message::parse(&head))
    }

    /// The next request, whole; `None` when the connection ends before its end.
    pub async fn request(&mut self) -> Option<Message> {
        let head = self.head().await?;
        let framing = match (head.header("transfer-encoding"), head.header("content-length")) {
            (Some(_), _) => Framing::Chunked,
            (None, Some(length)) => Framing::Length(length.parse().expect("a length")),
            (None, None) => Framing::None,
        };
        self.body(head, framing).await.ok()
    }

    /// The next answer to anything but HEAD, whole. Interim answers come by themselves.
    ///
    /// # Panics
    /// When it breaks off.
    #[track_caller]
    pub fn answer(&mut self) -> impl Future<Output = Message> {
        let place = std::panic::Location::caller();
        async move {
            match self.try_answer().await {
                Ok(answer) => answer,
                Err(cut) => panic!("broken off at {place}: {cut:?}"),
            }
        }
    }

    /// The next answer to anything but HEAD.
    ///
    /// # Errors
    /// Where it breaks off.
    pub async fn try_answer(&mut self) -> Result<Message, Cut> {
        let Some(head) = self.head().await else {
            return Err(Cut(Message::default()));
        };
        let framing = match (head.header("transfer-encoding"), head.header("content-length")) {
            _ if head.status() < 200 || matches!(head.status(), 204 | 304) => Framing::None,
            (Some(_), _) => Framing::Chunked,
            (None, Some(length)) => Framing::Length(length.parse().expect("a length")),
            (None, None) => Framing::Close,
        };
        self.body(head, framing).await
    }

    async fn body(&mut self, mut message: Message, framing: Framing) -> Result<Message, Cut> {
        match framing {
            Framing::None => {}
            Framing::Length(length) => {
                message.body = self.take(length).await;
                if message.body.len() < length {
                    return Err(Cut(message));
                }
            }
            Framing::Chunked => return self.chunks(message).await,
            Framing::Close => {
                let (rest, end) = self.rest().await;
                message.body = rest;
                if end.is_err() {
                    return Err(Cut(message));
                }
            }
        }
        Ok(message)
    }

    async fn chunks(&mut self, mut message: Message) -> Result<Message, Cut> {
        loop {
            let Some(line) = self.take_until("\r\n").await else { return Err(Cut(message)) };
            let size = line.trim_end().split(';').next().unwrap_or_default();
            let size = usize::from_str_radix(size, 16).expect("a chunk's size");
            if size == 0 {
                break;
            }
            let mut chunk = self.take(size + 2).await;
            let whole = chunk.len() == size + 2;
            chunk.truncate(size);
            message.body.extend_from_slice(&chunk);
            if !whole {
                return Err(Cut(message));
            }
        }
        loop {
            match self.take_until("\r\n").await.as_deref() {
                None => return Err(Cut(message)),
                Some("\r\n") => return Ok(message),
                Some(line) => message.trailers.push(field(line.trim_end())),
            }
        }
    }

    /// Everything up to the end, and whether that came in order.
    pub async fn rest(&mut self) -> (Vec<u8>, std::io::Result<()>) {
        let end = loop {
            match soon(self.io.read_buf(&mut self.read)).await {
                Ok(0) => break Ok(()),
                Ok(_) => {}
                Err(cause) => break Err(cause),
            }
        };
        (std::mem::take(&mut self.read), end)
    }

    /// Returns when the other end has closed, in order or not.
    ///
    /// # Panics
    /// When bytes come first.
    pub async fn closed(&mut self) {
        let (rest, _) = self.rest().await;
        assert_eq!(String::from_utf8_lossy(&rest), "", "nothing more was expected");
    }
}
