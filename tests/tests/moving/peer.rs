//! What stands behind both gateways, and what is compared of their answers.

use paifang_plugins::compress::{
    codec::Codec,
    decode::{Decoder, Limits},
};
use paifang_tests::harness::{Message, Recorder};

/// Request headers that the server behind tells of.
const TOLD: &[&str] = &[
    "host",
    "x-real-ip",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-section",
    "x-user",
    "x-who",
    "x-api-version",
    "x-debug",
    "cookie",
    "accept-encoding",
    "authorization",
    "content-length",
    "x-client",
    "x-api-key",
    "x-cart",
    "x-consumer-username",
];

/// Response headers that are compared.
const COMPARED: &[&str] = &[
    "allow-nothing",
    "cache-control",
    "content-encoding",
    "content-type",
    "location",
    "referrer-policy",
    "vary",
    "www-authenticate",
    "x-content-type-options",
    "x-debugged",
    "x-frame-options",
    "x-from",
    "x-powered-by",
    "x-search",
];

/// A server that answers with what it was asked.
pub(crate) async fn echo(name: &'static str) -> Recorder {
    Recorder::replying(move |request| {
        let mut body = format!("{name} {} {}\n", request.method(), request.target());
        for field in TOLD {
            for value in request.headers(field) {
                // Of a chain of proxies only the client is compared: what stands behind it differs.
                let value = match *field {
                    "x-forwarded-for" => value.split(',').next().unwrap_or_default(),
                    _ => value,
                };
                body.push_str(&format!("{field}: {value}\n"));
            }
        }
        body.push_str(&format!("{} bytes\n", request.body.len()));
        format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/x-echo\r\nx-powered-by: tests\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    })
    .await
}

/// A server that says who may pass: who shows a token, but not to secrets.
pub(crate) async fn authz() -> Recorder {
    Recorder::replying(|request| {
        let secret = request.header("x-original-uri").is_none_or(|uri| uri.contains("/secret"));
        let answer = match request.header("authorization") {
            Some("Bearer good") if !secret && request.target() == "/verify" => {
                "200 OK\r\nx-who: ada"
            }
            Some(_) => "403 Forbidden\r\nx-who: nobody",
            None => "401 Unauthorized\r\nwww-authenticate: Bearer realm=\"shop\"",
        };
        format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n").into_bytes()
    })
    .await
}

/// What of an answer must be the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) status: u16,
    fields: Vec<(String, String)>,
    pub(crate) body: String,
}

/// Reads an answer. `host` is what was asked for: an address on it is as good as its path alone.
pub(crate) fn seen(answer: &Message, host: &str) -> Seen {
    let status = answer.status();
    let kind = answer.header("content-type").unwrap_or_default();
    // Pages and problem documents that a gateway makes of an error are its own.
    let own = kind.starts_with("text/html") || kind.starts_with("application/problem+json");
    let own = own || (status >= 300 && answer.body.is_empty());
    let mut fields = Vec::new();
    for name in COMPARED {
        for value in answer.headers(name) {
            // Problem documents say of themselves that they are not to be kept.
            if own && (matches!(*name, "content-type" | "vary") || value == "no-store") {
                continue;
            }
            let value = match *name {
                "location" => local(value, host),
                // Both say who may pass; ours names the character set, too.
                "www-authenticate" => value.split(',').next().unwrap_or_default().to_owned(),
                _ => value.to_owned(),
            };
            fields.push(((*name).to_owned(), value));
        }
    }
    fields.sort();
    let body = match answer.header("content-encoding") {
        _ if own => Vec::new(),
        Some("gzip") => decoded(&answer.body),
        _ => answer.body.clone(),
    };
    let body = String::from_utf8_lossy(&body).into_owned();
    Seen { status, fields, body }
}

/// nginx names itself in addresses of its own paths, with its port; a path means the same.
fn local(address: &str, host: &str) -> String {
    for scheme in ["http://", "https://"] {
        if let Some(rest) = address.strip_prefix(scheme)
            && let Some(rest) = rest.strip_prefix(host)
            && let Some(port_and_path) = rest.strip_prefix(':')
            && let Some(slash) = port_and_path.find('/')
        {
            return port_and_path[slash..].to_owned();
        }
    }
    address.to_owned()
}

/// Two encoders make other bytes of one text.
pub(crate) fn decoded(body: &[u8]) -> Vec<u8> {
    let limits = Limits { bytes: 1 << 20, ratio: 10_000 };
    let mut decoder = Decoder::new(Codec::Gzip, limits).unwrap();
    decoder.feed(body).unwrap();
    decoder.finish().unwrap();
    decoder.take().to_vec()
}
