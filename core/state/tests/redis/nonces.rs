//! One memory of nonces over several gateways.

use crate::{
    server::RedisServer,
    world::{Gateway, answer},
};
use paifang_pipeline::ports::{
    NonceSpec, NonceVerdict, Nonces, StateKey, Store, StoreError, WhenAway,
};
use std::{sync::Arc, time::Duration};

struct Memory(Arc<dyn Nonces>, Arc<dyn paifang_pipeline::ports::Clock>);

fn memory(gateway: &Gateway, ttl: Duration, away: WhenAway) -> Memory {
    let spec = NonceSpec { ttl, capacity: 100.try_into().unwrap() };
    let key = StateKey::shared("nonces");
    let nonces = gateway.store.nonces_when_away(&key, spec, away).unwrap();
    Memory(nonces, gateway.clock.clone())
}

impl Memory {
    async fn insert(&self, nonce: &str) -> Result<NonceVerdict, StoreError> {
        answer(self.0.insert(nonce.as_bytes(), self.1.now())).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nonce_is_fresh_once_over_all_gateways_and_again_after_its_time() {
    let server = RedisServer::start(&[]);
    let (one, two) = (Gateway::at(&server, 1).await, Gateway::at(&server, 2).await);
    let ttl = Duration::from_secs(300);
    let (one, two) = (memory(&one, ttl, WhenAway::Closed), memory(&two, ttl, WhenAway::Closed));
    assert_eq!(one.insert("a").await, Ok(NonceVerdict::Fresh));
    assert_eq!(two.insert("a").await, Ok(NonceVerdict::Replayed));
    assert_eq!(one.insert("a").await, Ok(NonceVerdict::Replayed));
    assert_eq!(two.insert("b").await, Ok(NonceVerdict::Fresh));
    // At once from both: one of them is the first.
    let (first, second) = tokio::join!(one.insert("c"), two.insert("c"));
    let fresh = [first.unwrap(), second.unwrap()].map(|verdict| verdict == NonceVerdict::Fresh);
    assert!(fresh[0] != fresh[1]);
    let keys = server.cli(&["keys", "paifang:nonce:*"]);
    assert_eq!(keys.lines().count(), 3, "{keys}");
    for key in keys.lines() {
        let left: u64 = server.cli(&["pttl", key]).parse().unwrap();
        assert!((200_000..=300_000).contains(&left), "{left}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nonce_is_forgotten_after_its_time() {
    let server = RedisServer::start(&[]);
    let gateway = Gateway::at(&server, 1).await;
    let memory = memory(&gateway, Duration::from_millis(50), WhenAway::Closed);
    assert_eq!(memory.insert("a").await, Ok(NonceVerdict::Fresh));
    let began = std::time::Instant::now();
    while memory.insert("a").await != Ok(NonceVerdict::Fresh) {
        assert!(began.elapsed() < Duration::from_secs(20), "never forgotten");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(began.elapsed() >= Duration::from_millis(40), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_store_requests_fail_unless_each_gateway_may_decide() {
    let mut server = RedisServer::start(&[]);
    let gateway = Gateway::at(&server, 1).await;
    let ttl = Duration::from_secs(300);
    let closed = memory(&gateway, ttl, WhenAway::Closed);
    let local = memory(&gateway, ttl, WhenAway::Local);
    server.kill();
    closed.insert("a").await.unwrap_err();
    gateway.is_down().await;
    closed.insert("a").await.unwrap_err();
    assert_eq!(local.insert("b").await, Ok(NonceVerdict::Fresh));
    assert_eq!(local.insert("b").await, Ok(NonceVerdict::Replayed));
    server.run();
    gateway.is_up().await;
    assert_eq!(closed.insert("a").await, Ok(NonceVerdict::Fresh), "it was never let in");
}
