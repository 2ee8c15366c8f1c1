//! What the claims must say, and when.

use super::*;
use std::time::Duration;

/// The claims of [`alice`], changed: `null` takes one away.
fn claims(more: &Value) -> Value {
    let mut claims = alice();
    for (name, value) in more.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().shift_remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

async fn expect(config: &Value, table: &[(Value, Option<&str>)]) {
    let step = step(config);
    for (more, code) in table {
        let (reply, origin) = present(&step, &token(&claims(more))).await;
        assert_eq!(reply.error().as_deref(), *code, "{config} {more}");
        assert_eq!(origin.requests(), usize::from(code.is_none()), "{more}");
    }
}

#[tokio::test]
async fn times_are_held_with_leeway() {
    let (invalid, expired) = (Some("PF-2062"), Some("PF-2063"));
    let table = [
        (json!({ "exp": null }), invalid),
        (json!({ "exp": NOW - 9 }), None),
        (json!({ "exp": NOW - 10 }), expired),
        (json!({ "exp": 0 }), expired),
        (json!({ "exp": NOW as f64 + 0.5 }), None),
        (json!({ "exp": 1e11 }), None),
        (json!({ "exp": 1e13 }), invalid),
        (json!({ "exp": -1 }), invalid),
        (json!({ "exp": (NOW + 60).to_string() }), invalid),
        (json!({ "exp": [NOW + 60] }), invalid),
        (json!({ "exp": true }), invalid),
        (json!({ "nbf": NOW + 10 }), None),
        (json!({ "nbf": NOW + 11 }), invalid),
        (json!({ "nbf": "now" }), invalid),
        (json!({ "iat": NOW + 10 }), None),
        (json!({ "iat": NOW + 11 }), invalid),
        (json!({ "iat": {} }), invalid),
        (json!({ "iat": 5 }), None),
    ];
    expect(&with_secret(json!({ "leeway": "10s" })), &table).await;
    let table = [
        (json!({ "exp": null, "iat": NOW - 3_600 }), None),
        (json!({ "exp": null, "iat": NOW - 3_630 }), expired),
        (json!({ "iat": NOW - 3_630 }), expired),
        (json!({ "exp": null }), invalid),
    ];
    let config = json!({ "require": { "exp": false, "max_age": "1h" } });
    expect(&with_secret(config), &table).await;
}

#[tokio::test]
async fn a_token_that_is_remembered_ends_in_time() {
    for exp in [true, false] {
        let clock = Arc::new(TestClock::new());
        let config =
            with_secret(json!({ "require": { "exp": exp, "max_age": "60s" }, "leeway": "0s" }));
        let step = built_at(&config, &clock).unwrap().handler;
        let token = token(&match exp {
            true => json!({ "sub": "a", "iat": NOW, "exp": NOW + 50 }),
            false => json!({ "sub": "a", "iat": NOW }),
        });
        let mut passed = 0;
        while present(&step, &token).await.0.status() == 200 {
            passed += 1;
            clock.advance(Duration::from_secs(1));
        }
        assert_eq!(passed, if exp { 50 } else { 60 });
        refused(&step, &token, "PF-2063").await;
    }
}

#[tokio::test]
async fn issuer_and_audience_are_compared_exactly() {
    let invalid = Some("PF-2062");
    let config = with_secret(json!({ "issuer": ["https://a.test", "b"], "audience": "wallet" }));
    let right = json!({ "iss": "b", "aud": "wallet" });
    let but = |name: &str, value: Value| {
        let mut claims = right.clone();
        claims[name] = value;
        claims
    };
    expect(
        &config,
        &[
            (right.clone(), None),
            (but("iss", json!("https://a.test")), None),
            (but("iss", json!("https://a.test/")), invalid),
            (but("iss", json!("B")), invalid),
            (but("iss", json!(["b"])), invalid),
            (but("iss", Value::Null), invalid),
            (but("aud", json!(["x", "wallet"])), None),
            (but("aud", json!(["x"])), invalid),
            (but("aud", json!([])), invalid),
            (but("aud", json!(["wallet", 1])), invalid),
            (but("aud", json!("wallets")), invalid),
            (but("aud", json!({ "wallet": 1 })), invalid),
            (but("aud", Value::Null), invalid),
        ],
    )
    .await;
    // RFC 7519 section 4.1.3: a token for somebody is for nobody else.
    let table =
        [(json!({}), None), (json!({ "aud": "wallet" }), invalid), (json!({ "aud": [] }), invalid)];
    expect(&with_secret(json!({})), &table).await;
    let table = [(json!({}), None), (json!({ "aud": "x" }), None), (json!({ "aud": 1 }), None)];
    expect(&with_secret(json!({ "any_audience": true })), &table).await;
}

#[tokio::test]
async fn one_issuer_does_not_sign_for_another() {
    let (a, b) = (Signer::new("a"), Signer::new("b"));
    let key = |signer: &Signer, issuer: &str| {
        let set = json!({ "keys": [signer.jwk()] }).to_string();
        json!({ "jwks": { "env": set }, "issuer": issuer })
    };
    let config = json!({ "issuer": ["a", "b"], "keys": [key(&a, "a"), key(&b, "b")] });
    let step = step(&config);
    for (signer, issuer, status) in [(&a, "a", 200), (&b, "b", 200), (&a, "b", 401), (&b, "a", 401)]
    {
        let token = signer.token(&claims(&json!({ "iss": issuer })));
        assert_eq!(present(&step, &token).await.0.status(), status, "{} {issuer}", signer.id);
    }
}

#[tokio::test]
async fn what_is_required_must_be_there() {
    let (invalid, lacks) = (Some("PF-2062"), Some("PF-2064"));
    let require = json!({ "claims": {
        "scope": ["orders:read", "orders"], "tenant": [], "/realm/level": ["3", "4"],
    } });
    let right = json!({ "scope": "x orders", "tenant": "t", "realm": { "level": 3 } });
    let but = |name: &str, value: Value| {
        let mut claims = right.clone();
        claims[name] = value;
        claims
    };
    expect(
        &with_secret(json!({ "require": require })),
        &[
            (right.clone(), None),
            (but("scope", json!(["orders:read"])), None),
            (but("scope", json!("orders:write")), lacks),
            (but("scope", Value::Null), lacks),
            (but("tenant", json!("")), None),
            (but("tenant", Value::Null), lacks),
            (but("realm", json!({ "level": "4" })), None),
            (but("realm", json!({ "level": 5 })), lacks),
            (but("realm", json!(3)), lacks),
            (but("exp", json!("x")), invalid),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_type_that_is_asked_for_must_be_the_headers() {
    let step = step(&with_secret(json!({ "require": { "typ": ["at+jwt"] } })));
    for (kind, status) in [
        (json!("at+jwt"), 200),
        (json!("application/AT+JWT"), 200),
        (json!("JWT"), 401),
        (json!(""), 401),
        (Value::Null, 401),
    ] {
        let token = hs256(&json!({ "alg": "HS256", "typ": kind }), &alice(), SECRET.as_bytes());
        assert_eq!(present(&step, &token).await.0.status(), status, "{kind}");
    }
}

#[tokio::test]
async fn the_identity_is_what_the_config_says() {
    let invalid = Some("PF-2062");
    let config = with_secret(
        json!({ "claims": { "subject": "/user/id", "app": "azp", "into": ["role", "/user/id"] } }),
    );
    let right = json!({ "user": { "id": "u1" }, "azp": "wallet" });
    let but = |name: &str, value: Value| {
        let mut claims = right.clone();
        claims[name] = value;
        claims
    };
    expect(
        &config,
        &[
            (right.clone(), None),
            (but("azp", json!("other")), Some("PF-2065")),
            (but("azp", Value::Null), Some("PF-2065")),
            (but("azp", json!(["wallet"])), Some("PF-2065")),
            (but("user", json!({ "id": "" })), invalid),
            (but("user", json!({ "id": 1 })), invalid),
            (but("user", json!({ "id": "a\r\nb" })), invalid),
            (but("user", json!({ "id": "x".repeat(1_025) })), invalid),
            (but("user", Value::Null), invalid),
            // A claim that has no text must not look as if it were not there.
            (but("role", json!({ "a": 1 })), invalid),
            (but("role", json!(["a b"])), invalid),
            (but("role", json!([["a"]])), invalid),
            (but("role", json!([])), None),
        ],
    )
    .await;
    let (reply, _) = present(&step(&config), &token(&claims(&right))).await;
    let identity = reply.identity.unwrap();
    assert_eq!((&*identity.subject, identity.app.as_deref()), ("u1", Some("wallet")));
    assert_eq!(identity.claims.len(), 1, "a claim that is not there is left away");
    assert_eq!(identity.claims["id"], "u1");
}
