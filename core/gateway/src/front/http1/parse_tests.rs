//! Parsing without sockets: what a session is told, many fields, and bytes that nobody thought of.
#![allow(clippy::unwrap_used)]

use super::{
    parse::{Body, Framing, parse},
    scan::Scanner,
};
use crate::front::{HttpLimits, refusal::Refusal, tests::limits};
use bytes::Bytes;
use paifang_pipeline::RequestHead;
use proptest::prelude::*;

/// What a buffer comes to when it arrives in pieces that end at `cuts`; `None` while it is not whole.
fn read(
    text: &[u8],
    cuts: &[usize],
    limits: &HttpLimits,
) -> Option<Result<(RequestHead, Framing), Refusal>> {
    let mut scanner = Scanner::default();
    for cut in cuts.iter().copied().chain([text.len()]) {
        match scanner.scan(&text[..cut], limits) {
            Ok(None) => {}
            Err(refusal) => return Some(Err(refusal)),
            Ok(Some(section)) => {
                let bytes = Bytes::copy_from_slice(&text[section.start..section.end]);
                let parsed = parse(&bytes, section, limits);
                return Some(parsed.map(|(head, _, framing)| (head, framing)));
            }
        }
    }
    None
}

fn parsed(text: &str) -> (RequestHead, Framing) {
    let limits = HttpLimits { header_count: 1000, header_bytes: 1 << 20, ..limits() };
    read(text.as_bytes(), &[], &limits).unwrap().unwrap()
}

#[test]
fn a_session_is_told_how_the_call_is_framed_and_nothing_else() {
    let told = |text: &str| String::from_utf8(parsed(text).1.to_session().to_vec()).unwrap();
    for (request, session) in [
        ("GET /a HTTP/1.1\r\nHost: a\r\nCookie: b\r\n\r\n", "GET / HTTP/1.1\r\n\r\n"),
        ("HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n", "HEAD / HTTP/1.1\r\n\r\n"),
        (
            "PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 007\r\nConnection: close\r\n\r\n",
            "GET / HTTP/1.1\r\nConnection: close\r\nContent-Length: 7\r\n\r\n",
        ),
        (
            "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: CHUNKED\r\nExpect: 100-continue\r\n\r\n",
            "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
            "GET / HTTP/1.1\r\nUpgrade: granted\r\n\r\n",
        ),
        ("GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.0\r\n\r\n"),
        (
            "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
            "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        ),
    ] {
        assert_eq!(told(request), session, "{request}");
    }
}

#[test]
fn more_fields_than_usual_are_all_there() {
    let mut request = "GET / HTTP/1.1\r\nHost: a\r\n".to_owned();
    for index in 0..200 {
        request.push_str(&format!("x-{index}: {index}\r\nx-same: {index}\r\n"));
    }
    let (head, framing) = parsed(&format!("{request}\r\n"));
    assert_eq!(framing.body, Body::None);
    assert_eq!(head.headers.len(), 401);
    assert_eq!(head.headers["x-199"], "199");
    let same: Vec<_> = head.headers.get_all("x-same").iter().map(|v| v.to_str().unwrap()).collect();
    assert_eq!((same.len(), same[0], same[199]), (200, "0", "199"));
}

/// Pieces that requests, good and bad, are made of.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        "GET ",
        "POST ",
        "/ HTTP/1.1\r\n",
        "/a?b HTTP/1.0\r\n",
        " ",
        "\r\n",
        "\n",
        "\r",
        "\r\n\r\n",
        "Host: a\r\n",
        "Host: a",
        "Content-Length: 3\r\n",
        "Transfer-Encoding: chunked\r\n",
        "x: y\r\n",
        " x\r\n",
        "x :y\r\n",
        ":",
        "Connection: close\r\n",
        "http://a/",
        "*",
        "#",
        "\0",
    ]);
    let known = known.prop_map(|text| text.as_bytes().to_vec());
    let any = prop::collection::vec(any::<u8>(), 0..3);
    let piece = prop_oneof![9 => known, 1 => any];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..Default::default() })]

    /// How bytes were split changes nothing, whatever they are.
    #[test]
    fn splits_change_nothing(tail in pieces(), begun in any::<bool>(), cut in any::<prop::sample::Index>()) {
        let mut text = if begun { b"POST / HTTP/1.1\r\nHost: a\r\n".to_vec() } else { Vec::new() };
        text.extend(tail);
        let limits = limits();
        let cut = if text.is_empty() { 0 } else { cut.index(text.len()) };
        let shown = |read: Option<Result<(RequestHead, Framing), Refusal>>| format!("{read:?}");
        let whole = shown(read(&text, &[], &limits));
        prop_assert_eq!(&shown(read(&text, &[cut], &limits)), &whole);
        let each: Vec<usize> = (0..text.len()).collect();
        prop_assert_eq!(&shown(read(&text, &each, &limits)), &whole);
    }

    /// What is let through is what the plain rules say: read again by a reader that knows only CR LF,
    /// the first colon, and one of the two framings.
    #[test]
    fn what_is_let_through_is_plain(tail in pieces()) {
        let mut text = b"POST / HTTP/1.1\r\nHost: a\r\n".to_vec();
        text.extend(tail);
        let Some(Ok((_, framing))) = read(&text, &[], &limits()) else { return Ok(()) };
        let text = String::from_utf8_lossy(&text).into_owned();
        let (section, _) = text.split_once("\r\n\r\n").unwrap();
        prop_assert!(!section.replace("\r\n", "").contains(['\r', '\n', '\0']));
        let fields: Vec<(String, &str)> = section
            .split("\r\n")
            .skip(1)
            .map(|line| line.split_once(':').unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim()))
            .collect();
        let named = |wanted: &str| fields.iter().filter(|(name, _)| name == wanted).count();
        prop_assert_eq!(named("host"), 1);
        let expected = match (named("content-length"), named("transfer-encoding")) {
            (0, 0) => Body::None,
            (1, 0) => Body::Length(3),
            (0, 1) => Body::Chunked,
            both => return Err(TestCaseError::fail(format!("{both:?} let through"))),
        };
        prop_assert_eq!(framing.body, expected);
    }
}
