//! Telling HTTP/2 with prior knowledge (h2c) from HTTP/1 by a connection's first bytes.

use super::info::Protocol;

/// What an HTTP/2 client sends first (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Up to here the preface can't be anything else: `PRI` is no method (RFC 9113 section 11.6), and the
/// rest is for the session to check.
const TELLING: usize = b"PRI * HTTP/2.0\r\n".len();

/// What `first_bytes` begin, `None` while they could begin either.
pub(super) fn sniff(first_bytes: &[u8]) -> Option<Protocol> {
    let common = first_bytes.len().min(TELLING);
    if first_bytes[..common] != PREFACE[..common] {
        return Some(Protocol::Http1);
    }
    (common == TELLING).then_some(Protocol::Http2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_beginning() {
        for end in 0..=PREFACE.len() {
            let expected = (end >= TELLING).then_some(Protocol::Http2);
            assert_eq!(sniff(&PREFACE[..end]), expected, "{end}");
        }
        for first_bytes in
            ["G", "PO", "PUT / HTTP/1.1", "PRI / HTTP/1.1", "PRI * HTTP/1.1\r\n", "\r\n"]
        {
            assert_eq!(sniff(first_bytes.as_bytes()), Some(Protocol::Http1), "{first_bytes}");
        }
    }
}
