//! What stands behind both gateways, and what is compared of their answers.

use paifang_tests::harness::{Message, Recorder};

/// Request headers that the server behind tells of.
const TOLD: &[&str] = &[
    "host",
    "x-real-ip",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-section",
    "x-user",
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
    "content-type",
    "location",
    "referrer-policy",
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

/// What of an answer must be the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    status: u16,
    fields: Vec<(String, String)>,
    body: String,
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
            if own && (*name == "content-type" || value == "no-store") {
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
    let body = if own { String::new() } else { String::from_utf8_lossy(&answer.body).into_owned() };
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
