//! Which answers are compressed, and what their heads say.

use super::{body, decoded, origin, step, text};
use crate::compress::codec::Codec;
use http::Method;
use paifang_pipeline::{
    BodySize, Frame, Handler,
    testkit::{Reply, TestCall},
};
use serde_json::json;
use std::sync::Arc;

const JSON: (&str, &str) = ("content-type", "application/json");

async fn ask(
    call: TestCall,
    step: &Arc<dyn Handler>,
    status: u16,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Reply {
    let length = body.len().to_string();
    let told = [headers, &[("content-length", length.as_str())]].concat();
    let frame = Frame::last(body.to_vec().into());
    call.shared_step("compress", step.clone()).run(&origin(status, &told, vec![Ok(frame)])).await
}

fn get(accepts: &str) -> TestCall {
    TestCall::get("/").header("accept-encoding", accepts)
}

/// Content-Encoding, Vary and ETag.
fn told(reply: &Reply) -> [&str; 3] {
    ["content-encoding", "vary", "etag"].map(|name| reply.header(name))
}

#[tokio::test]
async fn a_compressed_answer_says_so_and_forgets_what_is_no_longer_true() {
    let headers = [
        JSON,
        ("etag", "\"v1\""),
        ("accept-ranges", "bytes"),
        ("content-md5", "x"),
        ("digest", "x"),
        ("content-digest", "x"),
        ("repr-digest", "x"),
        ("vary", "origin"),
        ("x-other", "stays"),
    ];
    let (step, text) = (step(json!({})), text(5000));
    for (accepts, codec) in [("zstd", Codec::Zstd), ("br", Codec::Br), ("gzip", Codec::Gzip)] {
        let reply = ask(get(accepts), &step, 200, &headers, &text).await;
        assert_eq!((reply.status(), reply.size()), (200, Some(BodySize::Unknown)));
        assert!(body(&reply).len() < text.len() / 2, "{accepts}");
        assert_eq!(decoded(codec, &body(&reply)), text);
        assert_eq!(told(&reply), [accepts, "origin", "W/\"v1\""]);
        let vary: Vec<_> = reply.head().headers.get_all("vary").iter().collect();
        assert_eq!(vary, ["origin", "Accept-Encoding"]);
        for gone in ["accept-ranges", "content-md5", "digest", "content-digest", "repr-digest"] {
            assert_eq!(reply.header(gone), "", "{gone}");
        }
        assert_eq!(reply.header("x-other"), "stays");
    }
}

#[tokio::test]
async fn an_answer_that_could_be_compressed_says_that_it_varies() {
    let (step, text) = (step(json!({})), text(5000));
    for accepts in ["identity", "deflate", "gzip;q=0", "identity, gzip;q=0.5"] {
        let reply = ask(get(accepts), &step, 200, &[JSON, ("etag", "\"v1\"")], &text).await;
        assert_eq!(told(&reply), ["", "Accept-Encoding", "\"v1\""], "{accepts}");
        assert_eq!((body(&reply), reply.size()), (text.to_vec(), Some(BodySize::Exact(5000))));
    }
    for vary in ["Accept-Encoding", "origin, accept-encoding", "*"] {
        let reply = ask(get("gzip"), &step, 200, &[JSON, ("vary", vary)], &text).await;
        assert_eq!(told(&reply), ["gzip", vary, ""]);
        assert_eq!(reply.head().headers.get_all("vary").iter().count(), 1);
    }
}

#[tokio::test]
async fn what_must_not_or_need_not_be_compressed_is_left_alone() {
    let step = step(json!({}));
    let text = text(5000);
    let html = ("content-type", "text/html");
    for (status, headers) in [
        (200, vec![JSON, ("content-encoding", "br")]),
        (200, vec![JSON, ("content-encoding", "x-own")]),
        (200, vec![JSON, ("cache-control", "public, No-Transform")]),
        (206, vec![html, ("content-range", "bytes 0-4999/9000")]),
        (200, vec![html, ("content-range", "bytes 0-4999/9000")]),
        (200, vec![("content-type", "image/png")]),
        (200, vec![("content-type", "application/grpc")]),
        (200, vec![]),
    ] {
        let all = [&headers[..], &[("etag", "\"v1\""), ("accept-ranges", "bytes")]].concat();
        let reply = ask(get("gzip, br, zstd"), &step, status, &all, &text).await;
        assert_eq!(
            (body(&reply), reply.size()),
            (text.to_vec(), Some(BodySize::Exact(5000))),
            "{headers:?}"
        );
        assert_eq!((reply.header("etag"), reply.header("vary")), ("\"v1\"", ""), "{headers:?}");
        assert_eq!(reply.header("accept-ranges"), "bytes");
    }
    let reply = ask(get("gzip"), &step, 200, &[JSON], &text[..1023]).await;
    assert_eq!(told(&reply), ["", "", ""], "too small");
    let reply = ask(get("gzip"), &step, 200, &[JSON], &text[..1024]).await;
    assert_eq!(told(&reply), ["gzip", "Accept-Encoding", ""]);
    let asks = get("gzip").header("cache-control", "no-transform");
    assert_eq!(told(&ask(asks, &step, 200, &[JSON], &text).await), ["", "", ""]);
    let reply = ask(get("gzip"), &step, 200, &[JSON], b"").await;
    assert_eq!(told(&reply), ["", "", ""], "nothing");
    let identity = [JSON, ("content-encoding", "identity")];
    assert_eq!(told(&ask(get("gzip"), &step, 200, &identity, &text).await)[0], "gzip");
    let failed = ask(get("gzip"), &step, 503, &[JSON], &text).await;
    assert_eq!((failed.status(), told(&failed)[0]), (503, "gzip"));
}

#[tokio::test]
async fn a_client_that_takes_no_plain_bytes_gets_none_where_that_can_be() {
    let step = step(json!({}));
    for (headers, length, wanted) in [
        (vec![JSON], 10, "gzip"),
        (vec![("content-type", "image/png")], 10, "gzip"),
        (vec![], 10, "gzip"),
        (vec![("content-type", "application/grpc")], 10, ""),
        (vec![JSON, ("cache-control", "no-transform")], 10, ""),
        (vec![JSON], 0, ""),
    ] {
        let reply = ask(get("gzip, identity;q=0"), &step, 200, &headers, &text(length)).await;
        assert_eq!(told(&reply)[0], wanted, "{headers:?} {length}");
    }
    // Nothing that it takes can be had: the bytes go as they are, which RFC 9110 allows.
    let reply = ask(get("deflate, *;q=0"), &step, 200, &[JSON], &text(10)).await;
    assert_eq!((told(&reply)[0], body(&reply)), ("", text(10).to_vec()));
}

#[tokio::test]
async fn head_says_what_get_would() {
    let step = step(json!({}));
    let head = |accepts: &str| TestCall::new(Method::HEAD, "/").header("accept-encoding", accepts);
    let mut answer = paifang_pipeline::testkit::TestOrigin::head(200);
    for (name, value) in [JSON, ("etag", "\"v1\""), ("content-length", "5000")] {
        answer.headers.insert(name, value.parse().unwrap());
    }
    let ended = || {
        let event = paifang_pipeline::OriginEvent::Head(answer.clone(), true);
        let script = paifang_pipeline::testkit::Script::Events(vec![Ok(event)]);
        paifang_pipeline::testkit::TestOrigin::scripted([script])
    };
    let reply = head("gzip").shared_step("c", step.clone()).run(&ended()).await;
    assert_eq!(told(&reply), ["gzip", "Accept-Encoding", "W/\"v1\""]);
    assert_eq!((reply.header("content-length"), reply.size()), ("", Some(BodySize::Empty)));
    let reply = head("identity").shared_step("c", step).run(&ended()).await;
    assert_eq!(told(&reply), ["", "Accept-Encoding", "\"v1\""]);
    assert_eq!(reply.header("content-length"), "5000");
}

#[tokio::test]
async fn a_304_has_the_tag_that_the_answer_had() {
    let step = step(json!({}));
    let tag = ("etag", "\"v1\"");
    for (accepts, headers, wanted) in [
        ("gzip", vec![tag], ["", "Accept-Encoding", "W/\"v1\""]),
        ("gzip", vec![tag, JSON], ["", "Accept-Encoding", "W/\"v1\""]),
        ("gzip", vec![tag, ("content-type", "image/png")], ["", "", "\"v1\""]),
        ("gzip", vec![("etag", "W/\"v1\"")], ["", "Accept-Encoding", "W/\"v1\""]),
        ("identity", vec![tag], ["", "Accept-Encoding", "\"v1\""]),
    ] {
        let reply = ask(get(accepts), &step, 304, &headers, b"").await;
        assert_eq!(told(&reply), wanted, "{accepts} {headers:?}");
    }
}

#[tokio::test]
async fn what_a_step_below_takes_from_the_request_was_seen_before() {
    let hides = crate::testing::handler(
        &crate::headers::Headers,
        json!({ "request": { "remove": ["accept-encoding"] } }),
    );
    let origin = origin(200, &[JSON], vec![Ok(Frame::last(text(5000)))]);
    let call = get("gzip").shared_step("compress", step(json!({}))).shared_step("hides", hides);
    let reply = call.run(&origin).await;
    assert!(!origin.request(0).head.headers.contains_key("accept-encoding"));
    assert_eq!(told(&reply)[0], "gzip");
}
