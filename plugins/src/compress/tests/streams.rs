//! Answers that come in pieces: what has come can be read, and what broke off is not whole.

use super::{FREE, body, decoded, frames, origin, step, text};
use crate::{
    compress::{
        codec::{CODECS, Codec},
        decode::{DecodeError, Decoder},
    },
    testing::handler,
};
use bytes::Bytes;
use http::HeaderMap;
use paifang_pipeline::{
    Frame, OriginError, Replay, Termination, error,
    testkit::{Reply, TestCall},
};
use serde_json::json;

const EVENTS: (&str, &str) = ("content-type", "text/event-stream");
const TEXT: (&str, &str) = ("content-type", "text/plain");

fn event(number: usize) -> Bytes {
    format!("id: {number}\ndata: the {number}th event of a street\n\n").into()
}

/// What a client has read after each frame.
fn readable(codec: Codec, reply: &Reply) -> Vec<Vec<u8>> {
    let mut decoder = Decoder::new(codec, FREE).unwrap();
    let mut read = |frame: &&Frame| {
        decoder.feed(&frame.data).unwrap();
        decoder.take().to_vec()
    };
    frames(reply).iter().map(&mut read).collect()
}

#[tokio::test]
async fn each_piece_of_a_stream_can_be_read_when_it_comes() {
    for codec in CODECS {
        for (headers, config) in [
            (vec![EVENTS], json!({})),
            (vec![TEXT], json!({})),
            (vec![EVENTS, ("content-length", "99999")], json!({})),
            (vec![TEXT, ("content-length", "99999")], json!({ "flush": "always" })),
        ] {
            let events = (0..20).map(|number| Ok(Frame::data(event(number))));
            let all = events.chain([Ok(Frame::last(Bytes::new()))]).collect();
            let call = TestCall::get("/").header("accept-encoding", codec.name());
            let reply = call.shared_step("c", step(config)).run(&origin(200, &headers, all)).await;
            let read = readable(codec, &reply);
            assert_eq!(read.len(), 21);
            for (number, piece) in read[..20].iter().enumerate() {
                assert_eq!(*piece, event(number), "{codec:?} {headers:?}");
            }
        }
    }
}

#[tokio::test]
async fn where_the_length_is_known_the_codec_gathers() {
    let pieces: Vec<_> = (0..50).map(event).collect();
    let length: usize = pieces.iter().map(Bytes::len).sum();
    let length = length.to_string();
    let ask = async |headers: &[(&str, &str)]| {
        let mut all: Vec<_> = pieces.iter().map(|piece| Ok(Frame::data(piece.clone()))).collect();
        all.push(Ok(Frame::last(Bytes::new())));
        let call = TestCall::get("/").header("accept-encoding", "gzip");
        body(&call.shared_step("c", step(json!({}))).run(&origin(200, headers, all)).await).len()
    };
    let told = ask(&[TEXT, ("content-length", &length)]).await;
    assert!(told * 2 < ask(&[TEXT]).await);
}

#[tokio::test]
async fn what_the_origin_breaks_off_does_not_look_whole() {
    for codec in CODECS {
        let gone = OriginError::new(error::UPSTREAM_CLOSED, Replay::Never, "test");
        let events = vec![Ok(Frame::data(text(100_000))), Ok(Frame::data(text(10))), Err(gone)];
        let call = TestCall::get("/").header("accept-encoding", codec.name());
        let reply = call.shared_step("c", step(json!({}))).run(&origin(200, &[TEXT], events)).await;
        assert_eq!(reply.served.termination, Termination::OriginBrokeOff);
        assert!(frames(&reply).iter().all(|frame| !frame.end));
        let mut decoder = Decoder::new(codec, FREE).unwrap();
        decoder.feed(&body(&reply)).unwrap();
        assert_eq!(decoder.take().len(), 100_010, "{codec:?}");
        assert_eq!(decoder.finish(), Err(DecodeError::Malformed("it breaks off")));
    }
}

#[tokio::test]
async fn a_large_frame_goes_through_in_turns_and_comes_out_as_one() {
    let large = text(300_000);
    for codec in CODECS {
        let events = vec![Ok(Frame::data(large.clone())), Ok(Frame::last(large.clone()))];
        let call = TestCall::get("/").header("accept-encoding", codec.name());
        let reply = call.shared_step("c", step(json!({}))).run(&origin(200, &[TEXT], events)).await;
        assert_eq!(frames(&reply).len(), 2);
        let waits = reply.trace.events.iter().filter(|event| event.verdict == "wait").count();
        assert_eq!(waits, 2 * (300_000 / (32 << 10)));
        assert_eq!(decoded(codec, &body(&reply)), [&large[..], &large[..]].concat());
    }
}

#[tokio::test]
async fn trailers_pass_but_for_digests() {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", "7".parse().unwrap());
    trailers.insert("content-digest", "sha-256=:x:".parse().unwrap());
    let last = Frame { data: text(5), end: true, trailers: Some(Box::new(trailers)) };
    let events = vec![Ok(Frame::data(text(2000))), Ok(last)];
    let call = TestCall::get("/").header("accept-encoding", "br");
    let reply = call.shared_step("c", step(json!({}))).run(&origin(200, &[TEXT], events)).await;
    let trailers = reply.trailers().unwrap();
    assert_eq!((trailers.len(), &trailers["x-sum"]), (1, &"7".parse().unwrap()));
    assert_eq!(decoded(Codec::Br, &body(&reply)), [text(2000), text(5)].concat());
}

#[tokio::test]
async fn answers_of_steps_below_are_compressed_too() {
    let respond =
        json!({ "headers": { "content-type": "text/plain" }, "body": "lantern ".repeat(500) });
    let respond = handler(&crate::respond::Respond, respond);
    let call = TestCall::get("/").header("accept-encoding", "zstd");
    let call = call.shared_step("c", step(json!({}))).shared_step("respond", respond);
    let reply = call.run(&paifang_pipeline::NoOrigin).await;
    assert_eq!(decoded(Codec::Zstd, &body(&reply)), "lantern ".repeat(500).as_bytes());
    assert_eq!(reply.header("content-encoding"), "zstd");
}

#[tokio::test]
async fn two_steps_in_one_chain_compress_once() {
    let call = TestCall::get("/").header("accept-encoding", "gzip");
    let call = call.shared_step("a", step(json!({}))).shared_step("b", step(json!({})));
    let reply = call.run(&origin(200, &[TEXT], vec![Ok(Frame::last(text(5000)))])).await;
    assert_eq!(reply.head().headers.get_all("content-encoding").iter().count(), 1);
    assert_eq!(decoded(Codec::Gzip, &body(&reply)), text(5000));
}
