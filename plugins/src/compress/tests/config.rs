//! Wrong configs, and what the plugin counts.

use super::{origin, text};
use crate::{
    compress::Compress,
    testing::{handler, refuses},
};
use paifang_pipeline::{DynPlugin, Frame, Stages, testkit::TestCall};
use serde_json::json;

#[test]
fn wrong_configs_are_refused_with_their_place() {
    refuses(
        &Compress::default(),
        &[
            (
                json!({ "codecs": [] }),
                "/codecs",
                "a step that neither compresses nor decodes",
                "request: {}",
            ),
            (
                json!({ "codecs": ["gzip", "br", "gzip"] }),
                "/codecs/2",
                "`gzip` stands here twice",
                "",
            ),
            (
                json!({ "codecs": ["deflate"] }),
                "/codecs/0",
                "unknown variant `deflate`, expected one of `zstd`, `br`, `gzip`",
                "",
            ),
            (
                json!({ "levels": { "br": 7 } }),
                "/levels/br",
                "the level 7 of br is outside 1 to 6",
                "hold up",
            ),
            (
                json!({ "levels": { "zstd": 0 } }),
                "/levels/zstd",
                "the level 0 of zstd is outside 1 to 9",
                "hold up",
            ),
            (
                json!({ "types": [] }),
                "/types",
                "a list of 1 to 64 media types, not of 0",
                "leave `types` away",
            ),
            (
                json!({ "types": ["text/html", "json"] }),
                "/types/1",
                "`json` is no media type and no pattern of them",
                "`*+json`",
            ),
            (
                json!({ "request": { "codecs": [] } }),
                "/request/codecs",
                "an empty list decodes nothing",
                "leave it away",
            ),
            (
                json!({ "request": { "codecs": ["br", "br"] } }),
                "/request/codecs/1",
                "`br` stands here twice",
                "",
            ),
            (
                json!({ "request": { "limit": "10B" } }),
                "/request/limit",
                "10B is outside 1KiB to 1GiB",
                "",
            ),
            (json!({ "request": { "ratio": 1 } }), "/request/ratio", "1 is outside 2 to 10000", ""),
        ],
    );
}

#[test]
fn a_step_runs_where_it_has_something_to_do() {
    let stages = |config| handler(&Compress::default(), config).stages();
    let both = Stages::REQUEST.and(Stages::LOG);
    let answers = both.and(Stages::RESPONSE).and(Stages::RESPONSE_BODY);
    assert_eq!(stages(json!({})), answers);
    assert_eq!(stages(json!({ "codecs": [], "request": {} })), both.and(Stages::REQUEST_BODY));
    assert_eq!(stages(json!({ "request": {} })), answers.and(Stages::REQUEST_BODY));
}

#[tokio::test]
async fn bytes_are_counted_before_and_after() {
    let plugin = Compress::default();
    let step = handler(&plugin, json!({}));
    for _ in 0..2 {
        let call = TestCall::get("/").header("accept-encoding", "gzip");
        let headers = [("content-type", "text/plain")];
        let origin = origin(200, &headers, vec![Ok(Frame::last(text(5000)))]);
        call.shared_step("c", step.clone()).run(&origin).await;
    }
    let count = |name: &str| {
        let counters = DynPlugin::counters(&plugin);
        let found = counters.into_iter().find(|counter| {
            counter.name == name && counter.label.as_ref().is_none_or(|(_, codec)| codec == "gzip")
        });
        found.unwrap().value
    };
    assert_eq!(count("paifang_compress_responses_total"), 2);
    assert_eq!(count("paifang_compress_input_bytes_total"), 10_000);
    assert!((1..5000).contains(&count("paifang_compress_output_bytes_total")));
    assert_eq!(count("paifang_compress_requests_total"), 0);
}
