//! The stream as sessions use it.
#![allow(clippy::unwrap_used)]

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
    let read = from.read_exact(&mut bytes);
    tokio::time::timeout(Duration::from_secs(20), read).await.unwrap().unwrap();
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
    assert!(stream.try_peek(&mut peeked).await.unwrap());
    assert_eq!(&peeked, b"GET");
    assert_eq!(read(&mut stream, 14).await, b"GET / HTTP/1.1");
}

#[tokio::test]
async fn a_small_first_write_waits_for_the_next_one() {
    let (mut stream, mut client) = pair(b"").await;
    stream.write_all(b"head").await.unwrap();
    assert_eq!(stream.gather.held(), b"head");
    assert_eq!(client.try_read(&mut [0; 1]).unwrap_err().kind(), io::ErrorKind::WouldBlock);

    stream.write_all(b"body").await.unwrap();
    assert_eq!(stream.gather.held(), b"");
    assert_eq!(read(&mut client, 8).await, b"headbody");
}

#[tokio::test]
async fn whoever_waits_for_the_client_first_sends_what_is_held() {
    let (mut stream, mut client) = pair(b"").await;
    stream.set_corked(true);
    stream.write_all(b"head").await.unwrap();
    stream.flush().await.unwrap();
    assert_eq!(stream.gather.held(), b"head");
    let server = tokio::spawn(async move { read(&mut stream, 5).await });
    assert_eq!(read(&mut client, 4).await, b"head");
    client.write_all(b"reply").await.unwrap();
    assert_eq!(server.await.unwrap(), b"reply");
}

#[tokio::test]
async fn a_stream_may_be_told_to_reset_and_to_end_in_order_again() {
    for reset in [true, false] {
        let (stream, mut client) = pair(b"").await;
        stream.reset_on_close(true);
        stream.reset_on_close(reset);
        drop(stream);
        let end = client.read(&mut [0; 1]).await;
        assert_eq!(end.is_err(), reset, "{end:?}");
    }
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
