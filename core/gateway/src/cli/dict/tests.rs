//! What is taken for a secret and what is not, which messages are samples, and what is written.

use super::samples::Samples;
use super::secrets::{Suspicion, suspect};
use super::{args::TrainArguments, load, train::train};
use crate::cli::Failed;
use clap::Parser;
use std::{fs, path::Path};

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    train: TrainArguments,
}

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

#[test]
fn samples_are_read_up_to_a_limit() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("a"), "one").unwrap();
    fs::write(at("b"), "two2").unwrap();
    assert!(Samples::read_up_to(7, &[at("a"), at("b")], false).is_ok());
    let why = Samples::read_up_to(6, &[at("a"), at("b")], false).unwrap_err();
    assert!(
        matches!(&why, Failed::Said(why) if why.contains("/b: the samples up to this one are more than 6B")),
        "{why:?}"
    );
    let why = Samples::read_up_to(1 << 10, &[at("a"), "/dev/zero".into()], false).unwrap_err();
    assert!(matches!(&why, Failed::Said(why) if why.starts_with("/dev/zero: ")), "{why:?}");
}

#[test]
fn a_dictionary_is_written_over_what_is_the_same_or_by_force() {
    let folder = tempfile::tempdir().unwrap();
    let (samples, out) = (folder.path().join("lines"), folder.path().join("out"));
    let lines: Vec<_> = (0..400)
        .map(|n| format!("{{\"order\":{n},\"state\":\"delivered\",\"shop\":{}}}", n * 7919 % 1000))
        .collect();
    fs::write(&samples, lines.join("\n")).unwrap();
    let train = |out: &Path, more: &[&str]| {
        let words = ["train", "--lines", "--size", "1KiB", "-o", out.to_str().unwrap()];
        let samples = [samples.to_str().unwrap()];
        train(&Line::parse_from(words.iter().chain(more).chain(&samples)).train)
    };
    train(&out, &[]).unwrap();
    let written = fs::read(&out).unwrap();
    assert_eq!(load(&out, 3).unwrap().bytes(), &written[..]);
    train(&out, &[]).unwrap();
    fs::write(&out, "something else").unwrap();
    let there = "there is such a file; --force writes over it";
    // The second one has no end that reading would come to.
    for out in [&out, Path::new("/dev/full")] {
        let why = train(out, &[]).unwrap_err();
        assert!(matches!(&why, Failed::Said(why) if why.ends_with(there)), "{why:?}");
    }
    train(&out, &["--force"]).unwrap();
    assert_eq!(fs::read(&out).unwrap(), written);
    let why = train(Path::new("/dev/full"), &["--force"]).unwrap_err();
    assert!(matches!(&why, Failed::Said(why) if why.contains("No space left")), "{why:?}");
}

#[test]
fn what_is_too_long_for_a_dictionary_is_not_read() {
    let why = load(Path::new("/dev/zero"), 3).unwrap_err();
    assert!(
        matches!(&why, Failed::Said(why) if why == "/dev/zero: it has more than 128KiB"),
        "{why:?}"
    );
}
