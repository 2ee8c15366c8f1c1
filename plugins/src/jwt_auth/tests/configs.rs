//! Configs that are refused, and what steps share.

use super::*;
use crate::testing::refuses;

fn keys(key: Value) -> Value {
    json!({ "keys": [key] })
}

fn hs(more: Value) -> Value {
    with_secret(more)
}

#[test]
fn wrong_configs_are_refused_at_their_place() {
    let secret = |text: &str, algorithm: &str| {
        keys(json!({ "secret": { "env": text }, "algorithm": algorithm }))
    };
    let vectors = vectors();
    let set = |keys: Value| json!({ "jwks": { "env": json!({ "keys": keys }).to_string() } });
    let private = "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n";
    let two = json!([
        { "secret": { "env": SECRET }, "algorithm": "HS256" },
        { "secret": { "env": SECRET }, "algorithm": "HS384" },
    ]);
    refuses(
        &JwtAuth::default(),
        &[
            (json!({ "keys": [] }), "/keys", "expected 1 to 16 entries, found 0", ""),
            (keys(json!({})), "/keys/0", "an entry has one of `secret`, `pem` and `jwks`", ""),
            (
                keys(json!({ "secret": { "env": SECRET } })),
                "/keys/0/secret",
                "a secret needs one of HS256, HS384 and HS512 as its algorithm",
                "",
            ),
            (
                secret("short", "HS256"),
                "/keys/0/secret",
                "a secret here has 32 to 1024 bytes, not 5",
                "",
            ),
            (
                secret(&"x".repeat(47), "HS384"),
                "/keys/0/secret",
                "a secret here has 48 to 1024 bytes, not 47",
                "",
            ),
            (secret(SECRET, "RS256"), "/keys/0/secret", "such a key is not for RS256", ""),
            (
                keys(json!({ "pem": { "env": vectors["pem"]["rsa"] }, "algorithm": "HS256" })),
                "/keys/0/pem",
                "such a key is not for HS256",
                "",
            ),
            (keys(json!({ "pem": { "env": "x" } })), "/keys/0/pem", "no PEM", ""),
            (
                keys(json!({ "pem": { "env": private } })),
                "/keys/0/pem",
                "this is a private key; tokens are verified with the public one",
                "",
            ),
            (
                keys(set(json!([vectors["weak"]]))),
                "/keys/0/jwks",
                "no set of keys: no usable key: keys/0: an RSA key has 2048 to 8192 bits, not 1024",
                "",
            ),
            (
                keys(set(json!([]))),
                "/keys/0/jwks",
                "no set of keys: no usable key: there are none",
                "",
            ),
            (
                keys(json!({ "jwks": { "env": "[]" } })),
                "/keys/0/jwks",
                "no set of keys: no acceptable JSON object",
                "",
            ),
            (
                keys(json!({ "jwks": {} })),
                "/keys/0/jwks",
                "a set has one of `file`, `env`, `url` and `upstream`",
                "",
            ),
            (
                keys(json!({ "jwks": { "upstream": "idp" } })),
                "/keys/0/jwks/upstream",
                "there is no upstream `idp`",
                "upstreams stand under",
            ),
            (
                keys(json!({ "jwks": { "env": "x", "refresh": "1m" } })),
                "/keys/0/jwks",
                "`path`, `refresh`, `stale_if_error` and `timeout` are of a `url` or an `upstream`",
                "",
            ),
            (
                keys(json!({ "jwks": { "url": "http://idp.test/keys" } })),
                "/keys/0/jwks/url",
                "keys are fetched by `https`",
                "name an `upstream`",
            ),
            (
                keys(json!({ "jwks": { "url": "https://a@idp.test/keys" } })),
                "/keys/0/jwks/url",
                "`https://a@idp.test/keys` is no URL of a server",
                "write `https://",
            ),
            (
                keys(json!({ "jwks": { "url": "https://idp.test/keys", "path": "/a" } })),
                "/keys/0/jwks/path",
                "the path stands in the `url`",
                "",
            ),
            (
                keys(json!({ "jwks": { "url": "https://idp.test/keys" } })),
                "/keys/0/jwks/url",
                "this gateway makes no calls by URL",
                "name an `upstream`",
            ),
            (
                keys(json!({ "id": "a", "jwks": { "env": "x" } })),
                "/keys/0/id",
                "the keys of a set have ids of their own",
                "",
            ),
            (
                keys(json!({ "algorithm": "RS256", "jwks": { "env": "x" } })),
                "/keys/0/algorithm",
                "the keys of a set say themselves what they are for",
                "write `algorithms`",
            ),
            (
                hs(json!({ "algorithms": [] })),
                "/algorithms",
                "an empty list would let nobody in",
                "",
            ),
            (hs(json!({ "issuer": [] })), "/issuer", "expected 1 to 16 texts, found 0", ""),
            (
                hs(json!({ "audience": [""] })),
                "/audience/0",
                "expected 1 to 1024 bytes, found 0",
                "",
            ),
            (
                hs(json!({ "audience": "a", "any_audience": true })),
                "/any_audience",
                "there is an `audience`",
                "leave one of the two away",
            ),
            (
                json!({ "keys": two, "issuer": ["a", "b"] }),
                "/keys/0",
                "whose keys these are must be said",
                "write `issuer` into each",
            ),
            (
                keys(json!({ "secret": { "env": SECRET }, "algorithm": "HS256", "issuer": "c" })),
                "/keys/0/issuer",
                "`c` is no `issuer` of this step",
                "",
            ),
            (hs(json!({ "leeway": "11m" })), "/leeway", "expected 0s to 10m, found `11m`", ""),
            (
                hs(json!({ "max_size": "17KiB" })),
                "/max_size",
                "expected 1B to 16KiB, found `17KiB`",
                "",
            ),
            (
                hs(json!({ "cache": 1_000_001 })),
                "/cache",
                "expected 0 to 1000000, found `1000001`",
                "",
            ),
            (hs(json!({ "from": [] })), "/from", "a token has 1 to 8 places, not 0", ""),
            (
                hs(json!({ "from": [{ "cookie": "a b" }] })),
                "/from/0/cookie",
                "`a b` is no cookie's name",
                "",
            ),
            (
                hs(json!({ "from": [{ "cookie": "a" }, { "cookie": "a" }] })),
                "/from/1/cookie",
                "this place stands here twice",
                "",
            ),
            (
                hs(json!({ "claims": { "into": ["a", "/b/a"] } })),
                "/claims/into/1",
                "`a` is empty or stands here twice",
                "called by its last part",
            ),
            (
                hs(json!({ "require": { "max_age": "0s" } })),
                "/require/max_age",
                "expected 1s at least, found `0s`",
                "",
            ),
            (
                hs(json!({ "realm": "\"" })),
                "/realm",
                "a realm is 1 to 128 printable ASCII characters",
                "without quotes",
            ),
        ],
    );
}

#[test]
fn of_a_set_what_is_not_for_here_is_left_aside() {
    use crate::jwt_auth::jwks::{Origin, read};
    let signer = Signer::new("good");
    let but = |name: &str, value: Value| {
        let mut jwk = signer.jwk();
        jwk[name] = value;
        jwk
    };
    let oct = json!({ "kty": "oct", "alg": "HS256", "k": base64(SECRET) });
    let keys = vec![
        json!(1),
        json!({}),
        json!({ "kty": "OKP", "crv": "X25519", "x": base64([0; 32]) }),
        json!({ "kty": "AKP", "alg": "ML-DSA-44" }),
        but("use", json!("enc")),
        but("key_ops", json!(["sign"])),
        but("crv", json!("P-521")),
        but("alg", json!("ES384")),
        but("alg", json!("none")),
        but("x", json!("AAAA")),
        but("x", json!(7)),
        but("kid", json!("")),
        vectors()["weak"].clone(),
        json!({ "kty": "RSA", "n": vectors()["jwks"]["keys"][0]["n"], "e": "AQ" }),
        json!({ "kty": "RSA", "n": vectors()["jwks"]["keys"][0]["n"], "e": "BAAA" }),
        json!({ "kty": "oct", "k": base64(SECRET) }),
        oct.clone(),
        signer.jwk(),
    ];
    let text = json!({ "keys": keys, "more": {} }).to_string();
    for (origin, usable) in [(Origin::Config, 2), (Origin::Server, 1)] {
        let Ok(set) = read(text.as_bytes(), origin) else { panic!("not read") };
        assert_eq!((set.keys.len(), set.skipped.len()), (usable, 18 - usable), "{:?}", set.skipped);
        assert!(!set.skipped.concat().contains(&base64(SECRET)), "a secret is told");
    }
    let wrong = |text: &str| read(text.as_bytes(), Origin::Server).err().unwrap();
    assert!(
        wrong(&json!({ "keys": [oct] }).to_string()).contains("a secret that a server publishes")
    );
    assert_eq!(wrong(&json!({ "keys": {} }).to_string()), "no list `keys`");
    let many: Vec<Value> = (0..101).map(|_| signer.jwk()).collect();
    assert_eq!(wrong(&json!({ "keys": many }).to_string()), "a set has at most 100 keys, not 101");
    assert!(
        wrong(&" ".repeat(256 * 1024 + 1)).starts_with("a set of keys has at most 262144 bytes")
    );
}

#[test]
fn what_it_writes_is_declared() {
    for (claims, writes) in [
        (json!({}), &["identity".into()][..]),
        (json!({ "app": "azp" }), &["identity".into(), "app".into()][..]),
    ] {
        for overrides in [false, true] {
            let built = built(&hs(json!({ "claims": claims, "override": overrides }))).unwrap();
            assert_eq!((built.writes.as_slice(), built.overrides), (writes, overrides));
        }
    }
}
