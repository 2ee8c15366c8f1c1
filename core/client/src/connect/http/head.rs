//! The head of an answer.

use std::io;

use bytes::{Buf, BytesMut};
use httparse::{EMPTY_HEADER, Response, Status};
use paifang_mmtp::web;

use super::malformed;

/// The largest head that is read, and the most fields of one.
pub(super) const MAX_HEAD: usize = 16 * 1024;
const MAX_FIELDS: usize = 64;

/// What of a head is looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) is_mmtp: bool,
    pub(super) framing: Framing,
    /// The connection stays for another request (RFC 9112 section 9.3).
    pub(super) keeps: bool,
    /// `Sec-WebSocket-Accept`, and whether the subprotocol is MMTP's.
    pub(super) accept: Option<Box<[u8]>>,
    pub(super) subprotocol: bool,
}

/// How the end of a body is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Framing {
    /// By the end of the connection.
    #[default]
    Close,
    Length(u64),
    Chunked,
}

/// Takes a final head from the beginning of `input`; `None` while it is not whole. Interim answers are skipped.
pub(super) fn take(input: &mut BytesMut) -> io::Result<Option<Head>> {
    loop {
        let mut fields = [EMPTY_HEADER; MAX_FIELDS];
        let mut response = Response::new(&mut fields);
        let length = match response.parse(input) {
            Ok(Status::Complete(length)) => length,
            Ok(Status::Partial) if input.len() <= MAX_HEAD => return Ok(None),
            Ok(Status::Partial) => return Err(malformed("the answer's head is too large")),
            Err(_) => return Err(malformed("the answer is no HTTP")),
        };
        let head = read(&response)?;
        input.advance(length);
        if !(100..200).contains(&head.status) || head.status == 101 {
            return Ok(Some(head));
        }
    }
}

fn read(response: &Response<'_, '_>) -> io::Result<Head> {
    let mut head = Head { status: response.code.unwrap_or_default(), ..Head::default() };
    let mut chunked = false;
    head.keeps = response.version == Some(1);
    let mut length = None;
    for field in response.headers.iter() {
        let value = field.value.trim_ascii();
        let is = |name: &str| field.name.eq_ignore_ascii_case(name);
        if is("content-type") {
            let essence = value.split(|&byte| byte == b';').next().unwrap_or_default();
            head.is_mmtp = essence.trim_ascii().eq_ignore_ascii_case(web::MEDIA_TYPE.as_bytes());
        } else if is("transfer-encoding") {
            chunked = value.eq_ignore_ascii_case(b"chunked");
            if !chunked {
                return Err(malformed("a transfer coding other than chunked"));
            }
        } else if is("connection") {
            let mut tokens = value.split(|&byte| byte == b',');
            head.keeps &= !tokens.any(|token| token.trim_ascii().eq_ignore_ascii_case(b"close"));
        } else if is("content-length") {
            let digits = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
            let told = digits.ok_or(malformed("a Content-Length that is none"))?;
            if length.replace(told).is_some_and(|before: u64| before != told) {
                return Err(malformed("two lengths"));
            }
        } else if is("sec-websocket-accept") {
            head.accept = Some(value.into());
        } else if is("sec-websocket-protocol") {
            head.subprotocol = value == web::SUBPROTOCOL.as_bytes();
        }
    }
    head.framing = match (chunked, length) {
        (true, _) => Framing::Chunked,
        (false, Some(length)) => Framing::Length(length),
        (false, None) => Framing::Close,
    };
    Ok(head)
}
