#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use tokio::net::TcpListener;

use super::*;

async fn pair(ahead: &'static [u8]) -> (EdgeStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    (EdgeStream::plain(server, Bytes::from_static(ahead)), client)
}

async fn read(from: &mut (impl AsyncRead + Unpin), length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes).await.unwrap();
    bytes
}

#[tokio::test]
async fn it_is_a_pingora_stream() {
    let (stream, client) = pair(b"").await;
    let fd = stream.tcp().as_raw_fd();
    let stream: pingora_core::protocols::Stream = Box::new(stream);
    assert_eq!(stream.id(), fd);
    assert!(stream.get_ssl_digest().is_none());
    let socket = stream.get_socket_digest().unwrap();
    assert_eq!(socket.peer_addr().unwrap().as_inet(), Some(&client.local_addr().unwrap()));
    assert_eq!(socket.local_addr().unwrap().as_inet(), Some(&client.peer_addr().unwrap()));
}

#[tokio::test]
async fn bytes_read_ahead_come_first_and_peeking_takes_nothing() {
    let (mut stream, mut client) = pair(b"GET /").await;
    client.write_all(b" HTTP/1.1").await.unwrap();
    let mut peeked = [0; 3];
    assert!(stream.try_peek(&mut peeked).await.unwrap());
    assert_eq!(&peeked, b"GET");
    let mut longer = [0; 10];
    assert!(stream.try_peek(&mut longer).await.unwrap());
    assert_eq!(&longer, b"GET / HTTP");
    assert_eq!(read(&mut stream, 14).await, b"GET / HTTP/1.1");
}

#[tokio::test]
async fn a_small_first_write_waits_for_the_next_one() {
    let (mut stream, mut client) = pair(b"").await;
    stream.write_all(b"head").await.unwrap();
    assert_eq!(stream.held, b"head");
    assert_eq!(client.try_read(&mut [0; 1]).unwrap_err().kind(), io::ErrorKind::WouldBlock);

    stream.write_all(b"body").await.unwrap();
    assert!(stream.held.is_empty());
    assert_eq!(read(&mut client, 8).await, b"headbody");

    // Only the first write after a flush is held.
    stream.write_all(b"more").await.unwrap();
    assert_eq!(read(&mut client, 4).await, b"more");

    stream.flush().await.unwrap();
    stream.write_all(b"next").await.unwrap();
    assert_eq!(stream.held, b"next");
    stream.flush().await.unwrap();
    assert_eq!(read(&mut client, 4).await, b"next");
}

#[tokio::test]
async fn a_large_first_write_is_not_copied() {
    let (mut stream, mut client) = pair(b"").await;
    stream.write_all(&[7; HOLD_MAX + 1]).await.unwrap();
    assert_eq!(stream.held.capacity(), 0);
    assert_eq!(read(&mut client, HOLD_MAX + 1).await, [7; HOLD_MAX + 1]);
}

#[tokio::test]
async fn what_is_held_goes_out_before_the_end() {
    let (mut stream, mut client) = pair(b"").await;
    stream.write_all(b"last words").await.unwrap();
    let server = tokio::spawn(async move { Shutdown::shutdown(&mut stream).await });
    let mut all = Vec::new();
    client.read_to_end(&mut all).await.unwrap();
    assert_eq!(all, b"last words");
    drop(client);
    server.await.unwrap();
}

#[tokio::test]
async fn a_response_survives_the_rest_of_an_upload() {
    let (mut stream, client) = pair(b"").await;
    let (mut from_server, mut to_server) = client.into_split();
    to_server.write_all(&[0; 1000]).await.unwrap();
    // Unread bytes: closing now without reading them would reset the connection.
    stream.tcp().readable().await.unwrap();
    stream.write_all(b"413").await.unwrap();
    let server = tokio::spawn(async move {
        Shutdown::shutdown(&mut stream).await;
        drop(stream);
    });
    let mut answer = [0; 3];
    from_server.read_exact(&mut answer).await.unwrap();
    to_server.write_all(&[0; 100_000]).await.unwrap();
    to_server.shutdown().await.unwrap();
    server.await.unwrap();
    assert_eq!(from_server.read(&mut [0; 1]).await.unwrap(), 0, "the end, not a reset");
}

#[derive(Clone, Debug)]
enum Step {
    Write(usize),
    Gathered(Vec<usize>),
    Flush,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let size = prop_oneof![0usize..64, 4000usize..4200, 60_000usize..300_000];
    let step = prop_oneof![
        size.prop_map(Step::Write),
        proptest::collection::vec(0usize..3000, 0..12).prop_map(Step::Gathered),
        Just(Step::Flush),
    ];
    proptest::collection::vec(step, 0..12)
}

/// Bytes that tell their position.
fn pattern(from: usize, length: usize) -> Vec<u8> {
    (from..from + length).map(|at| (at % 251) as u8).collect()
}

async fn send(stream: &mut EdgeStream, steps: Vec<Step>) -> usize {
    let mut sent = 0;
    for step in steps {
        match step {
            Step::Flush => stream.flush().await.unwrap(),
            Step::Write(length) => {
                stream.write_all(&pattern(sent, length)).await.unwrap();
                sent += length;
            }
            Step::Gathered(lengths) => {
                let length: usize = lengths.iter().sum();
                let bytes = pattern(sent, length);
                let mut done = 0;
                while done < length {
                    let mut at = 0;
                    let slices: Vec<IoSlice<'_>> = lengths
                        .iter()
                        .map(|length| {
                            let slice = &bytes[at.max(done).min(at + length)..at + length];
                            at += length;
                            IoSlice::new(slice)
                        })
                        .collect();
                    done += stream.write_vectored(&slices).await.unwrap();
                }
                sent += length;
            }
        }
    }
    sent
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..Default::default() })]

    /// Whatever is written in whatever pieces, through a full send buffer too, arrives once and in order.
    #[test]
    fn every_byte_arrives_in_order(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (mut stream, mut client) = pair(b"").await;
            let reader = tokio::spawn(async move {
                let mut all = Vec::new();
                client.read_to_end(&mut all).await.unwrap();
                all
            });
            let sent = send(&mut stream, steps).await;
            AsyncWriteExt::shutdown(&mut stream).await.unwrap();
            assert!(reader.await.unwrap() == pattern(0, sent));
        });
    }
}
