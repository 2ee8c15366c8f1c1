//! A frame as JSON, read by the tables of the specification alone: nothing of the implementation is asked.

use super::hex;
use serde_json::{Value, json};

/// Bytes that are left, with the readers of section 2.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().expect("a byte");
        self.0 = rest;
        *first
    }

    fn varint(&mut self) -> u64 {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte();
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        value
    }

    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken
    }

    fn string(&mut self) -> &'a [u8] {
        let length = self.varint() as usize;
        self.take(length)
    }

    fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("a text")
}

/// What a frame is, of section 3's table.
pub(super) fn frame(bytes: &[u8]) -> Value {
    let mut rest = Rest(bytes);
    let first = rest.byte();
    let (kind, flags) = (first >> 3, first & 7);
    if let 1 | 2 = kind {
        return json!({ "type": if kind == 1 { "PING" } else { "PONG" }, "number": rest.byte() });
    }
    let length = rest.varint() as usize;
    assert_eq!(length, rest.0.len(), "the length of the body");
    match kind {
        3 => {
            json!({ "type": "HELLO", "lowest": rest.byte(), "highest": rest.byte(), "tlvs": tlvs(rest.rest()) })
        }
        4 => json!({ "type": "WELCOME", "version": rest.byte(), "tlvs": tlvs(rest.rest()) }),
        5 => message("REQUEST", Some("operation"), flags, &mut rest),
        6 => message("RESPONSE", Some("status"), flags, &mut rest),
        7 => message("DATA", None, flags, &mut rest),
        8 => message("MESSAGE", None, flags, &mut rest),
        9 => message("DELIVERY", None, flags, &mut rest),
        10 => json!({ "type": "ACK", "channel": rest.varint(), "sequence": rest.varint() }),
        11 => {
            let (channel, sequence, code) = (rest.varint(), rest.varint(), rest.varint());
            json!({ "type": "CANCEL", "channel": channel, "sequence": sequence, "code": code })
        }
        12 => json!({ "type": "CREDIT", "channel": rest.varint(), "bytes": rest.varint() }),
        13 => json!({ "type": "LOGIN", "epoch": rest.varint(), "tlvs": tlvs(rest.rest()) }),
        14 => {
            let (epoch, status) = (rest.varint(), rest.varint());
            json!({ "type": "USER", "epoch": epoch, "status": status, "tlvs": tlvs(rest.rest()) })
        }
        15 => json!({ "type": "UPDATE", "tlvs": tlvs(rest.rest()) }),
        16 => json!({ "type": "GOAWAY", "code": rest.varint(), "tlvs": tlvs(rest.rest()) }),
        17 => json!({ "type": "CLOSE", "code": rest.varint(), "tlvs": tlvs(rest.rest()) }),
        _ => json!({ "type": "ignored", "number": kind }),
    }
}

fn message(kind: &str, number: Option<&str>, flags: u8, rest: &mut Rest<'_>) -> Value {
    let mut value = json!({ "type": kind, "channel": rest.varint(), "sequence": rest.varint() });
    if let Some(name) = number {
        value[name] = rest.varint().into();
    }
    value["more"] = (flags & 1 != 0).into();
    value["zstd"] = (flags & 4 != 0).into();
    if flags & 2 != 0 {
        value["tlvs"] = tlvs(rest.string());
    }
    value["data"] = hex(rest.rest()).into();
    value
}

fn tlvs(bytes: &[u8]) -> Value {
    let mut rest = Rest(bytes);
    let mut found = Vec::new();
    while !rest.0.is_empty() {
        let (kind, value) = (rest.varint(), rest.string());
        found.push(tlv(kind, value));
    }
    found.into()
}

/// One TLV, of section 3's second table.
fn tlv(kind: u64, value: &[u8]) -> Value {
    let mut rest = Rest(value);
    let rest = &mut rest;
    let (name, value) = match kind {
        0x02 => ("FEATURES", json!(rest.varint())),
        0x03 => ("APP", json!(text(value))),
        0x04 => ("APP_VERSION", json!(text(value))),
        0x05 => ("DEVICE", json!(hex(value))),
        0x06 => ("PLATFORM", json!(text(value))),
        0x07 => ("NONCE", json!(hex(value))),
        0x08 => ("NETWORK", json!({ "kind": rest.byte(), "carrier": text(rest.rest()) })),
        0x09 => ("AUTH", json!({ "scheme": text(rest.string()), "credential": text(rest.rest()) })),
        0x0a => ("RESUME", json!(hex(value))),
        0x0c => ("DEVICE_KEY", json!({ "kind": rest.byte(), "key": hex(rest.rest()) })),
        0x0e => ("PROOF", json!(hex(value))),
        0x0f => ("AUTHORITY", json!(text(value))),
        0x10 => ("DICTIONARIES", value.chunks(16).map(hex).collect()),
        0x12 => ("CURSOR", json!({ "channel": rest.varint(), "cursor": hex(rest.rest()) })),
        0x14 => ("STATE", json!(rest.byte())),
        0x15 => ("FIELD", json!({ "name": text(rest.string()), "value": text(rest.rest()) })),
        0x16 => ("SETTINGS", settings(rest)),
        0x17 => ("EPOCH", json!(rest.varint())),
        0x18 => ("LEARNT", json!(rest.varint())),
        0x20 => ("SERVER_TIME", json!(rest.varint())),
        0x22 => ("CONNECTION", json!(rest.varint())),
        0x24 => ("HEARTBEAT", json!([rest.varint(), rest.varint(), rest.varint()])),
        0x26 => ("TOKEN", json!({ "seconds": rest.varint(), "token": hex(rest.rest()) })),
        0x28 => ("RESUMED", json!(rest.byte())),
        0x2a => ("USER_ID", json!(text(value))),
        0x2c => ("ALTERNATE", json!(text(value))),
        0x2e => {
            let (number, identity) = (rest.varint(), hex(rest.take(16)));
            let (channel, operation) = (rest.varint(), text(rest.rest()));
            let all = json!({ "number": number, "identity": identity, "channel": channel, "operation": operation });
            ("DICTIONARY", all)
        }
        0x31 => ("ENCODED_WITH", json!(rest.varint())),
        0x33 => ("OPERATION", json!(text(value))),
        0x35 => ("TARGET", json!({ "method": text(rest.string()), "target": text(rest.rest()) })),
        0x37 => ("PARAM", json!({ "name": text(rest.string()), "value": text(rest.rest()) })),
        0x39 => ("QUERY", json!(text(value))),
        0x3a => ("DEADLINE", json!(rest.varint())),
        0x3c => ("PRIORITY", json!(rest.byte())),
        0x3f => ("CALL_ID", json!(hex(value))),
        0x40 => ("ATTEMPT", json!(rest.varint())),
        0x42 => ("ERROR", json!(rest.varint())),
        0x44 => ("AFTER", json!(rest.varint())),
        0x46 => ("JITTER", json!(rest.varint())),
        0x48 => ("DETAIL", json!(text(value))),
        0x4a => ("LAST", json!({ "channel": rest.varint(), "sequence": rest.varint() })),
        0x4c => ("EXPIRES", json!(rest.varint())),
        _ => return json!({ "type": kind, "value": hex(value) }),
    };
    json!({ "type": kind, "name": name, "value": value })
}

fn settings(rest: &mut Rest<'_>) -> Value {
    let names = [
        "connection_window",
        "channel_window",
        "max_frame",
        "max_message",
        "max_operations",
        "max_calls",
    ];
    let mut value = json!({});
    while !rest.0.is_empty() {
        let (key, number) = (rest.varint() as usize, rest.varint());
        let name = names.get(key - 1).map_or_else(|| key.to_string(), |name| (*name).to_owned());
        value[name] = number.into();
    }
    value
}
