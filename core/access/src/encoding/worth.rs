//! Which content gains by being compressed.

use http::{
    HeaderMap,
    header::{CONTENT_ENCODING, CONTENT_TYPE},
};

/// Types beside texts and those with a syntax of JSON or XML.
const TYPES: [&[u8]; 12] = [
    b"application/json",
    b"application/x-ndjson",
    b"application/xml",
    b"application/javascript",
    b"application/x-www-form-urlencoded",
    b"application/protobuf",
    b"application/x-protobuf",
    b"application/cbor",
    b"application/msgpack",
    b"application/x-msgpack",
    b"application/graphql",
    b"application/yaml",
];

/// Whether the body under this head gains: it is not encoded already, and is of a type that repeats itself. Without a type it may be.
pub(crate) fn is_worth_it(head: &HeaderMap) -> bool {
    if head.contains_key(CONTENT_ENCODING) {
        return false;
    }
    let Some(value) = head.get(CONTENT_TYPE) else { return true };
    let mut parts = value.as_bytes().split(|byte| *byte == b';');
    let essence = parts.next().unwrap_or_default().trim_ascii();
    let ends = |tail: &[u8]| {
        let at = essence.len().checked_sub(tail.len());
        at.is_some_and(|at| essence[at..].eq_ignore_ascii_case(tail))
    };
    let text = essence.get(..5).is_some_and(|begin| begin.eq_ignore_ascii_case(b"text/"));
    text || ends(b"+json")
        || ends(b"+xml")
        || ends(b"+cbor")
        || TYPES.iter().any(|known| essence.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn by_type() {
        assert!(is_worth_it(&HeaderMap::new()));
        for (value, worth) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/problem+json", true),
            ("text/html;charset=utf-8", true),
            ("application/protobuf", true),
            ("image/svg+xml", true),
            ("image/png", false),
            ("application/octet-stream", false),
            ("application/grpc", false),
            ("json", false),
            ("", false),
        ] {
            let mut head = HeaderMap::new();
            head.insert(CONTENT_TYPE, HeaderValue::from_static(value));
            assert_eq!(is_worth_it(&head), worth, "{value}");
            head.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            assert!(!is_worth_it(&head));
        }
    }
}
