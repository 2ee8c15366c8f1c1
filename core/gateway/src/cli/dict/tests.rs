//! What is taken for a secret and what is not, and which messages are samples.

use super::samples::Samples;
use super::secrets::{Suspicion, suspect};
use std::fs;

#[test]
fn secrets_are_suspected() {
    use Suspicion::*;
    for (message, wanted) in [
        (r#"{"user":"a","password":"hunter2"}"#, Named("password")),
        (r#"{"Api-Key" : "k1"}"#, Named("Api-Key")),
        (r#"{\"access_token\": \"abc\"}"#, Named("access_token")),
        (r#"{"pin":4711}"#, Named("pin")),
        ("user=a&passwd=b", Named("passwd")),
        ("Cookie: sid=1", Named("Cookie")),
        ("Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.e30.c2ln", Credentials),
        ("auth Basic dXNlcjpwYXNzd29yZA==", Credentials),
        ("-----BEGIN PRIVATE KEY-----\nMC4CAQAw", Pem),
        (r#"{"k":"Zx81kQpLm02VbnTy7RfGhJ4sWc9Ae3Ud"}"#, Token(32)),
        (r#"{"k":"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b"}"#, Token(40)),
        (r#"{"n":"4111 1111 1111 1111"}"#, Card),
        (r#"{"n":"5500-0000-0000-0004"}"#, Card),
        (r#"{"n":"378282246310005"}"#, Card),
        ("6222021234567890128", Card),
    ] {
        assert_eq!(suspect(message.as_bytes()), Some(wanted), "{message}");
    }
}

#[test]
fn ordinary_messages_are_not_suspected() {
    for message in [
        r#"{"id":"6b6ff1e2-54c5-4c1b-a9e1-3d6c4a1f9e77","created_at":"2026-03-04T05:06:07Z"}"#,
        r#"{"etag":"0123456789abcdef0123456789abcdef"}"#,
        r#"{"password":null,"token":"","secret":{"kind":"none"},"pin":false,"cvv":"***"}"#,
        r#"{"next_page_token":"a","passwords_changed":3,"has_password":true}"#,
        r#"{"sent_at":1767225600000,"post_id":1234567890123456,"ids":[ 378282246310005]}"#,
        r#"{"n":"4111 1111 1111 1112","m":"41111111111111110000000","o":"x4111111111111111"}"#,
        r#"{"url":"https://img.shop.example.com/thumb/ab/abcdef0123456789abcdef01.webp"}"#,
        r#"{"name":"getOrderDetailsOfCustomerWithAddresses"}"#,
        "Bearer of bad news, and Basic knowledge",
        "0000000000000000000000000000000000000000000000",
    ] {
        assert_eq!(suspect(message.as_bytes()), None, "{message}");
    }
}

#[test]
fn samples_are_files_or_lines_in_the_order_of_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("b")).unwrap();
    fs::write(at("b/1"), "three\r\n\nfour").unwrap();
    fs::write(at("a"), "one\ntwo\n").unwrap();
    fs::write(at("c"), "").unwrap();
    fs::write(at(".hidden"), "no").unwrap();

    let read = |lines| {
        let samples = Samples::read(&[folder.path().to_owned()], lines).unwrap();
        let found = samples.iter().map(|sample| {
            let name = sample.file.strip_prefix(folder.path()).unwrap().display().to_string();
            (name, sample.line, String::from_utf8(sample.bytes.to_vec()).unwrap())
        });
        found.collect::<Vec<_>>()
    };
    let found = |file: &str, line, text: &str| (file.to_owned(), line, text.to_owned());
    assert_eq!(read(false), [found("a", 0, "one\ntwo\n"), found("b/1", 0, "three\r\n\nfour")]);
    assert_eq!(
        read(true),
        [
            found("a", 1, "one"),
            found("a", 2, "two"),
            found("b/1", 1, "three"),
            found("b/1", 3, "four")
        ]
    );
    assert!(Samples::read(&[at("c")], false).is_err());
    assert!(Samples::read(&[at("d")], false).is_err());
}
