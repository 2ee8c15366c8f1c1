//! The error table: every cause of an answer that the gateway itself makes is one row.
//!
//! `docs/specs/errors.md` lists the rows of the whole gateway; a test holds the page to the code.
//! A row's code, number and label are stable: clients, alerts and dashboards depend on them.

use http::StatusCode;

/// One row of the error table.
#[derive(Debug, PartialEq, Eq)]
pub struct ErrorCode {
    /// Stable number: the `NNNN` of `PF-NNNN`, and the code that MMTP carries.
    ///
    /// 1000-1999 the request, 2000-2999 who calls, 3000-3999 limits, 4000-4999 the origin,
    /// 5000-5999 the gateway and its handlers, 6000-6999 what WASM handlers refuse.
    pub number: u16,
    /// HTTP status of the answer.
    pub status: StatusCode,
    /// Metric label; snake case.
    pub label: &'static str,
    /// One short sentence for people: the `title` of the problem body.
    pub title: &'static str,
}

impl ErrorCode {
    /// A row. `status` must be a valid HTTP status; anything else fails to compile in a `const`.
    #[must_use]
    pub const fn new(
        number: u16,
        status: StatusCode,
        label: &'static str,
        title: &'static str,
    ) -> Self {
        Self { number, status, label, title }
    }

    /// The code as clients see it: `PF-1001`.
    #[must_use]
    pub fn code(&self) -> String {
        format!("PF-{:04}", self.number)
    }
}

/// Declares rows and the list of them all.
macro_rules! rows {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $status:ident, $label:literal, $title:literal;)*) => {
        $($(#[$doc])* pub const $name: &ErrorCode =
            &ErrorCode::new($number, StatusCode::$status, $label, $title);)*
        /// The rows that the pipeline and its fronts use; plugins declare their own.
        pub const TABLE: &[&ErrorCode] = &[$($name),*];
    };
}

rows! {
    /// The request breaks HTTP's syntax or is ambiguous.
    MALFORMED_REQUEST = 1000, BAD_REQUEST, "malformed_request", "The request is malformed.";
    /// The path cannot be normalised safely.
    BAD_PATH = 1001, BAD_REQUEST, "bad_path", "The path is not acceptable.";
    /// The host is missing, repeated or malformed.
    BAD_HOST = 1002, BAD_REQUEST, "bad_host", "The host is missing or not acceptable.";
    /// No API matches.
    NO_ROUTE = 1003, NOT_FOUND, "no_route", "No API matches this request.";
    /// APIs match the path, none the method.
    METHOD_NOT_ALLOWED = 1004, METHOD_NOT_ALLOWED, "method_not_allowed", "No API at this path takes this method.";
    /// The body is larger than the API allows.
    BODY_TOO_LARGE = 1005, PAYLOAD_TOO_LARGE, "body_too_large", "The request body is larger than allowed.";
    /// The client stalled while sending its body.
    BODY_TIMEOUT = 1006, REQUEST_TIMEOUT, "body_timeout", "The request body did not arrive in time.";
    /// The header section is larger or has more fields than allowed.
    HEADERS_TOO_LARGE = 1007, REQUEST_HEADER_FIELDS_TOO_LARGE, "headers_too_large", "The request header section is too large.";
    /// The header section did not arrive in time.
    HEADER_TIMEOUT = 1008, REQUEST_TIMEOUT, "header_timeout", "The request header did not arrive in time.";
    /// The target is longer than allowed.
    URI_TOO_LONG = 1009, URI_TOO_LONG, "uri_too_long", "The request target is too long.";
    /// The request needs something of the protocol that is not known here.
    UNSUPPORTED = 1100, NOT_IMPLEMENTED, "unsupported", "The request needs what is not known here.";
    /// A number stands for no operation.
    OPERATION_NUMBER = 1101, BAD_REQUEST, "operation_number", "The number stands for no operation.";
    /// More calls in flight on one connection than allowed.
    TOO_MANY_CALLS = 1102, TOO_MANY_REQUESTS, "too_many_calls", "Too many calls are in flight on this connection.";
    /// No API has this operation.
    NO_OPERATION = 1103, NOT_FOUND, "no_operation", "No API has this operation.";
    /// Over MMTP: no dictionary that clients may fetch has the identity that `mmtp.dictionary` was called with.
    NO_DICTIONARY = 1106, NOT_FOUND, "no_dictionary", "There is no such dictionary.";
    /// A POST at MMTP's path is not MMTP.
    MMTP_MEDIA_TYPE = 1110, UNSUPPORTED_MEDIA_TYPE, "mmtp_media_type", "The body is not MMTP.";
    /// A WebSocket handshake at MMTP's path is not one for MMTP.
    MMTP_WEBSOCKET = 1111, BAD_REQUEST, "mmtp_websocket", "The WebSocket handshake is not one for MMTP.";
    /// The API is defined but its state is offline.
    API_OFFLINE = 1010, SERVICE_UNAVAILABLE, "api_offline", "This API is offline.";
    /// The body ended early or broke its framing.
    BODY_MALFORMED = 1011, BAD_REQUEST, "body_malformed", "The request body is malformed or incomplete.";
    /// The method is not one that the gateway relays (CONNECT).
    METHOD_REFUSED = 1012, NOT_IMPLEMENTED, "method_refused", "This method is not relayed.";
    /// The call came as early data, which may be a recording, and the API does not take such calls.
    TOO_EARLY = 1013, TOO_EARLY, "too_early", "This call must wait for the end of the TLS handshake.";
    /// The call has come back to a gateway that sent it to another zone, or has passed too many.
    LOOP_DETECTED = 1014, LOOP_DETECTED, "loop_detected", "This call goes round in circles.";

    /// An app makes more calls than its connections may make together.
    APP_CALL_RATE = 3020, TOO_MANY_REQUESTS, "app_call_rate", "The app makes more calls than it may.";

    /// No endpoint of the upstream is healthy.
    NO_ENDPOINT = 4000, SERVICE_UNAVAILABLE, "no_endpoint", "No endpoint of the upstream is available.";
    /// Connecting to the upstream failed.
    CONNECT_FAILED = 4001, BAD_GATEWAY, "connect_failed", "The upstream cannot be reached.";
    /// Connecting to the upstream took too long.
    CONNECT_TIMEOUT = 4002, GATEWAY_TIMEOUT, "connect_timeout", "Connecting to the upstream took too long.";
    /// TLS with the upstream failed.
    UPSTREAM_TLS = 4003, BAD_GATEWAY, "upstream_tls", "TLS with the upstream failed.";
    /// The upstream closed before a whole response head.
    UPSTREAM_CLOSED = 4004, BAD_GATEWAY, "upstream_closed", "The upstream closed the connection before answering.";
    /// The upstream's answer is malformed.
    UPSTREAM_MALFORMED = 4005, BAD_GATEWAY, "upstream_malformed", "The upstream's answer is malformed.";
    /// No response head in time.
    UPSTREAM_TIMEOUT = 4006, GATEWAY_TIMEOUT, "upstream_timeout", "The upstream did not answer in time.";
    /// A step needs the whole response, which is larger than allowed.
    RESPONSE_TOO_LARGE = 4007, BAD_GATEWAY, "response_too_large", "The upstream's response is larger than allowed here.";
    /// The chain ended without an answer and the API has no origin.
    NO_ORIGIN = 4008, BAD_GATEWAY, "no_origin", "No step answered and the API has no upstream.";
    /// The upstream failed in the middle of its body while a step collected it.
    RESPONSE_INCOMPLETE = 4009, BAD_GATEWAY, "response_incomplete", "The upstream broke off its response.";
    /// Every endpoint of the upstream has as many calls as it may, and no more may wait.
    UPSTREAM_BUSY = 4010, SERVICE_UNAVAILABLE, "upstream_busy", "The upstream has as many calls as it may.";

    /// A handler panicked, trapped or returned what it may not.
    HANDLER_FAILED = 5000, INTERNAL_SERVER_ERROR, "handler_failed", "A handler failed.";
    /// A handler's budget is exceeded, its breaker open, or what it depends on away.
    HANDLER_UNAVAILABLE = 5001, SERVICE_UNAVAILABLE, "handler_unavailable", "A handler is unavailable.";
}

#[cfg(test)]
mod tests {
    //! The table's promises.
    use super::TABLE;
    use std::collections::BTreeSet;

    #[test]
    fn numbers_and_labels_are_unique_and_codes_have_four_digits() {
        let numbers: BTreeSet<_> = TABLE.iter().map(|row| row.number).collect();
        let labels: BTreeSet<_> = TABLE.iter().map(|row| row.label).collect();
        assert_eq!((numbers.len(), labels.len()), (TABLE.len(), TABLE.len()));
        for row in TABLE {
            assert_eq!(row.code().len(), "PF-0000".len());
            assert!(row.status.is_client_error() || row.status.is_server_error());
        }
    }
}
