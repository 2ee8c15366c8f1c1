//! HTTP/2 frames written by hand: what no client library would send.

use super::support::{Client, Setup, answers};
use h2::Reason;

/// A client's preface and its empty SETTINGS (RFC 9113 section 3.4).
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const GOAWAY: u8 = 7;

/// A frame as it came.
pub(super) struct RawFrame<'a> {
    pub(super) kind: u8,
    pub(super) stream: u32,
    pub(super) payload: &'a [u8],
}

/// The whole frames of what a server has sent so far.
pub(super) fn whole_frames(mut sent: &[u8]) -> impl Iterator<Item = RawFrame<'_>> {
    std::iter::from_fn(move || {
        let [a, b, c, kind, _flags, rest @ ..] = sent else { return None };
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        let (stream, rest) = rest.split_at_checked(4)?;
        let payload;
        (payload, sent) = rest.split_at_checked(length)?;
        let stream = u32::from_be_bytes(stream.try_into().unwrap());
        Some(RawFrame { kind: *kind, stream, payload })
    })
}

/// Why a RST_STREAM or GOAWAY was sent.
pub(super) fn reason(frame: &RawFrame<'_>) -> u32 {
    let at = if frame.kind == GOAWAY { 4 } else { 0 };
    u32::from_be_bytes(frame.payload[at..at + 4].try_into().unwrap())
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The head of a request without a body: its fields as literals (RFC 7541 section 6.2.2).
fn head(stream: u32, fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.push(text.len() as u8);
            block.extend(text.as_bytes());
        }
    }
    frame(HEADERS, 5, stream, &block)
}

/// Opens streams, resets them where told so, and does not care what comes back.
pub(super) async fn open_streams(client: &mut Client, numbers: std::ops::Range<u32>, reset: bool) {
    for number in numbers {
        let stream = 2 * number + 1;
        let mut bytes = head(
            stream,
            &[(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a")],
        );
        if reset {
            bytes.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
        }
        if client.try_send(&bytes).await.is_err() {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn heads_that_are_none() {
    const GOOD: [(&str, &str); 4] =
        [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a")];
    let with = |field| GOOD.into_iter().chain([field]).collect::<Vec<_>>();
    let without = |name| GOOD.into_iter().filter(|field| field.0 != name).collect::<Vec<_>>();
    let replaced = |name, value| {
        GOOD.into_iter().map(|field| if field.0 == name { (name, value) } else { field }).collect()
    };
    let late = [("x", "1"), (":method", "GET"), (":scheme", "http"), (":path", "/")];
    let cases: Vec<Vec<(&str, &str)>> = vec![
        with(("connection", "close")),
        with(("keep-alive", "timeout=5")),
        with(("proxy-connection", "close")),
        with(("transfer-encoding", "chunked")),
        with(("upgrade", "websocket")),
        with(("te", "gzip")),
        with((":method", "GET")),
        with((":path", "/")),
        with((":status", "200")),
        with((":protocol", "websocket")),
        with(("content-length", "5")),
        with(("content-length", "+0")),
        without(":method"),
        without(":scheme"),
        without(":path"),
        late.to_vec(),
        replaced(":path", ""),
        replaced(":path", "/a b"),
        replaced(":path", "a"),
        replaced(":authority", "a b"),
    ];
    for fields in cases {
        let server = Setup::new(answers(1, "ok")).http2().start().await;
        let mut client = server.connect().await;
        client.send(PREFACE).await;
        client.send(head(1, &fields)).await;
        // The answer to this one says that the other one has been dealt with.
        client.send(head(3, &GOOD)).await;
        let sent = client.until_frame(|frame| frame.stream == 3 && frame.kind == 0).await;
        let refused = whole_frames(&sent).find(|frame| frame.stream == 1);
        let refused = refused.unwrap_or_else(|| panic!("{fields:?} got no answer"));
        assert_eq!(refused.kind, RST_STREAM, "{fields:?}");
        assert_eq!(reason(&refused), u32::from(Reason::PROTOCOL_ERROR), "{fields:?}");
        assert_eq!(server.calls(), 1, "{fields:?}");
    }
}

#[tokio::test]
async fn names_that_no_field_has_end_the_connection() {
    for name in ["X-Upper", "a b", "a\r\nb", "", ":unknown"] {
        let server = Setup::new(answers(1, "ok")).http2().start().await;
        let mut client = server.connect().await;
        client.send(PREFACE).await;
        let fields = [
            (":method", "GET"),
            (":scheme", "http"),
            (":path", "/"),
            (":authority", "a"),
            (name, "1"),
        ];
        client.send(head(1, &fields)).await;
        let sent =
            client.until_frame(|frame| frame.kind == GOAWAY || frame.kind == RST_STREAM).await;
        let last = whole_frames(&sent).last().unwrap();
        let protocol_error = u32::from(Reason::PROTOCOL_ERROR);
        assert_eq!((last.kind, reason(&last)), (GOAWAY, protocol_error), "{name:?}");
        assert_eq!(server.calls(), 0, "{name:?}");
    }
}

#[tokio::test]
async fn a_fragment_in_the_path_goes_no_further() {
    let server = Setup::new(answers(1, "ok")).http2().start().await;
    let mut client = server.connect().await;
    client.send(PREFACE).await;
    let fields =
        [(":method", "GET"), (":scheme", "http"), (":path", "/a?b#c"), (":authority", "a")];
    client.send(head(1, &fields)).await;
    client.until_frame(|frame| frame.stream == 1 && frame.kind == 0).await;
    assert_eq!(server.service.heads.lock()[0].uri, "http://a/a?b");
}
