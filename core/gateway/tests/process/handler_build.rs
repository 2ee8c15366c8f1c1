//! `paifang handler build`: what is no handler is told, and no file is put for it.

use crate::{
    package::Package,
    process::{Folder, saying},
};
use std::fs;

#[test]
fn what_does_not_compile_is_told_by_the_compiler() {
    let package = Package::new("build-broken", &[]);
    package.edit("src/lib.rs", "config.greet(name)", "config.great(name)");
    let done = package.run(&["handler", "build"]);
    assert_eq!(done.code, 1, "{}", done.err);
    assert!(done.err.contains("error[E0599]: no method named `great`"), "{}", done.err);
    assert!(done.err.contains("--> src/lib.rs:"), "{}", done.err);
    assert!(done.err.ends_with("build-broken does not build\n"), "{}", done.err);
    assert!(done.out.is_empty() && !package.module().exists());
}

#[test]
fn what_fails_its_probes_takes_no_file_s_place() {
    let package = Package::new("build-probes", &[]);
    fs::create_dir_all(package.path("target/handlers")).unwrap();
    fs::write(package.module(), "the one before").unwrap();
    package.edit("probes.yaml", "Hello, Ada!", "Hello, Bob!");
    let done = package.run(&["handler", "build"]);
    assert_eq!(done.code, 1, "{}", done.err);
    assert!(done.out.contains("FAILED  a caller is greeted (its probes)"), "{done:?}");
    assert!(done.out.contains("expected `Hello, Bob!`, found `Hello, Ada!`"), "{done:?}");
    assert!(done.err.ends_with("1 of 1 cases failed\n"), "{}", done.err);
    assert_eq!(fs::read(package.module()).unwrap(), b"the one before");

    package.edit("probes.yaml", "Hello, Bob!", "Hello, Ada!");
    let done = package.run(&["handler", "build", "--offline", "--out", "put/here.wasm"]);
    assert_eq!(done.code, 0, "{}", done.err);
    assert!(done.out.starts_with("put/here.wasm\n"), "{done:?}");
    assert_eq!(&fs::read(package.path("put/here.wasm")).unwrap()[..4], b"\0asm");
}

#[test]
fn what_is_no_package_of_a_handler_is_told() {
    let folder = Folder::new(&saying("x"));
    let done = folder.run(&["handler", "build"]);
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.err.contains("no Cargo.toml is there; `paifang handler new NAME`"), "{done:?}");
    let done = folder.run(&["handler", "build", "nowhere"]);
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.err.contains("nowhere: No such file"), "{done:?}");

    let package = Package::new("build-plain", &[]);
    package.edit("Cargo.toml", "crate-type = [\"cdylib\", \"rlib\"]", "");
    let done = package.run(&["handler", "build"]);
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.err.contains("it makes no module. In its Cargo.toml"), "{done:?}");
    package.edit("Cargo.toml", "[package]", "[pakage]");
    let done = package.run(&["handler", "build"]);
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.err.contains("Cargo.toml"), "{done:?}");
}

#[test]
fn who_has_no_compiler_is_told_what_to_type() {
    let package = Package::new("build-bare", &[]);
    let mut command = package.command(&["handler", "build", "--offline"]);
    command.env("PATH", package.path("src")).env_remove("RUSTC");
    let done = crate::process::run(&mut command);
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.err.contains("missing: a compiler for wasm32-unknown-unknown"), "{done:?}");
    assert!(done.err.contains("install Rust as https://rustup.rs says"), "{done:?}");
}
