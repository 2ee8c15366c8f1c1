//! The step in the engine, and its codecs by themselves.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bombs;
mod codecs;
mod config;
mod heads;
mod requests;
mod streams;

use super::{
    Compress,
    codec::Codec,
    decode::{Decoder, Limits},
    encode::{Encoder, Then},
};
use crate::testing::handler;
use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use paifang_pipeline::{
    Frame, Handler, OriginError, OriginEvent,
    testkit::{Reply, Script, Sent, TestOrigin},
};
use serde_json::Value;
use std::sync::Arc;

fn step(config: Value) -> Arc<dyn Handler> {
    handler(&Compress::default(), config)
}

/// Bytes that no limit of a test is about.
const FREE: Limits = Limits { bytes: 1 << 40, ratio: 10_000_000 };

/// What is behind the coding, which must be whole.
fn decoded(codec: Codec, data: &[u8]) -> Vec<u8> {
    let mut decoder = Decoder::new(codec, FREE).unwrap();
    decoder.feed(data).unwrap();
    decoder.finish().unwrap();
    decoder.take().to_vec()
}

fn encoded(codec: Codec, data: &[u8]) -> Vec<u8> {
    let mut encoder = Encoder::new(codec).unwrap();
    encoder.begin(codec.most(), None).unwrap();
    encoder.feed(data, Then::Finish).unwrap();
    encoder.take().to_vec()
}

/// A text that is worth compressing.
fn text(length: usize) -> Bytes {
    let words = ["gate ", "street ", "lantern ", "order ", "arch\n"];
    let all = (0..).flat_map(|n: usize| words[(n * n + n / 7) % words.len()].bytes());
    all.take(length).collect::<Vec<u8>>().into()
}

/// Answers with these headers and frames, then perhaps an error.
fn origin(
    status: u16,
    headers: &[(&str, &str)],
    events: Vec<Result<Frame, OriginError>>,
) -> TestOrigin {
    let mut head = TestOrigin::head(status);
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        head.headers.append(name, HeaderValue::from_str(value).unwrap());
    }
    let frames = events.into_iter().map(|event| event.map(OriginEvent::Frame));
    let events = [Ok(OriginEvent::Head(head, false))].into_iter().chain(frames);
    TestOrigin::scripted([Script::AfterBody(events.collect())])
}

/// The frames that were sent to the client.
fn frames(reply: &Reply) -> Vec<&Frame> {
    let frames = reply.sent.iter().filter_map(|sent| match sent {
        Sent::Frame(frame) => Some(frame),
        _ => None,
    });
    frames.collect()
}

fn body(reply: &Reply) -> Vec<u8> {
    frames(reply).iter().flat_map(|frame| frame.data.to_vec()).collect()
}
