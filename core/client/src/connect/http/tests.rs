//! Both forms against a server that says byte for byte what a test wants.

use paifang_mmtp::web;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::{NotMmtp, Post, WebSocket};
use crate::connect::Wire;

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/mmtp\r\n";

/// What a POST reads of this answer, given in pieces of `step` bytes.
async fn answered(answer: &str, step: usize) -> Result<String, String> {
    let (ours, mut theirs) = duplex(step);
    let mut post = Post::new(ours, "a.example", "/m");
    let answer = answer.as_bytes().to_vec();
    tokio::spawn(async move {
        let _ = theirs.write_all(&answer).await;
    });
    let mut body = String::new();
    match post.read_to_string(&mut body).await {
        Ok(_) => Ok(body),
        Err(error) => Err(match NotMmtp::of(&error) {
            Some(answer) => format!("{}", answer.status),
            None => error.to_string(),
        }),
    }
}

#[tokio::test]
async fn answers_are_taken_out_of_their_framing() {
    let chunked =
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nx: y\r\n\r\nmore";
    for step in [1, 3, 10_000] {
        for (rest, body) in [
            (chunked, "hello world"),
            ("Content-Length: 5\r\n\r\nhello more", "hello"),
            ("Content-Length: 0\r\n\r\n", ""),
            ("\r\nall there is", "all there is"),
        ] {
            assert_eq!(
                answered(&format!("{HEAD}{rest}"), step).await.as_deref(),
                Ok(body),
                "{rest}"
            );
        }
        let interim =
            format!("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\na: b\r\n\r\n{HEAD}\r\nx");
        assert_eq!(answered(&interim, step).await.as_deref(), Ok("x"));
    }
}

#[tokio::test]
async fn answers_that_are_no_mmtp_say_so() {
    for (answer, why) in [
        ("HTTP/1.1 404 Not Found\r\n\r\n".to_owned(), "404"),
        ("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>".to_owned(), "200"),
        ("HTTP/1.1 502 Bad Gateway\r\nContent-Type: application/mmtp\r\n\r\n".to_owned(), "502"),
        ("SSH-2.0-x\r\n".to_owned(), "the answer is no HTTP"),
        (format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n5\r\nhel"), "the answer breaks off"),
        (format!("{HEAD}Transfer-Encoding: chunked\r\n\r\nx\r\n"), "a chunk without a size"),
        (
            format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n1\r\nabc"),
            "a chunk that is longer than it says",
        ),
        (format!("{HEAD}Content-Length: 9\r\n\r\nhello"), "the answer breaks off"),
        (format!("{HEAD}x: {}", "y".repeat(20_000)), "the answer's head is too large"),
        (HEAD.to_owned(), "unexpected end of file"),
    ] {
        assert_eq!(answered(&answer, 512).await, Err(why.to_owned()), "{answer:.60}");
    }
    let refused = |status| NotMmtp { status }.is_refused();
    assert!(refused(404) && refused(425) && !refused(502) && !refused(200));
}

const ASK: &str = "POST /m HTTP/1.1\r\nHost: a.example:8443\r\nContent-Type: application/mmtp\r\n\
                   Accept: application/mmtp\r\n";

async fn sent(theirs: &mut DuplexStream) -> String {
    let mut sent = vec![0; 10_000];
    let length = theirs.read(&mut sent).await.unwrap();
    String::from_utf8(sent[..length].to_vec()).unwrap()
}

#[tokio::test]
async fn a_request_ends_with_its_last_chunk_and_nothing_follows() {
    let (ours, mut theirs) = duplex(10_000);
    let mut post = Post::new(ours, "a.example:8443", "/m");
    post.write_all(b"one").await.unwrap();
    post.flush().await.unwrap();
    post.write_all(b"two!").await.unwrap();
    post.shutdown().await.unwrap();
    post.write_all(b"late").await.unwrap();
    post.shutdown().await.unwrap();
    let framed = "Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n4\r\ntwo!\r\n0\r\n\r\n";
    assert_eq!(sent(&mut theirs).await, format!("{ASK}{framed}"));
    // The stream is open still: the answer is to come.
    theirs.write_all(format!("{HEAD}\r\nyes").as_bytes()).await.unwrap();
    drop(theirs);
    let mut body = String::new();
    post.read_to_string(&mut body).await.unwrap();
    assert_eq!(body, "yes");
}

#[tokio::test]
async fn a_request_that_is_whole_says_its_length_and_a_long_one_goes_in_chunks() {
    let (ours, mut theirs) = duplex(10_000);
    let mut post = Post::new(ours, "a.example:8443", "/m");
    post.write_all(b"one").await.unwrap();
    post.write_all(b"two!").await.unwrap();
    post.shutdown().await.unwrap();
    assert_eq!(sent(&mut theirs).await, format!("{ASK}Content-Length: 7\r\n\r\nonetwo!"));

    let (ours, mut theirs) = duplex(1_000_000);
    let mut post = Post::new(ours, "a.example:8443", "/m");
    for _ in 0..20 {
        post.write_all(&[b'x'; 10_000]).await.unwrap();
    }
    post.shutdown().await.unwrap();
    drop(post);
    let mut all = String::new();
    theirs.read_to_string(&mut all).await.unwrap();
    assert!(all.starts_with(&format!("{ASK}Transfer-Encoding: chunked\r\n\r\n")));
    let body = all.split("\r\n").filter(|line| line.starts_with('x')).map(str::len).sum::<usize>();
    assert!(body == 200_000 && all.ends_with("\r\n0\r\n\r\n"));
}

#[tokio::test]
async fn a_connection_is_there_again_when_its_answer_was_read_and_the_server_keeps_it() {
    for (answer, again) in [
        (format!("{HEAD}Content-Length: 3\r\n\r\nyes"), true),
        (format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n3\r\nyes\r\n0\r\n\r\n"), true),
        (format!("{HEAD}Connection: x, Close\r\nContent-Length: 3\r\n\r\nyes"), false),
        (format!("{HEAD}Content-Length: 3\r\n\r\nyesHTTP/1.1 408 Late\r\n\r\n"), false),
        (format!("{HEAD}Content-Length: 4\r\n\r\nyes"), false),
        (format!("{}Content-Length: 3\r\n\r\nyes", HEAD.replace("1.1", "1.0")), false),
        (format!("{HEAD}\r\nyes"), false),
    ] {
        let (ours, mut theirs) = duplex(10_000);
        let mut post = Box::new(Post::new(ours, "a.example:8443", "/m"));
        post.write_all(b"one").await.unwrap();
        post.shutdown().await.unwrap();
        sent(&mut theirs).await;
        theirs.write_all(answer.as_bytes()).await.unwrap();
        let mut read = [0; 3];
        post.read_exact(&mut read).await.unwrap();
        if again {
            assert_eq!(post.read(&mut read).await.unwrap(), 0);
        }
        let Some(mut next) = post.again() else {
            assert!(!again, "{answer}");
            continue;
        };
        assert!(again, "{answer}");
        next.write_all(b"2").await.unwrap();
        next.shutdown().await.unwrap();
        assert_eq!(sent(&mut theirs).await, format!("{ASK}Content-Length: 1\r\n\r\n2"));
        theirs.write_all(format!("{HEAD}Content-Length: 2\r\n\r\nno").as_bytes()).await.unwrap();
        let mut body = String::new();
        next.read_to_string(&mut body).await.unwrap();
        assert_eq!(body, "no");
        assert!(next.again().is_some());
    }
    // A request that is not at its end was not answered to its end either.
    let (ours, mut theirs) = duplex(10_000);
    let mut post = Box::new(Post::new(ours, "a.example:8443", "/m"));
    post.write_all(b"one").await.unwrap();
    post.flush().await.unwrap();
    theirs.write_all(format!("{HEAD}Content-Length: 2\r\n\r\nno").as_bytes()).await.unwrap();
    post.read_to_string(&mut String::new()).await.unwrap();
    assert!(post.again().is_none());
}

/// A server that answers a handshake with these fields, and what it was asked.
async fn shake(mut stream: DuplexStream, status: &str, fields: &str) -> (DuplexStream, String) {
    let mut asked = Vec::new();
    while !asked.ends_with(b"\r\n\r\n") {
        asked.push(stream.read_u8().await.unwrap());
    }
    let asked = String::from_utf8(asked).unwrap();
    let key = asked.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
    let fields = fields.replace("ACCEPT", &web::accept(key.as_bytes()));
    let answer = format!("HTTP/1.1 {status}\r\n{fields}\r\n");
    stream.write_all(answer.as_bytes()).await.unwrap();
    (stream, asked)
}

const GOOD: &str =
    "Upgrade: websocket\r\nSec-WebSocket-Accept: ACCEPT\r\nSec-WebSocket-Protocol: mmtp.1\r\n";

#[tokio::test]
async fn websocket_carries_bytes_both_ways_and_answers_pings() {
    let (ours, theirs) = duplex(10_000);
    let server = tokio::spawn(shake(theirs, "101 Switching Protocols", GOOD));
    let mut socket = WebSocket::connect(ours, "a.example", "/m", &[7; 16]).await.unwrap();
    let (mut theirs, asked) = server.await.unwrap();
    assert!(asked.starts_with("GET /m HTTP/1.1\r\nHost: a.example\r\n"), "{asked}");
    let mut frames = web::WebSocket::new(web::Side::Server);
    theirs.write_all(b"\x89\x02hi\x82\x03abc").await.unwrap();
    let mut three = [0; 3];
    socket.read_exact(&mut three).await.unwrap();
    assert_eq!(&three, b"abc");
    let write = async {
        socket.write_all(&[b'x'; 70_000]).await.unwrap();
        socket.shutdown().await.unwrap();
    };
    let read = async {
        let mut payload = bytes::BytesMut::new();
        let mut some = [0; 4096];
        // Its pong stands before all.
        theirs.read_exact(&mut some[..8]).await.unwrap();
        assert_eq!(some[..2], [0x8a, 0x82]);
        loop {
            let length = theirs.read(&mut some).await.unwrap();
            let bytes = bytes::Bytes::copy_from_slice(&some[..length]);
            if !frames.receive(bytes, &mut payload).unwrap() {
                return payload;
            }
        }
    };
    let ((), payload) = tokio::join!(write, read);
    assert_eq!(payload.len(), 70_000);
    // The server's close is the end.
    theirs.write_all(&frames.take_output()).await.unwrap();
    assert_eq!(socket.read(&mut three).await.unwrap(), 0);
}

#[tokio::test]
async fn handshakes_are_held_to_their_rules() {
    let cases = [
        ("404 Not Found", "Content-Length: 0\r\n", "the answer is no MMTP: HTTP status 404"),
        ("200 OK", GOOD, "the answer is no MMTP: HTTP status 200"),
        ("101 Yes", "Upgrade: websocket\r\n", "the server has accepted something else"),
        ("101 Yes", &GOOD.replace("ACCEPT", "b3RoZXI="), "the server has accepted something else"),
        ("101 Yes", &GOOD.replace("mmtp.1", "chat"), "the server has accepted something else"),
    ];
    for (status, fields, why) in cases {
        let (ours, theirs) = duplex(10_000);
        let connect = WebSocket::connect(ours, "a.example", "/m", &[7; 16]);
        let (connected, _server) = tokio::join!(connect, shake(theirs, status, fields));
        assert_eq!(connected.unwrap_err().to_string(), why, "{status} {fields}");
    }
}

#[tokio::test]
async fn frames_that_come_with_the_handshake_are_not_lost() {
    let (ours, theirs) = duplex(10_000);
    let server = tokio::spawn(async move {
        let (mut theirs, _) = shake(theirs, "101 Yes", GOOD).await;
        theirs.write_all(b"\x82\x02hi\x88\x02\x03\xe8").await.unwrap();
        theirs
    });
    let mut socket = WebSocket::connect(ours, "a.example", "/m", &[7; 16]).await.unwrap();
    let mut all = Vec::new();
    socket.read_to_end(&mut all).await.unwrap();
    assert_eq!(all, b"hi");
    drop(server.await.unwrap());
}
