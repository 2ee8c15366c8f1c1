//! Several calls for the same at once.

use super::support::{Shop, answer, away, fresh};
use paifang_pipeline::{
    Frame, OriginError, OriginEvent, Replay, error,
    testkit::{Script, TestCall, TestOrigin},
};
use serde_json::json;

async fn together(shop: &Shop, count: usize) -> Vec<(String, &'static str)> {
    futures::future::join_all((0..count).map(|_| shop.look())).await
}

#[tokio::test]
async fn of_calls_for_the_same_one_fetches() {
    let shop = Shop::new(json!({}), [fresh("max-age=60", "one")]);
    let all = together(&shop, 50).await;
    assert_eq!(shop.asked(), 1);
    assert!(all.iter().all(|(body, _)| body == "one"));
    assert_eq!(all.iter().filter(|(_, found)| *found == "hit").count(), 49);
}

#[tokio::test]
async fn without_collapsing_each_fetches() {
    let scripts = [fresh("max-age=60", "one"), fresh("max-age=60", "one")];
    let shop = Shop::new(json!({ "collapse": "0s" }), scripts);
    together(&shop, 2).await;
    assert_eq!(shop.asked(), 2);
}

#[tokio::test]
async fn an_answer_that_is_not_kept_holds_nobody_up() {
    let scripts = (0..20).map(|_| fresh("private", "own")).collect::<Vec<_>>();
    let shop = Shop::new(json!({}), scripts);
    let all = together(&shop, 10).await;
    assert!(all.iter().all(|seen| *seen == ("own".to_owned(), "miss")));
    assert_eq!(shop.asked(), 10);
    // The key is known for that now: nobody waits at all.
    together(&shop, 10).await;
    assert_eq!(shop.asked(), 20);
}

#[tokio::test]
async fn when_the_one_that_fetches_fails_the_others_are_not_lost() {
    let scripts = [away(), fresh("max-age=60", "b"), fresh("max-age=60", "b")];
    let shop = Shop::new(json!({}), scripts);
    let calls = (0..3).map(|_| shop.get());
    let replies = futures::future::join_all(calls).await;
    let good = replies.iter().filter(|reply| reply.status() == 200).count();
    assert_eq!((good, replies.len()), (2, 3), "one met the failure, as it would have alone");
}

#[tokio::test]
async fn when_the_upstream_dies_within_the_body_the_others_fetch_for_themselves() {
    let mut head = TestOrigin::head(200);
    head.headers.insert("cache-control", "max-age=60".parse().unwrap());
    let dies = Script::Events(vec![
        Ok(OriginEvent::Head(head, false)),
        Ok(OriginEvent::Frame(Frame::data("ha".into()))),
        Err(OriginError::new(error::UPSTREAM_MALFORMED, Replay::Never, "died")),
    ]);
    let shop =
        Shop::new(json!({}), [dies, fresh("max-age=60", "whole"), fresh("max-age=60", "whole")]);
    let calls = (0..3).map(|_| shop.get());
    let replies = futures::future::join_all(calls).await;
    let whole = replies.iter().filter(|reply| reply.body() == "whole").count();
    assert_eq!(whole, 2, "{replies:?}");
}

#[tokio::test]
async fn when_the_client_that_fetches_goes_away_another_takes_its_place() {
    let stalls = Script::Events(Vec::new());
    let shop = Shop::new(json!({}), [stalls, fresh("max-age=60", "two")]);
    let gone = TestCall::get("/item").front(|front| front.gone = true);
    let mut first = Box::pin(shop.call(gone));
    // As far as its wait for the upstream; then the others come.
    assert!(futures::poll!(&mut first).is_pending() || shop.asked() == 1);
    let (_, all) = futures::join!(first, together(&shop, 5));
    assert!(all.iter().all(|(body, _)| body == "two"), "{all:?}");
    assert_eq!(shop.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_than_it_may() {
    let stalls = Script::Events(Vec::new());
    let shop = Shop::new(json!({ "collapse": "2s" }), [stalls, answer(200, &[], "own")]);
    let began = tokio::time::Instant::now();
    let mut first = Box::pin(shop.get());
    assert!(futures::poll!(&mut first).is_pending());
    let second = tokio::select! {
        second = shop.look() => second,
        _ = &mut first => panic!("it stalls"),
    };
    assert_eq!(second, ("own".to_owned(), "miss"));
    assert_eq!(began.elapsed().as_secs(), 2);
}
