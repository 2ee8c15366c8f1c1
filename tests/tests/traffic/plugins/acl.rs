//! `acl`: who is known and allowed passes, and nobody else comes near the upstream.

use super::{super::conformance::Door, KEY_ONE, KEY_TWO, with_apps};
use paifang_tests::harness::{Ask, Recorder};

#[tokio::test]
async fn callers_pass_by_what_steps_above_have_found() {
    let upstream = Recorder::start().await;
    let known = "key_auth: {}, when: { header: { x-api-key: { present: true } } }";
    let running = with_apps(
        upstream.address(),
        &format!(
            "[ {{ {known} }}, acl: {{ allow: [ {{ app: [ one ], method: [ key_auth ] }} ] }} ]"
        ),
    )
    .await;
    let get = || Ask::new("GET", "/");
    for door in Door::ALL {
        let ask = async |ask: Ask| {
            let reply = door.ask(running.address(), &ask).await;
            (reply.status, reply.code())
        };
        let before = upstream.count();
        assert_eq!(ask(get().field("x-api-key", KEY_ONE)).await, (200, String::new()), "{door:?}");
        assert_eq!(upstream.count() - before, 1, "{door:?}");

        let refused = (403, "PF-2031".to_owned());
        assert_eq!(ask(get().field("x-api-key", KEY_TWO)).await, refused, "{door:?}");
        // Who says who they are has not proven it.
        for (name, value) in [("x-app", "one"), ("identity", "key-one"), ("x-other", KEY_ONE)] {
            let unknown = (401, "PF-2030".to_owned());
            assert_eq!(ask(get().field(name, value)).await, unknown, "{door:?}");
        }
        assert_eq!(upstream.count() - before, 1, "a refused call reached the upstream");
    }
    let mut client = running.connect().await;
    let refused = client.get("/").await;
    assert_eq!(refused.header("www-authenticate"), Some("Identity"));
    assert_eq!(refused.header("cache-control"), Some("no-store"));
    running.stop().await;
}

#[tokio::test]
async fn a_denied_key_is_refused_though_its_app_is_allowed() {
    let upstream = Recorder::start().await;
    let steps = "[ key_auth: {}, acl: { allow: [ { app: [ one ] }, { app: [ two ] } ], \
        deny: [ { identity: [ key-two ] } ] } ]";
    let running = with_apps(upstream.address(), steps).await;
    for (key, status) in [(KEY_ONE, 200), (KEY_TWO, 403)] {
        let ask = Ask::new("GET", "/").field("x-api-key", key);
        assert_eq!(Door::ALL[0].ask(running.address(), &ask).await.status, status);
    }
    assert_eq!(upstream.count(), 1);
    running.stop().await;
}
