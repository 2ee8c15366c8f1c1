//! The page's clients, run where their interpreter is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

use super::vectors::{JSON, vectors};
use std::{
    io::Write,
    process::{Command, Stdio},
};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/signature/clients");

/// Gives `script` the vectors and holds the lines it prints against theirs.
fn agrees(interpreter: &str, arguments: &[&str], script: &str) {
    let child = Command::new(interpreter)
        .args(arguments)
        .arg(script)
        .current_dir(FOLDER)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("{interpreter} is not here; its client was not run");
            return;
        }
        Err(error) => panic!("{interpreter}: {error}"),
    };
    child.stdin.take().unwrap().write_all(JSON.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{interpreter} failed");
    let printed = String::from_utf8(output.stdout).unwrap();
    let expected: Vec<_> = vectors().into_iter().map(|vector| vector.authorization).collect();
    assert_eq!(printed.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn the_client_in_python_agrees() {
    agrees(
        "python3",
        &["-c"],
        r#"
import json, sys
sys.path.insert(0, ".")
from sign import sign
for v in json.load(sys.stdin):
    print(sign(v["method"], v["url"], v["key_id"], v["secret"].encode(), v["body"].encode(),
               v["headers"], v["timestamp"], v["nonce"]))
assert sign("GET", "http://a/", "k", b"s") != sign("GET", "http://a/", "k", b"s"), "nonces differ"
"#,
    );
}

#[test]
fn the_client_in_javascript_agrees() {
    agrees(
        "node",
        &["--input-type=module", "-e"],
        r#"
import { readFileSync } from "node:fs";
const { sign } = await import(process.cwd() + "/sign.mjs");
for (const v of JSON.parse(readFileSync(0, "utf8"))) {
  console.log(sign(v.method, v.url, v.key_id, v.secret, v));
}
const once = () => sign("GET", "http://a/", "k", "s");
if (once() === once()) throw new Error("nonces differ");
"#,
    );
}

#[test]
fn the_page_shows_the_clients_as_they_are() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/plugins/signature.md");
    let page = std::fs::read_to_string(page).unwrap();
    for client in ["sign.py", "sign.mjs"] {
        let text = std::fs::read_to_string(format!("{FOLDER}/{client}")).unwrap();
        assert!(page.contains(&text), "docs/plugins/signature.md does not show {client}");
        let lines = text.lines().count();
        assert!(lines <= 25, "{client} has {lines} lines; it is meant to be copied");
    }
}
