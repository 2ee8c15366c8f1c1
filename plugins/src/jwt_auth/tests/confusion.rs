//! Tokens that want to be taken for what they are not.

use super::*;
use crate::jwt_auth::token::TokenError;

#[tokio::test]
async fn nobody_passes_without_a_signature() {
    let step = step(&with_secret(json!({})));
    for name in ["none", "None", "NONE", "nOnE", "", "HS256 ", "hs256", "HS128", "ES256K", "RSA1_5"]
    {
        let signed = unsigned(&json!({ "alg": name }), &alice());
        for signature in [String::new(), base64("x"), base64(SECRET)] {
            refused(&step, &format!("{signed}.{signature}"), "PF-2062").await;
        }
    }
    for alg in [Value::Null, json!(1), json!(["HS256"]), json!({ "HS256": 1 })] {
        refused(&step, &hs256(&json!({ "alg": alg }), &alice(), SECRET.as_bytes()), "PF-2062")
            .await;
    }
    let signed = unsigned(&json!({ "alg": "HS256" }), &alice());
    let good = token(&alice());
    let (_, signature) = good.rsplit_once('.').unwrap();
    for token in [
        format!("{signed}."),
        signed.clone(),
        format!("{signed}.{signature}."),
        format!("{signed}.{signature}=="),
        format!("{signed}.{}", &signature[..signature.len() - 4]),
        format!("{signed}.{signature}AAAA"),
        format!(".{signed}.{signature}"),
        format!("{signed}..{signature}"),
    ] {
        refused(&step, &token, "PF-2062").await;
    }
    assert_eq!(present(&step, &good).await.0.status(), 200);
}

#[tokio::test]
async fn no_public_key_is_a_secret() {
    let vectors = vectors();
    let jwk = &vectors["jwks"]["keys"][0];
    let modulus = URL_SAFE_NO_PAD.decode(jwk["n"].as_str().unwrap()).unwrap();
    let pem = vectors["pem"]["rsa"].as_str().unwrap();
    let all = json!(["HS256", "HS384", "HS512", "RS256", "PS256"]);
    for key in [
        json!({ "id": "rsa", "pem": { "env": pem } }),
        json!({ "jwks": { "env": vectors["jwks"].to_string() } }),
    ] {
        for algorithms in [Value::Null, all.clone()] {
            let config = json!({ "keys": [key], "algorithms": algorithms });
            let step = step(&config);
            let text = jwk.to_string();
            let secrets: [&[u8]; 5] = [
                pem.as_bytes(),
                pem.trim().as_bytes(),
                &modulus,
                text.as_bytes(),
                jwk["n"].as_str().unwrap().as_bytes(),
            ];
            for secret in secrets {
                for header in [json!({ "alg": "HS256" }), json!({ "alg": "HS256", "kid": "rsa" })] {
                    refused(&step, &hs256(&header, &alice(), secret), "PF-2062").await;
                }
            }
        }
    }
}

#[tokio::test]
async fn the_key_decides_on_the_algorithm() {
    let vectors = vectors();
    // A token's signature under the name of another algorithm.
    let step = step(&json!({
        "keys": [
            { "jwks": { "env": vectors["jwks"].to_string() } },
            { "secret": { "env": vectors["secret"] }, "algorithm": "HS256", "id": "secret" },
        ],
        "any_audience": true,
    }));
    for (algorithm, token) in vectors["tokens"].as_object().unwrap() {
        let parts: Vec<&str> = token.as_str().unwrap().split('.').collect();
        for other in vectors["tokens"].as_object().unwrap().keys().filter(|name| *name != algorithm)
        {
            for id in ["rsa", "p256", "secret"] {
                let header = base64(json!({ "alg": other, "kid": id }).to_string());
                refused(&step, &format!("{header}.{}.{}", parts[1], parts[2]), "PF-2062").await;
            }
        }
    }
}

#[tokio::test]
async fn a_kid_is_looked_up_and_nothing_else() {
    let signer = Signer::new("one");
    let step = step(&with_set(&[signer.jwk()]));
    assert_eq!(present(&step, &signer.token(&alice())).await.0.status(), 200);
    for id in [
        "",
        "One",
        "one ",
        "one\0",
        "../../../../dev/null",
        "/etc/passwd",
        "x' UNION SELECT 'key' --",
        "http://127.0.0.1/jwks.json",
        "$(id)",
        "%6fne",
        "{{ kid }}",
    ] {
        refused(&step, &signer.sign(&json!({ "alg": "ES256", "kid": id }), &alice()), "PF-2062")
            .await;
        // An empty secret, which the content of `/dev/null` would be.
        refused(&step, &hs256(&json!({ "alg": "HS256", "kid": id }), &alice(), b""), "PF-2062")
            .await;
    }
    for id in [json!("k".repeat(257)), json!(1), json!(null), json!(["one"])] {
        refused(&step, &signer.sign(&json!({ "alg": "ES256", "kid": id }), &alice()), "PF-2062")
            .await;
    }
}

#[tokio::test]
async fn a_key_that_the_token_brings_is_none() {
    let (ours, theirs) = (Signer::new("one"), Signer::new("one"));
    let step = step(&with_set(&[ours.jwk()]));
    for (name, value) in [
        ("jwk", theirs.jwk()),
        ("jku", json!("http://127.0.0.1:1/jwks.json")),
        ("x5u", json!("http://127.0.0.1:1/cert.pem")),
        ("x5c", json!(["MIIB"])),
    ] {
        let mut header = json!({ "alg": "ES256", "kid": "one" });
        header[name] = value;
        refused(&step, &theirs.sign(&header, &alice()), "PF-2062").await;
        // Nor does it harm one that is signed as it should be.
        assert_eq!(present(&step, &ours.sign(&header, &alice())).await.0.status(), 200, "{name}");
    }
}

#[tokio::test]
async fn extensions_that_must_be_understood_are_not() {
    let step = step(&with_secret(json!({})));
    for more in [
        json!({ "crit": ["b64"], "b64": false }),
        json!({ "crit": ["exp"], "exp": 1 }),
        json!({ "crit": [] }),
        json!({ "crit": null }),
        json!({ "b64": false }),
    ] {
        let mut header = json!({ "alg": "HS256" });
        header.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        refused(&step, &hs256(&header, &alice(), SECRET.as_bytes()), "PF-2062").await;
    }
}

#[tokio::test]
async fn a_token_is_not_too_large_nor_nested_nor_ambiguous() {
    let small = step(&with_secret(json!({ "max_size": "1KiB" })));
    let large = step(&with_secret(json!({ "max_size": "16KiB" })));
    let padded = |bytes: usize| {
        let mut claims = alice();
        claims["pad"] = json!("x".repeat(bytes));
        token(&claims)
    };
    assert_eq!(present(&small, &padded(600)).await.0.status(), 200);
    refused(&small, &padded(1_000), "PF-2062").await;
    assert_eq!(present(&large, &padded(11_000)).await.0.status(), 200);
    refused(&large, &padded(13_000), "PF-2062").await;
    refused(&large, &padded(1_000_000), "PF-2062").await;
    refused(&large, &".".repeat(16_000), "PF-2062").await;
    refused(&large, &"A".repeat(16_000), "PF-2062").await;

    let raw = |claims: &str| {
        let signed = format!("{}.{}", base64("{\"alg\":\"HS256\"}"), base64(claims));
        let tag =
            hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), signed.as_bytes());
        format!("{signed}.{}", base64(tag))
    };
    let nested = |levels: usize| {
        let (open, close) = ("[".repeat(levels), "]".repeat(levels));
        raw(&format!("{{\"sub\":\"alice\",\"exp\":{},\"a\":{open}{close}}}", NOW + 60))
    };
    assert_eq!(present(&large, &nested(15)).await.0.status(), 200);
    for levels in [16, 200, 5_000] {
        refused(&large, &nested(levels), "PF-2062").await;
    }
    for claims in [
        format!("{{\"sub\":\"alice\",\"exp\":{0},\"exp\":{0}}}", NOW + 60),
        format!("{{\"sub\":\"bob\",\"exp\":{},\"s\\u0075b\":\"alice\"}}", NOW + 60),
        format!("{{\"sub\":\"alice\",\"exp\":{}}} {{}}", NOW + 60),
        "[]".to_owned(),
        "null".to_owned(),
        String::new(),
    ] {
        refused(&large, &raw(&claims), "PF-2062").await;
    }
}

#[test]
fn a_text_has_one_reading() {
    let good = token(&alice());
    let parts: Vec<&str> = good.split('.').collect();
    let read = |text: &str| Token::parse(text.as_bytes()).map(drop);
    assert_eq!(read(&good), Ok(()));
    let join = |header: &str, claims: &str, tag: &str| format!("{header}.{claims}.{tag}");
    // The last of 43 digits has two bits too many: only where they are zero it is the one spelling.
    let mut other = parts[2].to_owned();
    let last = other.pop().unwrap();
    let digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let at = digits.find(last).unwrap();
    other.push(digits.as_bytes()[at | 1] as char);
    for (text, error) in [
        (join(parts[0], parts[1], &other), TokenError::Base64),
        (join(parts[0], parts[1], &format!("{}+", parts[2])), TokenError::Base64),
        (
            join(parts[0], parts[1], &parts[2].replace('_', "/").replacen('A', "\n", 1)),
            TokenError::Base64,
        ),
        (join(&format!("{} ", parts[0]), parts[1], parts[2]), TokenError::Base64),
        (join(&base64("{}"), parts[1], parts[2]), TokenError::Algorithm),
        (join(&base64("[]"), parts[1], parts[2]), TokenError::Json),
        (join("", parts[1], parts[2]), TokenError::Json),
        (join(parts[0], "", parts[2]), TokenError::Json),
        (format!("{good}.x.y"), TokenError::Parts),
        ("..".to_owned(), TokenError::Json),
        (String::new(), TokenError::Parts),
        ("x".repeat(16_385), TokenError::TooLong),
    ] {
        if text != good {
            assert_eq!(read(&text), Err(error), "{text:.200}");
        }
    }
}
