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

/// Makes a handler's changes to a request. All are checked before the first is made.
pub(crate) fn request(
    call: &mut RequestCall<'_>,
    edits: RequestEdits,
    access: &Access,
    kind: &'static str,
    body_limit: usize,
) -> Checked<Vec<u8>> {
    let changes = changes(edits.headers)?;
    let target = target(call, edits.path, edits.query)?;
    let identity =
        edits.identity.map(|identity| self::identity(identity, access, kind)).transpose()?;
    let mut filled = Vec::with_capacity(edits.slots.len());
    for slot in edits.slots {
        match access.writes_slots.iter().find(|name| ***name == *slot.name) {
            Some(name) => filled.push((name.clone(), Arc::from(slot.value))),
            None => return illegal(format!("the slot `{}`, which it did not declare", slot.name)),
        }
    }
    if let Some(body) = &edits.body {
        if call.body().is_none() {
            return illegal("a body, without having asked for the whole one");
        }
        if body.len() > body_limit {
            return Err(CallError::Body(body.len()));
        }
    }
    let kept = kept(edits.keep)?;

    change(&mut call.head_mut().headers, changes)?;
    if let Some(target) = target {
        let mut parts = call.head().uri.clone().into_parts();
        parts.path_and_query = Some(target);
        match http::Uri::from_parts(parts) {
            Ok(uri) => call.head_mut().uri = uri,
            Err(_) => return illegal("a path that makes no target"),
        }
    }
    if let Some(identity) = identity {
        call.slots_mut().set_identity(Arc::new(identity));
    }
    for (name, value) in filled {
        call.slots_mut().set_text(&name, value);
    }
    if let Some(body) = edits.body {
        call.set_body(body.into());
    }
    Ok(kept)
}

/// Bounds what is kept.
pub(crate) fn kept(kept: Vec<u8>) -> Checked<Vec<u8>> {
    if kept.len() > MOST_KEPT {
        return illegal(format!("{} bytes to keep, at most {MOST_KEPT}", kept.len()));
    }
    Ok(kept)
}

fn target(
    call: &RequestCall<'_>,
    path: Option<String>,
    query: Option<String>,
) -> Checked<Option<PathAndQuery>> {
    if path.is_none() && query.is_none() {
        return Ok(None);
    }
    let path = path.as_deref().unwrap_or_else(|| call.path());
    if !is_normal_path(path) {
        return illegal(format!("the path `{}`, which is not normal", path.escape_debug()));
    }
    let query = match &query {
        Some(query) if query.is_empty() => None,
        Some(query) => Some(query.as_str()),
        None => call.query(),
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

fn identity(
    said: crate::contract::Identity,
    access: &Access,
    kind: &'static str,
) -> Checked<Identity> {
    if !access.writes_identity {
        return illegal("an identity, which it did not declare");
    }
    let mut identity = Identity::new(said.subject.into(), said.app.map(Arc::from), kind);
    identity.claims = said.claims.into_iter().map(|claim| (claim.name, claim.value)).collect();
    Ok(identity)
}

/// Makes a handler's changes to a response.
pub(crate) fn response(
    call: &mut ResponseCall<'_>,
    edits: ResponseEdits,
    body_limit: usize,
) -> Checked<Option<Vec<u8>>> {
    let changes = changes(edits.headers)?;
    let status = edits.status.map(status_of).transpose()?;
    if let Some(body) = &edits.body {
        if call.body().is_none() {
            return illegal("a body, without having asked for the whole one");
        }
        if body.len() > body_limit {
            return Err(CallError::Body(body.len()));
        }
    }
    let kept = edits.keep.map(kept).transpose()?;
    change(&mut call.response_mut().headers, changes)?;
    if let Some(status) = status {
        call.response_mut().status = status;
    }
    if let Some(body) = edits.body {
        call.set_body(body.into());
    }
    Ok(kept)
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
