//! `key_auth`: who has a key passes, and the key goes no further.

use super::{super::conformance::Door, KEY_ONE, KEY_TWO, with_apps};
use paifang_tests::harness::{Ask, Recorder};

#[tokio::test]
async fn keys_let_in_and_are_hidden() {
    let upstream = Recorder::start().await;
    let steps = "[ key_auth: { from: [ { header: x-api-key }, { scheme: ApiKey }, { query: key } ], \
        apps: [ one ] }, headers: { request: { set: { x-app: \"{{ app }}\" } } } ]";
    let running = with_apps(upstream.address(), steps).await;
    let get = |target: &str| Ask::new("GET", target.to_owned());
    for door in Door::ALL {
        let ask = async |ask: Ask| {
            let reply = door.ask(running.address(), &ask).await;
            (reply.status, reply.code())
        };
        let passes = (200, String::new());
        let before = upstream.count();
        assert_eq!(ask(get("/").field("x-api-key", KEY_ONE)).await, passes);
        let seen = upstream.last();
        assert_eq!((seen.header("x-api-key"), seen.header("x-app")), (None, Some("one")));
        assert_eq!(ask(get("/").field("authorization", format!("apikey {KEY_ONE}"))).await, passes);
        assert_eq!(upstream.last().header("authorization"), None);
        assert_eq!(ask(get(&format!("/?a=1&key={KEY_ONE}&b=2"))).await, passes);
        assert_eq!(upstream.last().target(), "/?a=1&b=2");
        assert_eq!(upstream.count() - before, 3);

        assert_eq!(ask(get("/")).await, (401, "PF-2000".to_owned()));
        assert_eq!(ask(get("/").field("x-api-key", "key-one")).await, (401, "PF-2001".to_owned()));
        let both = get(&format!("/?key={KEY_ONE}")).field("x-api-key", KEY_ONE);
        assert_eq!(ask(both).await, (400, "PF-2002".to_owned()));
        assert_eq!(ask(get("/").field("x-api-key", KEY_TWO)).await, (403, "PF-2003".to_owned()));
        assert_eq!(upstream.count() - before, 3, "a refused call reached the upstream");
    }
    let mut client = running.connect().await;
    let refused = client.get("/").await;
    assert_eq!(refused.header("www-authenticate"), Some("ApiKey"));
    assert_eq!(refused.header("cache-control"), Some("no-store"));
    running.stop().await;
}
