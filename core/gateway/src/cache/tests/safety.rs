//! Who gets whose answer: what must never be mixed up.

use super::support::{Shop, answer, fresh, get};
use paifang_pipeline::{
    Frame, Handler, Identity, RequestCall, Scheme, Stages, Verdict, testkit::TestCall,
};
use serde_json::json;
use std::sync::Arc;

const SHORT: &str = "max-age=60";

#[tokio::test]
async fn vary_keeps_answers_apart() {
    let vary = |body: &str| {
        answer(200, &[("cache-control", SHORT), ("vary", "Accept-Language, x-Kind")], body)
    };
    let shop = Shop::new(json!({}), [vary("de"), vary("en"), vary("none")]);
    let call = |language: &str| get("/item", &[("accept-language", language)]);
    for (language, found) in [("de", "miss"), ("en", "miss"), ("de", "hit"), ("en", "hit")] {
        assert_eq!(shop.seen(call(language)).await, (language.to_owned(), found));
    }
    assert_eq!(shop.look().await, ("none".to_owned(), "miss"));
    let star = || answer(200, &[("cache-control", SHORT), ("vary", "*")], "any");
    let shop = Shop::new(json!({}), [star(), star()]);
    shop.get().await;
    assert_eq!(shop.look().await.1, "miss");
}

#[tokio::test]
async fn an_answer_to_credentials_is_for_nobody_else_unless_it_says_so() {
    for (name, value) in [("authorization", "Bearer a"), ("cookie", "session=a")] {
        let shop =
            Shop::new(json!({}), [fresh(SHORT, "a's"), fresh(SHORT, "all's"), fresh(SHORT, "a's")]);
        let own = || get("/item", &[(name, value)]);
        assert_eq!(shop.seen(own()).await, ("a's".to_owned(), "miss"), "{name}");
        assert_eq!(shop.look().await, ("all's".to_owned(), "miss"), "{name}");
        assert_eq!(
            shop.seen(own()).await,
            ("a's".to_owned(), "miss"),
            "{name}: nor may it get another's"
        );
        let shop = Shop::new(json!({}), [fresh("public, max-age=60", "all's")]);
        shop.call(own()).await;
        assert_eq!(shop.seen(own()).await, ("all's".to_owned(), "hit"), "{name}");
        assert_eq!(shop.look().await.1, "hit", "{name}");
    }
}

/// Says who calls, by a header that is no usual credential.
struct Who;

impl Handler for Who {
    fn stages(&self) -> Stages {
        Stages::REQUEST
    }
    fn request(&self, call: &mut RequestCall<'_>) -> Verdict {
        if let Some(who) = call.header("x-key").and_then(|who| who.to_str().ok()).map(Arc::from) {
            call.slots_mut().set_identity(Arc::new(Identity::new(who, None, "test")));
        }
        Verdict::Continue
    }
}

#[tokio::test]
async fn an_identity_that_the_chain_has_found_is_a_credential() {
    let own = |who: &str| get("/item", &[("x-key", who)]).step("who", Who);
    let shop = Shop::new(json!({}), [fresh(SHORT, "a's"), fresh(SHORT, "b's")]);
    assert_eq!(shop.seen(own("a")).await, ("a's".to_owned(), "miss"));
    assert_eq!(shop.seen(own("b")).await, ("b's".to_owned(), "miss"));
    let shop = Shop::new(
        json!({ "key": { "identity": true } }),
        [fresh(SHORT, "a's"), fresh(SHORT, "b's")],
    );
    for (who, found) in [("a", "miss"), ("b", "miss"), ("a", "hit"), ("b", "hit")] {
        assert_eq!(shop.seen(own(who)).await, (format!("{who}'s"), found));
    }
}

#[tokio::test]
async fn answers_that_set_cookies_are_not_kept() {
    let setting = || {
        answer(200, &[("cache-control", "public, max-age=60"), ("set-cookie", "session=1")], "x")
    };
    let shop = Shop::new(json!({ "ttl": "1m" }), [setting(), setting()]);
    shop.get().await;
    assert_eq!(shop.look().await.1, "miss");
}

#[tokio::test]
async fn what_no_key_tells_cannot_shape_what_others_get() {
    for (name, value) in [
        ("x-forwarded-host", "evil.test"),
        ("x-original-url", "/admin"),
        ("x-rewrite-url", "/admin"),
        ("x-http-method-override", "DELETE"),
        ("x-host", "evil.test"),
    ] {
        let shop = Shop::new(json!({}), [fresh(SHORT, "evil"), fresh(SHORT, "good")]);
        assert_eq!(
            shop.seen(get("/item", &[(name, value)])).await,
            ("evil".to_owned(), "bypass"),
            "{name}"
        );
        assert_eq!(shop.look().await, ("good".to_owned(), "miss"), "{name}");
    }
    // The host as it is sent, with its port, and the scheme: servers make links and redirects of them.
    let shop =
        Shop::new(json!({}), [fresh(SHORT, "evil"), fresh(SHORT, "good"), fresh(SHORT, "tls")]);
    shop.call(get("/item", &[("host", "api.test:666")])).await;
    let plain = || get("/item", &[("host", "api.test")]);
    assert_eq!(shop.seen(plain()).await, ("good".to_owned(), "miss"));
    let tls = plain().facts(|facts| facts.scheme = Scheme::Https);
    assert_eq!(shop.seen(tls).await, ("tls".to_owned(), "miss"));
}

#[tokio::test]
async fn parameters_and_cookies_that_do_not_count_are_not_sent() {
    let rules = json!({ "key": { "query": ["page"], "cookies": ["lang"] } });
    let shop = Shop::new(rules, [fresh(SHORT, "page 2")]);
    let call = |target: &str, cookies: &str| get(target, &[("cookie", cookies)]);
    assert_eq!(shop.seen(call("/item?utm=1&page=2", "session=a; lang=de")).await.1, "miss");
    let sent = shop.origin.request(0).head;
    assert_eq!(sent.uri, "/item?page=2");
    assert_eq!(sent.headers["cookie"], "lang=de");
    assert_eq!(
        shop.seen(call("/item?page=2&evil=1", "lang=de; session=b")).await,
        ("page 2".to_owned(), "hit")
    );
    let shop = Shop::new(json!({ "key": { "query": [] } }), [fresh(SHORT, "bare")]);
    shop.call(TestCall::get("/item?a=1")).await;
    assert_eq!(shop.origin.request(0).head.uri, "/item");
    assert_eq!(shop.seen(TestCall::get("/item?b=2")).await.1, "hit");
}

#[tokio::test]
async fn a_get_with_a_body_is_for_its_client_alone() {
    let shop = Shop::new(json!({}), [fresh(SHORT, "shaped"), fresh(SHORT, "plain")]);
    let fat = get("/item", &[("content-length", "5")]).frames([Frame::last("shape".into())]);
    assert_eq!(shop.seen(fat).await.0, "shaped");
    assert_eq!(shop.look().await, ("plain".to_owned(), "miss"));
}
