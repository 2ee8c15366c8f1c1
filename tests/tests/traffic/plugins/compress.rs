//! `compress` between real peers: nginx behind the gateway, curl in front of it; streams, deaths,
//! compressed requests.

use super::super::conformance::Door;
use paifang_plugins::compress::{
    codec::{CODECS, Codec},
    decode::{DecodeError, Decoder, Limits},
    encode::{Encoder, Then},
};
use paifang_tests::harness::{Ask, Nginx, Recorder, Running, Server, one_api, until};
use std::net::SocketAddr;

fn page() -> String {
    (0..9000).map(|n: u32| format!("{} lanterns over street {}\n", n * n % 97, n % 31)).collect()
}

fn encoded(codec: Codec, data: &[u8]) -> Vec<u8> {
    let mut encoder = Encoder::new(codec).unwrap();
    encoder.begin(5, None).unwrap();
    encoder.feed(data, Then::Finish).unwrap();
    encoder.take().to_vec()
}

fn decoder(codec: Codec) -> Decoder {
    Decoder::new(codec, Limits { bytes: 64 << 20, ratio: 10_000 }).unwrap()
}

fn decoded(codec: Codec, data: &[u8]) -> Vec<u8> {
    let mut decoder = decoder(codec);
    decoder.feed(data).unwrap();
    decoder.finish().unwrap();
    decoder.take().to_vec()
}

/// What curl decodes; `None` where this curl does not know the coding.
async fn curl(address: SocketAddr, coding: &str, target: &str) -> Option<Vec<u8>> {
    let version = tokio::process::Command::new("curl").arg("--version").output().await.unwrap();
    let feature = match coding {
        "gzip" => "libz",
        "br" => "brotli",
        other => other,
    };
    if !String::from_utf8_lossy(&version.stdout).contains(feature) {
        return None;
    }
    let output = tokio::process::Command::new("curl")
        .args(["--silent", "--fail", "--compressed", "--max-time", "60"])
        .args(["--header", &format!("accept-encoding: {coding}")])
        .arg(format!("http://{address}{target}"))
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{coding}: {output:?}");
    Some(output.stdout)
}

#[tokio::test]
async fn a_servers_files_reach_strangers_whole_and_smaller() {
    let nginx = Nginx::start("").await;
    let page = page();
    std::fs::write(nginx.root.path().join("page.txt"), &page).unwrap();
    std::fs::write(nginx.root.path().join("photo.jpg"), &page).unwrap();
    let running = Running::start(one_api(nginx.address, "[ compress: {} ]")).await;
    let address = running.address();
    for door in Door::ALL {
        let ask = async |target: &str, fields: &[(&str, &str)]| {
            let ask = Ask::new("GET", target);
            let ask = fields.iter().fold(ask, |ask, (name, value)| ask.field(name, *value));
            door.ask(address, &ask).await
        };
        let plain = ask("/page.txt", &[]).await;
        assert_eq!((plain.text() == page, plain.header("content-encoding")), (true, ""));
        assert_eq!(plain.header("vary"), "Accept-Encoding");
        let etag = plain.header("etag");
        for codec in CODECS {
            let reply = ask("/page.txt", &[("accept-encoding", codec.name())]).await;
            assert_eq!((reply.status, reply.whole), (200, true), "{door:?} {codec:?}");
            assert_eq!(reply.header("content-encoding"), codec.name());
            assert!(reply.body.len() * 3 < page.len(), "{}", reply.body.len());
            assert!(decoded(codec, &reply.body) == page.as_bytes());
            let headers = [reply.header("content-length"), reply.header("accept-ranges")];
            assert_eq!((headers, reply.header("vary")), (["", ""], "Accept-Encoding"));
            assert_eq!(reply.header("etag"), format!("W/{etag}"));
            // The weak tag is one that the server knows again.
            let fields =
                [("accept-encoding", codec.name()), ("if-none-match", reply.header("etag"))];
            let again = ask("/page.txt", &fields).await;
            assert_eq!((again.status, again.header("etag")), (304, reply.header("etag")));
        }
        let part =
            ask("/page.txt", &[("accept-encoding", "gzip"), ("range", "bytes=0-1999")]).await;
        assert_eq!((part.status, part.text()), (206, &page[..2000]));
        let photo = ask("/photo.jpg", &[("accept-encoding", "gzip")]).await;
        assert_eq!((photo.header("content-encoding"), photo.header("vary")), ("", ""));
        assert_eq!(photo.header("content-length"), page.len().to_string());
        let head = Ask::new("HEAD", "/page.txt").field("accept-encoding", "br");
        let head = door.ask(address, &head).await;
        assert_eq!((head.header("content-encoding"), head.header("content-length")), ("br", ""));
        assert_eq!((head.status, head.body.len()), (200, 0));
    }
    let mut tried = 0;
    for coding in ["gzip", "br", "zstd"] {
        if let Some(read) = curl(address, coding, "/page.txt").await {
            assert!(read == page.as_bytes(), "curl reads something else from {coding}");
            tried += 1;
        }
    }
    assert!(tried > 0, "this curl decodes nothing");
    running.stop().await;
}

const EVENTS: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

#[tokio::test]
async fn an_event_is_read_before_the_next_is_sent() {
    for codec in CODECS {
        let (next, turn) = tokio::sync::mpsc::unbounded_channel::<String>();
        let turn = std::sync::Arc::new(tokio::sync::Mutex::new(turn));
        let upstream = Server::start(move |_, mut client| {
            let turn = turn.clone();
            async move {
                client.request().await.unwrap();
                client.send(EVENTS).await;
                let mut turn = turn.lock().await;
                while let Some(text) = turn.recv().await {
                    client.send(chunk(&text)).await;
                }
                client.send("0\r\n\r\n").await;
            }
        })
        .await;
        let running = Running::start(one_api(upstream.address, "[ compress: {} ]")).await;
        let mut client = running.connect().await;
        let coding = codec.name();
        client
            .send(format!("GET / HTTP/1.1\r\nhost: a\r\naccept-encoding: {coding}\r\n\r\n"))
            .await;
        let head = client.head().await.unwrap();
        assert_eq!(head.header("content-encoding"), Some(coding));
        let mut decoder = decoder(codec);
        for number in 0..5 {
            let event = format!("id: {number}\ndata: x\n\n");
            next.send(event.clone()).unwrap();
            // It waits here for ever where the event is held back.
            let mut read = Vec::new();
            while read.len() < event.len() {
                let size = client.take_until("\r\n").await.unwrap();
                let size = usize::from_str_radix(size.trim_end(), 16).unwrap();
                decoder.feed(&client.take(size + 2).await[..size]).unwrap();
                read.extend_from_slice(&decoder.take());
            }
            assert_eq!(read, event.as_bytes());
        }
        drop(next);
        let (rest, _) = {
            client.finish().await;
            client.rest().await
        };
        assert!(rest.ends_with(b"0\r\n\r\n"));
        running.stop().await;
    }
}

#[tokio::test]
async fn an_upstream_that_dies_leaves_no_whole_answer() {
    let text = "the street of lanterns ".repeat(4000);
    let half = format!("{EVENTS}{}", chunk(&text));
    let upstream = Server::start(move |_, mut client| {
        let half = half.clone();
        async move {
            client.request().await.unwrap();
            client.send(half).await;
            client.finish().await;
        }
    })
    .await;
    let running = Running::start(one_api(upstream.address, "[ compress: {} ]")).await;
    for codec in CODECS {
        for door in Door::ALL {
            let ask = Ask::new("GET", "/").field("accept-encoding", codec.name());
            let reply = door.ask(running.address(), &ask).await;
            assert!(!reply.whole, "{door:?} {codec:?}");
            let mut decoder = decoder(codec);
            decoder.feed(&reply.body).unwrap();
            // A client that looks at the coding alone sees it too.
            if !reply.body.is_empty() {
                assert_eq!(decoder.finish(), Err(DecodeError::Malformed("it breaks off")));
            }
        }
    }
    running.stop().await;
}

#[tokio::test]
async fn a_client_that_goes_away_ends_the_upstreams_work() {
    let (gone, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let upstream = Server::start(move |_, mut client| {
        let gone = gone.clone();
        async move {
            client.request().await.unwrap();
            client.send(EVENTS).await;
            let text = chunk(&"lantern ".repeat(1000));
            while client.try_send(&text).await.is_ok() {}
            gone.send(()).unwrap();
        }
    })
    .await;
    let running = Running::start(one_api(upstream.address, "[ compress: {} ]")).await;
    for codec in CODECS {
        let mut client = running.connect().await;
        let coding = codec.name();
        client
            .send(format!("GET / HTTP/1.1\r\nhost: a\r\naccept-encoding: {coding}\r\n\r\n"))
            .await;
        client.head().await.unwrap();
        client.take(100).await;
        client.reset();
        paifang_tests::harness::soon(seen.recv()).await.unwrap();
    }
    running.stop().await;
}

#[tokio::test]
async fn compressed_requests_reach_the_upstream_plain_or_not_at_all() {
    let upstream = Recorder::start().await;
    let steps = "[ compress: { request: { limit: 1MiB } }, mock: { cases: [ { when_body: { /kind: gift }, body: mock } ] } ]";
    let config = one_api(upstream.address(), steps) + "defaults: { body_limit: 2MiB }\n";
    let running = Running::start(config).await;
    let plain = format!("{{\"kind\": \"order\", \"text\": \"{}\"}}", "lantern ".repeat(5000));
    let gift = "{\"kind\": \"gift\"}";
    for codec in CODECS {
        for door in Door::ALL {
            let post = |coding: &str, body: Vec<u8>| {
                // In several pieces, so that it comes without a length over HTTP/1.
                let pieces: Vec<Vec<u8>> = body.chunks(100).map(<[u8]>::to_vec).collect();
                Ask::new("POST", "/").field("content-encoding", coding).pieces(pieces)
            };
            let ask = async |ask: Ask| door.ask(running.address(), &ask).await;
            let before = upstream.count();
            let reply = ask(post(codec.name(), encoded(codec, plain.as_bytes()))).await;
            assert_eq!((reply.status, reply.text()), (200, "upstream"), "{door:?} {codec:?}");
            let got = upstream.last();
            assert_eq!((got.text(), got.header("content-encoding")), (plain.as_str(), None));
            assert_eq!(got.header("content-length"), Some(plain.len().to_string().as_str()));
            // The step below reads it.
            assert_eq!(
                ask(post(codec.name(), encoded(codec, gift.as_bytes()))).await.text(),
                "mock"
            );

            let bomb = encoded(codec, &vec![0; 10 << 20]);
            let cut = encoded(codec, plain.as_bytes());
            let cut = cut[..cut.len() - 3].to_vec();
            for (body, status, code) in [(bomb, 413, "PF-1022"), (cut, 400, "PF-1021")] {
                let reply = ask(post(codec.name(), body)).await;
                assert_eq!(
                    (reply.status, reply.code()),
                    (status, code.to_owned()),
                    "{door:?} {codec:?}"
                );
            }
            assert_eq!(upstream.count() - before, 1, "a refused body reached the upstream");
        }
    }
    let ask = Ask::new("POST", "/").field("content-encoding", "deflate").body("x");
    let reply = ask.over_http1(running.address()).await;
    assert_eq!((reply.status, reply.code()), (415, "PF-1020".to_owned()));
    assert_eq!(reply.header("accept-encoding"), "gzip, zstd, br");
    running.stop().await;
}

#[tokio::test]
async fn a_request_that_streams_and_breaks_is_never_whole_to_the_upstream() {
    let upstream = Recorder::start().await;
    let steps = "[ compress: { codecs: [], request: {} } ]";
    let running = Running::start(one_api(upstream.address(), steps)).await;
    let text: String = page();
    let whole = encoded(Codec::Gzip, text.as_bytes());
    for (body, status) in [(whole.clone(), 200), (whole[..whole.len() - 1].to_vec(), 400)] {
        let before = upstream.count();
        let pieces: Vec<Vec<u8>> = body.chunks(5000).map(<[u8]>::to_vec).collect();
        let ask = Ask::new("POST", "/").field("content-encoding", "gzip").pieces(pieces);
        let reply = ask.over_http1(running.address()).await;
        assert_eq!(reply.status, status);
        // Only what has come whole is counted there.
        assert_eq!(upstream.count() - before, usize::from(status == 200));
    }
    assert!(upstream.last().text() == text);
    // The connection of the broken one is gone: the next call has another and works.
    let again = Ask::new("POST", "/").field("content-encoding", "gzip").body(whole);
    assert_eq!(again.over_http1(running.address()).await.status, 200);
    until(|| upstream.count() == 2).await;
    running.stop().await;
}
