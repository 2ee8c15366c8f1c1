//! What is not granted cannot be had: the error says which grant is missing.

use crate::world::{World, file, spec};
use paifang_wasm::{Grants, LARGEST_MEMORY, Spec};
use serde_json::json;

type Take = fn(&mut Grants);

#[test]
fn an_import_without_its_grant_is_named() {
    let world = World::new();
    let testbed = file("testbed");
    let takes: [(&str, Take); 7] = [
        ("log", |grants| grants.log = false),
        ("clock", |grants| grants.clock = false),
        ("random", |grants| grants.random = false),
        ("kv", |grants| grants.kv = false),
        ("crypto", |grants| grants.crypto = false),
        ("metrics", |grants| grants.metrics = false),
        ("http", |grants| grants.http.clear()),
    ];
    for (name, take) in takes {
        let mut spec = spec();
        take(&mut spec.grants);
        let error = world.host.load(spec, &testbed).err().unwrap();
        assert_eq!(error.pointer, "/grants", "{name}");
        assert_eq!(
            error.message,
            format!("the handler calls `{name}`, which is not granted"),
            "{name}"
        );
        assert!(error.help.unwrap().contains(name));
    }
    let error = world.host.load(Spec { grants: Grants::default(), ..spec() }, &testbed);
    let message = error.err().unwrap().message;
    assert!(message.contains("`log`, `clock`, `random`"), "{message}");
    // A handler that imports nothing needs nothing.
    let bare = Spec { grants: Grants::default(), ..spec() };
    assert!(world.host.load(bare, &file("testbed-bare")).is_ok());
}

#[test]
fn identity_and_slots_are_granted_too() {
    let world = World::new();
    let mut spec = spec();
    spec.grants.identity = false;
    spec.grants.slots = false;
    let module = world.module("testbed-sync", spec);
    for (config, grant) in [
        (json!({ "writes": { "identity": true } }), "`identity`"),
        (json!({ "reads": { "log": { "facts": ["identity"] } } }), "`identity`"),
        (json!({ "writes": { "slots": ["a"] } }), "`slots`"),
        (json!({ "reads": { "response": { "slots": ["a"] } } }), "`slots`"),
    ] {
        let error = world.build(&module, &config).err().unwrap();
        assert!(error.message.contains(grant), "{error:?}");
    }
    assert!(world.build(&module, &json!({})).is_ok());
}

#[test]
fn a_manifest_is_bounded_and_its_names_are_names() {
    let world = World::new();
    let module = world.module("testbed-sync", spec());
    let many: Vec<String> = (0..100).map(|n| format!("x-{n}")).collect();
    for reads in [
        json!({ "headers": ["X-Upper"] }),
        json!({ "headers": ["no name"] }),
        json!({ "headers": many }),
        json!({ "slots": many }),
    ] {
        assert!(world.build(&module, &json!({ "reads": { "request": reads } })).is_err());
    }
    let mut large = spec();
    large.limits.memory_bytes = LARGEST_MEMORY + 1;
    let error = world.host.load(large, &file("testbed-bare")).err().unwrap();
    assert_eq!(error.pointer, "/limits/memory");
}
