//! `paifang handler dev`: what is good goes live, and what is not never gets near the gateway.

use crate::{package::Package, process::Gateway};
use std::fs;

fn greeting(gateway: &Gateway) -> String {
    let (status, answer) = crate::process::get(gateway.public(), "/", "x-caller: Ada\r\n");
    assert_eq!(status, 200, "{answer}");
    answer.lines().last().unwrap_or_default().to_owned()
}

#[test]
fn only_what_builds_and_passes_goes_live() {
    let package = Package::new("dev-once", &[]);
    package.build();
    let gateway = Gateway::start(&mut package.command(&["run"]));
    assert_eq!(greeting(&gateway), "Hello, Ada!");
    let admin = gateway.admin().to_string();
    let dev = || package.run(&["handler", "dev", "--once", "--admin", &admin]);
    let first = fs::read(package.module()).unwrap();

    package.edit("src/lib.rs", "\"{}, {name}!\"", "\"{}, dear {name}!\"");
    let done = dev();
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.out.contains("FAILED  a caller is greeted (its probes)"), "{done:?}");
    assert!(done.out.contains("FAILED  the greeting is the config's (tests/cases.yaml)"));
    assert!(done.err.ends_with("2 of 3 cases failed\n"), "{done:?}");
    package.edit("src/lib.rs", "fn hello()", "fn hallo()");
    let done = dev();
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.err.ends_with("dev-once does not build\n"), "{done:?}");
    assert_eq!(fs::read(package.module()).unwrap(), first, "it is not replaced");
    assert!(!gateway.log().contains("release 2"), "nobody asked the gateway:\n{}", gateway.log());

    package.edit("src/lib.rs", "fn hallo()", "fn hello()");
    package.edit("probes.yaml", ", Ada!", ", dear Ada!");
    package.edit("tests/cases.yaml", ", Ada!", ", dear Ada!");
    let done = dev();
    assert_eq!(done.code, 0, "{done:?}");
    for line in
        ["built in ", "3 cases passed\n", "placed as target/", "release 2 is live", "~ wasm"]
    {
        assert!(done.out.contains(line), "`{line}` is not in {done:?}");
    }
    assert_eq!(greeting(&gateway), "Hello, dear Ada!");
    gateway.stop();
}

#[test]
fn what_the_gateway_refuses_is_told_at_its_place() {
    let package = Package::new("dev-refused", &[]);
    package.build();
    let gateway = Gateway::start(&mut package.command(&["run"]));
    let admin = gateway.admin().to_string();
    let sha256 = "0".repeat(64);
    package.edit("paifang.yaml", "    grants:", &format!("    sha256: {sha256}\n    grants:"));
    package.edit("src/lib.rs", "\"Hello\".to_owned()", "\"Hello\".into()");
    let done = package.run(&["handler", "dev", "--once", "--admin", &admin]);
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.err.contains("paifang.yaml:9:13"), "{done:?}");
    assert!(done.err.contains("is not the file that was locked"), "{done:?}");
    assert!(done.err.contains("The gateway serves the release before"), "{done:?}");
    assert_eq!(greeting(&gateway), "Hello, Ada!");
    gateway.stop();
    // Nobody is there any more.
    let done = package.run(&["handler", "dev", "--once", "--admin", &admin]);
    assert_eq!(done.code, 3, "{done:?}");
    assert!(done.err.contains("no gateway answers at 127.0.0.1:"), "{done:?}");
}

#[test]
fn where_it_goes_must_be_clear_before_anything_is_built() {
    let package = Package::new("dev-where", &[]);
    let why = |more: &[&str]| {
        let done = package.run(&[&["handler", "dev", "--once"], more].concat());
        assert_eq!(done.code, 1, "{done:?}");
        assert!(!done.out.contains("built"), "{done:?}");
        done.err
    };
    assert!(why(&["--entry", "other"]).contains("no `wasm` entry `other`; there are: dev-where"));
    assert!(why(&["--config", "no.yaml"]).contains("no.yaml: no such file; name the gateway's"));
    package.edit("paifang.yaml", "target/handlers/dev-where.wasm", "h.wasm");
    package.edit("paifang.yaml", "  dev-where:\n", "  other:\n");
    package.edit("paifang.yaml", "- dev-where: { header: x-caller }\n", "- respond: {}\n");
    assert!(
        why(&[]).contains("no `wasm` entry is called dev-where or names a file dev-where.wasm")
    );
}
