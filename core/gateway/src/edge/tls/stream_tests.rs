//! The stream against real clients of rustls, over pipes that are fast, slow, small and broken.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex, split};
use tokio_rustls::client;

use super::*;
use crate::edge::tests::support::{Pki, server_certificate, soon};
use crate::edge::tls::{TlsConfig, TlsSpec, Turns, accept};

type Server<IO> = TlsStream<IO>;
type Client = client::TlsStream<DuplexStream>;

/// Gives and takes one byte at a time.
struct Crumbs<IO>(IO);

impl<IO: AsyncRead + Unpin> AsyncRead for Crumbs<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut one = [0];
        let mut crumb = ReadBuf::new(&mut one);
        ready!(Pin::new(&mut self.0).poll_read(cx, &mut crumb))?;
        buf.put_slice(crumb.filled());
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Crumbs<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, &buf[..buf.len().min(1)])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

struct Setup {
    pki: Pki,
    tls: TlsConfig,
}

impl Setup {
    fn new() -> Self {
        let pki = Pki::new();
        let spec = TlsSpec::new(vec![server_certificate(&pki, &["a.example"])]);
        Self { tls: TlsConfig::build(&spec).unwrap(), pki }
    }

    /// Both ends over a pipe that holds `room` bytes; `wrap` is put around the server's.
    async fn pair<IO: AsyncRead + AsyncWrite + Unpin>(
        &self,
        room: usize,
        tls12: bool,
        wrap: impl FnOnce(DuplexStream) -> IO,
    ) -> (Client, Server<IO>) {
        let (near, far) = duplex(room);
        let client = match tls12 {
            true => self.pki.client_up_to_tls12(),
            false => self.pki.client(&[], None),
        };
        let turns = Turns::default();
        let server = soon(accept(&self.tls, &turns, wrap(far)));
        let (client, server) = tokio::join!(client.handshake(near, "a.example"), server);
        (client.unwrap(), server.unwrap().0)
    }
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

/// Sends `length` bytes each way at the same time, then ends both ways in order.
async fn exchange<IO: AsyncRead + AsyncWrite + Unpin>(
    client: Client,
    server: Server<IO>,
    length: usize,
) {
    async fn both<S: AsyncRead + AsyncWrite + Unpin>(stream: S, length: usize) -> S {
        let (mut reader, mut writer) = split(stream);
        let sent = pattern(length);
        let write = async {
            writer.write_all(&sent).await.unwrap();
            writer.shutdown().await.unwrap();
        };
        let mut received = Vec::new();
        let (_, read) = tokio::join!(write, reader.read_to_end(&mut received));
        read.unwrap();
        assert!(received == pattern(length), "{} of {length}", received.len());
        reader.unsplit(writer)
    }
    let (_client, server) =
        soon(async { tokio::join!(both(client, length), both(server, length)) }).await;
    assert_eq!(held(&server), 0);
}

/// Bytes that the stream itself holds.
fn held<IO>(stream: &Server<IO>) -> usize {
    stream.undecrypted.capacity() + stream.plain.capacity() + stream.unsent.capacity()
}

#[tokio::test]
async fn bytes_pass_both_ways_at_once() {
    let setup = Setup::new();
    for tls12 in [false, true] {
        for (room, length) in [(1 << 20, 3_000_000), (1000, 200_000), (65_536, 16_384), (1000, 0)] {
            let (client, server) = setup.pair(room, tls12, |pipe| pipe).await;
            exchange(client, server, length).await;
        }
    }
}

#[tokio::test]
async fn bytes_may_come_one_by_one() {
    let setup = Setup::new();
    for tls12 in [false, true] {
        let (client, server) = setup.pair(100_000, tls12, Crumbs).await;
        exchange(client, server, 40_000).await;
    }
}

#[tokio::test]
async fn an_idle_stream_holds_nothing() {
    let setup = Setup::new();
    let (mut client, mut server) = setup.pair(100_000, false, |pipe| pipe).await;
    assert_eq!(held(&server), 0);
    for round in 0..3 {
        client.write_all(&pattern(5000)).await.unwrap();
        let mut part = [0; 100];
        soon(server.read_exact(&mut part)).await.unwrap();
        assert!(held(&server) > 0, "{round}");
        let mut rest = [0; 4900];
        soon(server.read_exact(&mut rest)).await.unwrap();
        server.write_all(&rest).await.unwrap();
        soon(client.read_exact(&mut rest)).await.unwrap();
        assert_eq!(held(&server), 0, "{round}");
    }
    // Waiting is idling.
    let waiting = tokio::time::timeout(Duration::from_millis(5), server.read_u8()).await;
    assert!(waiting.is_err());
    assert_eq!(held(&server), 0);
}

#[tokio::test]
async fn either_side_may_end_first() {
    let setup = Setup::new();
    let (mut client, mut server) = setup.pair(100_000, false, |pipe| pipe).await;
    client.write_all(b"last words").await.unwrap();
    client.shutdown().await.unwrap();
    let mut words = Vec::new();
    soon(server.read_to_end(&mut words)).await.unwrap();
    assert_eq!(words, b"last words");
    assert_eq!(soon(server.read(&mut [0; 9])).await.unwrap(), 0);
    server.write_all(b"answer").await.unwrap();
    server.shutdown().await.unwrap();
    let mut answer = Vec::new();
    soon(client.read_to_end(&mut answer)).await.unwrap();
    assert_eq!(answer, b"answer");
    let error = server.write_all(b"more").await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);

    let (mut client, mut server) = setup.pair(100_000, false, |pipe| pipe).await;
    server.shutdown().await.unwrap();
    soon(client.read_to_end(&mut answer)).await.unwrap();
    client.write_all(b"still here").await.unwrap();
    client.flush().await.unwrap();
    let mut words = [0; 10];
    soon(server.read_exact(&mut words)).await.unwrap();
    assert_eq!(&words, b"still here");
}

#[tokio::test]
async fn an_end_without_close_notify_is_an_error() {
    let setup = Setup::new();
    let (mut client, mut server) = setup.pair(100_000, false, |pipe| pipe).await;
    client.write_all(b"cut").await.unwrap();
    drop(client);
    let mut words = [0; 3];
    soon(server.read_exact(&mut words)).await.unwrap();
    let error = soon(server.read(&mut words)).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn a_forged_record_ends_the_stream_with_an_alert() {
    let setup = Setup::new();
    let (client, mut server) = setup.pair(100_000, false, |pipe| pipe).await;
    let (mut pipe, mut session) = client.into_inner();
    // A good record, and behind it one that nobody could have sealed.
    use std::io::Write;
    session.writer().write_all(b"good").unwrap();
    let mut bytes = Vec::new();
    session.write_tls(&mut bytes).unwrap();
    bytes.extend_from_slice(&[23, 3, 3, 0, 32]);
    bytes.extend_from_slice(&[7; 32]);
    pipe.write_all(&bytes).await.unwrap();
    let mut good = [0; 9];
    assert_eq!(soon(server.read(&mut good)).await.unwrap(), 4);
    for _ in 0..2 {
        let error = soon(server.read(&mut good)).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
    assert_eq!(server.write(b"x").await.unwrap_err().kind(), io::ErrorKind::InvalidData);
    drop(server);
    let mut told = Vec::new();
    soon(pipe.read_to_end(&mut told)).await.unwrap();
    session.read_tls(&mut &told[..]).unwrap();
    let error = session.process_new_packets().unwrap_err();
    assert_eq!(error, rustls::Error::AlertReceived(rustls::AlertDescription::BadRecordMac));
}

#[tokio::test]
async fn garbage_instead_of_a_handshake_is_answered_with_an_alert() {
    let setup = Setup::new();
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[22, 3, 1, 0, 4, 1, 0, 0, 0]] {
        let (mut near, far) = duplex(1000);
        near.write_all(garbage).await.unwrap();
        let error = soon(accept(&setup.tls, &Turns::default(), far)).await.err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        let mut told = Vec::new();
        soon(near.read_to_end(&mut told)).await.unwrap();
        assert_eq!((told[0], told.len()), (21, 7), "one alert, in the clear");
    }
}

#[tokio::test]
async fn a_client_that_leaves_in_the_handshake_ends_it() {
    let setup = Setup::new();
    let (near, far) = duplex(1000);
    drop(near);
    let error = soon(accept(&setup.tls, &Turns::default(), far)).await.err().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);

    // It says hello, and is gone before it has finished.
    let mut hello = Vec::new();
    setup.pki.client(&[], None).session("a.example").write_tls(&mut hello).unwrap();
    let (mut near, far) = duplex(100_000);
    near.write_all(&hello).await.unwrap();
    near.shutdown().await.unwrap();
    let error = soon(accept(&setup.tls, &Turns::default(), far)).await.err().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn who_reads_nothing_holds_the_writer_back() {
    let setup = Setup::new();
    let (mut client, mut server) = setup.pair(4096, false, |pipe| pipe).await;
    let data = pattern(500_000);
    let write = tokio::time::timeout(Duration::from_millis(20), server.write_all(&data)).await;
    assert!(write.is_err(), "the pipe holds 4096 bytes");
    assert!(held(&server) <= 2 * super::super::buffers::SIZE, "{}", held(&server));
    // What was taken arrives, in order.
    let sent = server.unsent.as_slice().len() + 4096;
    let mut received = vec![0; 60_000.min(sent)];
    let (flushed, read) =
        soon(async { tokio::join!(server.flush(), client.read_exact(&mut received)) }).await;
    flushed.unwrap();
    read.unwrap();
    assert!(data.starts_with(&received));
    assert_eq!(held(&server), 0);
}

#[tokio::test]
async fn small_slices_become_one_record_and_large_ones_full_records() {
    let setup = Setup::new();
    let (client, mut server) = setup.pair(1 << 20, false, |pipe| pipe).await;
    let mut client = client;
    // Tickets come first.
    server.write_all(b"x").await.unwrap();
    soon(client.read_exact(&mut [0])).await.unwrap();
    let (mut pipe, _session) = client.into_inner();
    let mut records = async |server: &mut Server<DuplexStream>, slices: &[&[u8]]| {
        let slices: Vec<_> = slices.iter().map(|slice| IoSlice::new(slice)).collect();
        let taken = server.write_vectored(&slices).await.unwrap();
        let mut lengths = Vec::new();
        let mut left = taken;
        while left > 0 {
            let mut header = [0; 5];
            soon(pipe.read_exact(&mut header)).await.unwrap();
            let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
            soon(pipe.read_exact(&mut vec![0; length])).await.unwrap();
            // Each has a tag and the real kind of its content.
            lengths.push(length - 17);
            left -= length - 17;
        }
        (taken, lengths)
    };
    let (head, body) = (pattern(300), pattern(100_000));
    assert_eq!(records(&mut server, &[&head, b"", &head[..5]]).await, (305, vec![305]));
    let (taken, lengths) = records(&mut server, &[&head, &body]).await;
    assert_eq!((taken, lengths), (65_536, vec![16_384; 4]));
    assert_eq!(records(&mut server, &[&body[..20_000]]).await, (20_000, vec![16_384, 3_616]));
    assert_eq!(records(&mut server, &[b""]).await, (0, vec![]));
}
