//! Calls that are answered before they reach the host.

use bytes::Bytes;
use paifang_mmtp::{
    session::{NewResponse, Request, Session},
    tlv::{TlvWriter, kind},
};
use paifang_pipeline::ErrorCode;

/// Answers a call with a row of the error table; what came of it is given back, what still comes is dropped. `after`: milliseconds to wait
/// before it is worth another try, 0 to say nothing of it.
pub(super) fn refuse(
    session: &mut Session,
    request: &Request,
    row: &'static ErrorCode,
    after: u32,
) {
    let key = request.key;
    let mut tlvs = Vec::new();
    let mut put = TlvWriter(&mut tlvs);
    put.integer(kind::ERROR, u64::from(row.number));
    if after > 0 {
        put.integer(kind::AFTER, u64::from(after));
    }
    let (status, tlvs, data) = (row.status.as_u16(), tlvs.into(), Bytes::new());
    session.respond(key, NewResponse { status, tlvs, zstd: false, data, end: true });
    session.discard(key);
    session.consumed(key.channel, request.cost);
}
