//! Telling HTTP/1, HTTP/2 with prior knowledge (h2c) and MMTP apart by a connection's first bytes.

use super::info::Protocol;

/// What an HTTP/2 client sends first (RFC 9113 section 3.4).
const H2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Up to here the preface can't be anything else: `PRI` is no method (RFC 9113 section 11.6), and the
/// rest is for the session to check.
const H2_TELLING: usize = b"PRI * HTTP/2.0\r\n".len();

/// What an MMTP client sends first; a byte with the version follows, which is for the session to check. No method of HTTP
/// has a slash in it (RFC 9110 section 5.6.2).
const MMTP_PREFACE: &[u8] = b"MMTP/";

/// What a plain listener takes beside HTTP/1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) h2c: bool,
    pub(super) mmtp: bool,
}

/// What `first_bytes` begin, `None` while they could begin several.
pub(super) fn sniff(first_bytes: &[u8], known: Known) -> Option<Protocol> {
    let mut open = false;
    for (taken, telling, protocol) in [
        (known.h2c, &H2_PREFACE[..H2_TELLING], Protocol::Http2),
        (known.mmtp, MMTP_PREFACE, Protocol::Mmtp),
    ] {
        let common = first_bytes.len().min(telling.len());
        if !taken || first_bytes[..common] != telling[..common] {
            continue;
        }
        if common == telling.len() {
            return Some(protocol);
        }
        open = true;
    }
    (!open).then_some(Protocol::Http1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: Known = Known { h2c: true, mmtp: true };

    #[test]
    fn every_beginning() {
        for end in 0..=H2_PREFACE.len() {
            let expected = (end >= H2_TELLING).then_some(Protocol::Http2);
            assert_eq!(sniff(&H2_PREFACE[..end], BOTH), expected, "{end}");
        }
        let mmtp = b"MMTP/\x01\x10\x02";
        for end in 0..=mmtp.len() {
            let expected = (end >= 5).then_some(Protocol::Mmtp);
            assert_eq!(sniff(&mmtp[..end], BOTH), expected, "{end}");
        }
        for first_bytes in [
            "G",
            "PO",
            "PUT / HTTP/1.1",
            "PRI / HTTP/1.1",
            "PRI * HTTP/1.1\r\n",
            "\r\n",
            "MOVE / HTTP/1.1",
            "MMTP / HTTP/1.1",
            "mmtp/",
        ] {
            assert_eq!(sniff(first_bytes.as_bytes(), BOTH), Some(Protocol::Http1), "{first_bytes}");
        }
    }

    #[test]
    fn what_a_listener_does_not_take_is_http1() {
        let h2c = Known { h2c: true, mmtp: false };
        let mmtp = Known { h2c: false, mmtp: true };
        for (first_bytes, known, expected) in [
            (&b"MMTP/\x01"[..], h2c, Some(Protocol::Http1)),
            (b"M", h2c, Some(Protocol::Http1)),
            (H2_PREFACE, mmtp, Some(Protocol::Http1)),
            (b"P", mmtp, Some(Protocol::Http1)),
            (b"M", mmtp, None),
        ] {
            assert_eq!(sniff(first_bytes, known), expected, "{first_bytes:?} {known:?}");
        }
    }
}
