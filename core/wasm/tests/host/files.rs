//! Files that are no handlers: an error that says why, at the entry's `file`, and a host that lives on.

use crate::world::{World, file, rows, spec};
use serde_json::json;

/// An empty core module.
const CORE: &[u8] = b"\0asm\x01\0\0\0";
/// An empty component.
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// The file with each `from` replaced by a `to` of the same length, so that no size in it changes.
fn replaced(file: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut file = file.to_vec();
    let mut at = 0;
    let mut found = 0;
    while at + from.len() <= file.len() {
        if &file[at..at + from.len()] == from.as_bytes() {
            file[at..at + to.len()].copy_from_slice(to.as_bytes());
            found += 1;
        }
        at += 1;
    }
    assert!(found > 0, "`{from}` does not stand in it");
    file
}

/// The file with one more custom section.
pub(crate) fn with_section(file: &[u8], name: &str, data: &[u8]) -> Vec<u8> {
    fn leb(mut number: usize, into: &mut Vec<u8>) {
        while number > 0x7f {
            into.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        into.push(number as u8);
    }
    let mut section = Vec::new();
    leb(name.len(), &mut section);
    section.extend_from_slice(name.as_bytes());
    section.extend_from_slice(data);
    let mut file = file.to_vec();
    file.push(0);
    leb(section.len(), &mut file);
    file.extend_from_slice(&section);
    file
}

/// Loads what must not be taken; gives the message.
fn refused(world: &World, what: &str, file: &[u8]) -> String {
    match world.host.load(spec(), file) {
        Ok(_) => panic!("{what} was taken"),
        Err(error) => {
            assert_eq!(error.pointer, "/file", "{what}: {error:?}");
            error.message
        }
    }
}

#[test]
fn bytes_that_are_no_module() {
    let world = World::new();
    let bare = file("testbed-bare");
    for (what, bytes) in [
        ("nothing", &b""[..]),
        ("a text", b"hello"),
        ("half a magic", b"\0as"),
        ("a magic alone", b"\0asm"),
        ("no version", b"\0asm\x63\0\0\0"),
        ("a quarter", &bare[..bare.len() / 4]),
        ("a half", &bare[..bare.len() / 2]),
        ("all but a byte", &bare[..bare.len() - 1]),
    ] {
        refused(&world, what, bytes);
    }
    // A generator of its own, so that a failure can be seen again.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for n in 0..200 {
        let mut bytes: Vec<u8> = if n % 2 == 0 { CORE.to_vec() } else { COMPONENT.to_vec() };
        bytes.extend((0..random() % 512).map(|_| random() as u8));
        // By chance they may be a module; a handler they are not.
        refused(&world, "random bytes", &bytes);
    }
    assert!(world.host.load(spec(), &bare).is_ok());
}

#[test]
fn a_handler_with_a_wrong_byte_harms_nobody() {
    let world = World::new();
    let bare = file("testbed-bare");
    for n in 1..24 {
        let mut bytes = bare.clone();
        let at = bytes.len() / 24 * n;
        bytes[at] ^= 0x55;
        // It may still be whole: what counts is that the host says one or the other.
        if let Ok(module) = world.host.load(spec(), &bytes) {
            let _ = world.build(&module, &json!({}));
        }
    }
    assert!(world.host.load(spec(), &bare).is_ok());
}

#[test]
fn modules_that_are_no_handlers() {
    let world = World::new();
    let message = refused(&world, "an empty core module", CORE);
    assert!(message.contains("exports nothing") || message.contains("core module"), "{message}");
    let message = refused(&world, "an empty component", COMPONENT);
    assert!(message.contains("exports nothing"), "{message}");

    let bare = file("testbed-bare");
    let other = replaced(&bare, "paifang:handler", "another:package");
    let message = refused(&world, "another world", &other);
    assert!(message.contains("another:package"), "{message}");

    // A core module that wants what WASI gives: (import "wasi_snapshot_preview1" "fd" (func)).
    let mut wasi = CORE.to_vec();
    wasi.extend_from_slice(b"\x01\x04\x01\x60\0\0\x02\x1d\x01\x16wasi_snapshot_preview1\x02fd\0\0");
    let message = refused(&world, "a WASI module", &wasi);
    assert!(message.contains("wasi_snapshot_preview1"), "{message}");
}

#[test]
fn another_version_of_the_contract_is_named() {
    let world = World::new();
    let bare = file("testbed-bare");
    let message = refused(&world, "0.2", &replaced(&bare, "@0.1.0", "@0.2.0"));
    assert!(message.contains("@0.2.0") && message.contains("0.1.0"), "{message}");
    let message = refused(&world, "1.1", &replaced(&bare, "@0.1.0", "@1.1.0"));
    assert!(message.contains("@1.1.0"), "{message}");
    // Of the same minor version it is taken.
    let patched = world.host.load(spec(), &replaced(&bare, "@0.1.0", "@0.1.7")).unwrap();
    assert!(world.build(&patched, &json!({})).is_ok());
}

#[tokio::test]
async fn probes_and_schema_travel_in_the_file() {
    let world = World::new();
    let testbed = file("testbed-sync");
    for (section, data, said) in [
        ("paifang:schema", "{", "schema"),
        ("paifang:schema", r#"{ "type": 1 }"#, "schema"),
        ("paifang:probes", "- name: [", "probes"),
        ("paifang:probes", "- { name: wrong, request: {}, verdict: fail }", "`wrong` fails"),
    ] {
        let message = refused(&world, data, &with_section(&testbed, section, data.as_bytes()));
        assert!(message.contains(said), "{data}: {message}");
    }
    let probe = "- { name: right, request: {}, verdict: { next: {} } }";
    let schema = r#"{ "properties": { "response": { "maxItems": 0 } } }"#;
    let good = with_section(&testbed, "paifang:probes", probe.as_bytes());
    let good = with_section(&good, "paifang:schema", schema.as_bytes());
    let module = world.host.load(spec(), &good).unwrap();
    assert!(world.build(&module, &json!({})).is_ok());
    let error = world.build(&module, &rows("response", &[("x", json!([]))])).err().unwrap();
    assert_eq!(error.pointer, "/response", "{error:?}");
}
