//! Frames as they pass: a transport that notes what it carries.

use paifang_client::connect::{BoxFuture, Connect, Dialed, EarlyData, Form, Target, Wire};
use paifang_mmtp::frame::{Frame, MAX_FRAME, Part, Split, split};
use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

/// Frames that are noted; further ones are counted.
const MOST: usize = 200;

/// The frames of all connections of a call. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct Trace(Arc<Mutex<Noted>>);

#[derive(Debug)]
struct Noted {
    begun: Instant,
    lines: Vec<String>,
    more: usize,
}

impl Default for Trace {
    fn default() -> Self {
        let noted = Noted { begun: Instant::now(), lines: Vec::new(), more: 0 };
        Self(Arc::new(Mutex::new(noted)))
    }
}

impl Trace {
    /// A line for each frame, in their order.
    pub(super) fn lines(&self) -> Vec<String> {
        let noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lines = noted.lines.clone();
        if noted.more > 0 {
            lines.push(format!("* and {} frames more", noted.more));
        }
        lines
    }

    fn note(&self, way: char, frame: &Frame<'_>, length: usize) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.lines.len() == MOST {
            noted.more += 1;
            return;
        }
        let at = noted.begun.elapsed().as_secs_f64() * 1000.0;
        noted.lines.push(format!("{way} {at:8.1} ms  {}  {length} bytes", described(frame)));
    }
}

/// What a frame is called, and which it is.
fn described(frame: &Frame<'_>) -> String {
    let part = |name: &str, part: &Part<'_>| {
        let more = if part.more { ", more follows" } else { "" };
        format!("{name} {}:{}{more}", part.channel, part.sequence)
    };
    match frame {
        Frame::Ping(number) => format!("PING {number}"),
        Frame::Pong(number) => format!("PONG {number}"),
        Frame::Hello { .. } => "HELLO".into(),
        Frame::Welcome { .. } => "WELCOME".into(),
        Frame::Request { operation, part: own } => {
            format!("{}, operation {operation}", part("REQUEST", own))
        }
        Frame::Response { status, part: own } => {
            format!("{}, status {status}", part("RESPONSE", own))
        }
        Frame::Data(own) => part("DATA", own),
        Frame::Message(own) => part("MESSAGE", own),
        Frame::Delivery(own) => part("DELIVERY", own),
        Frame::Ack { channel, sequence } => format!("ACK {channel}:{sequence}"),
        Frame::Cancel { channel, sequence, code } => {
            format!("CANCEL {channel}:{sequence}, code {}", code.0)
        }
        Frame::Credit { channel, bytes } => format!("CREDIT {channel}, {bytes} bytes"),
        Frame::Login { epoch, .. } => format!("LOGIN {epoch}"),
        Frame::User { epoch, status, .. } => format!("USER {epoch}, status {status}"),
        Frame::Update { .. } => "UPDATE".into(),
        Frame::Goaway { code, .. } => format!("GOAWAY {code}"),
        Frame::Close { code, .. } => format!("CLOSE {code}"),
        Frame::Ignored(kind) => format!("ignored, type {kind}"),
    }
}

/// One way of a connection.
struct Way {
    sign: char,
    /// Bytes of a frame that is not whole, or whose end is unknown.
    partial: Vec<u8>,
    broken: bool,
}

impl Way {
    fn new(sign: char) -> Self {
        Self { sign, partial: Vec::new(), broken: false }
    }

    fn pass(&mut self, bytes: &[u8], trace: &Trace) {
        if self.broken {
            return;
        }
        self.partial.extend_from_slice(bytes);
        let mut at = 0;
        loop {
            match split(&self.partial[at..], MAX_FRAME) {
                Ok(Split::Frame(frame, length)) => {
                    trace.note(self.sign, &frame, length);
                    at += length;
                }
                Ok(Split::Partial(_)) => break,
                // What follows cannot be told apart.
                Err(_) => {
                    self.broken = true;
                    break;
                }
            }
        }
        self.partial.drain(..at);
    }
}

/// A transport whose frames are noted.
pub(super) struct Traced<C> {
    inner: C,
    trace: Trace,
}

impl<C> Traced<C> {
    pub(super) fn new(inner: C, trace: Trace) -> Self {
        Self { inner, trace }
    }
}

impl<C: Connect> Connect for Traced<C> {
    fn resolve<'a>(&'a self, address: &'a str) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        self.inner.resolve(address)
    }

    fn dial<'a>(&'a self, to: &'a Target) -> BoxFuture<'a, io::Result<Dialed>> {
        self.dial_as(to, Form::Long)
    }

    fn dial_as<'a>(&'a self, to: &'a Target, form: Form) -> BoxFuture<'a, io::Result<Dialed>> {
        Box::pin(async move {
            let dialed = self.inner.dial_as(to, form).await?;
            let (trace, wire) = (self.trace.clone(), dialed.wire);
            let wire = TracedWire { wire, trace, up: Way::new('>'), down: Way::new('<') };
            Ok(Dialed { wire: Box::new(wire), ..dialed })
        })
    }
}

struct TracedWire {
    wire: Box<dyn Wire>,
    trace: Trace,
    up: Way,
    down: Way,
}

impl Wire for TracedWire {
    fn early_data(&self) -> EarlyData {
        self.wire.early_data()
    }
}

impl AsyncRead for TracedWire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.wire).poll_read(cx, buf))?;
        let Self { down, trace, .. } = &mut *self;
        down.pass(&buf.filled()[before..], trace);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for TracedWire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.wire).poll_write(cx, bytes))?;
        let Self { up, trace, .. } = &mut *self;
        up.pass(&bytes[..written], trace);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_shutdown(cx)
    }
}
