//! Keys in every place, right and wrong.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::KeyAuth;
use crate::apps::apps;
use http::Method;
use paifang_pipeline::{
    Apps, Handler,
    testkit::{Reply, TestCall, TestClock, TestOrigin, build},
};
use paifang_state::LocalStore;
use serde_json::{Value, json};
use std::sync::Arc;

fn tenants() -> Arc<Apps> {
    apps(&[
        ("wallet", &[("k1", "secret-one"), ("k2", "secret two/+&=%")]),
        ("partner", &[("p1", "secret-three")]),
    ])
}

fn step(config: Value) -> Arc<dyn Handler> {
    let (store, clock) = (LocalStore::new(), Arc::new(TestClock::new()));
    match build(&KeyAuth::default(), &config, &store, &tenants(), &clock) {
        Ok(built) => built.handler,
        Err(error) => panic!("{config}: {error} at `{}`", error.pointer),
    }
}

async fn run(config: Value, call: TestCall) -> (Reply, TestOrigin) {
    let origin = TestOrigin::answering(200, "");
    let reply = call.shared_step("key_auth", step(config)).run(&origin).await;
    (reply, origin)
}

fn get(target: &str) -> TestCall {
    TestCall::new(Method::GET, target)
}

#[tokio::test]
async fn a_key_says_who_calls_and_goes_no_further() {
    let call = get("/a").header("X-Api-Key", "secret-one").header("x-other", "1");
    let (reply, origin) = run(json!({}), call).await;
    assert_eq!(reply.status(), 200);
    let identity = reply.identity.unwrap();
    assert_eq!((&*identity.subject, identity.app.as_deref()), ("k1", Some("wallet")));
    assert_eq!(identity.method, "key_auth");
    let sent = origin.request(0).head.headers;
    assert!(!sent.contains_key("x-api-key"));
    assert_eq!(sent["x-other"], "1");
}

#[tokio::test]
async fn keys_are_found_where_they_are_looked_for_and_nowhere_else() {
    let any = json!({ "from": [
        { "header": "x-api-key" }, { "query": "key" }, { "scheme": "ApiKey" }, { "scheme": "Bearer" }
    ] });
    let plain = json!({});
    let key = "secret-one";
    let table: Vec<(&Value, TestCall, Result<&str, &str>)> = vec![
        (&plain, get("/"), Err("PF-2000")),
        (&plain, get("/?key=secret-one"), Err("PF-2000")),
        (&plain, get("/").header("authorization", "ApiKey secret-one"), Err("PF-2000")),
        (&plain, get("/").header("x-api-key", "secret-on"), Err("PF-2001")),
        (&plain, get("/").header("x-api-key", "secret-onee"), Err("PF-2001")),
        (&plain, get("/").header("x-api-key", "Secret-one"), Err("PF-2001")),
        (&plain, get("/").header("x-api-key", "k1"), Err("PF-2001")),
        (&plain, get("/").header("x-api-key", ""), Err("PF-2001")),
        (&plain, get("/").header("x-api-key", &"x".repeat(100_000)), Err("PF-2001")),
        (&plain, get("/").header("x-api-key", "secret-three"), Ok("p1")),
        (&any, get("/").header("x-api-key", key), Ok("k1")),
        (&any, get("/?key=secret-one"), Ok("k1")),
        (&any, get("/?a=1&k%65y=secret%2done&b"), Ok("k1")),
        (&any, get("/?key=secret+two/%2B%26=%25"), Ok("k2")),
        (&any, get("/?keys=secret-one"), Err("PF-2000")),
        (&any, get("/?key"), Err("PF-2001")),
        (&any, get("/").header("authorization", "apikey  secret-one"), Ok("k1")),
        (&any, get("/").header("authorization", "Bearer secret-one"), Ok("k1")),
        (&any, get("/").header("authorization", "Bearersecret-one"), Err("PF-2000")),
        (&any, get("/").header("authorization", "Basic secret-one"), Err("PF-2000")),
        (&any, get("/").header("authorization", "ApiKey"), Err("PF-2001")),
        // Nothing is chosen from several, though they be the same.
        (&any, get("/").header("x-api-key", key).header("x-api-key", key), Err("PF-2002")),
        (&any, get("/?key=secret-one&key=secret-one"), Err("PF-2002")),
        (&any, get("/?key=secret-one&%6Bey=x"), Err("PF-2002")),
        (&any, get("/?key=secret-one").header("x-api-key", key), Err("PF-2002")),
        (
            &any,
            get("/")
                .header("authorization", "Bearer secret-one")
                .header("authorization", "Basic x"),
            Err("PF-2002"),
        ),
    ];
    for (index, (config, call, expected)) in table.into_iter().enumerate() {
        let (reply, origin) = run(config.clone(), call).await;
        match expected {
            Ok(key) => assert_eq!(&*reply.identity.unwrap().subject, key, "row {index}"),
            Err(code) => {
                assert_eq!(reply.error().as_deref(), Some(code), "row {index}");
                assert_eq!(origin.requests(), 0, "row {index}");
            }
        }
    }
}

#[tokio::test]
async fn hiding_takes_out_the_key_and_nothing_else() {
    let from = json!([{ "header": "x-api-key" }, { "query": "key" }, { "scheme": "ApiKey" }]);
    for (target, left) in [
        ("/p?key=secret-one", "/p"),
        ("/p?a=1&key=secret-one&b=%20&&c", "/p?a=1&b=%20&&c"),
        ("/p?%6bey=secret-one&a", "/p?a"),
    ] {
        let (reply, origin) = run(json!({ "from": from }), get(target)).await;
        assert_eq!(reply.status(), 200, "{target}");
        assert_eq!(origin.request(0).head.uri.to_string(), left);
        let (_, origin) = run(json!({ "from": from, "hide": false }), get(target)).await;
        assert_eq!(origin.request(0).head.uri.to_string(), target);
    }
    for (name, value) in [("x-api-key", "secret-one"), ("authorization", "ApiKey secret-one")] {
        for hide in [true, false] {
            let call = get("/").header(name, value);
            let (_, origin) = run(json!({ "from": from, "hide": hide }), call).await;
            assert_eq!(origin.request(0).head.headers.contains_key(name), !hide, "{name}");
        }
    }
    let absolute = get("http://api.test/p?key=secret-one&a=1");
    let (_, origin) = run(json!({ "from": from }), absolute).await;
    assert_eq!(origin.request(0).head.uri.to_string(), "http://api.test/p?a=1");
}

#[tokio::test]
async fn a_refusal_carries_a_challenge_and_never_the_key() {
    for (config, challenge) in [
        (json!({}), "ApiKey"),
        (json!({ "from": [{ "header": "x-key" }, { "scheme": "Bearer" }] }), "Bearer"),
    ] {
        let call =
            get("/").header("x-api-key", "guess-1234").header("authorization", "Bearer guess-1234");
        let (reply, _) = run(config, call).await;
        assert_eq!((reply.status(), reply.header("www-authenticate")), (401, challenge));
        assert!(!format!("{reply:?}").contains("guess-1234"));
    }
}

#[tokio::test]
async fn only_the_named_apps_are_let_in() {
    let config = json!({ "apps": ["partner"] });
    let (reply, _) = run(config.clone(), get("/").header("x-api-key", "secret-three")).await;
    assert_eq!(reply.status(), 200);
    let (reply, origin) = run(config, get("/").header("x-api-key", "secret-one")).await;
    assert_eq!((reply.status(), reply.error().as_deref()), (403, Some("PF-2003")));
    assert_eq!((reply.identity.is_none(), origin.requests()), (true, 0));
}

#[test]
fn wrong_configs_are_refused_at_their_place() {
    let refused = |config: Value, apps: &Arc<Apps>| {
        let (store, clock) = (LocalStore::new(), Arc::new(TestClock::new()));
        match build(&KeyAuth::default(), &config, &store, apps, &clock) {
            Ok(_) => panic!("{config} was taken"),
            Err(error) => (error.pointer.clone(), format!("{error:?}")),
        }
    };
    let header = |name: &str| json!({ "from": [{ "header": name }] });
    for (config, pointer, message) in [
        (json!({ "from": [] }), "/from", "1 to 8 places, not 0"),
        (header("a b"), "/from/0/header", "`a b` is no header's name"),
        (header("Authorization"), "/from/0/header", "write `{ scheme: ApiKey }`"),
        (json!({ "from": [{ "scheme": "a b" }] }), "/from/0/scheme", "no scheme's name"),
        (json!({ "from": [{ "query": "" }] }), "/from/0/query", "has a name"),
        (json!({ "from": [{ "query": "a" }, { "query": "a" }] }), "/from/1/query", "twice"),
        (json!({ "from": [{ "cookie": "a" }] }), "/from/0", "unknown variant `cookie`"),
        (json!({ "apps": [] }), "/apps", "let nobody in"),
        (json!({ "apps": ["wallet", "walet"] }), "/apps/1", "there is no app `walet`"),
        (json!({ "hidden": true }), "/hidden", "unknown field"),
    ] {
        let (at, error) = refused(config.clone(), &tenants());
        assert_eq!(at, pointer, "{config}: {error}");
        assert!(error.contains(message), "{config}: {error}");
    }
    for (list, message) in [
        (apps(&[]), "nobody could come in"),
        (apps(&[("a", &[("k", "")])]), "key `k` of app `a` cannot be an API key"),
        (apps(&[("a", &[("k", "same-secret")]), ("b", &[("l", "same-secret")])]), "same secret"),
    ] {
        let (_, error) = refused(json!({}), &list);
        assert!(error.contains(message), "{error}");
        assert!(!error.contains("same-secret"));
    }
}

#[test]
fn what_it_writes_is_declared() {
    let (store, clock) = (LocalStore::new(), Arc::new(TestClock::new()));
    for overrides in [false, true] {
        let config = json!({ "override": overrides });
        let built = build(&KeyAuth::default(), &config, &store, &tenants(), &clock).unwrap();
        assert_eq!(
            (built.writes.as_slice(), built.overrides),
            (&["identity".into(), "app".into()][..], overrides)
        );
    }
}
