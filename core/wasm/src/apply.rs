//! From what a handler says to what a chain does. Nothing is trusted: names, values, paths, statuses
//! and sizes are checked, and what breaks a rule fails the step instead of reaching anyone.

use crate::{
    contract::{Answer, Edit, Field, Refusal, Rejection as Said, RequestEdits, ResponseEdits},
    errors,
    failure::CallError,
    reads::Access,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, uri::PathAndQuery};
use paifang_pipeline::{
    ErrorCode, Identity, Rejection, RequestCall, Response, ResponseCall,
    rules::{is_managed_field, is_normal_path},
};
use std::{borrow::Cow, sync::Arc};

/// What identities that handlers establish are said to come from.
const METHOD: &str = "wasm";
/// The most edits or fields of one verdict.
const MOST_FIELDS: usize = 128;
/// The most bytes of names and values of one verdict.
const MOST_BYTES: usize = 64 << 10;
/// The longest text for a client or a log, in bytes; what is beyond is cut.
const LONGEST_TEXT: usize = 1024;
/// The most bytes that a handler may keep for a call.
const MOST_KEPT: usize = 64 << 10;

type Checked<T> = Result<T, CallError>;

fn illegal<T>(why: impl Into<Cow<'static, str>>) -> Checked<T> {
    Err(CallError::Illegal(why.into()))
}

/// Checked changes to header fields.
pub(crate) enum Change {
    Set(HeaderName, HeaderValue),
    Append(HeaderName, HeaderValue),
    Remove(HeaderName),
}

/// Checks changes to header fields.
pub(crate) fn changes(edits: Vec<Edit>) -> Checked<Vec<Change>> {
    let bytes: usize = edits
        .iter()
        .map(|edit| match edit {
            Edit::Set(field) | Edit::Append(field) => field.name.len() + field.value.len(),
            Edit::Remove(name) => name.len(),
        })
        .sum();
    fits(edits.len(), bytes)?;
    edits
        .into_iter()
        .map(|edit| {
            Ok(match edit {
                Edit::Set(field) => {
                    field_of(field).map(|(name, value)| Change::Set(name, value))?
                }
                Edit::Append(field) => {
                    field_of(field).map(|(name, value)| Change::Append(name, value))?
                }
                Edit::Remove(name) => Change::Remove(name_of(&name)?),
            })
        })
        .collect()
}

fn fits(fields: usize, bytes: usize) -> Checked<()> {
    if fields > MOST_FIELDS || bytes > MOST_BYTES {
        return illegal(format!("{fields} header fields of {bytes} bytes in one verdict"));
    }
    Ok(())
}

fn name_of(text: &str) -> Checked<HeaderName> {
    match HeaderName::from_bytes(text.as_bytes()) {
        Ok(name) if !is_managed_field(name.as_str()) => Ok(name),
        Ok(name) => illegal(format!("the header `{name}`, which is the gateway's own")),
        Err(_) => illegal(format!("`{}`, which is no header name", text.escape_debug())),
    }
}

fn field_of(field: Field) -> Checked<(HeaderName, HeaderValue)> {
    let name = name_of(&field.name)?;
    match HeaderValue::from_maybe_shared(Bytes::from(field.value)) {
        Ok(value) => Ok((name, value)),
        Err(_) => illegal(format!("a value of `{name}` that no header may have")),
    }
}

/// Makes the changes.
pub(crate) fn change(headers: &mut HeaderMap, changes: Vec<Change>) -> Checked<()> {
    for change in changes {
        let done = match change {
            Change::Set(name, value) => headers.try_insert(name, value).map(drop),
            Change::Append(name, value) => headers.try_append(name, value).map(drop),
            Change::Remove(name) => {
                headers.remove(name);
                Ok(())
            }
        };
        if done.is_err() {
            return illegal("more header fields than a message can have");
        }
    }
    Ok(())
}

/// Checked changes to a request: nothing in here can fail any more but for want of room.
pub(crate) struct RequestChanges {
    pub(crate) headers: Vec<Change>,
    pub(crate) target: Option<PathAndQuery>,
    pub(crate) identity: Option<Identity>,
    pub(crate) slots: Vec<(Arc<str>, Arc<str>)>,
    pub(crate) body: Option<Bytes>,
    pub(crate) kept: Vec<u8>,
}

/// A request as far as the rules look at it.
#[derive(Clone, Copy)]
pub(crate) struct Before<'a> {
    pub(crate) path: &'a str,
    pub(crate) query: Option<&'a str>,
    pub(crate) has_body: bool,
}

/// Checks a handler's changes to a request.
pub(crate) fn request_changes(
    before: Before<'_>,
    edits: RequestEdits,
    access: &Access,
    body_limit: usize,
) -> Checked<RequestChanges> {
    texts(&edits)?;
    let headers = changes(edits.headers)?;
    let target = target(before, edits.path, edits.query)?;
    let identity = edits.identity.map(|said| identity(said, access)).transpose()?;
    let mut slots = Vec::with_capacity(edits.slots.len());
    for slot in edits.slots {
        match access.writes_slots.iter().find(|name| ***name == *slot.name) {
            Some(name) => slots.push((name.clone(), Arc::from(slot.value))),
            None => return illegal(format!("the slot `{}`, which it did not declare", slot.name)),
        }
    }
    let body = body(edits.body, before.has_body, body_limit)?;
    Ok(RequestChanges { headers, target, identity, slots, body, kept: kept(edits.keep)? })
}

/// Makes a handler's changes to a request.
pub(crate) fn request(
    call: &mut RequestCall<'_>,
    edits: RequestEdits,
    access: &Access,
    body_limit: usize,
) -> Checked<Vec<u8>> {
    let before = Before { path: call.path(), query: call.query(), has_body: call.body().is_some() };
    let changes = request_changes(before, edits, access, body_limit)?;
    if let Some(target) = changes.target {
        let mut parts = call.head().uri.clone().into_parts();
        parts.path_and_query = Some(target);
        match http::Uri::from_parts(parts) {
            Ok(uri) => call.head_mut().uri = uri,
            Err(_) => return illegal("a path that makes no target"),
        }
    }
    change(&mut call.head_mut().headers, changes.headers)?;
    if let Some(identity) = changes.identity {
        call.slots_mut().set_identity(Arc::new(identity));
    }
    for (name, value) in changes.slots {
        call.slots_mut().set_text(&name, value);
    }
    if let Some(body) = changes.body {
        call.set_body(body);
    }
    Ok(changes.kept)
}

/// Bounds what a handler says of the caller and in slots: it goes into the gateway's own memory.
fn texts(edits: &RequestEdits) -> Checked<()> {
    let claims = edits.identity.iter().flat_map(|identity| &identity.claims).flatten();
    let (mut count, mut bytes) = (0, 0);
    for named in claims.chain(&edits.slots) {
        count += 1;
        bytes += named.name.len() + named.value.len();
    }
    if let Some(identity) = &edits.identity {
        bytes += identity.subject.len() + identity.app.as_ref().map_or(0, String::len);
    }
    if count > MOST_FIELDS || bytes > MOST_BYTES {
        return illegal(format!("{count} claims and slots of {bytes} bytes in one verdict"));
    }
    Ok(())
}

fn body(body: Option<Vec<u8>>, had: bool, limit: usize) -> Checked<Option<Bytes>> {
    match body {
        Some(_) if !had => illegal("a body, without having asked for the whole one"),
        Some(body) if body.len() > limit => Err(CallError::Body(body.len())),
        body => Ok(body.map(Bytes::from)),
    }
}

/// Bounds what is kept.
pub(crate) fn kept(kept: Vec<u8>) -> Checked<Vec<u8>> {
    if kept.len() > MOST_KEPT {
        return illegal(format!("{} bytes to keep, at most {MOST_KEPT}", kept.len()));
    }
    Ok(kept)
}

fn target(
    before: Before<'_>,
    path: Option<String>,
    query: Option<String>,
) -> Checked<Option<PathAndQuery>> {
    if path.is_none() && query.is_none() {
        return Ok(None);
    }
    let path = path.as_deref().unwrap_or(before.path);
    if !is_normal_path(path) {
        return illegal(format!("the path `{}`, which is not normal", path.escape_debug()));
    }
    let query = match &query {
        Some(query) if query.is_empty() => None,
        Some(query) => Some(query.as_str()),
        None => before.query,
    };
    let text = match query {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let parsed = PathAndQuery::try_from(text.as_str()).ok();
    // Parsing drops a fragment silently.
    match parsed.filter(|target| target.as_str() == text) {
        Some(target) => Ok(Some(target)),
        None => illegal("a query that no target may have"),
    }
}

fn identity(said: crate::contract::Identity, access: &Access) -> Checked<Identity> {
    if !access.writes_identity {
        return illegal("an identity, which it did not declare");
    }
    let mut identity = Identity::new(said.subject.into(), said.app.map(Arc::from), METHOD);
    let claims = said.claims.into_iter().flatten();
    identity.claims = claims.map(|claim| (claim.name, claim.value)).collect();
    Ok(identity)
}

/// Checked changes to a response.
pub(crate) struct ResponseChanges {
    pub(crate) headers: Vec<Change>,
    pub(crate) status: Option<StatusCode>,
    pub(crate) body: Option<Bytes>,
    pub(crate) kept: Option<Vec<u8>>,
}

/// Checks a handler's changes to a response.
pub(crate) fn response_changes(
    edits: ResponseEdits,
    has_body: bool,
    body_limit: usize,
) -> Checked<ResponseChanges> {
    Ok(ResponseChanges {
        headers: changes(edits.headers)?,
        status: edits.status.map(status_of).transpose()?,
        body: body(edits.body, has_body, body_limit)?,
        kept: edits.keep.map(kept).transpose()?,
    })
}

/// Makes a handler's changes to a response.
pub(crate) fn response(
    call: &mut ResponseCall<'_>,
    edits: ResponseEdits,
    body_limit: usize,
) -> Checked<Option<Vec<u8>>> {
    let changes = response_changes(edits, call.body().is_some(), body_limit)?;
    change(&mut call.response_mut().headers, changes.headers)?;
    if let Some(status) = changes.status {
        call.response_mut().status = status;
    }
    if let Some(body) = changes.body {
        call.set_body(body);
    }
    Ok(changes.kept)
}

fn status_of(status: u16) -> Checked<StatusCode> {
    match StatusCode::from_u16(status) {
        Ok(code) if (200..=599).contains(&status) => Ok(code),
        _ => illegal(format!("the status {status}")),
    }
}

/// A handler's answer.
pub(crate) fn answer(answer: Answer, body_limit: usize) -> Checked<Response> {
    let status = status_of(answer.status)?;
    if answer.body.len() > body_limit {
        return Err(CallError::Body(answer.body.len()));
    }
    if !answer.body.is_empty() && matches!(answer.status, 204 | 205 | 304) {
        return illegal(format!("a body with the status {}", answer.status));
    }
    let mut response = Response::new(answer.body.into());
    *response.status_mut() = status;
    let fields = fields(answer.headers)?;
    for (name, value) in fields {
        response.headers_mut().append(name, value);
    }
    Ok(response)
}

fn fields(fields: Vec<Field>) -> Checked<Vec<(HeaderName, HeaderValue)>> {
    fits(fields.len(), fields.iter().map(|field| field.name.len() + field.value.len()).sum())?;
    fields.into_iter().map(field_of).collect()
}

/// The row of a refusal.
pub(crate) const fn row(refusal: Refusal) -> &'static ErrorCode {
    match refusal {
        Refusal::BadRequest => errors::BAD_REQUEST,
        Refusal::Unauthenticated => errors::UNAUTHENTICATED,
        Refusal::Forbidden => errors::FORBIDDEN,
        Refusal::NotFound => errors::NOT_FOUND,
        Refusal::Conflict => errors::CONFLICT,
        Refusal::Unprocessable => errors::UNPROCESSABLE,
        Refusal::TooManyRequests => errors::TOO_MANY_REQUESTS,
        Refusal::Unavailable => errors::UNAVAILABLE,
    }
}

/// A handler's refusal.
pub(crate) fn rejection(said: Said) -> Checked<Rejection> {
    let mut rejection = Rejection::new(row(said.refusal));
    if let Some(detail) = said.detail {
        rejection = rejection.detail(cut(detail));
    }
    if let Some(text) = said.internal {
        rejection = rejection.internal(cut(text));
    }
    rejection.headers = fields(said.headers)?;
    Ok(rejection)
}

/// A text of bounded length.
pub(crate) fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(LONGEST_TEXT));
    text
}
