//! Ends before their time.

use super::support::{Shop, answer, fresh, get, with};
use crate::cache::Purge;
use http::Method;
use paifang_pipeline::testkit::TestCall;
use serde_json::json;

fn order(order: serde_json::Value) -> Purge {
    serde_json::from_value(order).unwrap()
}

fn shop() -> Shop {
    let tagged = |body: &str| {
        answer(200, &[("cache-control", "max-age=60"), ("cache-tag", "shoes, red")], body)
    };
    Shop::new(json!({}), [tagged("one"), tagged("two")])
}

#[tokio::test]
async fn by_url_tag_api_or_all() {
    for what in [
        json!({ "urls": ["https://API.test/item"] }),
        json!({ "tags": ["red"] }),
        json!({ "apis": ["test"] }),
        json!({ "all": true }),
        json!({ "tags": ["blue"], "apis": ["test"] }),
    ] {
        let shop = shop();
        shop.get().await;
        shop.pass(1);
        shop.cache.purge(&order(what.clone())).unwrap();
        shop.pass(1);
        assert_eq!(shop.look().await, ("two".to_owned(), "miss"), "{what}");
        assert_eq!(shop.look().await, ("two".to_owned(), "hit"), "{what}: what came since stays");
    }
    for what in [
        json!({ "urls": ["https://api.test/items"] }),
        json!({ "urls": ["https://other.test/item"] }),
        json!({ "tags": ["blue"] }),
        json!({ "apis": ["other"] }),
    ] {
        let shop = shop();
        shop.get().await;
        shop.pass(1);
        shop.cache.purge(&order(what.clone())).unwrap();
        assert_eq!(shop.look().await, ("one".to_owned(), "hit"), "{what}");
    }
}

#[tokio::test]
async fn a_wrong_order_changes_nothing() {
    let shop = shop();
    shop.get().await;
    shop.pass(1);
    let many: Vec<_> = (0..1001).map(|tag| tag.to_string()).collect();
    for wrong in [
        json!({}),
        json!({ "urls": ["/item"], "tags": ["red"] }),
        json!({ "urls": ["api.test/item"], "all": true }),
        json!({ "tags": many }),
    ] {
        assert!(shop.cache.purge(&order(wrong)).is_err());
    }
    assert_eq!(shop.look().await.1, "hit");
}

#[tokio::test]
async fn calls_that_change_something_end_what_was_kept_of_it() {
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        let scripts =
            [fresh("max-age=60", "one"), answer(204, &[], ""), fresh("max-age=60", "two")];
        let shop = Shop::new(json!({}), scripts);
        shop.call(TestCall::get("/item?page=1")).await;
        shop.pass(1);
        shop.call(with(method.clone(), "/item", &[])).await;
        shop.pass(1);
        assert_eq!(
            shop.seen(get("/item?page=1", &[])).await,
            ("two".to_owned(), "miss"),
            "{method}"
        );
    }
    // A failed change changes nothing; a place that the answer names is changed too.
    for (status, location, found) in [
        (500, "/x", "hit"),
        (404, "/item", "hit"),
        (201, "/item", "miss"),
        (201, "https://other.test/item", "hit"),
    ] {
        let change = answer(status, &[("location", location)], "");
        let shop =
            Shop::new(json!({}), [fresh("max-age=60", "one"), change, fresh("max-age=60", "two")]);
        shop.get().await;
        shop.pass(1);
        shop.call(with(Method::POST, if status == 201 { "/items" } else { "/item" }, &[])).await;
        shop.pass(1);
        assert_eq!(shop.look().await.1, found, "{status} {location}");
    }
}

#[tokio::test]
async fn an_answer_that_was_on_its_way_while_it_was_purged_is_not_given_again() {
    let shop = shop();
    let mut fetch = Box::pin(shop.get());
    assert!(futures::poll!(&mut fetch).is_pending(), "asked, and not answered");
    shop.pass(1);
    shop.cache.purge(&order(json!({ "tags": ["red"] }))).unwrap();
    shop.pass(1);
    assert_eq!(fetch.await.body(), "one");
    assert_eq!(shop.look().await, ("two".to_owned(), "miss"));
}
