//! Golden tests of what plugins say of wrong configs, as a user sees it.
//!
//! A case is one file in `tests/golden/plugins`: `=== file gateway.yaml` with a config, then
//! `=== expect` with what must come out, `ok` when nothing is wrong. Secrets that the config names
//! are set. `UPDATE_GOLDEN=1` rewrites what is expected.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use paifang_tests::{
    plugins::{OneConfig, compiled, variables_of},
    tidy::root,
};
use std::fs;

const EXPECT: &str = "=== expect\n";

#[test]
fn wrong_configs_are_told_as_they_should_be() {
    let mut paths: Vec<_> = fs::read_dir(root().join("tests/golden/plugins"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "golden"))
        .collect();
    paths.sort();
    assert!(!paths.is_empty());
    let mut faults = Vec::new();
    for path in paths {
        let case = fs::read_to_string(&path).unwrap();
        let (head, expected) = case.split_once(EXPECT).expect("a line `=== expect`");
        let text = head.strip_prefix("=== file gateway.yaml\n").expect("a config first").to_owned();
        let variables = variables_of(&text);
        let files = OneConfig { path: "gateway.yaml".into(), text };
        let told = match compiled("gateway.yaml", &files, &variables) {
            Ok(_) => "ok\n".to_owned(),
            Err(told) => format!("{}\n", told.trim_end()),
        };
        let secret = variables.values().find(|secret| told.contains(*secret));
        assert!(secret.is_none(), "{}: a secret is told", path.display());
        if told == expected {
            continue;
        }
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, format!("{head}{EXPECT}{told}")).unwrap();
        } else {
            faults.push(format!("{}: expected\n{expected}\nfound\n{told}", path.display()));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
