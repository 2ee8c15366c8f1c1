//! New ids: UUIDs of version 7 (RFC 9562 section 5.7), which sort by the time of their calls.

use bytes::{Bytes, BytesMut};
use http::HeaderValue;
use paifang_pipeline::Facts;
use std::cell::RefCell;
use uuid::{Builder, fmt::Hyphenated};

/// How much one buffer of ids takes, in bytes: 113 ids. A buffer is used again once the last call
/// with an id from it has ended, so a steady stream of calls allocates nothing.
const BUFFER: usize = 4096;

thread_local! {
    /// Where this thread's ids stand. Each id is a slice of it.
    static IDS: RefCell<BytesMut> = RefCell::new(BytesMut::new());
}

/// The id of a call: 48 bits of milliseconds, 12 bits of their fraction (method 3 of RFC 9562
/// section 6.2), 62 bits of the call's entropy.
pub(super) fn id(facts: &Facts) -> HeaderValue {
    let time = facts.received_unix;
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let fraction = (u64::from(time.subsec_nanos() % 1_000_000) << 12) / 1_000_000;
    let mut random = [0; 10];
    random[..2].copy_from_slice(&(fraction as u16).to_be_bytes());
    random[2..].copy_from_slice(&facts.entropy.to_be_bytes());
    let uuid = Builder::from_unix_timestamp_millis(millis, &random).into_uuid();
    let mut text = [0; Hyphenated::LENGTH];
    uuid.hyphenated().encode_lower(&mut text);
    let bytes = keep(&text);
    // Hexadecimal digits and dashes are a header's value.
    HeaderValue::from_maybe_shared(bytes).unwrap_or_else(|_| HeaderValue::from_static("-"))
}

/// A copy of `text` in the thread's buffer.
fn keep(text: &[u8]) -> Bytes {
    IDS.with_borrow_mut(|ids| {
        if ids.capacity() < text.len() {
            // Takes the old memory where no id in it is alive any more.
            ids.reserve(BUFFER);
        }
        ids.extend_from_slice(text);
        ids.split().freeze()
    })
}
