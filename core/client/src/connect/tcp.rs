//! TCP, and the plain form over it.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::Instant,
};

use super::{BoxFuture, Connect, Dialed, Form, Target, Timing, Wire, split_address};

/// What a client of the plain form sends before its first frame.
const PREFACE: &[u8] = b"MMTP/\x01";

/// The plain form: TCP without TLS, for listeners that allow it. Nothing is secret or sure on it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plain;

impl Plain {
    /// The plain form over any stream: for a [`Connect`] of one's own.
    pub fn over<S>(stream: S) -> Box<dyn Wire>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        Box::new(Prefaced::new(stream))
    }
}

impl Connect for Plain {
    fn resolve<'a>(&'a self, address: &'a str) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(lookup(address))
    }

    fn dial<'a>(&'a self, to: &'a Target) -> BoxFuture<'a, io::Result<Dialed>> {
        Box::pin(async {
            let begun = Instant::now();
            let stream = open(to.address).await?;
            let timing = Timing { tcp: begun.elapsed(), tls: None };
            Ok(Dialed { wire: Box::new(Prefaced::new(stream)), server_name: None, timing })
        })
    }

    fn dial_as<'a>(&'a self, to: &'a Target, form: Form) -> BoxFuture<'a, io::Result<Dialed>> {
        if form == Form::Long {
            return self.dial(to);
        }
        Box::pin(async move {
            let begun = Instant::now();
            let stream = open(to.address).await?;
            let timing = Timing { tcp: begun.elapsed(), tls: None };
            let wire = to.within(form, stream, &to.http_host(None, 80)).await?;
            Ok(Dialed { wire, server_name: None, timing })
        })
    }
}

/// As a carrier of HTTP; the plain form has its preface before it.
impl Wire for TcpStream {}

/// Asks the system's resolver.
pub(super) async fn lookup(address: &str) -> io::Result<Vec<SocketAddr>> {
    let invalid = || io::Error::new(io::ErrorKind::InvalidInput, "an address is `host:port`");
    let (host, port) = split_address(address).ok_or_else(invalid)?;
    Ok(tokio::net::lookup_host((host, port)).await?.collect())
}

/// A TCP connection whose small writes go at once.
pub(super) async fn open(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A stream whose first bytes are the preface.
pub(super) struct Prefaced<S> {
    stream: S,
    left: &'static [u8],
}

impl<S> Prefaced<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, left: PREFACE }
    }
}

impl<S: AsyncWrite + Unpin> Prefaced<S> {
    fn poll_preface(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.left.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, self.left))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.left = &self.left[written..];
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Prefaced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Prefaced<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_preface(cx))?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_preface(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Wire for Prefaced<S> {}
