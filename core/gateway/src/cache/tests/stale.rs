//! Stale answers: asked about, given while a newer one is fetched, given in place of errors.

use super::support::{Shop, answer, away, fresh, get};
use crate::cache::stats::Found;
use paifang_pipeline::{OriginError, Replay, error, testkit::Script};
use serde_json::json;

#[tokio::test]
async fn a_stale_answer_is_asked_about_and_goes_on_being_good() {
    let etag = [("cache-control", "max-age=10"), ("etag", "\"v1\""), ("x-n", "1")];
    let still = [("cache-control", "max-age=100"), ("etag", "\"v1\""), ("x-n", "2")];
    let shop = Shop::new(json!({}), [answer(200, &etag, "body"), answer(304, &still, "")]);
    shop.get().await;
    shop.pass(10);
    let reply = shop.get().await;
    assert_eq!((reply.status(), reply.body().as_str(), reply.header("x-n")), (200, "body", "2"));
    assert_eq!(reply.header("cache-status"), "paifang; fwd=stale; fwd-status=304; stored");
    assert_eq!(shop.sent(1, "if-none-match").as_deref(), Some("\"v1\""));
    shop.pass(99);
    assert_eq!(shop.look().await, ("body".to_owned(), "hit"));
    assert_eq!(shop.origin.request(1).complete, Some(true), "its connection may serve others");
}

#[tokio::test]
async fn a_304_about_another_answer_is_an_error_and_ends_the_kept_one() {
    let tag = |tag| [("cache-control", "max-age=10"), ("etag", tag)];
    let shop = Shop::new(
        json!({}),
        [
            answer(200, &tag("\"1\""), "one"),
            answer(304, &tag("\"2\""), ""),
            answer(200, &tag("\"2\""), "two"),
        ],
    );
    shop.get().await;
    shop.pass(10);
    // The engine tries again, now without a condition.
    assert_eq!(shop.look().await, ("two".to_owned(), "miss"));
    assert_eq!(shop.sent(2, "if-none-match"), None);
}

#[tokio::test]
async fn a_stale_answer_is_given_while_one_call_fetches_behind_it() {
    let shop = Shop::new(
        json!({ "stale_while_revalidate": "30s" }),
        [fresh("max-age=10", "one"), fresh("max-age=10", "two"), fresh("max-age=10", "three")],
    );
    shop.get().await;
    shop.pass(39);
    let reply =
        shop.call(get("/item", &[("if-none-match", "\"x\""), ("range", "bytes=0-0")])).await;
    assert_eq!((reply.body().as_str(), reply.outcome.cache), ("o", Some("stale")));
    // One fetch is on its way; this one does not start another.
    assert_eq!(shop.look().await, ("one".to_owned(), "stale"));
    shop.until_asked(2).await;
    assert_eq!(shop.sent(1, "range"), None);
    assert_eq!(shop.look().await, ("two".to_owned(), "hit"));
    assert_eq!(shop.asked(), 2);
    shop.pass(40);
    assert_eq!(
        shop.look().await,
        ("three".to_owned(), "expired"),
        "beyond its time it is not given"
    );
}

#[tokio::test]
async fn an_error_gives_way_to_a_stale_answer_for_its_time() {
    let broken = || answer(503, &[], "broken");
    let scripts =
        [fresh("max-age=10", "one"), away(), broken(), broken(), fresh("max-age=10", "two")];
    let shop = Shop::new(json!({ "stale_if_error": "1h", "collapse": "0s" }), scripts);
    shop.get().await;
    shop.pass(11);
    let reply = shop.get().await;
    assert_eq!(
        (reply.status(), reply.body().as_str(), reply.outcome.cache),
        (200, "one", Some("stale_error"))
    );
    // The upstream rests for a second.
    assert_eq!(shop.look().await, ("one".to_owned(), "stale_error"));
    assert_eq!(shop.asked(), 1);
    shop.pass(1);
    assert_eq!(shop.look().await, ("one".to_owned(), "stale_error"));
    assert_eq!(shop.asked(), 2);
    shop.pass(3600);
    assert_eq!(shop.look().await.0, "broken");
    assert_eq!(shop.look().await, ("two".to_owned(), "expired"));
}

#[tokio::test]
async fn an_answer_says_itself_how_stale_it_may_get() {
    let own = "max-age=10, stale-while-revalidate=5, stale-if-error=20";
    let shop = Shop::new(
        json!({ "stale_while_revalidate": "1h", "stale_if_error": "1h" }),
        [fresh(own, "one"), away(), away()],
    );
    shop.get().await;
    shop.pass(15);
    assert_eq!(shop.look().await, ("one".to_owned(), "stale_error"));
    shop.pass(15);
    assert_eq!(shop.get().await.status(), 502);
    for control in ["max-age=10, must-revalidate", "max-age=10, proxy-revalidate", "s-maxage=10"] {
        let shop = Shop::new(
            json!({ "stale_while_revalidate": "1h", "stale_if_error": "1h" }),
            [fresh(control, "one"), away()],
        );
        shop.get().await;
        shop.pass(10);
        assert_eq!(shop.get().await.status(), 502, "{control}");
    }
}

#[tokio::test]
async fn a_fetch_behind_that_fails_leaves_the_next_call_to_try() {
    let shop = Shop::new(
        json!({ "stale_while_revalidate": "1m" }),
        [fresh("max-age=10", "one"), away(), fresh("max-age=10", "two")],
    );
    shop.get().await;
    shop.pass(20);
    assert_eq!(shop.look().await.1, "stale");
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(shop.look().await.1, "stale");
    shop.until_asked(2).await;
    assert_eq!(shop.look().await, ("two".to_owned(), "hit"));
}

#[tokio::test]
async fn another_attempt_goes_before_a_stale_answer() {
    let broken = || answer(503, &[], "broken");
    let refused = || Script::Refuse(OriginError::new(error::CONNECT_FAILED, Replay::Safe, "away"));
    let good = || fresh("max-age=10", "two");
    let call = || {
        let mut call = get("/item", &[]);
        call.retry.attempts = 2;
        call.retry.statuses = vec![http::StatusCode::SERVICE_UNAVAILABLE];
        call
    };
    let config = || json!({ "stale_if_error": "1h" });
    for first in [broken(), refused()] {
        let shop = Shop::new(config(), [fresh("max-age=10", "one"), first, good()]);
        shop.get().await;
        shop.pass(11);
        let reply = shop.call(call()).await;
        assert_eq!((reply.body().as_str(), reply.outcome.cache), ("two", Some("expired")));
        assert_eq!((reply.outcome.attempts, shop.counted(Found::StaleError)), (2, 0));
    }
    // When none is left, the stale one is given, once.
    for (first, second) in [(broken(), broken()), (refused(), broken()), (broken(), refused())] {
        let shop = Shop::new(config(), [fresh("max-age=10", "one"), first, second, good()]);
        shop.get().await;
        shop.pass(11);
        let reply = shop.call(call()).await;
        assert_eq!((reply.status(), reply.body().as_str()), (200, "one"));
        assert_eq!((reply.outcome.cache, reply.outcome.attempts), (Some("stale_error"), 2));
        assert_eq!((shop.counted(Found::StaleError), shop.counted(Found::Expired)), (1, 0));
        // After its rest the upstream is asked again.
        shop.pass(2);
        assert_eq!(shop.look().await, ("two".to_owned(), "expired"));
    }
}
