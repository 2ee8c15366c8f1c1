//! Callers of all kinds against rules of all kinds.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::Acl;
use crate::apps::apps;
use paifang_pipeline::{
    App, Apps, Built, ConfigError, Handler, Identity, RequestCall, Stages, Verdict,
    testkit::{Reply, TestCall, TestClock, TestOrigin, build},
};
use paifang_state::LocalStore;
use serde_json::{Value, json};
use std::sync::Arc;

fn tenants() -> Arc<Apps> {
    apps(&[("wallet", &[("k1", "secret-one")]), ("partner", &[("p1", "secret-two")])])
}

fn built(config: &Value) -> Result<Built, ConfigError> {
    build(&Acl, config, &LocalStore::new(), &tenants(), &Arc::new(TestClock::new()))
}

/// A step that says who calls.
#[derive(Clone, Default)]
struct Known {
    identity: Option<Arc<Identity>>,
    app: Option<Arc<App>>,
}

impl Handler for Known {
    fn stages(&self) -> Stages {
        Stages::REQUEST
    }

    fn request(&self, call: &mut RequestCall<'_>) -> Verdict {
        let slots = call.slots_mut();
        self.identity.iter().for_each(|identity| slots.set_identity(identity.clone()));
        self.app.iter().for_each(|app| slots.set_app(app.clone()));
        Verdict::Continue
    }
}

/// A caller: subject, method, the identity's app, claims.
fn known(subject: &str, method: &'static str, app: Option<&str>, claims: &[(&str, &str)]) -> Known {
    let mut identity = Identity::new(subject.into(), app.map(Arc::from), method);
    let claims = claims.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    identity.claims = claims.collect();
    Known { identity: Some(Arc::new(identity)), app: None }
}

async fn run(config: &Value, caller: &Known) -> (Reply, usize) {
    let step = match built(config) {
        Ok(built) => built.handler,
        Err(error) => panic!("{config}: {error} at `{}`", error.pointer),
    };
    let origin = TestOrigin::answering(200, "");
    let call = TestCall::get("/").step("known", caller.clone()).shared_step("acl", step);
    (call.run(&origin).await, origin.requests())
}

/// Holds whether this caller passes.
#[track_caller]
fn holds(passes: bool, (reply, requests): (Reply, usize), what: &str) {
    if passes {
        assert_eq!((reply.status(), requests), (200, 1), "{what}");
    } else {
        assert_eq!(reply.error().as_deref(), Some("PF-2031"), "{what}");
        assert_eq!((reply.status(), requests), (403, 0), "{what}");
        assert_eq!(reply.header("www-authenticate"), "", "{what}");
    }
}

#[tokio::test]
async fn each_condition_tells_callers_apart() {
    let alice = known("alice", "basic_auth", Some("wallet"), &[("role", "admin"), ("tier", "a b")]);
    for (rule, wanted) in [
        (json!({ "identity": ["bob", "alice"] }), true),
        (json!({ "identity": ["Alice"] }), false),
        (json!({ "identity": ["alic"] }), false),
        (json!({ "identity": ["alice "] }), false),
        (json!({ "app": ["wallet"] }), true),
        (json!({ "app": ["partner"] }), false),
        (json!({ "method": ["key_auth", "basic_auth"] }), true),
        (json!({ "method": ["key_auth"] }), false),
        (json!({ "claims": { "role": ["operator", "admin"] } }), true),
        (json!({ "claims": { "role": ["administrator"] } }), false),
        (json!({ "claims": { "Role": ["admin"] } }), false),
        (json!({ "claims": { "group": ["admin"] } }), false),
        // Only a scope is a list.
        (json!({ "claims": { "tier": ["a b"] } }), true),
        (json!({ "claims": { "tier": ["a"] } }), false),
        (json!({ "claims": { "role": ["admin"], "tier": ["a b"] } }), true),
        (json!({ "claims": { "role": ["admin"], "tier": ["a"] } }), false),
        (json!({ "identity": ["alice"], "app": ["partner"] }), false),
        (json!({ "identity": ["alice"], "app": ["wallet"], "method": ["basic_auth"] }), true),
    ] {
        let what = rule.to_string();
        holds(wanted, run(&json!({ "allow": [rule] }), &alice).await, &what);
        holds(!wanted, run(&json!({ "deny": [rule] }), &alice).await, &what);
    }
}

#[tokio::test]
async fn a_scope_is_a_list() {
    let rule = json!({ "allow": [{ "claims": { "scope": ["orders:read", "orders"] } }] });
    for (scope, wanted) in [
        ("orders", true),
        ("openid orders:read", true),
        ("orders:read openid", true),
        ("openid  orders", true),
        ("orders:write", false),
        ("orders:readx", false),
        ("ORDERS", false),
        ("openid,orders", false),
        ("openid\torders", false),
        ("", false),
        (" ", false),
    ] {
        let caller = known("a", "jwt", None, &[("scope", scope)]);
        holds(wanted, run(&rule, &caller).await, scope);
    }
    holds(false, run(&rule, &known("a", "jwt", None, &[])).await, "no scope");
}

#[tokio::test]
async fn rules_are_any_or_all_and_a_denial_goes_first() {
    let scopes = json!([
        { "claims": { "scope": ["read"] } }, { "claims": { "scope": ["write"] } }
    ]);
    for (scope, any, all) in [
        ("read", true, false),
        ("write", true, false),
        ("write read", true, true),
        ("x", false, false),
    ] {
        let caller = known("a", "jwt", None, &[("scope", scope)]);
        let config = |require: &str| json!({ "allow": scopes, "require": require });
        holds(any, run(&json!({ "allow": scopes }), &caller).await, scope);
        holds(any, run(&config("any"), &caller).await, scope);
        holds(all, run(&config("all"), &caller).await, scope);
    }
    let config = json!({
        "allow": [{ "app": ["wallet"] }],
        "deny": [{ "identity": ["x"] }, { "identity": ["mallory"] }]
    });
    for (subject, passes) in [("alice", true), ("mallory", false), ("x", false)] {
        let caller = known(subject, "key_auth", Some("wallet"), &[]);
        holds(passes, run(&config, &caller).await, subject);
    }
    holds(false, run(&config, &known("alice", "key_auth", None, &[])).await, "no app");
}

#[tokio::test]
async fn the_app_that_was_handed_on_counts_before_the_identity_s() {
    let mut caller = known("k1", "key_auth", Some("partner"), &[]);
    caller.app = tenants().get("wallet").cloned();
    for (app, passes) in [("wallet", true), ("partner", false)] {
        let config = json!({ "allow": [{ "app": [app] }] });
        holds(passes, run(&config, &caller).await, app);
    }
}

#[tokio::test]
async fn a_caller_that_nobody_knows_is_asked_who_it_is() {
    let only_app = Known { identity: None, app: tenants().get("wallet").cloned() };
    for caller in [Known::default(), only_app] {
        for (config, challenge) in [
            (json!({ "allow": [{ "app": ["wallet"] }] }), "Identity"),
            (json!({ "deny": [{ "app": ["partner"] }] }), "Identity"),
            (
                json!({ "deny": [{ "app": ["partner"] }], "challenge": "Basic realm=\"a\"" }),
                "Basic realm=\"a\"",
            ),
        ] {
            let (reply, requests) = run(&config, &caller).await;
            assert_eq!((reply.status(), requests), (401, 0), "{config}");
            assert_eq!(reply.error().as_deref(), Some("PF-2030"), "{config}");
            assert_eq!(reply.header("www-authenticate"), challenge, "{config}");
        }
    }
}

#[tokio::test]
async fn a_refusal_tells_the_client_no_rule() {
    let caller = known("alice", "key_auth", None, &[]);
    let (reply, _) = run(&json!({ "deny": [{ "identity": ["alice"] }] }), &caller).await;
    let body = reply.body();
    assert!(!body.contains("deny") && !body.contains("alice"), "{body}");
}

#[test]
fn wrong_configs_are_refused_at_their_place() {
    let rule = |rule: Value| json!({ "allow": [rule] });
    let texts = |count: usize| (0..count).map(|number| format!("n{number}")).collect::<Vec<_>>();
    let claims = |count| -> serde_json::Map<String, Value> {
        texts(count).into_iter().map(|name| (name, json!(["v"]))).collect()
    };
    let rules = |count| json!({ "deny": vec![json!({ "method": ["m"] }); count] });
    assert!(built(&rules(64)).is_ok());
    assert!(built(&rule(json!({ "identity": texts(1_000), "claims": claims(16) }))).is_ok());
    for (config, pointer, message) in [
        (json!({}), "", "neither `allow` nor `deny`"),
        (json!({ "allow": [] }), "/allow", "would let nobody in"),
        (json!({ "deny": [] }), "/deny", "denies nobody"),
        (json!({ "deny": [{ "app": ["wallet"] }], "require": "all" }), "/require", "of `allow`"),
        (rules(65), "/deny", "at most 64 rules, found 65"),
        (rule(json!({})), "/allow/0", "a rule needs a condition"),
        (rule(json!({ "claims": {} })), "/allow/0", "a rule needs a condition"),
        (rule(json!({ "identity": [] })), "/allow/0/identity", "1 to 1000 values, found 0"),
        (rule(json!({ "identity": texts(1_001) })), "/allow/0/identity", "found 1001"),
        (rule(json!({ "method": [""] })), "/allow/0/method/0", "1 to 1024 bytes, found 0"),
        (rule(json!({ "method": ["a", "b", "a"] })), "/allow/0/method/2", "`a` stands here twice"),
        (rule(json!({ "identity": ["x".repeat(1_025)] })), "/allow/0/identity/0", "found 1025"),
        (rule(json!({ "app": ["wallet", "walet"] })), "/allow/0/app/1", "there is no app `walet`"),
        (rule(json!({ "claims": claims(17) })), "/allow/0/claims", "at most 16 claims, found 17"),
        (rule(json!({ "claims": { "": ["v"] } })), "/allow/0/claims/", "found 0"),
        (rule(json!({ "claims": { "a/b": [] } })), "/allow/0/claims/a~1b", "1 to 1000 values"),
        (
            rule(json!({ "claims": { "scope": ["read", "read write"] } })),
            "/allow/0/claims/scope/1",
            "`read write` is no single entry",
        ),
        (rule(json!({ "user": ["a"] })), "/allow/0/user", "unknown field"),
        (
            json!({ "allow": [{ "app": ["wallet"] }], "require": "most" }),
            "/require",
            "unknown variant",
        ),
        (
            json!({ "allow": [{ "app": ["wallet"] }], "challenge": "" }),
            "/challenge",
            "no challenge",
        ),
        (
            json!({ "allow": [{ "app": ["wallet"] }], "challenge": "Basic\r\nx: y" }),
            "/challenge",
            "no challenge",
        ),
    ] {
        let Err(error) = built(&config) else { panic!("{config} was taken") };
        assert_eq!(error.pointer, pointer, "{error}");
        assert!(error.message.contains(message), "{config}: {error}");
    }
}

#[test]
fn it_writes_nothing_and_keeps_nothing() {
    let built = built(&json!({ "deny": [{ "app": ["partner"] }] })).unwrap();
    assert!(built.writes.is_empty() && built.states.is_empty() && !built.always_answers);
    assert_eq!(built.handler.stages(), Stages::REQUEST);
}
