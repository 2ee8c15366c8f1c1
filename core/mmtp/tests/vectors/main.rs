//! The vectors of docs/specs/mmtp-vectors.json, which other implementations can run: made here, compared with the file, and held against
//! this implementation as anyone would. `UPDATE_GOLDEN=1` rewrites the file.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod compress;
mod describe;
mod frames;
mod refused;

use paifang_mmtp::{
    frame::{MAX_FRAME, Split, split},
    greeting::proof_text,
    session::{CallId, Key},
};
use serde_json::{Value, json};
use std::path::Path;

/// Bytes as the file has them.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(value: &Value) -> Vec<u8> {
    let text = value.as_str().expect("hexadecimal digits");
    assert!(text.len().is_multiple_of(2), "{text}");
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

/// The members of a list in the file, of which there is at least one.
fn list<'a>(file: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    let members = file[name].as_array().unwrap_or_else(|| panic!("no list `{name}`"));
    assert!(!members.is_empty(), "{name}");
    members.iter()
}

fn made() -> Value {
    let frames: Vec<_> = frames::all()
        .into_iter()
        .map(|(name, bytes)| {
            let mut vector = json!({ "name": name, "hex": hex(&bytes) });
            vector["frame"] = describe::frame(&bytes);
            vector
        })
        .collect();
    json!({
        "about": "Vectors of MMTP, version 1; see mmtp.md. Bytes are in hexadecimal digits.",
        "version": 1,
        "frames": frames,
        "refused": refused::all(),
        "answered": refused::answered(),
        "compressed": compress::whole(),
        "compressed_refused": compress::refused(),
        "dictionary": compress::dictionary(),
        "proofs": [proof("api.example.com", &[7; 16], b"token"), proof("", &[7], b"")],
        "call_ids": [call_id([0x11; 16], 1, 1), call_id([0xee; 16], 16, 300)],
    })
}

fn proof(authority: &str, device: &[u8], resume: &[u8]) -> Value {
    let nonce = [9; 16];
    json!({
        "authority": authority, "device": hex(device), "nonce": hex(&nonce), "resume": hex(resume),
        "signed": hex(&proof_text(authority, device, &nonce, resume)),
    })
}

fn call_id(nonce: [u8; 16], channel: u8, sequence: u32) -> Value {
    let id = CallId::of(&nonce, Key { channel, sequence });
    json!({ "nonce": hex(&nonce), "channel": channel, "sequence": sequence, "idempotency_key": id.to_string() })
}

fn read() -> Value {
    serde_json::from_str(&std::fs::read_to_string(path()).unwrap()).unwrap()
}

fn path() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/specs/mmtp-vectors.json")
}

#[test]
fn the_file_is_what_is_made_here() {
    let text = format!("{:#}\n", made());
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path(), &text).unwrap();
    }
    let file = std::fs::read_to_string(path()).unwrap_or_default();
    let differs = file.lines().zip(text.lines()).find(|(one, other)| one != other);
    assert!(
        file == text,
        "docs/specs/mmtp-vectors.json differs: {differs:?}; UPDATE_GOLDEN=1 rewrites it"
    );
}

#[test]
fn frames_are_read_as_the_file_says() {
    for vector in list(&read(), "frames") {
        let (name, bytes) = (&vector["name"], unhex(&vector["hex"]));
        assert_eq!(describe::frame(&bytes), vector["frame"], "{name}");
        let Ok(Split::Frame(frame, length)) = split(&bytes, MAX_FRAME) else { panic!("{name}") };
        assert_eq!(length, bytes.len(), "{name}");
        if vector["frame"]["type"] != "ignored" {
            let mut again = Vec::new();
            frame.encode(&mut again);
            assert_eq!(again, bytes, "{name}");
        }
    }
}

#[test]
fn names_are_made_as_the_file_says() {
    let file = read();
    for vector in list(&file, "proofs") {
        let (device, nonce) =
            (unhex(&vector["device"]), unhex(&vector["nonce"]).try_into().unwrap());
        let authority = vector["authority"].as_str().unwrap();
        let signed = proof_text(authority, &device, &nonce, &unhex(&vector["resume"]));
        assert_eq!(hex(&signed), vector["signed"]);
    }
    for vector in list(&file, "call_ids") {
        let number = |name: &str| vector[name].as_u64().unwrap();
        let key = Key { channel: number("channel") as u8, sequence: number("sequence") as u32 };
        let id = CallId::of(&unhex(&vector["nonce"]).try_into().unwrap(), key);
        assert_eq!(id.to_string(), vector["idempotency_key"]);
    }
}
