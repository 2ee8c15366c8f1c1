//! The records of `wasm-handlers/wit/handler.wit` as wasmtime lowers and lifts them. What goes in is
//! borrowed, so that a call copies each byte once, into the instance; what comes out is owned.
//!
//! wasmtime compares these with the component's own types when an export is looked up, so a
//! difference is an error at load and never a misread byte. The derived traits are unsafe to
//! implement, for they say how bytes are laid out; no unsafe code is written here by hand.

#![allow(unsafe_code)]
// Variants are made by lifting, not by name.
#![allow(dead_code)]

use wasmtime::component::{ComponentType, Lift, Lower, flags};

/// The package and version whose interfaces a handler exports and imports.
pub(crate) const PACKAGE: &str = "paifang:handler";
/// The version of the contract. Handlers of `0.1.x` are taken.
pub(crate) const VERSION: &str = "0.1.0";

/// A header field, as handlers give it.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lift, Lower)]
#[component(record)]
pub(crate) struct Field {
    /// In lower case.
    pub(crate) name: String,
    /// As on the wire.
    pub(crate) value: Vec<u8>,
}

/// A named text, as handlers are given it.
#[derive(Debug, Clone, Copy, ComponentType, Lower)]
#[component(record)]
pub(crate) struct NamedRef<'a> {
    pub(crate) name: &'a str,
    pub(crate) value: &'a str,
}

/// A named text, as handlers give it.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lift)]
#[component(record)]
pub(crate) struct Named {
    /// Its name.
    pub(crate) name: String,
    /// Its value.
    pub(crate) value: String,
}

flags! {
    Facts {
        #[component(name = "method")]
        const METHOD;
        #[component(name = "path")]
        const PATH;
        #[component(name = "query")]
        const QUERY;
        #[component(name = "host")]
        const HOST;
        #[component(name = "client-ip")]
        const CLIENT_IP;
        #[component(name = "api")]
        const API;
        #[component(name = "app")]
        const APP;
        #[component(name = "request-id")]
        const REQUEST_ID;
        #[component(name = "params")]
        const PARAMS;
        #[component(name = "identity")]
        const IDENTITY;
    }
}

/// Which header fields a stage is given.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lift)]
#[component(variant)]
pub(crate) enum Headers {
    /// None.
    #[component(name = "none")]
    None,
    /// Those of these names.
    #[component(name = "named")]
    Named(Vec<String>),
    /// All.
    #[component(name = "all")]
    All,
}

/// What one stage reads.
#[derive(Debug, Clone, ComponentType, Lift)]
#[component(record)]
pub(crate) struct Reads {
    /// Facts.
    pub(crate) facts: Facts,
    /// Request headers.
    #[component(name = "request-headers")]
    pub(crate) request_headers: Headers,
    /// Response headers.
    #[component(name = "response-headers")]
    pub(crate) response_headers: Headers,
    /// Slots.
    pub(crate) slots: Vec<String>,
}

/// What a handler reads and writes under its config; a stage without reads is not called.
#[derive(Debug, Clone, ComponentType, Lift)]
#[component(record)]
pub(crate) struct Manifest {
    /// At `request` and `request-with-body`.
    pub(crate) request: Option<Reads>,
    /// At `response` and `response-with-body`.
    pub(crate) response: Option<Reads>,
    /// At `log`.
    pub(crate) log: Option<Reads>,
    /// Whether it says who the caller is.
    #[component(name = "writes-identity")]
    pub(crate) writes_identity: bool,
    /// Slots that it writes.
    #[component(name = "writes-slots")]
    pub(crate) writes_slots: Vec<String>,
}

/// What is wrong with a handler's config.
#[derive(Debug, Clone, ComponentType, Lift)]
#[component(record)]
pub(crate) struct ConfigError {
    pub(crate) pointer: String,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

/// Who the caller is, as handlers are given it.
#[derive(Debug, Clone, Copy, ComponentType, Lower)]
#[component(record)]
pub(crate) struct IdentityRef<'a> {
    pub(crate) subject: &'a str,
    pub(crate) app: Option<&'a str>,
    pub(crate) claims: Option<&'a [NamedRef<'a>]>,
}

/// Who the caller is, as handlers say it.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lift)]
#[component(record)]
pub(crate) struct Identity {
    /// The subject.
    pub(crate) subject: String,
    /// The app it belongs to.
    pub(crate) app: Option<String>,
    /// Further claims.
    pub(crate) claims: Option<Vec<Named>>,
}

/// A call. A list that is not there costs nothing; an empty one would cost a call of the guest's
/// allocator.
#[derive(Debug, Clone, Copy, ComponentType, Lower)]
#[component(record)]
pub(crate) struct CallRef<'a> {
    pub(crate) method: Option<&'a str>,
    pub(crate) path: Option<&'a str>,
    pub(crate) query: Option<&'a str>,
    pub(crate) host: Option<&'a str>,
    #[component(name = "client-ip")]
    pub(crate) client_ip: Option<&'a str>,
    pub(crate) api: Option<&'a str>,
    pub(crate) app: Option<&'a str>,
    #[component(name = "request-id")]
    pub(crate) request_id: Option<&'a str>,
    pub(crate) params: Option<&'a [NamedRef<'a>]>,
    pub(crate) identity: Option<IdentityRef<'a>>,
    /// Lines of a head; see [`crate::lines`].
    pub(crate) headers: Option<&'a [u8]>,
    pub(crate) slots: Option<&'a [NamedRef<'a>]>,
    pub(crate) kept: Option<&'a [u8]>,
}

/// The head of a response.
#[derive(Debug, Clone, Copy, ComponentType, Lower)]
#[component(record)]
pub(crate) struct ResponseRef<'a> {
    pub(crate) status: u16,
    pub(crate) headers: Option<&'a [u8]>,
}

/// A change to one header field.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lift)]
#[component(variant)]
pub(crate) enum Edit {
    /// In place of all of this name.
    #[component(name = "set")]
    Set(Field),
    /// Beside those of this name.
    #[component(name = "append")]
    Append(Field),
    /// None of this name.
    #[component(name = "remove")]
    Remove(String),
}

/// Changes to a request.
#[derive(Debug, Clone, Default, PartialEq, Eq, ComponentType, Lift)]
#[component(record)]
pub(crate) struct RequestEdits {
    /// Of header fields, in order.
    pub(crate) headers: Vec<Edit>,
    /// Another path.
    pub(crate) path: Option<String>,
    /// Another query; empty for none.
    pub(crate) query: Option<String>,
    /// Another body.
    pub(crate) body: Option<Vec<u8>>,
    /// Who the caller is.
    pub(crate) identity: Option<Identity>,
    /// Slots to fill.
    pub(crate) slots: Vec<Named>,
    /// Kept for later stages.
    pub(crate) keep: Vec<u8>,
}

/// Changes to a response.
#[derive(Debug, Clone, Default, PartialEq, Eq, ComponentType, Lift)]
#[component(record)]
pub(crate) struct ResponseEdits {
    /// Another status.
    pub(crate) status: Option<u16>,
    /// Of header fields, in order.
    pub(crate) headers: Vec<Edit>,
    /// Another body.
    pub(crate) body: Option<Vec<u8>>,
    /// Kept for `log`.
    pub(crate) keep: Option<Vec<u8>>,
}

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lift)]
#[component(record)]
pub(crate) struct Answer {
    /// 200 to 599.
    pub(crate) status: u16,
    /// Its header fields.
    pub(crate) headers: Vec<Field>,
    /// Its body.
    pub(crate) body: Vec<u8>,
}

/// Why a call is refused; each is a row of the error table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
pub(crate) enum Refusal {
    /// 400.
    #[component(name = "bad-request")]
    BadRequest,
    /// 401.
    #[component(name = "unauthenticated")]
    Unauthenticated,
    /// 403.
    #[component(name = "forbidden")]
    Forbidden,
    /// 404.
    #[component(name = "not-found")]
    NotFound,
    /// 409.
    #[component(name = "conflict")]
    Conflict,
    /// 422.
    #[component(name = "unprocessable")]
    Unprocessable,
    /// 429.
    #[component(name = "too-many-requests")]
    TooManyRequests,
    /// 503.
    #[component(name = "unavailable")]
    Unavailable,
}

/// A refused call.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lift)]
#[component(record)]
pub(crate) struct Rejection {
    /// Why.
    pub(crate) refusal: Refusal,
    /// For the client.
    pub(crate) detail: Option<String>,
    /// Fields to add.
    pub(crate) headers: Vec<Field>,
    /// For the log.
    pub(crate) internal: Option<String>,
}

/// What a handler says of a request.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lift)]
#[component(variant)]
pub(crate) enum RequestVerdict {
    /// On to the next step.
    #[component(name = "next")]
    Next(RequestEdits),
    /// This is the answer.
    #[component(name = "respond")]
    Respond(Answer),
    /// Refused.
    #[component(name = "reject")]
    Reject(Rejection),
    /// The whole body is needed; this is kept.
    #[component(name = "need-body")]
    NeedBody(Vec<u8>),
    /// It cannot decide.
    #[component(name = "fail")]
    Fail(String),
}

/// What a handler says of a response.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lift)]
#[component(variant)]
pub(crate) enum ResponseVerdict {
    /// On to the step above.
    #[component(name = "next")]
    Next(ResponseEdits),
    /// This is the answer instead.
    #[component(name = "replace")]
    Replace(Answer),
    /// The whole body is needed; this is kept.
    #[component(name = "need-body")]
    NeedBody(Vec<u8>),
    /// It cannot decide.
    #[component(name = "fail")]
    Fail(String),
}

/// What became of a call.
#[derive(Debug, Clone, Copy, ComponentType, Lower)]
#[component(record)]
pub(crate) struct OutcomeRef<'a> {
    pub(crate) status: u16,
    pub(crate) termination: &'a str,
    #[component(name = "duration-nanos")]
    pub(crate) duration_nanos: u64,
    #[component(name = "request-bytes")]
    pub(crate) request_bytes: u64,
    #[component(name = "response-bytes")]
    pub(crate) response_bytes: u64,
    #[component(name = "error-code")]
    pub(crate) error_code: Option<&'a str>,
    pub(crate) headers: Option<&'a [u8]>,
}
