//! Probes of servers that speak gRPC: `grpc.health.v1.Health/Check`, over HTTP/2.
//!
//! The protocol is that of <https://github.com/grpc/grpc/blob/master/doc/health-checking.md>. A request
//! holds one text (field 1, the service), a response one number (field 1, the status), so both are
//! written and read here rather than by generated code.

use super::{
    call::{self, head::Prepared},
    endpoint::Endpoint,
    health::probed_host,
    spec::HealthCheckSpec,
};
use bytes::{BufMut, Bytes, BytesMut};
use http::{
    HeaderMap, HeaderValue, Method, StatusCode, Uri,
    header::{CONTENT_TYPE, HOST, TE, USER_AGENT},
};
use paifang_pipeline::{Frame, OriginCall, OriginEvent};
use std::sync::Arc;

/// A longer answer is none to this question, in bytes.
const LONGEST: usize = 4096;
/// Compressed or not, and the length.
const PREFIX: usize = 5;

/// What the server says of itself (`HealthCheckResponse.ServingStatus`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    Unknown,
    Serving,
    NotServing,
    ServiceUnknown,
    Other(u64),
}

/// One probe over a fresh connection: good when the server says that `service` is serving; the empty
/// one is the server as a whole.
pub(super) async fn probe(
    endpoint: &Arc<Endpoint>,
    spec: &HealthCheckSpec,
    service: &str,
) -> Result<(), String> {
    let mut call = call::open_fresh(endpoint).await.map_err(|error| error.to_string())?;
    if !call.is_h2() {
        return Err("gRPC needs HTTP/2, which the server does not speak".to_owned());
    }
    call.start(head(endpoint, spec)).await.map_err(|error| error.to_string())?;
    let sent = call.send(Frame::last(question(service))).await;
    sent.map_err(|error| error.to_string())?;
    let (mut body, mut ended, mut trailers) = (BytesMut::new(), false, None);
    while !ended {
        match call.next().await.map_err(|error| error.to_string())? {
            OriginEvent::Info(_) => {}
            OriginEvent::Head(head, _) if head.status != StatusCode::OK => {
                return Err(format!("status {}", head.status.as_u16()));
            }
            OriginEvent::Head(head, last) => {
                ended = last;
                // An answer without a message has its trailers in the head.
                trailers = Some(head.headers);
            }
            OriginEvent::Frame(frame) => {
                if body.len() + frame.data.len() > LONGEST {
                    return Err(format!("an answer of more than {LONGEST} bytes"));
                }
                body.extend_from_slice(&frame.data);
                ended = frame.end;
                if let Some(last) = frame.trailers {
                    trailers = Some(*last);
                }
            }
        }
    }
    judge(&trailers.unwrap_or_default(), &body)
}

/// What the answer means.
fn judge(trailers: &HeaderMap, body: &[u8]) -> Result<(), String> {
    let code = trailers.get("grpc-status").and_then(|code| code.to_str().ok());
    match code {
        Some("0") => {}
        Some("5") => return Err("the server does not know the service (NOT_FOUND)".to_owned()),
        Some("12") => {
            return Err("the server has no health service (UNIMPLEMENTED)".to_owned());
        }
        Some(code) if code.len() <= 3 => return Err(format!("gRPC status {code}")),
        _ => return Err("an answer without a gRPC status".to_owned()),
    }
    match status(body) {
        Some(Health::Serving) => Ok(()),
        Some(Health::NotServing) => Err("NOT_SERVING".to_owned()),
        Some(Health::ServiceUnknown) => Err("SERVICE_UNKNOWN".to_owned()),
        Some(Health::Unknown) => Err("the health is UNKNOWN".to_owned()),
        Some(Health::Other(number)) => Err(format!("an unknown health, number {number}")),
        None => Err("the answer is no HealthCheckResponse".to_owned()),
    }
}

fn head(endpoint: &Endpoint, spec: &HealthCheckSpec) -> Prepared {
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(HOST, probed_host(endpoint, spec));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(TE, HeaderValue::from_static("trailers"));
    headers.insert(USER_AGENT, HeaderValue::from_static("paifang-health-check"));
    let uri = Uri::from_static("/grpc.health.v1.Health/Check");
    Prepared { method: Method::POST, uri, headers, has_body: true }
}

/// `HealthCheckRequest { service }`, uncompressed.
fn question(service: &str) -> Bytes {
    let mut message = BytesMut::new();
    if !service.is_empty() {
        // Field 1, of a length.
        message.put_u8(1 << 3 | 2);
        let mut length = service.len();
        while length >= 0x80 {
            message.put_u8(length as u8 | 0x80);
            length >>= 7;
        }
        message.put_u8(length as u8);
        message.put_slice(service.as_bytes());
    }
    let mut framed = BytesMut::with_capacity(PREFIX + message.len());
    framed.put_u8(0);
    framed.put_u32(message.len() as u32);
    framed.put(message);
    framed.freeze()
}

/// The status in `HealthCheckResponse`; `None` where it is no such message. Fields that are not known
/// are passed over, as protobuf wants it.
fn status(body: &[u8]) -> Option<Health> {
    let (prefix, mut message) = body.split_at_checked(PREFIX)?;
    let length = u32::from_be_bytes(prefix.get(1..)?.try_into().ok()?) as usize;
    if prefix.first() != Some(&0) || length != message.len() {
        return None;
    }
    // What is not said is 0.
    let mut found = 0;
    while !message.is_empty() {
        let key = varint(&mut message)?;
        match (key >> 3, key & 7) {
            (1, 0) => found = varint(&mut message)?,
            (_, 0) => drop(varint(&mut message)?),
            (_, 1) => message = message.get(8..)?,
            (_, 2) => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                message = message.get(length..)?;
            }
            (_, 5) => message = message.get(4..)?,
            _ => return None,
        }
    }
    Some(match found {
        0 => Health::Unknown,
        1 => Health::Serving,
        2 => Health::NotServing,
        3 => Health::ServiceUnknown,
        other => Health::Other(other),
    })
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    //! Messages, also such as no server should send.
    use super::{Health, judge, question, status};
    use crate::upstream::tests::support::headers;
    use proptest::prelude::{any, proptest};

    #[test]
    fn questions_as_protobuf_has_them() {
        assert_eq!(question("")[..], [0, 0, 0, 0, 0]);
        assert_eq!(question("a.B")[..], *b"\0\0\0\0\x05\x0a\x03a.B");
        let long = "s".repeat(200);
        let framed = question(&long);
        assert_eq!(framed[..8], [0, 0, 0, 0, 203, 0x0a, 0xc8, 0x01]);
    }

    #[test]
    fn answers_and_what_is_none() {
        let message = |bytes: &[u8]| {
            let mut framed = vec![0, 0, 0, 0, bytes.len() as u8];
            framed.extend_from_slice(bytes);
            status(&framed)
        };
        assert_eq!(message(&[8, 1]), Some(Health::Serving));
        assert_eq!(message(&[8, 2]), Some(Health::NotServing));
        assert_eq!(message(&[]), Some(Health::Unknown));
        assert_eq!(message(&[8, 0xac, 2]), Some(Health::Other(300)));
        // Fields of later versions, before and after.
        let more = [0x12, 2, 9, 9, 8, 1, 0x19, 1, 2, 3, 4, 5, 6, 7, 8, 0x25, 1, 2, 3, 4, 0x28, 7];
        assert_eq!(message(&more), Some(Health::Serving));
        for broken in [&[8][..], &[8, 0x80], &[0x12, 9, 1], &[0x0b], &[0xff; 11]] {
            assert_eq!(message(broken), None, "{broken:?}");
        }
        assert_eq!(status(&[1, 0, 0, 0, 2, 8, 1]), None, "compressed");
        assert_eq!(status(&[0, 0, 0, 0, 3, 8, 1]), None, "cut off");
        assert_eq!(status(&[0, 0]), None);
    }

    #[test]
    fn the_status_of_the_call_comes_first() {
        let serving = [0, 0, 0, 0, 2, 8, 1];
        assert_eq!(judge(&headers(&[("grpc-status", "0")]), &serving), Ok(()));
        for (code, word) in [("5", "NOT_FOUND"), ("12", "UNIMPLEMENTED"), ("14", "gRPC status 14")]
        {
            let why = judge(&headers(&[("grpc-status", code)]), &serving).unwrap_err();
            assert!(why.contains(word), "{why}");
        }
        assert!(judge(&headers(&[]), &serving).unwrap_err().contains("without"));
    }

    proptest! {
        #[test]
        fn no_answer_is_too_strange(body in any::<Vec<u8>>()) {
            let _ = status(&body);
        }
    }
}
