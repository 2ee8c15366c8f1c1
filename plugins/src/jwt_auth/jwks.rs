//! Sets of keys (RFC 7517 section 5, RFC 7518 section 6, RFC 8037 section 2).

use super::{
    algorithm::Algorithm,
    key::{Key, Raw},
    strict,
    token::MAX_ID_BYTES,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

/// The largest set, in bytes.
pub(super) const MAX_BYTES: usize = 256 * 1024;
/// The most keys.
const MAX_KEYS: usize = 100;

/// Whose word a set is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The operator's.
    Config,
    /// A server's: what it publishes is no secret, so secrets in it are not used.
    Server,
}

/// A set that has been read.
pub(super) struct KeySet {
    /// At least one.
    pub(super) keys: Vec<Key>,
    /// What was left aside: which key, and why.
    pub(super) skipped: Vec<String>,
}

/// Reads a set. Keys of unknown kinds and for other uses are left aside, as RFC 7517 wants it.
///
/// # Errors
/// Why there is no usable key in it.
pub(super) fn read(text: &[u8], origin: Origin) -> Result<KeySet, String> {
    if text.len() > MAX_BYTES {
        return Err(format!("a set of keys has at most {MAX_BYTES} bytes, not {}", text.len()));
    }
    let set = strict::object(text).ok_or("no acceptable JSON object")?;
    let Some(Value::Array(list)) = set.get("keys") else {
        return Err("no list `keys`".to_owned());
    };
    if list.len() > MAX_KEYS {
        return Err(format!("a set has at most {MAX_KEYS} keys, not {}", list.len()));
    }
    let mut read = KeySet { keys: Vec::new(), skipped: Vec::new() };
    for (index, jwk) in list.iter().enumerate() {
        match jwk.as_object().ok_or_else(|| "no object".to_owned()).and_then(|jwk| key(jwk, origin))
        {
            Ok(key) => read.keys.push(key),
            Err(why) => read.skipped.push(format!("keys/{index}: {why}")),
        }
    }
    if read.keys.is_empty() {
        let first = read.skipped.first().map_or("there are none", String::as_str);
        return Err(format!("no usable key: {first}"));
    }
    Ok(read)
}

fn key(jwk: &Map<String, Value>, origin: Origin) -> Result<Key, String> {
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    let bytes = |name: &str| {
        let part = text(name).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
        part.ok_or_else(|| format!("`{name}` is no base64url"))
    };
    if let Some(purpose) = jwk.get("use")
        && purpose != "sig"
    {
        return Err("it is not for signatures".to_owned());
    }
    if let Some(Value::Array(operations)) = jwk.get("key_ops")
        && !operations.iter().any(|operation| operation == "verify")
    {
        return Err("it is not for verifying".to_owned());
    }
    let id = match jwk.get("kid") {
        None => None,
        Some(Value::String(id)) if (1..=MAX_ID_BYTES).contains(&id.len()) => Some(id.as_str()),
        Some(_) => return Err(format!("`kid` is no text of 1 to {MAX_ID_BYTES} bytes")),
    };
    let algorithm = match jwk.get("alg") {
        None => None,
        Some(name) => {
            let named = name.as_str().and_then(Algorithm::named);
            Some(named.ok_or("`alg` is none that is taken")?)
        }
    };
    match (text("kty"), text("crv")) {
        (Some("RSA"), _) => {
            let (modulus, exponent) = (&bytes("n")?, &bytes("e")?);
            Key::new(id, algorithm, &Raw::Rsa { modulus, exponent })
        }
        (Some("EC"), Some("P-256")) => {
            Key::new(id, algorithm, &Raw::P256 { x: &bytes("x")?, y: &bytes("y")? })
        }
        (Some("EC"), Some("P-384")) => {
            Key::new(id, algorithm, &Raw::P384 { x: &bytes("x")?, y: &bytes("y")? })
        }
        (Some("OKP"), Some("Ed25519")) => Key::new(id, algorithm, &Raw::Ed25519(&bytes("x")?)),
        (Some("oct"), _) if origin == Origin::Server => {
            Err("a secret that a server publishes is none".to_owned())
        }
        (Some("oct"), _) => Key::new(id, algorithm, &Raw::Secret(&bytes("k")?)),
        _ => Err("a kind of key that is not taken".to_owned()),
    }
}
