//! Releases survive what happens to disks and processes.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;

use super::{ReleaseStore, StoreError};
use crate::snapshot::Snapshot;
use crate::source::{FileSource, MemoryFiles};
use crate::testing::{BASE, Workshop};

/// A directory of its own, removed at the end.
struct Scratch(tempfile::TempDir);

impl Scratch {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
    fn store(&self) -> ReleaseStore {
        ReleaseStore::open(self.0.path().join("releases")).unwrap()
    }
}

fn shop() -> Workshop {
    let shop = Workshop::new(format!("{BASE}include: [ \"apis/*.yaml\" ]\n"));
    shop.files.write(
        "apis/a.yaml",
        "apis: [ { id: a, match: { path: /a }, upstream: orders, handlers: [ auth: { secret: { file: ../secret } } ] } ]\n",
    );
    shop.files.write("secret", "hunter2");
    shop
}

fn save(store: &ReleaseStore, shop: &mut Workshop, previous: Option<&Snapshot>) -> Snapshot {
    let snapshot = shop.build(previous).unwrap();
    store.save(&snapshot).unwrap();
    snapshot
}

#[test]
fn a_release_comes_back_as_it_was_without_its_secrets() {
    let scratch = Scratch::new();
    let store = scratch.store();
    let mut shop = shop();
    assert_eq!(store.next_number().unwrap(), 1);
    let first = save(&store, &mut shop, None);
    store.mark_good(1).unwrap();

    // Today the files say something else, and the secret was exchanged.
    shop.files.write("gateway.yaml", "broken: [");
    shop.files.write("apis/b.yaml", "also broken: [");
    shop.files.write("secret", "hunter3");
    shop.build(None).unwrap_err();
    let release = scratch.store().load(scratch.store().last_good().unwrap().unwrap()).unwrap();
    let files = std::mem::take(&mut shop.files);
    let again =
        shop.build_from(&release.files(&files), &release.manifest().origin(), None).unwrap();
    assert_eq!(again.hash(), first.hash());
    assert_eq!(release.manifest().hash, first.hash().to_string());
    assert!(again.api("a").is_some());

    // Nothing on disk holds a secret.
    let mut looked_at = 0;
    let mut queue = vec![scratch.0.path().to_owned()];
    while let Some(path) = queue.pop() {
        if path.is_dir() {
            queue.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            looked_at += 1;
            assert!(!String::from_utf8_lossy(&fs::read(path).unwrap()).contains("hunter"));
        }
    }
    assert_eq!(looked_at, 4, "two files, the manifest, the note of the last good one");
}

#[test]
fn modules_are_kept_and_come_back_as_they_were() {
    let scratch = Scratch::new();
    let store = scratch.store();
    let mut shop = Workshop::new(format!("{BASE}include: [ \"apis/*.yaml\" ]\n"));
    shop.files.write(
        "apis/a.yaml",
        "wasm: { risk: { file: ../risk.wasm }, again: { file: ./../risk.wasm }, other: { file: /opt/o.wasm } }
apis: [ { id: a, match: { path: /a }, upstream: orders, handlers: [ risk: {}, again: {}, other: {} ] } ]
",
    );
    // No text, and longer than a page.
    let bytes = [b"module \xff\x00".as_slice(), &[7; 100_000]].concat();
    shop.files.write("risk.wasm", bytes.clone());
    shop.files.write("/opt/o.wasm", "module");
    let first = save(&store, &mut shop, None);
    let names: Vec<_> =
        store.load(1).unwrap().manifest().files.iter().map(|f| f.path.clone()).collect();
    assert_eq!(names.len(), 4, "two YAML files, and each module once: {names:?}");

    // Today the files are others, or not there any more.
    shop.files.write("risk.wasm", "broken");
    shop.files.remove("/opt/o.wasm".as_ref());
    assert!(shop.wrong().contains("it needs at least 32MiB"));
    let release = scratch.store().load(1).unwrap();
    let files = std::mem::take(&mut shop.files);
    let again = shop.build_from(&release.files(&files), &release.manifest().origin(), None);
    let again = again.unwrap();
    assert_eq!(again.hash(), first.hash());
    assert_eq!(&*again.module("risk").unwrap().bytes, bytes);

    // What a release was made of can be kept again.
    store.save(&again).unwrap();
    let place = store.directory().join("00000001/files/0002");
    fs::write(place, "module").unwrap();
    let damaged = store.load(1).unwrap_err().to_string();
    assert_eq!(damaged, "release 1 is damaged: apis/../risk.wasm was changed");
}

#[test]
fn references_lead_to_today_s_files_from_any_directory() {
    let scratch = Scratch::new();
    let store = scratch.store();
    let mut shop = shop();
    // The root was named relative to a directory in which the process does not run any more.
    let files = MemoryFiles::new([("/etc/gateway/secret", "x")]);
    let mut manifest = {
        let snapshot = shop.build(None).unwrap();
        store.save(&snapshot).unwrap()
    };
    manifest.base = "/etc/gateway".into();
    let release = super::ReleaseFiles::new(&manifest, store.load(1).unwrap().contents(), &files);
    assert_eq!(release.read("apis/../secret".as_ref(), 10).unwrap(), b"x");
    assert!(release.canonical("apis/a.yaml".as_ref()).is_ok());
    assert!(release.canonical("secret".as_ref()).is_err(), "not part of the release");
}

#[test]
fn what_a_snapshot_was_made_of_makes_it_again_whatever_the_files_say_by_now() {
    let mut shop = shop();
    shop.files.write(
        "gateway.yaml",
        format!("{BASE}include: [ \"apis/*.yaml\" ]\nwasm: {{ risk: {{ file: risk.wasm }} }}\n"),
    );
    shop.files.write("risk.wasm", "module");
    shop.files.write("over.yaml", "zone: north\n");
    shop.overlays.push("over.yaml");
    let first = shop.build(None).unwrap();
    for file in ["gateway.yaml", "over.yaml", "apis/a.yaml", "apis/b.yaml", "risk.wasm"] {
        shop.files.write(file, "broken: [");
    }
    shop.build(Some(&first)).unwrap_err();
    let files = std::mem::take(&mut shop.files);
    let held = super::ReleaseFiles::of(&first, &files);
    let again = shop.build_from(&held, &first.tree().origin, Some(&first)).unwrap();
    assert_eq!((again.hash(), again.built()), (first.hash(), 0));
    // And that one as well.
    let held = super::ReleaseFiles::of(&again, &files);
    let third = shop.build_from(&held, &again.tree().origin, Some(&again)).unwrap();
    assert_eq!((third.hash(), third.built()), (first.hash(), 0));
}

#[test]
fn plans_that_are_on_are_part_of_a_release() {
    let scratch = Scratch::new();
    let store = scratch.store();
    let plan = "plans: { calm: { changes: [ { add: { answer: {} } } ] } }\n";
    let mut shop = Workshop::with(plan);
    shop.switch(&["calm"]);
    let first = save(&store, &mut shop, None);
    assert_eq!(store.plans(1).unwrap(), first.plans());
    // A manifest of a version without plans has none.
    let manifest = store.directory().join("00000001/manifest.json");
    let mut text: serde_json::Value =
        serde_json::from_slice(&fs::read(&manifest).unwrap()).unwrap();
    text.as_object_mut().unwrap().remove("plans").unwrap();
    fs::write(&manifest, text.to_string()).unwrap();
    assert!(store.plans(1).unwrap().is_empty());
    assert!(matches!(store.plans(2), Err(StoreError::Missing(2))));
}

#[test]
fn what_a_crash_left_behind_is_no_release() {
    let scratch = Scratch::new();
    let store = scratch.store();
    let mut shop = shop();
    save(&store, &mut shop, None);
    // Killed while writing the second one, and while noting the last good one.
    let unfinished = store.directory().join(".new-00000002");
    fs::create_dir_all(unfinished.join("files")).unwrap();
    fs::write(unfinished.join("files/0000"), "vers").unwrap();
    fs::write(store.directory().join("last-good.new"), "").unwrap();
    assert_eq!(store.list().unwrap().len(), 1);
    let store = scratch.store();
    assert!(!unfinished.exists());
    assert_eq!(store.list().unwrap().len(), 1);
    assert_eq!(store.last_good().unwrap(), None);
    assert_eq!(store.next_number().unwrap(), 2);
    save(&store, &mut shop, None);
    assert_eq!(store.list().unwrap()[0].number, 2);
}

#[test]
fn a_number_is_given_once() {
    let scratch = Scratch::new();
    let store = scratch.store();
    let mut shop = shop();
    let snapshot = save(&store, &mut shop, None);
    let again = store.save(&snapshot);
    assert!(matches!(again, Err(StoreError::Exists(1))));
    store.mark_good(1).unwrap();
    fs::remove_dir_all(store.directory().join("00000001")).unwrap();
    assert_eq!(store.next_number().unwrap(), 2);
}

#[test]
fn damage_is_told() {
    let scratch = Scratch::new();
    let store = scratch.store();
    let mut shop = shop();
    for _ in 0..3 {
        save(&store, &mut shop, None);
    }
    let place = |number: u64| store.directory().join(format!("{number:08}"));
    fs::write(place(1).join("files/0001"), "apis: []").unwrap();
    fs::remove_file(place(2).join("files/0000")).unwrap();
    fs::write(place(3).join("manifest.json"), "{").unwrap();
    let told = |number| store.load(number).unwrap_err().to_string();
    assert_eq!(told(1), "release 1 is damaged: apis/a.yaml was changed");
    assert!(told(2).starts_with("release 2 is damaged: gateway.yaml: "), "{}", told(2));
    assert!(told(3).starts_with("release 3 is damaged: manifest.json: "), "{}", told(3));
    assert_eq!(told(4), "there is no release 4");
    let list = store.list().unwrap();
    assert_eq!(
        list.iter().map(|one| one.manifest.is_some()).collect::<Vec<_>>(),
        [false, true, true]
    );
}

#[test]
fn old_ones_go_but_never_those_in_use() {
    let scratch = Scratch::new();
    let store = scratch.store();
    let mut shop = shop();
    for _ in 0..6 {
        save(&store, &mut shop, None);
    }
    store.mark_good(2).unwrap();
    store.pin(Some(3)).unwrap();
    assert_eq!(store.prune(2, 1).unwrap(), [4]);
    let numbers: Vec<u64> = store.list().unwrap().iter().map(|one| one.number).collect();
    assert_eq!(numbers, [6, 5, 3, 2, 1]);
    assert_eq!(store.prune(0, 6).unwrap(), [1, 5]);
}

#[test]
fn a_pin_holds_until_it_is_let_go() {
    let scratch = Scratch::new();
    let store = scratch.store();
    assert_eq!(store.pinned().unwrap(), None);
    store.pin(Some(7)).unwrap();
    assert_eq!(scratch.store().pinned().unwrap(), Some(7));
    store.pin(None).unwrap();
    store.pin(None).unwrap();
    assert_eq!(store.pinned().unwrap(), None);
}

#[test]
fn a_store_that_cannot_be_written_says_so() {
    let scratch = Scratch::new();
    let file = scratch.0.path().join("file");
    fs::write(&file, "").unwrap();
    // A file where the directory should be: also for a process that may write anywhere.
    let told = ReleaseStore::open(file.join("releases")).unwrap_err().to_string();
    assert!(told.starts_with("cannot create "), "{told}");
    let store = scratch.store();
    let mut shop = shop();
    let snapshot = shop.build(None).unwrap();
    fs::remove_dir_all(store.directory()).unwrap();
    fs::write(store.directory(), "").unwrap();
    let told = store.save(&snapshot).unwrap_err().to_string();
    assert!(told.starts_with("cannot create "), "{told}");
    assert!(store.mark_good(1).is_err() && store.list().is_err());
}
