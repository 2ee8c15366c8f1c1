//! The smallest handler there can be: one stage, no `configure`, no imports. It is made without
//! `handler!`, whose functions all want a state.

use paifang_guest::{Call, RequestVerdict, bindings::request, next};

/// The handler. Public, for outside of wasm32 nothing makes use of it.
pub struct Bare;

impl request::exports::paifang::handler::request::Guest for Bare {
    /// Says how much it was given: with no manifest it is everything that needs no grant.
    fn handle(call: Call) -> RequestVerdict {
        let path = call.path.clone().unwrap_or_default();
        next()
            .set_header("x-path", path)
            .set_header("x-fields", call.fields().count().to_string())
            .into()
    }
}

#[cfg(target_arch = "wasm32")]
request::export_request!(Bare with_types_in request);
