//! Request bodies, decoded for the steps below and for the origin.

use super::{encoded, step, text};
use crate::compress::codec::CODECS;
use bytes::Bytes;
use http::Method;
use paifang_pipeline::{
    BodySize, Frame, Handler, RequestCall, Stages, Verdict,
    testkit::{Reply, TestCall, TestOrigin},
};
use serde_json::json;
use std::sync::{Arc, Mutex};

/// Needs the whole body and keeps what it saw.
#[derive(Clone, Default)]
struct Sees(Arc<Mutex<Option<Bytes>>>);

impl Handler for Sees {
    fn stages(&self) -> Stages {
        Stages::REQUEST
    }

    fn request(&self, call: &mut RequestCall<'_>) -> Verdict {
        assert!(!call.headers().contains_key("content-encoding"));
        match call.body() {
            None => Verdict::NeedBody,
            Some(body) => {
                *self.0.lock().unwrap() = Some(body.clone());
                Verdict::Continue
            }
        }
    }
}

fn post(coding: &str, body: impl Into<Bytes>) -> TestCall {
    TestCall::post("/", body).header("content-encoding", coding)
}

async fn decode(call: TestCall, origin: &TestOrigin) -> Reply {
    call.shared_step("c", step(json!({ "request": {} }))).run(origin).await
}

#[tokio::test]
async fn steps_below_and_the_origin_see_plain_bytes() {
    let plain = text(50_000);
    for codec in CODECS {
        let coded = encoded(codec, &plain);
        let pieces: Vec<Frame> =
            coded.chunks(77).map(|piece| Frame::data(piece.to_vec().into())).collect();
        let frames = pieces.into_iter().chain([Frame::last(Bytes::new())]);
        for needs in [false, true] {
            let origin = TestOrigin::answering(200, "ok");
            let sees = Sees::default();
            let call = TestCall::new(Method::POST, "/")
                .frames(frames.clone())
                .header("content-encoding", &codec.name().to_uppercase())
                .header("content-digest", "x")
                .header("content-length", &coded.len().to_string())
                .shared_step("c", step(json!({ "request": {}, "codecs": [] })));
            let call = if needs { call.step("sees", sees.clone()) } else { call };
            assert_eq!(call.run(&origin).await.status(), 200);
            let request = origin.request(0);
            assert_eq!(request.body(), plain, "{codec:?}");
            let size = if needs { BodySize::Exact(50_000) } else { BodySize::Unknown };
            assert_eq!(request.size, size);
            assert!(!request.head.headers.contains_key("content-encoding"));
            assert!(!request.head.headers.contains_key("content-digest"));
            assert_eq!(*sees.0.lock().unwrap(), needs.then(|| plain.clone()));
        }
    }
}

#[tokio::test]
async fn bodies_without_a_coding_are_not_touched() {
    for call in [TestCall::post("/", "plain"), post("identity", "plain"), post("", "plain")] {
        let origin = TestOrigin::answering(200, "ok");
        let reply = decode(call, &origin).await;
        let request = origin.request(0);
        assert_eq!((request.body().as_slice(), request.size), (&b"plain"[..], BodySize::Exact(5)));
        assert!(reply.trace.events.iter().all(|event| event.stage != "request_body"));
    }
    // Nothing is nothing, whatever it is said to be coded with.
    for call in [TestCall::get("/").header("content-encoding", "gzip"), post("gzip", "")] {
        let origin = TestOrigin::answering(200, "ok");
        assert_eq!(decode(call, &origin).await.status(), 200);
        assert_eq!(origin.request(0).body(), b"");
    }
}

#[tokio::test]
async fn codings_that_are_not_taken_are_refused_with_those_that_are() {
    let config = json!({ "request": { "codecs": ["zstd", "gzip"] } });
    for coding in ["br", "deflate", "compress", "aes128gcm", "gzip, gzip", "gzip, br", "x-own"] {
        let origin = TestOrigin::answering(200, "ok");
        let reply = post(coding, "x").shared_step("c", step(config.clone())).run(&origin).await;
        assert_eq!((reply.status(), reply.error().as_deref()), (415, Some("PF-1020")), "{coding}");
        assert_eq!((reply.header("accept-encoding"), origin.requests()), ("zstd, gzip", 0));
    }
    let twice = post("gzip", "x").header("content-encoding", "gzip");
    let origin = TestOrigin::answering(200, "ok");
    assert_eq!(decode(twice, &origin).await.status(), 415);
}

#[tokio::test]
async fn what_is_no_coding_or_too_large_is_refused() {
    for codec in CODECS {
        let whole = encoded(codec, &text(5000));
        let broken = &whole[..whole.len() - 1];
        let bomb = encoded(codec, &vec![0; 10 << 20]);
        for (body, status, code) in [
            (broken, 400, "PF-1021"),
            (b"{\"plain\": 1}", 400, "PF-1021"),
            (&bomb[..], 413, "PF-1022"),
        ] {
            for needs in [false, true] {
                let origin = TestOrigin::answering(200, "ok");
                let call = post(codec.name(), body.to_vec());
                let call = call.shared_step("c", step(json!({ "request": { "limit": "1MiB" } })));
                let call = if needs { call.step("sees", Sees::default()) } else { call };
                let reply = call.run(&origin).await;
                assert_eq!(
                    (reply.status(), reply.error().as_deref()),
                    (status, Some(code)),
                    "{codec:?}"
                );
                // A request that broke off is not taken for whole, where it had begun at all.
                assert!(origin.requests() == 0 || origin.request(0).complete.is_none());
                assert!(!needs || origin.requests() == 0);
            }
        }
    }
}

#[tokio::test]
async fn the_apis_limit_counts_for_what_a_step_collects() {
    let origin = TestOrigin::answering(200, "ok");
    let mut call = post("gzip", encoded(crate::compress::codec::Codec::Gzip, &text(5000)));
    call.limits.body_bytes = 4999;
    let call = call.shared_step("c", step(json!({ "request": {} }))).step("sees", Sees::default());
    assert_eq!(call.run(&origin).await.error().as_deref(), Some("PF-1005"));
}

#[tokio::test]
async fn a_call_can_be_decoded_and_its_answer_compressed() {
    let origin = TestOrigin::scripted([paifang_pipeline::testkit::Script::Echo]);
    let types = json!({ "request": {}, "types": ["*/*"] });
    let sets = json!({ "response": { "set": { "content-type": "text/plain" } } });
    let sets = crate::testing::handler(&crate::headers::Headers, sets);
    let codec = CODECS[0];
    let call = post("gzip", encoded(CODECS[2], &text(9000)))
        .header("accept-encoding", codec.name())
        .shared_step("c", step(types))
        .shared_step("sets", sets);
    let reply = call.run(&origin).await;
    assert_eq!(reply.header("content-encoding"), codec.name());
    assert_eq!(super::decoded(codec, &super::body(&reply)), text(9000));
}
