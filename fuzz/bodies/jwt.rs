//! Tokens: any bytes are read or refused, what is read has one reading, and nothing that was changed
//! is believed.

use arbitrary::{Arbitrary, Result, Unstructured};
use paifang_plugins::jwt_auth::token::{MAX_BYTES, MAX_ID_BYTES, Token};

/// The whole of `data` is read as a token; it also chooses parts for one that is well formed.
pub fn run(data: &[u8]) {
    read(data);
    let _ = composed(&mut Unstructured::new(data));
}

fn read(text: &[u8]) -> bool {
    let Ok(token) = Token::parse(text) else { return false };
    assert!(text.len() <= MAX_BYTES);
    assert!(text.starts_with(token.signed) && text[token.signed.len()] == b'.');
    assert_eq!(text.iter().filter(|byte| **byte == b'.').count(), 2);
    assert!(token.key.as_ref().is_none_or(|id| id.len() <= MAX_ID_BYTES));
    assert!(depth(&serde_json::Value::Object(token.claims.clone())) <= 16);
    // One spelling: what was read, written again, is the same text.
    let signature = base64(&token.signature);
    assert_eq!(&text[token.signed.len() + 1..], signature.as_bytes());
    assert_ne!(format!("{:?}", token.algorithm), "none");
    // The key's id and the type are heard, and of the rest nothing that could name a key.
    let header = text.split(|byte| *byte == b'.').next().unwrap_or_default();
    let header = decode(header);
    let header: serde_json::Value = serde_json::from_slice(&header).unwrap();
    assert!(header.get("crit").is_none() && header.get("b64").is_none());
    assert_eq!(header.get("kid").and_then(serde_json::Value::as_str), token.key.as_deref());
    true
}

/// Parts that fit together more often than any bytes do.
fn composed(u: &mut Unstructured<'_>) -> Result<()> {
    const HEADERS: [&str; 10] = [
        r#"{"alg":"HS256"}"#,
        r#"{"alg":"RS256","kid":"a","typ":"JWT"}"#,
        r#"{"alg":"none"}"#,
        r#"{"alg":"EdDSA","kid":7}"#,
        r#"{"alg":"ES256","crit":["b64"],"b64":false}"#,
        r#"{"alg":"ES256","alg":"none"}"#,
        r#"{"alg":"PS256","jku":"http://x","jwk":{},"x5u":1}"#,
        r#"{"alg":["HS256"]}"#,
        "{}",
        "[]",
    ];
    let header = base64(u.choose(&HEADERS)?.as_bytes());
    let claims = base64(value(u, 20)?.to_string().as_bytes());
    let signature = base64(<&[u8]>::arbitrary(u)?);
    read(format!("{header}.{claims}.{signature}").as_bytes());
    let (open, close) = ("[".repeat(u.int_in_range(0..=40)?), "]".repeat(u.int_in_range(0..=40)?));
    let nested = base64(format!("{{\"a\":{open}1{close}}}").as_bytes());
    let well = open.len() == close.len() && open.len() < 16;
    let header = base64(HEADERS[0].as_bytes());
    assert_eq!(read(format!("{header}.{nested}.").as_bytes()), well, "{open}{close}");
    Ok(())
}

fn value(u: &mut Unstructured<'_>, left: u8) -> Result<serde_json::Value> {
    Ok(match u.int_in_range(0..=if left == 0 { 3 } else { 5 })? {
        0 => serde_json::Value::Null,
        1 => u64::arbitrary(u)?.into(),
        2 => String::arbitrary(u)?.into(),
        3 => bool::arbitrary(u)?.into(),
        4 => serde_json::Value::Array(vec![value(u, left - 1)?]),
        _ => [(String::arbitrary(u)?, value(u, left - 1)?)].into_iter().collect(),
    })
}

fn depth(value: &serde_json::Value) -> usize {
    match value {
        serde_json::Value::Array(list) => 1 + list.iter().map(depth).max().unwrap_or(0),
        serde_json::Value::Object(object) => 1 + object.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// base64url without padding, slowly.
fn base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or(0));
        let all = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..=three.len() {
            text.push(DIGITS[(all >> (18 - 6 * digit) & 63) as usize] as char);
        }
    }
    text
}

fn decode(text: &[u8]) -> Vec<u8> {
    let (mut bits, mut held, mut out) = (0_u32, 0, Vec::new());
    for byte in text {
        let digit = DIGITS.iter().position(|digit| digit == byte).expect("a digit");
        (bits, held) = (bits << 6 | digit as u32, held + 6);
        if held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
        }
    }
    out
}
