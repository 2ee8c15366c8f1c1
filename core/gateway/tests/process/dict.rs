//! `paifang dict`: what is trained, tried and refused, and with which exit code.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn dict(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_paifang"));
    command.current_dir(folder).arg("dict").args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Messages of one kind with ids and words of their own.
fn messages(count: u64) -> String {
    let words = ["lamp", "chair", "table", "shelf", "carpet", "mirror", "clock"];
    let line = |n: u64| {
        let (id, word) = (n.wrapping_mul(0x9E37_79B9_7F4A_7C15), words[(n % 7) as usize]);
        format!(
            r#"{{"order_id":"ord_{id:016x}","state":"SHIPPED","items":[{{"title":"{word}","quantity":{}}}],"currency":"CNY","total":{}}}"#,
            n % 5 + 1,
            id % 10_000,
        )
    };
    (0..count).map(|n| line(n) + "\n").collect()
}

#[test]
fn a_dictionary_is_trained_shown_and_tried() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("orders.jsonl"), messages(600)).unwrap();

    let trained =
        dict(folder.path(), &["train", "--lines", "orders.jsonl", "--size", "2KiB", "--json"]);
    assert!(trained.status.success(), "{}", text(&trained.stderr));
    let told: serde_json::Value = serde_json::from_slice(&trained.stdout).unwrap();
    let id = told["id"].as_str().unwrap().to_owned();
    let file = told["file"].as_str().unwrap().to_owned();
    assert_eq!(file, format!("{id}.zdict"));
    assert!(fs::metadata(at(&file)).unwrap().len() <= 2048);
    let held = &told["held_out"]["all"];
    let number = |name: &str| held[name].as_u64().unwrap();
    let used = told["trained_with"]["messages"].as_u64().unwrap();
    assert_eq!(used + number("messages"), 600);
    assert!((60..=180).contains(&number("messages")), "{held}");
    assert!(number("dictionary_bytes") * 2 < number("bytes"), "{held}");
    assert!(number("dictionary_bytes") < number("alone_bytes"), "{held}");

    // The same samples give the same dictionary, which is there already.
    let again = dict(folder.path(), &["train", "--lines", "orders.jsonl", "--size", "2KiB"]);
    assert!(again.status.success(), "{}", text(&again.stderr));
    assert!(text(&again.stdout).contains(&id) && text(&again.stdout).contains("with dictionary"));

    let info = text(&dict(folder.path(), &["info", &file]).stdout);
    assert!(info.contains(&id), "{info}");

    // As files, one a message.
    fs::create_dir(at("today")).unwrap();
    for (index, line) in messages(40).lines().enumerate() {
        fs::write(at(&format!("today/{index}")), line).unwrap();
    }
    let tried = dict(folder.path(), &["try", &file, "today", "--level", "9"]);
    assert!(text(&tried.stdout).starts_with("40 messages, at level 9"), "{}", text(&tried.stdout));
}

#[test]
fn samples_with_secrets_are_refused_unless_it_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let with = messages(300).replacen('{', r#"{"password":"hunter2-hunter2","#, 7);
    fs::write(folder.path().join("s.jsonl"), with).unwrap();
    let refused = dict(folder.path(), &["train", "--lines", "s.jsonl", "-o", "s.zdict"]);
    let why = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{why}");
    assert!(why.contains("s.jsonl:1: a value of `password`"), "{why}");
    assert!(why.contains("--allow-secrets") && !why.contains("hunter2"), "{why}");
    assert!(!folder.path().join("s.zdict").exists());

    let all = ["train", "--lines", "s.jsonl", "-o", "s.zdict", "--allow-secrets", "--size", "2KiB"];
    let taken = dict(folder.path(), &all);
    let warned = text(&taken.stderr);
    assert!(taken.status.success() && warned.contains("seem to hold secrets"), "{warned}");
    assert!(!warned.contains("hunter2"), "{warned}");
    assert!(folder.path().join("s.zdict").exists());
}

#[test]
fn what_cannot_be_done_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("few.jsonl", &messages(9));
    write("many.jsonl", &messages(100));
    write("there.zdict", "something else");
    for (arguments, code, why) in [
        (&["train", "--lines", "few.jsonl"][..], 1, "too few"),
        (&["train", "--lines", "many.jsonl", "--size", "1MiB"], 1, "not within 1KiB and 128KiB"),
        (&["train", "--lines", "many.jsonl", "--size", "2KiB", "-o", "there.zdict"], 1, "--force"),
        (&["train", "nothing"], 1, "nothing: "),
        (&["train", "--lines", "many.jsonl", "--level", "20"], 2, "--level"),
        (&["train"], 2, "<FILE|FOLDER>"),
        (&["info", "there.zdict"], 1, "no trained Zstandard dictionary"),
        (&["try", "there.zdict", "few.jsonl"], 1, "no trained Zstandard dictionary"),
    ] {
        let done = dict(folder.path(), arguments);
        let said = text(&done.stderr);
        assert_eq!(done.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(why), "{arguments:?}: {said}");
    }
    assert_eq!(fs::read(folder.path().join("there.zdict")).unwrap(), b"something else");
    let forced =
        ["train", "--lines", "many.jsonl", "--size", "2KiB", "-o", "there.zdict", "--force"];
    let done = dict(folder.path(), &forced);
    assert!(done.status.success(), "{}", text(&done.stderr));
    // Eighty messages are taken, and said to be few.
    assert!(text(&done.stderr).contains("are few to train with"), "{}", text(&done.stderr));
}
