//! What counts as a change.
#![allow(clippy::unwrap_used)]

use super::*;
use std::thread;
use tempfile::TempDir;

fn package() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    for file in ["Cargo.toml", "src/lib.rs", "target/x.rs", ".git/config", "notes.txt"] {
        write(&root, file, "1");
    }
    for left in ["src/.lib.rs.swp", "src/lib.rs~", "handlers/a.wasm", "handlers/a.wasm.7.part"] {
        write(&root, left, "1");
    }
    (dir, root)
}

fn write(root: &Path, file: &str, text: &str) {
    let file = root.join(file);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
}

#[test]
fn source_counts_and_what_is_built_does_not() {
    let (_dir, root) = package();
    let watch = Watch::begin(&root, Vec::new()).unwrap();
    let seen: Vec<&Path> =
        watch.seen.keys().map(|file| file.strip_prefix(&root).unwrap()).collect();
    assert_eq!(seen, [Path::new("Cargo.toml"), Path::new("src/lib.rs")]);
}

#[test]
fn a_change_is_told_whenever_it_came() {
    let (_dir, root) = package();
    let mut watch = Watch::begin(&root, Vec::new()).unwrap();
    // While nobody waits, as during a build.
    write(&root, "src/lib.rs", "22");
    fs::remove_file(root.join("Cargo.toml")).unwrap();
    assert_eq!(watch.next().unwrap(), [root.join("Cargo.toml"), root.join("src/lib.rs")]);
    // While somebody waits; what does not count comes before it.
    let writer = {
        let root = root.clone();
        thread::spawn(move || {
            write(&root, "notes.txt", "333");
            write(&root, "target/x.rs", "333");
            write(&root, "src/lib.rs", "333");
        })
    };
    assert_eq!(watch.next().unwrap(), [root.join("src/lib.rs")]);
    writer.join().unwrap();
}

#[test]
fn a_new_folder_is_watched_too() {
    let (_dir, root) = package();
    let mut watch = Watch::begin(&root, Vec::new()).unwrap();
    write(&root, "tests/cases.yaml", "1");
    assert_eq!(watch.next().unwrap(), [root.join("tests/cases.yaml")]);
    let writer = {
        let root = root.clone();
        thread::spawn(move || write(&root, "tests/cases.yaml", "22"))
    };
    assert_eq!(watch.next().unwrap(), [root.join("tests/cases.yaml")]);
    writer.join().unwrap();
}

#[test]
fn a_config_elsewhere_counts_and_what_we_write_does_not() {
    let (_dir, root) = package();
    let elsewhere = tempfile::tempdir().unwrap();
    let config = elsewhere.path().canonicalize().unwrap().join("gateway.yaml");
    fs::write(&config, "1").unwrap();
    let mut watch = Watch::begin(&root, vec![config.clone()]).unwrap();
    write(&root, "src/lib.rs", "22");
    write(&root, "Cargo.lock", "1");
    watch.ours(&root.join("src/lib.rs"));
    watch.ours(&root.join("Cargo.lock"));
    watch.ours(&root.join("never.rs"));
    fs::write(&config, "22").unwrap();
    assert_eq!(watch.next().unwrap(), [config]);
}
