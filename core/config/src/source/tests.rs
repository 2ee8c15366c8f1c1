//! Files into one tree.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::{FileSource, MemoryFiles, Origin, ParseCache, RealFiles, Tree, load_tree, merge};
use crate::yaml::{Budget, FileId, Node, parse, to_value};

fn load(files: &dyn FileSource, cache: &mut ParseCache, root: &Path, overlays: &[&str]) -> Tree {
    let overlays = overlays.iter().map(|path| Path::new(path).to_owned()).collect();
    let origin = Origin { root: root.to_owned(), overlays };
    let env = |name: &str| (name == "SET").then(|| "set".to_owned());
    load_tree(&origin, &env, files, cache, &Budget::default()).unwrap()
}

fn memory(files: &[(&str, &str)], overlays: &[&str]) -> Value {
    let source = MemoryFiles::new(files.iter().copied());
    let root = Path::new(files[0].0);
    to_value(&load(&source, &mut ParseCache::new(), root, overlays).root)
}

fn node(text: &str) -> Node {
    parse(FileId(0), text.as_bytes(), &Budget::default()).unwrap()
}

#[test]
fn includes_add_up_in_sorted_order() {
    let tree = memory(
        &[
            (
                "conf/gateway.yaml",
                "include: [ 'apis/*.yaml', extra.yaml ]\napis: [ { id: 0 } ]\nupstreams: { a: 1 }",
            ),
            ("conf/apis/b.yaml", "apis: [ { id: 2 } ]"),
            (
                "conf/apis/a.yaml",
                "apis: [ { id: 1 } ]\nupstreams: { b: 2 }\ninclude: [ ../extra.yaml ]",
            ),
            ("conf/apis/.hidden.yaml", "apis: [ { id: 9 } ]"),
            ("conf/apis/deep/c.yaml", "apis: [ { id: 9 } ]"),
            ("conf/extra.yaml", "log: { level: info }"),
        ],
        &[],
    );
    assert_eq!(
        tree,
        json!({
            "apis": [ { "id": 0 }, { "id": 1 }, { "id": 2 } ],
            "upstreams": { "a": 1, "b": 2 },
            "log": { "level": "info" }
        })
    );
}

#[test]
fn overlays_merge_by_the_rules() {
    let tree = memory(
        &[
            (
                "g.yaml",
                "log: { level: info, format: text }
admin: { address: a }
listeners: [ { name: x, limits: { idle: 1s } }, { name: y } ]
apis: [ { id: a, handlers: [ 1, 2 ], timeout: 1s }, { id: b } ]
chains: { c: [ 1 ] }",
            ),
            (
                "one.yaml",
                "log: { level: debug }
admin: null
listeners: [ { name: x, limits: { header: 2s } } ]
apis: [ { id: c }, { id: a, handlers: [ 3 ], timeout: null } ]
chains: { c: [ 2 ], d: [ { k: null } ], e: { f: null, g: 1 } }",
            ),
            ("two.yaml", "log: { level: warn }"),
        ],
        &["one.yaml", "two.yaml"],
    );
    assert_eq!(
        tree,
        json!({
            "log": { "level": "warn", "format": "text" },
            "listeners": [ { "name": "x", "limits": { "idle": "1s", "header": "2s" } }, { "name": "y" } ],
            "apis": [ { "id": "a", "handlers": [ 3 ] }, { "id": "b" }, { "id": "c" } ],
            "chains": { "c": [ 2 ], "d": [ { "k": null } ], "e": { "g": 1 } }
        })
    );
}

#[test]
fn what_was_overridden_is_remembered() {
    let (base, over) = (node("a: { b: 1, c: 2 }"), node("\na: { b: 3 }"));
    let merged = merge(&merge(&base, &over), &node("\n\na: { b: 4 }"));
    let b = merged.get("a").and_then(|a| a.get("b")).unwrap();
    assert_eq!((b.as_text(), b.span.line), (Some("4"), 3));
    let lines: Vec<u32> = b.overrode.as_deref().unwrap().iter().map(|span| span.line).collect();
    assert_eq!(lines, [1, 2]);
    let c = merged.get("a").and_then(|a| a.get("c")).unwrap();
    assert!(c.overrode.is_none());
}

#[test]
fn what_an_overlay_replaced_needs_no_variable() {
    let tree = memory(
        &[
            ("g.yaml", "log: { level: \"${UNSET}\", format: \"${SET}\" }"),
            ("o.yaml", "log: { level: info }"),
        ],
        &["o.yaml"],
    );
    assert_eq!(tree, json!({ "log": { "level": "info", "format": "set" } }));
}

#[test]
fn unchanged_files_are_not_parsed_again() {
    let files =
        MemoryFiles::new([("g.yaml", "include: [ a.yaml ]"), ("a.yaml", "log: { level: info }")]);
    let mut cache = ParseCache::new();
    let root = Path::new("g.yaml");
    load(&files, &mut cache, root, &[]);
    load(&files, &mut cache, root, &[]);
    assert_eq!(cache.files_parsed(), 2);
    files.write("a.yaml", "log: { level: warn }");
    let tree = load(&files, &mut cache, root, &[]);
    assert_eq!(cache.files_parsed(), 3);
    assert_eq!(to_value(&tree.root), json!({ "log": { "level": "warn" } }));
    // A file that left the config is forgotten, so that the cache does not grow.
    files.write("g.yaml", "log: { level: info }");
    load(&files, &mut cache, root, &[]);
    files.write("g.yaml", "include: [ a.yaml ]");
    load(&files, &mut cache, root, &[]);
    assert_eq!(cache.files_parsed(), 6);
}

#[test]
fn real_files_are_read_again_only_when_they_may_have_changed() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("g.yaml");
    let write = |text: &str, age: Duration| {
        fs::write(&root, text).unwrap();
        let file = fs::File::options().append(true).open(&root).unwrap();
        file.set_modified(SystemTime::now() - age).unwrap();
    };
    let mut cache = ParseCache::new();
    let mut level = |expected: &str| {
        let tree = load(&RealFiles, &mut cache, &root, &[]);
        assert_eq!(tree.root.get("log").and_then(Node::as_text), Some(expected));
        cache.files_parsed()
    };
    let hour = Duration::from_secs(3600);
    write("log: a", hour);
    assert_eq!(level("a"), 1);
    // Same length and time of change, long ago: taken as unchanged, not even read.
    let modified = fs::metadata(&root).unwrap().modified().unwrap();
    fs::write(&root, "log: b").unwrap();
    fs::File::options().append(true).open(&root).unwrap().set_modified(modified).unwrap();
    assert_eq!(level("a"), 1);
    // A moment ago: the clock's step may hide a change, so the content decides.
    write("log: c", Duration::ZERO);
    assert_eq!(level("c"), 2);
    let modified = fs::metadata(&root).unwrap().modified().unwrap();
    fs::write(&root, "log: d").unwrap();
    fs::File::options().append(true).open(&root).unwrap().set_modified(modified).unwrap();
    assert_eq!(level("d"), 3);
    assert_eq!(level("d"), 3);
}

#[test]
fn real_directories_with_odd_names_are_searched() {
    let directory = tempfile::tempdir().unwrap();
    let odd = directory.path().join("conf [old] *");
    fs::create_dir_all(odd.join("apis/sub.yaml")).unwrap();
    fs::write(odd.join("g.yaml"), "include: [ 'apis/*.yaml' ]").unwrap();
    fs::write(odd.join("apis/b.yaml"), "apis: [ b ]").unwrap();
    fs::write(odd.join("apis/a.yaml"), "apis: [ a ]").unwrap();
    let tree = load(&RealFiles, &mut ParseCache::new(), &odd.join("g.yaml"), &[]);
    assert_eq!(to_value(&tree.root), json!({ "apis": [ "a", "b" ] }));
    assert_eq!(tree.directories.iter().next().unwrap(), &odd.join("apis"));
}

#[test]
fn a_directory_or_pipe_is_no_file() {
    let directory = tempfile::tempdir().unwrap();
    let origin = Origin { root: directory.path().to_owned(), overlays: Vec::new() };
    let read =
        load_tree(&origin, &|_| None, &RealFiles, &mut ParseCache::new(), &Budget::default());
    let told = read.unwrap_err().to_string();
    assert!(told.starts_with("cannot read "), "{told}");
    let missing = Origin { root: directory.path().join("none"), overlays: Vec::new() };
    let read =
        load_tree(&missing, &|_| None, &RealFiles, &mut ParseCache::new(), &Budget::default());
    assert!(read.unwrap_err().to_string().starts_with("no such file: "));
}

#[test]
fn secrets_come_from_variables_and_files() {
    use paifang_pipeline::{SecretRef, Secrets};
    let files = MemoryFiles::new([
        ("conf/one", b"value\r\n".to_vec()),
        ("conf/two", b"\n".to_vec()),
        ("conf/long", vec![b'x'; 65_537]),
    ]);
    let env = |name: &str| match name {
        "SET" => Some("value".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    };
    let sources = super::SecretSources { env: &env, files: &files };
    let within = sources.within(Path::new("conf"));
    let get = |reference| within.resolve(&reference).map(|secret| secret.expose().to_vec());
    assert_eq!(get(SecretRef::Env("SET".into())), Ok(b"value".to_vec()));
    assert_eq!(get(SecretRef::File("one".into())), Ok(b"value".to_vec()));
    for (reference, message) in [
        (SecretRef::Env("EMPTY".into()), "the variable `EMPTY` with the secret is not set"),
        (SecretRef::Env("NONE".into()), "the variable `NONE` with the secret is not set"),
        (SecretRef::File("two".into()), "the secret in conf/two is empty"),
        (SecretRef::File("long".into()), "the secret in conf/long has more than 65536 bytes"),
    ] {
        assert_eq!(get(reference).unwrap_err(), message);
    }
}
