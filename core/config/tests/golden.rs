//! Golden tests of error texts: files in, rendered diagnostics out.
//!
//! A case is one file in `tests/golden/config`. Lines that begin with `=== ` divide it:
//! `=== file NAME` and `=== bytes NAME` (with `\xNN` escapes) give files, the first one is the
//! root; `=== overlay NAME` gives an overlay; `=== env NAME=VALUE` sets a variable; `=== compile
//! hosted` and `=== compile bare` have what loads compiled, with a host of modules and without;
//! `=== expect` is followed by what must come out, `ok` when nothing is wrong. `UPDATE_GOLDEN=1`
//! rewrites that part.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod host;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use paifang_config::source::{MemoryFiles, Origin, ParseCache};

#[derive(Default)]
struct Case {
    files: Vec<(String, Vec<u8>)>,
    overlays: Vec<PathBuf>,
    env: HashMap<String, String>,
    /// It is compiled, with a host or without.
    hosted: Option<bool>,
    expected: String,
    /// Everything up to and with the `=== expect` line.
    head: String,
}

fn parse(text: &str) -> Case {
    let mut case = Case::default();
    let mut into: Option<(String, bool)> = None;
    let mut body = String::new();
    let finish = |into: &mut Option<(String, bool)>, body: &mut String, case: &mut Case| {
        if let Some((name, escaped)) = into.take() {
            let bytes =
                if escaped { unescape(body.trim_end_matches('\n')) } else { body.clone().into() };
            case.files.push((name, bytes));
        }
        body.clear();
    };
    let mut lines = text.split_inclusive('\n');
    for line in lines.by_ref() {
        case.head.push_str(line);
        let Some(rest) = line.trim_end().strip_prefix("=== ") else {
            body.push_str(line);
            continue;
        };
        finish(&mut into, &mut body, &mut case);
        match rest.split_once(' ') {
            Some(("file", name)) => into = Some((name.to_owned(), false)),
            Some(("bytes", name)) => into = Some((name.to_owned(), true)),
            Some(("overlay", name)) => {
                case.overlays.push(name.into());
                into = Some((name.to_owned(), false));
            }
            Some(("env", pair)) => {
                let (name, value) = pair.split_once('=').expect("NAME=VALUE");
                case.env.insert(name.to_owned(), value.to_owned());
            }
            Some(("compile", how)) => case.hosted = Some(how == "hosted"),
            None if rest == "expect" => break,
            _ => panic!("unknown line: {line}"),
        }
    }
    case.expected = lines.collect();
    case
}

/// `\xNN` becomes a byte, `\n` a line end, all else stays.
fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        rest = &rest[at + 1..];
        if let Some(hex) = rest.strip_prefix('x') {
            out.push(u8::from_str_radix(&hex[..2], 16).expect("two hex digits"));
            rest = &hex[2..];
        } else if let Some(after) = rest.strip_prefix('n') {
            out.push(b'\n');
            rest = after;
        } else {
            out.push(b'\\');
        }
    }
    out.extend_from_slice(rest.as_bytes());
    out
}

fn outcome(case: &Case) -> String {
    let files = MemoryFiles::new(case.files.iter().cloned());
    let origin = Origin { root: case.files[0].0.clone().into(), overlays: case.overlays.clone() };
    let env = |name: &str| case.env.get(name).cloned();
    let loaded = paifang_config::load(&origin, &env, &files, &mut ParseCache::new());
    let done = match case.hosted {
        None => loaded.map(drop),
        Some(hosted) => {
            loaded.and_then(|loaded| host::compiled(loaded, &env, &files, hosted)).map(drop)
        }
    };
    match done {
        Ok(()) => "ok\n".into(),
        Err(diagnostics) => diagnostics.render(),
    }
}

#[test]
fn errors_read_as_recorded() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/config");
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut paths: Vec<PathBuf> = std::fs::read_dir(&directory)
        .expect("the cases")
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(paths.len() >= 20, "the cases are gone");
    let mut wrong = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(&path).expect("UTF-8");
        let case = parse(&text);
        let outcome = outcome(&case);
        if outcome == case.expected {
            continue;
        }
        if update {
            std::fs::write(&path, case.head.clone() + &outcome).expect("writable");
        } else {
            wrong.push(format!("{}:\n{outcome}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "changed; UPDATE_GOLDEN=1 records:\n{}", wrong.join("\n"));
}
