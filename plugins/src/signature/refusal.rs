//! Why a request is not let in (yet), and what it is told.

use super::{credentials::SCHEME, errors};
use http::{
    HeaderValue,
    header::{RETRY_AFTER, WWW_AUTHENTICATE},
};
use paifang_pipeline::{App, ErrorCode, Rejection, Verdict};
use std::{borrow::Cow, sync::Arc};

/// A request that does not pass.
#[derive(Debug)]
pub(super) enum Refusal {
    /// It may pass; its body has to be seen first.
    NeedBody,
    /// It is not signed.
    Missing,
    /// It breaks the rules; the client is told which.
    Malformed(Cow<'static, str>),
    /// Its timestamp is too far from the present, which the client is told (seconds since the Unix
    /// epoch), so that it can mend its clock.
    Expired { present: u64 },
    /// Nobody has signed it so.
    Invalid,
    /// The app that has signed it is not let in.
    App(Arc<App>),
    /// It has passed before.
    Replayed,
    /// Whether it has passed before cannot be told.
    MemoryFull,
}

impl From<Refusal> for Verdict {
    fn from(refusal: Refusal) -> Self {
        Self::Reject(match refusal {
            Refusal::NeedBody => return Self::NeedBody,
            Refusal::Missing => challenge(errors::SIGNATURE_MISSING),
            Refusal::Malformed(detail) => {
                Rejection::new(errors::SIGNATURE_MALFORMED).detail(detail)
            }
            Refusal::Expired { present } => challenge(errors::SIGNATURE_EXPIRED)
                .detail(format!("the gateway's time is {present}")),
            Refusal::Invalid => challenge(errors::SIGNATURE_INVALID),
            Refusal::App(app) => {
                Rejection::new(errors::APP_REFUSED).internal(format!("app `{}`", app.id))
            }
            Refusal::Replayed => challenge(errors::SIGNATURE_REPLAYED),
            Refusal::MemoryFull => Rejection::new(errors::REPLAY_MEMORY_FULL)
                .header(RETRY_AFTER, HeaderValue::from_static("1")),
        })
    }
}

/// A 401 with the challenge that RFC 9110 section 11.6.1 wants, whatever header the answer to it
/// has to come in.
fn challenge(code: &'static ErrorCode) -> Rejection {
    Rejection::new(code).header(WWW_AUTHENTICATE, HeaderValue::from_static(SCHEME))
}
