//! `paifang handler new`: what it makes, and what it refuses.

use crate::{
    package::Package,
    process::{Folder, run, saying},
};
use std::{fs, process::Command};

#[test]
fn what_is_no_name_is_refused_and_nothing_is_made() {
    let folder = Folder::new(&saying("x"));
    for (name, why) in [
        ("Greet", "begins with a letter; lower-case letters"),
        ("2fast", "begins with a letter"),
        ("a/b", "lower-case letters, digits"),
        ("fn", "a word of the Rust language"),
        ("serde", "that name is taken"),
    ] {
        let done = folder.run(&["handler", "new", name]);
        assert_eq!(done.code, 2, "{name}: {done:?}");
        assert!(done.err.contains(why), "{name}: {done:?}");
    }
    let stage = folder.run(&["handler", "new", "greet", "--stage", "reqest"]);
    assert_eq!(stage.code, 2, "{stage:?}");
    assert!(stage.err.contains("'request'"), "{stage:?}");
    let taken = folder.run(&["handler", "new", "throttle"]);
    assert_eq!(taken.code, 1, "{taken:?}");
    assert!(taken.err.contains("`throttle` is a step that the gateway has already"), "{taken:?}");
    assert_eq!(fs::read_dir(folder.path("")).unwrap().count(), 1, "only the config is there");
}

#[test]
fn a_folder_with_something_in_it_is_left_alone() {
    let folder = Folder::new(&saying("x"));
    folder.write("greet/mine.txt", "mine");
    let done = folder.run(&["handler", "new", "greet"]);
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.err.contains("greet: the folder is not empty; name another one"), "{done:?}");
    assert_eq!(fs::read_dir(folder.path("greet")).unwrap().count(), 1);
    // An empty one will do, and one that has to be made.
    fs::create_dir(folder.path("empty")).unwrap();
    for path in ["empty", "some/where"] {
        let done = folder.run(&["handler", "new", "greet", "--path", path]);
        assert_eq!(done.code, 0, "{done:?}");
        assert!(folder.path(path).join("src/lib.rs").is_file());
        assert!(done.out.contains(&format!("cd {path}\n")), "{done:?}");
    }
}

#[test]
fn a_handler_of_every_stage_builds_and_passes_its_cases() {
    let stages = "request,request-with-body,response,response-with-body,log";
    let package = Package::new("new-whole", &["--stage", stages]);
    let lock = package.read("Cargo.lock");
    let built = package.build();
    for line in [
        "target/handlers/new-whole.wasm\n",
        "stages      configure, request, request-with-body, response, response-with-body, log\n",
        "grants      log\n",
        "config      header, greeting\n",
        "probes      1\n",
    ] {
        assert!(built.out.contains(line), "`{line}` is not in {built:?}");
    }
    assert!(!built.err.contains("warning"), "{}", built.err);
    assert_eq!(package.read("Cargo.lock"), lock, "the lock is whole as it is");
    let file = package.module();
    let cases = package.run(&["handler", "test", &file.to_string_lossy(), "tests/cases.yaml"]);
    assert_eq!(cases.code, 0, "{cases:?}");
    assert!(cases.out.ends_with("3 cases passed\n"), "{cases:?}");
    // So do the tests of its functions.
    let mut cargo = Command::new("cargo");
    cargo.args(["test", "--lib", "--locked"]).current_dir(package.path(""));
    cargo.env("CARGO_TARGET_DIR", package.target());
    let tests = run(&mut cargo);
    assert_eq!(tests.code, 0, "{tests:?}");
    assert!(tests.out.contains("test result: ok. 3 passed"), "{tests:?}");
    // The gateway that it brings takes it.
    let check = package.run(&["check"]);
    assert_eq!(check.code, 0, "{check:?}");
}
