//! What is kept, how long, and how it is given.

use super::support::{Shop, answer, fresh, get, with};
use http::Method;
use paifang_pipeline::{
    Frame, OriginEvent,
    testkit::{Script, TestCall, TestOrigin},
};
use serde_json::json;

#[tokio::test]
async fn a_fresh_answer_is_given_again_with_its_age_until_it_is_stale() {
    let shop = Shop::new(json!({}), [fresh("max-age=60", "one"), fresh("max-age=60", "two")]);
    let first = shop.get().await;
    assert_eq!(
        (first.body().as_str(), first.header("cache-status")),
        ("one", "paifang; fwd=uri-miss; stored")
    );
    shop.pass(59);
    let kept = shop.get().await;
    assert_eq!((kept.body().as_str(), kept.header("age")), ("one", "59"));
    assert_eq!((kept.header("cache-status"), kept.header("content-length")), ("paifang; hit", "3"));
    assert_eq!(kept.outcome.endpoint, None, "no server had a part in it");
    shop.pass(1);
    assert_eq!(shop.look().await, ("two".to_owned(), "expired"));
    assert_eq!(shop.asked(), 2);
}

#[tokio::test]
async fn what_says_nothing_is_kept_where_the_config_says_how_long() {
    let shop = Shop::new(json!({}), [answer(200, &[], "a"), answer(200, &[], "b")]);
    assert_eq!(shop.look().await.1, "miss");
    assert_eq!(shop.look().await.1, "miss");
    let shop = Shop::new(json!({ "ttl": "10s" }), [answer(200, &[], "a"), answer(200, &[], "b")]);
    assert_eq!(shop.look().await, ("a".to_owned(), "miss"));
    assert_eq!(shop.look().await, ("a".to_owned(), "hit"));
    shop.pass(10);
    assert_eq!(shop.look().await, ("b".to_owned(), "expired"));
    for (status, headers) in [
        (500, &[][..]),
        (302, &[]),
        (200, &[("cache-control", "No-Store")]),
        (200, &[("expires", "0")]),
    ] {
        let shop = Shop::new(
            json!({ "ttl": "10s" }),
            [answer(status, headers, "a"), answer(status, headers, "b")],
        );
        shop.get().await;
        assert_eq!(shop.look().await, ("b".to_owned(), "miss"), "{status} {headers:?}");
    }
}

#[tokio::test]
async fn names_of_directives_are_read_in_any_case() {
    for control in
        ["Private", "NO-STORE", "max-age=60, Private", "No-Cache", "S-MaxAge=0, max-age=60"]
    {
        let shop = Shop::new(json!({}), [fresh(control, "a"), fresh(control, "b")]);
        shop.get().await;
        assert_eq!(shop.look().await.0, "b", "{control}");
    }
    let shop = Shop::new(json!({}), [fresh("Max-Age=60", "a")]);
    shop.get().await;
    assert_eq!(shop.look().await, ("a".to_owned(), "hit"));
}

#[tokio::test]
async fn a_head_is_answered_from_a_get_and_never_kept() {
    let shop = Shop::new(json!({}), [fresh("max-age=60", ""), fresh("max-age=60", "body")]);
    let head = || with(Method::HEAD, "/item", &[]);
    assert_eq!(shop.seen(head()).await.1, "bypass");
    assert_eq!(shop.look().await, ("body".to_owned(), "miss"));
    let reply = shop.call(head()).await;
    assert_eq!((reply.body().as_str(), reply.header("content-length")), ("", "4"));
    assert_eq!(reply.outcome.cache, Some("hit"));
}

#[tokio::test]
async fn conditions_and_ranges_are_answered_from_what_is_kept() {
    let headers =
        [("cache-control", "max-age=60"), ("etag", "\"v1\""), ("content-type", "text/plain")];
    let shop = Shop::new(json!({}), [answer(200, &headers, "0123456789")]);
    shop.get().await;
    let same = shop.call(get("/item", &[("if-none-match", "W/\"v1\"")])).await;
    assert_eq!((same.status(), same.body().as_str(), same.header("etag")), (304, "", "\"v1\""));
    assert_eq!(same.header("content-type"), "");
    let part = shop.call(get("/item", &[("range", "bytes=2-4")])).await;
    assert_eq!((part.status(), part.body().as_str()), (206, "234"));
    assert_eq!(
        (part.header("content-range"), part.header("content-length")),
        ("bytes 2-4/10", "3")
    );
    let beyond = shop.call(get("/item", &[("range", "bytes=10-")])).await;
    assert_eq!((beyond.status(), beyond.header("content-range")), (416, "bytes */10"));
    let other = shop.call(get("/item", &[("range", "bytes=2-4"), ("if-range", "\"v0\"")])).await;
    assert_eq!((other.status(), other.body().as_str()), (200, "0123456789"));
    assert_eq!(shop.asked(), 1);
}

#[tokio::test]
async fn a_part_is_never_kept_for_the_whole() {
    let part = [("cache-control", "max-age=60"), ("content-range", "bytes 0-1/9")];
    let shop = Shop::new(json!({}), [answer(206, &part, "01"), fresh("max-age=60", "012345678")]);
    assert_eq!(
        shop.seen(get("/item", &[("range", "bytes=0-1")])).await,
        ("01".to_owned(), "bypass")
    );
    assert_eq!(shop.look().await, ("012345678".to_owned(), "miss"));
}

#[tokio::test]
async fn a_client_that_has_the_answer_gets_none_and_the_next_one_gets_it_from_the_shelf() {
    let headers = [("cache-control", "max-age=60"), ("etag", "\"v1\"")];
    let shop = Shop::new(json!({}), [answer(200, &headers, "body")]);
    let reply = shop.call(get("/item", &[("if-none-match", "\"v1\"")])).await;
    assert_eq!((reply.status(), reply.body().as_str()), (304, ""));
    assert_eq!(shop.sent(0, "if-none-match"), None, "the upstream is asked for all of it");
    shop.until_asked(1).await;
    assert_eq!(shop.look().await, ("body".to_owned(), "hit"));
}

#[tokio::test]
async fn what_is_too_large_or_not_whole_is_not_kept() {
    let shop = Shop::new(
        json!({ "max_object": "3B" }),
        [fresh("max-age=60", "four"), fresh("max-age=60", "3rd")],
    );
    assert_eq!(shop.look().await.0, "four");
    assert_eq!(shop.look().await, ("3rd".to_owned(), "miss"));
    assert_eq!(shop.look().await, ("3rd".to_owned(), "hit"));

    let mut head = TestOrigin::head(200);
    head.headers.insert("cache-control", "max-age=60".parse().unwrap());
    let cut = Script::Events(vec![
        Ok(OriginEvent::Head(head.clone(), false)),
        Ok(OriginEvent::Frame(Frame::data("ha".into()))),
        Err(paifang_pipeline::OriginError::new(
            paifang_pipeline::error::UPSTREAM_MALFORMED,
            paifang_pipeline::Replay::Never,
            "cut",
        )),
    ]);
    let trailers = Script::AfterBody(vec![
        Ok(OriginEvent::Head(head, false)),
        Ok(OriginEvent::Frame(Frame {
            data: "half".into(),
            end: true,
            trailers: Some(Box::default()),
        })),
    ]);
    let shop = Shop::new(json!({}), [cut, trailers, fresh("max-age=60", "whole")]);
    shop.get().await;
    assert_eq!(shop.look().await, ("half".to_owned(), "miss"));
    assert_eq!(shop.look().await, ("whole".to_owned(), "miss"));
    assert_eq!(shop.look().await, ("whole".to_owned(), "hit"));
}

#[tokio::test]
async fn clients_may_ask_for_fresher_answers_where_they_are_let() {
    let scripts = || [fresh("max-age=60", "one"), fresh("max-age=60", "two")];
    let reload = || get("/item", &[("cache-control", "No-Cache")]);
    let shop = Shop::new(json!({}), scripts());
    shop.get().await;
    assert_eq!(shop.seen(reload()).await, ("one".to_owned(), "hit"));
    let shop = Shop::new(json!({ "client_control": true }), scripts());
    shop.get().await;
    shop.pass(5);
    assert_eq!(shop.seen(get("/item", &[("cache-control", "max-age=5")])).await.1, "hit");
    assert_eq!(shop.seen(reload()).await, ("two".to_owned(), "expired"));
    assert_eq!(shop.look().await, ("two".to_owned(), "hit"));
}

#[tokio::test]
async fn memory_is_bounded() {
    let body = "x".repeat(100_000);
    let scripts = (0..200).map(|_| fresh("max-age=60", &body)).collect::<Vec<_>>();
    let shop = Shop::new(json!({}), scripts);
    for index in 0..200 {
        shop.call(TestCall::get(&format!("/item/{index}"))).await;
    }
    let read = shop.cache.read();
    assert!(read.used_bytes <= read.memory_bytes, "{read:?}");
    assert!(read.evicted > 100 && read.keys > 10, "{read:?}");
    shop.cache.resize(1 << 20);
    assert!(shop.cache.read().used_bytes <= 1 << 20);
}
