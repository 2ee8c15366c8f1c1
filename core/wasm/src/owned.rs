//! The records of a call that waits: no borrow of the exchange may cross a wait.

use crate::{
    contract::{CallRef, FieldRef, IdentityRef, NamedRef, ResponseRef},
    failure::CallError,
    lower,
    prepared::Prepared,
    reads::Selection,
    run::{Input, Output},
};
use bytes::Bytes;
use paifang_pipeline::ResponseHead;
use smallvec::SmallVec;

/// A [`CallRef`] of its own.
pub(crate) struct OwnedCall {
    method: Option<String>,
    path: Option<String>,
    query: Option<String>,
    host: Option<String>,
    client_ip: Option<String>,
    api: Option<String>,
    app: Option<String>,
    request_id: Option<String>,
    params: Vec<(String, String)>,
    identity: Option<OwnedIdentity>,
    headers: Vec<(String, Vec<u8>)>,
    slots: Vec<(String, String)>,
    kept: Vec<u8>,
}

struct OwnedIdentity {
    subject: String,
    app: Option<String>,
    claims: Vec<(String, String)>,
}

fn named(list: &[NamedRef<'_>]) -> Vec<(String, String)> {
    list.iter().map(|named| (named.name.to_owned(), named.value.to_owned())).collect()
}

fn named_refs(list: &[(String, String)]) -> Vec<NamedRef<'_>> {
    list.iter().map(|(name, value)| NamedRef { name, value }).collect()
}

fn fields(list: &[FieldRef<'_>]) -> Vec<(String, Vec<u8>)> {
    list.iter().map(|field| (field.name.to_owned(), field.value.to_vec())).collect()
}

fn field_refs(list: &[(String, Vec<u8>)]) -> Vec<FieldRef<'_>> {
    list.iter().map(|(name, value)| FieldRef { name, value }).collect()
}

impl OwnedCall {
    pub(crate) fn of(call: CallRef<'_>) -> Self {
        let text = |text: Option<&str>| text.map(str::to_owned);
        Self {
            method: text(call.method),
            path: text(call.path),
            query: text(call.query),
            host: text(call.host),
            client_ip: text(call.client_ip),
            api: text(call.api),
            app: text(call.app),
            request_id: text(call.request_id),
            params: named(call.params),
            identity: call.identity.map(|identity| OwnedIdentity {
                subject: identity.subject.to_owned(),
                app: text(identity.app),
                claims: named(identity.claims),
            }),
            headers: fields(call.headers),
            slots: named(call.slots),
            kept: call.kept.to_vec(),
        }
    }
}

/// A [`ResponseRef`] of its own.
pub(crate) struct OwnedResponse {
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
}

impl OwnedResponse {
    pub(crate) fn of(head: &ResponseHead, selection: &Selection) -> Self {
        let mut headers = SmallVec::new();
        lower::fields(&head.headers, selection, &mut headers);
        Self { status: head.status.as_u16(), headers: fields(&headers) }
    }
}

/// An [`Input`] of its own.
pub(crate) enum OwnedInput {
    Request(OwnedCall),
    RequestWithBody(OwnedCall, Bytes),
    Response(OwnedCall, OwnedResponse),
    ResponseWithBody(OwnedCall, OwnedResponse, Bytes),
}

impl OwnedInput {
    /// Calls the stage.
    pub(crate) async fn run(&self, prepared: &Prepared) -> Result<Output, CallError> {
        let (call, head) = match self {
            Self::Request(call) | Self::RequestWithBody(call, _) => (call, None),
            Self::Response(call, head) | Self::ResponseWithBody(call, head, _) => {
                (call, Some(head))
            }
        };
        let (params, headers) = (named_refs(&call.params), field_refs(&call.headers));
        let slots = named_refs(&call.slots);
        let claims = call.identity.as_ref().map(|identity| named_refs(&identity.claims));
        let identity = call.identity.as_ref().map(|identity| IdentityRef {
            subject: &identity.subject,
            app: identity.app.as_deref(),
            claims: claims.as_deref().unwrap_or_default(),
        });
        let record = CallRef {
            method: call.method.as_deref(),
            path: call.path.as_deref(),
            query: call.query.as_deref(),
            host: call.host.as_deref(),
            client_ip: call.client_ip.as_deref(),
            api: call.api.as_deref(),
            app: call.app.as_deref(),
            request_id: call.request_id.as_deref(),
            params: &params,
            identity,
            headers: &headers,
            slots: &slots,
            kept: &call.kept,
        };
        let response = head.map(|head| field_refs(&head.headers)).unwrap_or_default();
        let head = ResponseRef { status: head.map_or(0, |head| head.status), headers: &response };
        let input = match self {
            Self::Request(_) => Input::Request(record),
            Self::RequestWithBody(_, body) => Input::RequestWithBody(record, body),
            Self::Response(..) => Input::Response(record, head),
            Self::ResponseWithBody(_, _, body) => Input::ResponseWithBody(record, head, body),
        };
        prepared.call_waiting(input).await
    }
}
