//! Rust files: their head, their length, and what they must not name.

use paifang_tests::tidy::{Source, sources};

use crate::{holds_word, no_faults};

/// Lines that a file may have. Most have about 150; a longer one holds two ideas.
const LIMIT: usize = 450;

/// Files beyond the limit, with their length. It may shrink, and then it shrinks here too; no file
/// is added without a reason that a reviewer accepts.
const LONG: &[(&str, usize)] = &[];

/// How far a listed file may fall below its number before the number must follow.
const SLACK: usize = 20;

/// Files with `unsafe`, each with its reason.
const UNSAFE: &[(&str, &str)] = &[(
    "wasm-handlers/testbed/ops/src/memory.rs",
    "a guest looks through all of its memory for what another call should have left in none of it",
)];

/// Files that allow the lint `unsafe_code` without an `unsafe` of their own, each with its reason.
const ALLOWED: &[(&str, &str)] = &[
    ("core/wasm/src/contract.rs", DERIVES),
    ("core/wasm/src/host/crypto.rs", DERIVES),
    ("core/wasm/src/host/http.rs", DERIVES),
    ("core/wasm/src/host/kv.rs", DERIVES),
    ("core/wasm/src/host/logging.rs", DERIVES),
    ("core/wasm/src/host/wasi/io.rs", DERIVES),
    ("core/wasm/src/host/wasi/time.rs", DERIVES),
    ("wasm-handlers/guest-sdk/src/bindings/mod.rs", "what wit-bindgen makes of the contract"),
];
const DERIVES: &str = "derives wasmtime's traits, which say how records are laid out";

/// What only the gateway does: (text in the code, what it is about).
const GATEWAY_ONLY: &[(&str, &str)] = &[
    ("pingora", "only the gateway knows its host"),
    ("std::env", "only the gateway reads the environment; take a value instead"),
    ("env::var", "only the gateway reads the environment; take a value instead"),
    ("tracing_subscriber", "only the gateway installs a subscriber"),
    ("set_global_default", "only the gateway installs a subscriber"),
    ("TcpListener", "only the gateway opens sockets for listening"),
    ("UnixListener", "only the gateway opens sockets for listening"),
];

#[test]
fn every_module_begins_with_what_it_is_for() {
    let headless = sources(&[".rs"]).into_iter().filter(|file| !file.text.starts_with("//! "));
    let faults: Vec<String> =
        headless.map(|file| format!("{}:1: a module begins with `//! `", file.path)).collect();
    no_faults(&faults);
}

#[test]
fn files_are_short_and_long_ones_shrink() {
    let files = sources(&[".rs"]);
    let mut faults = Vec::new();
    for file in &files {
        let lines = file.text.lines().count();
        let listed = LONG.iter().find(|(path, _)| *path == file.path);
        match listed {
            None if lines > LIMIT => {
                faults.push(format!("{}: {lines} lines, {LIMIT} at most: split it", file.path));
            }
            Some((_, most)) if lines > *most => {
                faults
                    .push(format!("{}: {lines} lines, was {most}: it may only shrink", file.path));
            }
            Some((_, most)) if lines <= LIMIT || lines + SLACK < *most => {
                faults.push(format!("{}: {lines} lines: bring its entry down", file.path));
            }
            _ => {}
        }
    }
    for (path, _) in LONG.iter().filter(|(path, _)| !files.iter().any(|file| file.path == *path)) {
        faults.push(format!("{path}: listed as long, but not there"));
    }
    no_faults(&faults);
}

#[test]
fn unsafe_stands_only_where_it_is_listed() {
    let mut faults = Vec::new();
    for file in &sources(&[".rs"]) {
        let listed = UNSAFE.iter().any(|(path, _)| *path == file.path);
        let first = file.text.lines().enumerate().find(|(_, line)| {
            let code = line.split("//").next().unwrap_or_default();
            // A text may say the word; only what the compiler takes for the keyword counts.
            holds_word(code, "unsafe") && !code.contains('"')
        });
        match (first, listed) {
            (Some((at, _)), false) => {
                faults.push(format!("{}:{}: `unsafe` is not listed here", file.path, at + 1));
            }
            (None, true) => faults.push(format!("{}: listed, but has no `unsafe`", file.path)),
            _ => {}
        }
    }
    no_faults(&faults);
}

#[test]
fn unsafe_is_allowed_only_where_it_is_listed() {
    let mut faults = Vec::new();
    for file in &sources(&[".rs"]) {
        let mut code = file.text.lines().map(|line| line.split("//").next().unwrap_or_default());
        let attribute = |line: &str| line.contains("#!") || line.contains("#[");
        let allows = code.any(|line| {
            attribute(line) && line.contains("unsafe_code") && !line.contains("forbid")
        });
        match (allows, ALLOWED.iter().any(|(path, _)| *path == file.path)) {
            (true, false) => faults.push(format!("{}: `unsafe_code` is allowed", file.path)),
            (false, true) => faults.push(format!("{}: listed, but allows nothing", file.path)),
            _ => {}
        }
    }
    no_faults(&faults);
}

/// A library's own code: tests may do what they like.
fn is_library(file: &Source) -> bool {
    let inside = file.path.starts_with("core/") || file.path.starts_with("plugins/");
    let test = file.path.ends_with("tests.rs") || file.path.contains("/tests/");
    inside && file.path.contains("/src/") && !test && !file.path.starts_with("core/gateway/")
}

#[test]
fn what_only_the_gateway_does_stands_in_no_library() {
    let mut faults = Vec::new();
    for file in sources(&[".rs"]).iter().filter(|file| is_library(file)) {
        for (number, code) in file.code() {
            for (text, rule) in GATEWAY_ONLY.iter().filter(|(text, _)| code.contains(text)) {
                faults.push(format!("{}:{number}: `{text}`: {rule}", file.path));
            }
        }
    }
    no_faults(&faults);
}

#[test]
fn the_checks_see_the_tree() {
    let files = sources(&[".rs"]);
    assert!(files.iter().any(is_library), "no library was found");
    assert!(files.iter().any(|file| file.path == "xtask/src/main.rs"), "xtask was not found");
}
