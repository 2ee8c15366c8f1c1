//! The records of a call that waits: no borrow of the exchange may cross a wait.

use crate::{
    contract::{CallRef, IdentityRef, NamedRef, ResponseRef},
    failure::CallError,
    lines::Lines,
    prepared::Prepared,
    reads::Selection,
    run::{Input, Output},
};
use bytes::Bytes;
use paifang_pipeline::ResponseHead;

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
    params: Option<Texts>,
    identity: Option<OwnedIdentity>,
    headers: Option<Vec<u8>>,
    slots: Option<Texts>,
    kept: Option<Vec<u8>>,
}

/// Names and values.
type Texts = Vec<(String, String)>;

struct OwnedIdentity {
    subject: String,
    app: Option<String>,
    claims: Option<Texts>,
}

fn named(list: Option<&[NamedRef<'_>]>) -> Option<Texts> {
    let text = |named: &NamedRef<'_>| (named.name.to_owned(), named.value.to_owned());
    list.map(|list| list.iter().map(text).collect())
}

fn named_refs(list: Option<&Texts>) -> Option<Vec<NamedRef<'_>>> {
    list.map(|list| list.iter().map(|(name, value)| NamedRef { name, value }).collect())
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
            headers: call.headers.map(<[u8]>::to_vec),
            slots: named(call.slots),
            kept: call.kept.map(<[u8]>::to_vec),
        }
    }
}

/// A [`ResponseRef`] of its own.
pub(crate) struct OwnedResponse {
    status: u16,
    headers: Option<Vec<u8>>,
}

impl OwnedResponse {
    pub(crate) fn of(head: &ResponseHead, selection: &Selection) -> Self {
        let headers = Lines::of(&head.headers, selection).text().map(<[u8]>::to_vec);
        Self { status: head.status.as_u16(), headers }
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
        let (params, slots) = (named_refs(call.params.as_ref()), named_refs(call.slots.as_ref()));
        let claims = call.identity.as_ref().and_then(|identity| identity.claims.as_ref());
        let claims = named_refs(claims);
        let identity = call.identity.as_ref().map(|identity| IdentityRef {
            subject: &identity.subject,
            app: identity.app.as_deref(),
            claims: claims.as_deref(),
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
            params: params.as_deref(),
            identity,
            headers: call.headers.as_deref(),
            slots: slots.as_deref(),
            kept: call.kept.as_deref(),
        };
        let head = ResponseRef {
            status: head.map_or(0, |head| head.status),
            headers: head.and_then(|head| head.headers.as_deref()),
        };
        let input = match self {
            Self::Request(_) => Input::Request(record),
            Self::RequestWithBody(_, body) => Input::RequestWithBody(record, body),
            Self::Response(..) => Input::Response(record, head),
            Self::ResponseWithBody(_, _, body) => Input::ResponseWithBody(record, head, body),
        };
        prepared.call_waiting(input).await
    }
}
