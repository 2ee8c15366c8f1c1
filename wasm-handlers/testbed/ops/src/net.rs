//! Calls to upstreams. Whoever can make them imports `http` and is run by the host as a handler that
//! may wait; so there are handlers with and without.

use crate::{
    draft::{self, Draft, End},
    facts,
    op::Outgoing,
};
use paifang_guest::{Answer, Field, host::http};
use serde_json::json;

/// Whether a handler can call upstreams.
pub trait Net {
    /// Calls one.
    ///
    /// # Errors
    /// As the host says.
    fn send(request: &http::Request) -> Result<http::Response, http::Error>;
}

/// It can.
#[derive(Debug)]
pub enum Online {}

/// It cannot, and imports nothing for it.
#[derive(Debug)]
pub enum Offline {}

impl Net for Online {
    fn send(request: &http::Request) -> Result<http::Response, http::Error> {
        http::send(request)
    }
}

impl Net for Offline {
    fn send(_: &http::Request) -> Result<http::Response, http::Error> {
        Err(http::Error::Invalid("this handler calls nobody".to_owned()))
    }
}

/// Makes a call and notes what came back; where `relay`, that is the answer too.
pub(crate) fn send<N: Net>(outgoing: &Outgoing, relay: bool, draft: &mut Draft) {
    let body =
        outgoing.bytes.map_or_else(|| outgoing.body.clone().into(), |bytes| vec![b'x'; bytes]);
    let request = http::Request {
        upstream: outgoing.upstream.clone(),
        method: outgoing.method.clone(),
        path_and_query: outgoing.path.clone(),
        headers: outgoing.headers.iter().map(|(n, v)| Field::new(n, &**v)).collect(),
        body,
        timeout_millis: outgoing.timeout,
    };
    match N::send(&request) {
        Ok(http::Response { status, body, .. }) => {
            draft.note(json!({ "status": status, "body": facts::text(&body) }));
            if relay {
                draft.end = Some(End::Answer(Answer { status, headers: Vec::new(), body }));
            }
        }
        Err(error) => {
            let error = match error {
                http::Error::Denied => "denied".to_owned(),
                http::Error::Invalid(why) => format!("invalid: {why}"),
                http::Error::Timeout => "timeout".to_owned(),
                http::Error::TooLarge => "too_large".to_owned(),
                http::Error::Unavailable(why) => format!("unavailable: {why}"),
            };
            if relay {
                draft.end = Some(End::Fail(error.clone()));
            }
            draft.note(draft::error(error));
        }
    }
}
