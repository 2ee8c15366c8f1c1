//! Signed requests: credentials have one reading, and two requests that differ never have the same
//! canonical form.

use std::collections::BTreeMap;

use arbitrary::{Result, Unstructured};
use http::{HeaderMap, HeaderValue};
use paifang_plugins::signature::canonical::{Canonical, Signed};
use paifang_plugins::signature::credentials::{Credentials, SCHEME};

/// The whole of `data` is read as credentials; it also chooses two requests that differ little.
pub fn run(data: &[u8]) {
    if let Ok(credentials) = Credentials::parse(data) {
        lawful(&credentials);
        reads_back(&credentials, &[0]);
    }
    let _ = pair(&mut Unstructured::new(data));
}

/// What docs/plugins/signature.md says of each parameter.
fn lawful(credentials: &Credentials<'_>) {
    let word = |text: &str, more: &str| {
        text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
    };
    let Credentials { key_id, timestamp, nonce, signed_headers, .. } = credentials;
    assert!((1..=128).contains(&key_id.len()) && word(key_id, "._-"), "{key_id:?}");
    assert!((16..=64).contains(&nonce.len()) && word(nonce, "_-"), "{nonce:?}");
    assert_eq!(credentials.unix_seconds().to_string(), *timestamp);
    assert!(signed_headers.windows(2).all(|pair| pair[0] < pair[1]) && signed_headers.len() <= 32);
    for name in signed_headers {
        // What is parsed as lower case is lower case.
        assert_eq!(http::HeaderName::from_lowercase(name.as_bytes()).unwrap().as_str(), *name);
    }
}

/// What is written out is read as the same.
fn reads_back(credentials: &Credentials<'_>, order: &[u8]) {
    let field = format(credentials, order);
    let read = Credentials::parse(field.as_bytes()).unwrap();
    let texts = |of: &Credentials<'_>| [of.key_id, of.timestamp, of.nonce].map(str::to_owned);
    assert_eq!(texts(&read), texts(credentials), "{field}");
    assert_eq!(read.signed_headers[..], credentials.signed_headers[..], "{field}");
    assert_eq!(read.signature, credentials.signature, "{field}");
}

/// The header's text; `order` turns the parameters and chooses the space between them.
fn format(credentials: &Credentials<'_>, order: &[u8]) -> String {
    let signature: String =
        credentials.signature.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut parts = vec![
        format!("KeyId={}", credentials.key_id),
        format!("Timestamp={}", credentials.timestamp),
        format!("Nonce={}", credentials.nonce),
        format!("Signature={signature}"),
    ];
    if !credentials.signed_headers.is_empty() {
        parts.push(format!("SignedHeaders={}", credentials.signed_headers.join(";")));
    }
    let mut text = format!("{SCHEME} ");
    for (index, &choice) in order.iter().cycle().enumerate() {
        if parts.is_empty() {
            break;
        }
        if index > 0 {
            text += [",", ", ", " ,", "\t, \t"][usize::from(choice) % 4];
        }
        text += &parts.remove(usize::from(choice >> 2) % parts.len());
    }
    text
}

/// A request as a client signs it.
#[derive(Debug, Clone, PartialEq)]
struct Request {
    method: &'static str,
    host: &'static str,
    path: String,
    query: String,
    key_id: &'static str,
    timestamp: &'static str,
    nonce: &'static str,
    signed: Vec<&'static str>,
    values: BTreeMap<&'static str, Vec<u8>>,
    body: [u8; 32],
}

/// What of a request a service acts on. Parameters with different names have no order.
type Meaning<'a> =
    ([&'a str; 6], BTreeMap<Vec<u8>, Vec<Vec<u8>>>, Vec<(&'static str, &'a [u8])>, [u8; 32]);

fn pair(u: &mut Unstructured<'_>) -> Result<()> {
    let one = request(u)?;
    let mut other = one.clone();
    for _ in 0..u.int_in_range(1..=2)? {
        let new = request(u)?;
        match u.int_in_range(0..=8)? {
            0 => other.method = new.method,
            1 => other.host = new.host,
            2 => other.path = new.path,
            3 => other.query = new.query,
            4 => (other.key_id, other.timestamp) = (new.key_id, new.timestamp),
            5 => other.nonce = new.nonce,
            6 => (other.signed, other.values) = (new.signed, new.values),
            7 => other.values = new.values,
            _ => other.body = new.body,
        }
    }
    let order = u.bytes(5)?;
    let (Some(first), Some(second)) = (text(&one, order), text(&other, order)) else {
        return Ok(());
    };
    assert!(first.ends_with(b"\n") && first.starts_with(SCHEME.as_bytes()));
    assert_eq!(
        first.iter().filter(|byte| **byte == b'\n').count(),
        9 + one.signed.len(),
        "a line too many or too few: {one:?}"
    );
    if first == second {
        assert_eq!(meaning(&one), meaning(&other), "one form for {one:?} and {other:?}");
    } else {
        assert_ne!(sorted(&one), sorted(&other), "two forms for {one:?} and {other:?}");
    }
    Ok(())
}

/// The canonical form; `None` where the request has none.
fn text(request: &Request, order: &[u8]) -> Option<Vec<u8>> {
    let credentials = Credentials {
        key_id: request.key_id,
        timestamp: request.timestamp,
        nonce: request.nonce,
        signed_headers: request.signed.iter().copied().collect(),
        signature: request.body,
    };
    reads_back(&credentials, order);
    let headers: HeaderMap = request
        .values
        .iter()
        .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_bytes(value).unwrap()))
        .collect();
    let signed = Signed {
        method: request.method,
        host: request.host,
        path: &request.path,
        query: &request.query,
        headers: &headers,
    };
    let canonical = Canonical::new(signed, &credentials).ok()?;
    let mut out = Vec::new();
    canonical.write(&request.body, &mut out);
    Some(out)
}

fn meaning(request: &Request) -> Meaning<'_> {
    let Request { method, host, path, key_id, timestamp, nonce, .. } = request;
    let mut parameters: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for part in request.query.split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        parameters.entry(decode(name)).or_default().push(decode(value));
    }
    let texts = [*method, *host, path.as_str(), *key_id, *timestamp, *nonce];
    (texts, parameters, headers(request), request.body)
}

/// The same request with its query in order, and of its headers just what is signed; requests
/// that agree in this have one form.
fn sorted(request: &Request) -> Request {
    let mut parts: Vec<&str> = request.query.split('&').collect();
    parts.sort_unstable();
    let values = headers(request).into_iter().map(|(name, value)| (name, value.to_vec()));
    Request { query: parts.join("&"), values: values.collect(), ..request.clone() }
}

fn headers(request: &Request) -> Vec<(&'static str, &[u8])> {
    let value = |name: &&'static str| (*name, request.values[name].trim_ascii());
    request.signed.iter().map(value).collect()
}

/// As forms are decoded, slowly.
fn decode(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().iter();
    let mut out = Vec::new();
    while let Some(&byte) = bytes.next() {
        let rest = bytes.as_slice();
        let digit = |at: usize| rest.get(at).and_then(|digit| (*digit as char).to_digit(16));
        match (byte, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                bytes.nth(1);
            }
            (b'+', ..) => out.push(b' '),
            _ => out.push(byte),
        }
    }
    out
}

/// Few different parts, so that two requests often meet.
fn request(u: &mut Unstructured<'_>) -> Result<Request> {
    const NAMES: [&str; 4] = ["a", "a-b", "b", "x-1"];
    let signed: Vec<_> = NAMES.into_iter().filter(|_| u.ratio(1, 3).unwrap_or(false)).collect();
    let mut values = BTreeMap::new();
    for name in NAMES {
        if signed.contains(&name) || u.ratio(1, 4)? {
            values.insert(name, word(u, &[" ", "\t", "1", "a", ":", "a:1", ",", "\u{e9}"], 4)?);
        }
    }
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ok(Request {
        method: u.choose(&["GET", "POST", "G"])?,
        host: u.choose(&["", "a", "a.b", "[::1]"])?,
        path: format!("/{}", text(word(u, &["a", "/", "%41", "1", "=", "&"], 4)?)),
        query: text(word(u, &["a", "b", "%61", "=", "=", "&", "&", "+", "%20", "%", "1"], 9)?),
        key_id: u.choose(&["k", "k1", "1", "k.1-_"])?,
        timestamp: u.choose(&["1", "11", "1767225600"])?,
        nonce: u.choose(&["0123456789abcdef", "0123456789abcdef0", "-_-_-_-_-_-_-_-_"])?,
        signed,
        values,
        body: [u.int_in_range(0..=1)?; 32],
    })
}

fn word(u: &mut Unstructured<'_>, pieces: &[&str], most: usize) -> Result<Vec<u8>> {
    let mut word = Vec::new();
    for _ in 0..u.int_in_range(0..=most)? {
        word.extend_from_slice(u.choose(pieces)?.as_bytes());
    }
    Ok(word)
}
