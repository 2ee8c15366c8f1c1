//! Writes handlers for the Paifang gateway: plain functions become a WebAssembly component that
//! stands in a chain like a built-in plugin.
//!
//! ```
//! use paifang_guest::prelude::*;
//!
//! #[derive(Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Config {
//!     /// The header that partners name themselves in.
//!     header: HeaderName,
//! }
//!
//! /// Says what it reads; anything else is not copied into the handler.
//! fn configure(config: Config) -> Result<(Config, Manifest), ConfigError> {
//!     let reads = Reads::new().header(&config.header);
//!     Ok((config, Manifest::new().on_request(reads)))
//! }
//!
//! fn request(config: &Config, call: &Call) -> RequestVerdict {
//!     match call.header(&config.header) {
//!         Some(partner) => next().set_header("x-partner", partner).into(),
//!         None => reject(Refusal::Unauthenticated).detail("Who are you?").into(),
//!     }
//! }
//!
//! paifang_guest::handler! {
//!     state: Config,
//!     configure: configure,
//!     request: request,
//! }
//! # fn main() {
//! # let config = Config { header: HeaderName::known("x-key") };
//! # assert!(matches!(request(&config, &Call::default()), RequestVerdict::Reject(_)));
//! # let call = Call::default().with_header("X-Key", "acme");
//! # assert!(matches!(request(&config, &call), RequestVerdict::Next(_)));
//! # }
//! ```
//!
//! The functions are ordinary ones: test them with `cargo test`, and inside the gateway's own host
//! with `paifang handler test`. The contract they follow: `docs/specs/handler.md`.

mod call;
mod configure;
mod lines;
mod macros;
mod manifest;
mod names;
mod verdict;

#[doc(hidden)]
pub mod bindings;
pub mod host;
pub mod units;

pub use bindings::imports::paifang::handler::types::{
    Answer, Call, ConfigError, Edit, Facts, Field, Headers, Identity, Manifest, Named, Outcome,
    Reads, Refusal, Rejection, RequestEdits, RequestVerdict, Response, ResponseEdits,
    ResponseVerdict,
};
pub use call::Repeated;
#[doc(hidden)]
pub use configure::configured;
pub use lines::Fields;
pub use names::HeaderName;
pub use verdict::{
    Next, NextResponse, Refused, Reply, answer, fail, fail_response, need_body, need_response_body,
    next, next_response, reject,
};

/// What a handler usually needs.
pub mod prelude {
    pub use crate::{
        Answer, Call, ConfigError, Facts, HeaderName, Identity, Manifest, Outcome, Reads, Refusal,
        RequestVerdict, Response, ResponseVerdict, answer, fail, fail_response, host, need_body,
        need_response_body, next, next_response, reject,
    };
    pub use serde::Deserialize;
}
