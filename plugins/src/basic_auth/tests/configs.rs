//! Wrong configs, and what right ones declare.

use super::*;
use crate::testing::refuses;

#[test]
fn wrong_configs_are_refused_at_their_place() {
    let user = |user: Value| json!({ "users": [user] });
    let hashed = |hash: &str| user(json!({ "name": "a", "hash": hash }));
    let named = |name: &str| user(json!({ "name": name, "hash": BCRYPT_2B }));
    let file = |text: String| json!({ "htpasswd": { "env": text } });
    let many: serde_json::Map<String, Value> =
        (0..17).map(|number| (format!("c{number}"), json!("v"))).collect();
    let argon2 = |costs: &str| ARGON2ID.replace("m=256,t=2,p=1", costs);
    let not_taken = "no hash that is taken here: ";
    let mut table = vec![
        (json!({}), "", "there are no users, so nobody could come in".to_owned()),
        (file("# none\n".to_owned()), "", "there are no users, so nobody could come in".to_owned()),
        (
            user(json!({ "name": "a" })),
            "/users/0",
            "a user has one of `hash` and `password`".into(),
        ),
        (
            user(json!({ "name": "a", "hash": BCRYPT_2B, "password": { "env": "x" } })),
            "/users/0",
            "a user has one of `hash` and `password`".into(),
        ),
        (named(""), "/users/0/name", "a name has 1 to 255 bytes, not 0".into()),
        (named(&"n".repeat(256)), "/users/0/name", "a name has 1 to 255 bytes, not 256".into()),
        (named("a:b"), "/users/0/name", "a name has no colons and no control characters".into()),
        (named("a\tb"), "/users/0/name", "a name has no colons and no control characters".into()),
        (
            json!({ "users": [
                { "name": "a", "hash": BCRYPT_2B }, { "name": "a", "hash": BCRYPT_2Y }
            ] }),
            "/users/1/name",
            "the user `a` is there twice".into(),
        ),
        (
            user(json!({ "name": "a", "hash": BCRYPT_2B, "app": "walet" })),
            "/users/0/app",
            "there is no app `walet`".into(),
        ),
        (
            user(json!({ "name": "a", "hash": BCRYPT_2B, "claims": many })),
            "/users/0/claims",
            "expected at most 16 claims, found 17".into(),
        ),
        (
            user(json!({ "name": "a", "hash": BCRYPT_2B, "claims": { "a/b": "v".repeat(1_025) } })),
            "/users/0/claims/a~1b",
            "a claim's name and value have at most 1024 bytes".into(),
        ),
        (
            user(json!({ "name": "a", "password": { "env": "" } })),
            "/users/0/password",
            "the password has 0 bytes, not 1 to 1024".into(),
        ),
        (
            user(json!({ "name": "a", "password": { "env": "a\n" } })),
            "/users/0/password",
            "the password has a control character".into(),
        ),
        (file(format!("a:{BCRYPT_2B}\nnothing")), "/htpasswd", "line 2: not `name:hash`".into()),
        (
            file("a:$apr1$c29tZXNh$cXVpdGVzZWNyZXQu".to_owned()),
            "/htpasswd",
            format!("line 1: {not_taken}neither bcrypt nor Argon2id"),
        ),
        (
            file(format!("a:{BCRYPT_2B}\na:{BCRYPT_2B}")),
            "/htpasswd",
            "line 2: the user `a` is there twice".into(),
        ),
    ];
    for (hash, message) in [
        ("plain text".to_owned(), "neither bcrypt nor Argon2id"),
        ("{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=".to_owned(), "neither bcrypt nor Argon2id"),
        (BCRYPT_2B.replace("$2b$", "$2x$"), "neither bcrypt nor Argon2id"),
        (BCRYPT_2B[..59].to_owned(), "no whole bcrypt hash"),
        (BCRYPT_2B.replace("$04$", "$15$"), "bcrypt of cost 15, not 4 to 14"),
        (BCRYPT_2B.replace("$04$", "$03$"), "bcrypt of cost 3, not 4 to 14"),
        (ARGON2ID.replace("id$", "i$"), "neither bcrypt nor Argon2id"),
        (ARGON2ID.replace("v=19", "v=16"), "Argon2id of another version than 19"),
        (argon2("m=65537,t=2,p=1"), "Argon2id with m=65537, not 1 to 65536"),
        (argon2("m=256,t=17,p=1"), "Argon2id with t=17, not 1 to 16"),
        (argon2("m=256,t=2,p=17"), "Argon2id with p=17, not 1 to 16"),
        (argon2("m=4,t=2,p=1"), "no whole Argon2id hash"),
        (argon2("t=2,m=256,p=1"), "no whole Argon2id hash"),
        (argon2("m=256,t=2"), "no whole Argon2id hash"),
        (argon2("m=256,t=2,p=1,x=1"), "no whole Argon2id hash"),
        (format!("{ARGON2ID}$"), "no whole Argon2id hash"),
        (
            ARGON2ID.replace("c29tZXNhbHQ", "c29t"),
            "Argon2id with a salt or a hash of another length than 8 to 64 bytes",
        ),
    ] {
        table.push((hashed(&hash), "/users/0/hash", format!("{not_taken}{message}")));
    }
    for (config, pointer, message) in table {
        let Err(error) = built(&BasicAuth::default(), &config) else {
            panic!("{config} was taken")
        };
        assert_eq!((&*error.pointer, &*error.message), (pointer, &*message), "{config}");
    }
    refuses(
        &BasicAuth::default(),
        &[
            (
                json!({ "remember": "61m", "users": [] }),
                "/remember",
                "expected 0s to 1h, found `1h1m`",
                "",
            ),
            (
                json!({ "realm": "a \"b\"", "users": [] }),
                "/realm",
                "a realm is 1 to 128 printable ASCII characters",
                "without quotes",
            ),
            (
                json!({ "realm": "", "users": [] }),
                "/realm",
                "a realm is 1 to 128 printable ASCII characters",
                "without quotes",
            ),
            (
                hashed("secret-in-the-wrong-place"),
                "/users/0/hash",
                "no hash that is taken here: neither bcrypt nor Argon2id",
                "`htpasswd -nB NAME` makes bcrypt",
            ),
        ],
    );
}

#[test]
fn there_is_an_end_of_users() {
    let lines = |count: usize| -> String {
        (0..count).map(|number| format!("u{number}:{BCRYPT_2B}\n")).collect()
    };
    let config = |count| json!({ "htpasswd": { "env": lines(count) } });
    assert!(built(&BasicAuth::default(), &config(10_000)).is_ok());
    let Err(error) = built(&BasicAuth::default(), &config(10_001)) else { panic!("taken") };
    assert_eq!(error.message, "line 10001: more than 10000 users");
    let huge = json!({ "htpasswd": { "env": "#".repeat(4 * 1024 * 1024 + 1) } });
    let Err(error) = built(&BasicAuth::default(), &huge) else { panic!("taken") };
    assert_eq!(error.message, "4194305 bytes of users, not 4 MiB at most");
}

#[test]
fn what_it_writes_is_declared() {
    for (config, writes) in [
        (users(), &["identity".into(), "app".into()][..]),
        (json!({ "users": [{ "name": "b", "hash": BCRYPT_2B }] }), &["identity".into()][..]),
    ] {
        for overrides in [false, true] {
            let mut config = config.clone();
            config["override"] = json!(overrides);
            let built = built(&BasicAuth::default(), &config).unwrap();
            assert_eq!((built.writes.as_slice(), built.overrides), (writes, overrides));
        }
    }
}
