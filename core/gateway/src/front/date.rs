//! The `Date` of answers that have none (RFC 9110 section 6.6.1).

use http::{HeaderMap, header::DATE};
use pingora_core::protocols::http::date::get_cached_date;

/// Sets `Date` where it is missing. Formatted once a second and thread.
pub(super) fn stamp(headers: &mut HeaderMap) {
    headers.entry(DATE).or_insert_with(get_cached_date);
}
