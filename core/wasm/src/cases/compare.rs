//! Comparing what a handler said with what it must: by the rules that production checks it with.

use super::format::{Answered, Changed, Identity as Expected, Message, Rejected, Request, Texts};
use crate::{
    apply::{self, Before},
    contract::{Answer, Rejection, RequestEdits, ResponseEdits},
    failure::CallError,
    reads::Access,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use paifang_pipeline::Identity;

/// A request after its changes: what is kept, and what differs.
pub(super) fn changed_request(
    request: &Request,
    edits: RequestEdits,
    access: &Access,
    has_body: bool,
    limit: usize,
    expected: &Changed,
) -> Result<(Vec<u8>, Vec<String>), CallError> {
    let (path, query) = request.target();
    let changes = apply::request_changes(Before { path, query, has_body }, edits, access, limit)?;
    let mut headers = map(&request.headers);
    apply::change(&mut headers, changes.headers)?;
    let mut wrong = Vec::new();
    compare_headers(&headers, &expected.headers, &expected.removed, &mut wrong);
    let (path, query) = match &changes.target {
        Some(target) => (target.path(), target.query()),
        None => (path, query),
    };
    same("path", expected.path.as_deref(), path, &mut wrong);
    same("query", expected.query.as_deref(), query.unwrap_or_default(), &mut wrong);
    let body = changes.body.as_deref().unwrap_or(request.body.as_bytes());
    same("body", expected.body.as_deref(), &String::from_utf8_lossy(body), &mut wrong);
    if let Some(expected) = &expected.identity {
        compare_identity(changes.identity.as_ref(), expected, &mut wrong);
    }
    for (name, expected) in &expected.slots {
        let found = changes.slots.iter().find(|(known, _)| **known == **name);
        let found = found.map_or("(not filled)", |(_, value)| &**value);
        same(&format!("slot `{name}`"), Some(expected), found, &mut wrong);
    }
    Ok((changes.kept, wrong))
}

/// A response after its changes: what differs.
pub(super) fn changed_response(
    message: &Message,
    edits: ResponseEdits,
    has_body: bool,
    limit: usize,
    expected: &Changed,
) -> Result<Vec<String>, CallError> {
    let changes = apply::response_changes(edits, has_body, limit)?;
    let mut headers = map(&message.headers);
    apply::change(&mut headers, changes.headers)?;
    let mut wrong = Vec::new();
    compare_headers(&headers, &expected.headers, &expected.removed, &mut wrong);
    let status = changes.status.map_or(message.status, |status| status.as_u16());
    same_number("status", expected.status, status, &mut wrong);
    let body = changes.body.as_deref().unwrap_or(message.body.as_bytes());
    same("body", expected.body.as_deref(), &String::from_utf8_lossy(body), &mut wrong);
    Ok(wrong)
}

/// An answer: what differs.
pub(super) fn answered(answer: Answer, limit: usize, expected: &Answered) -> Vec<String> {
    let response = match apply::answer(answer, limit) {
        Ok(response) => response,
        Err(error) => return vec![format!("it failed: {error}")],
    };
    let mut wrong = Vec::new();
    same_number("status", expected.status, response.status().as_u16(), &mut wrong);
    compare_headers(response.headers(), &expected.headers, &[], &mut wrong);
    let body = String::from_utf8_lossy(response.body());
    same("body", expected.body.as_deref(), &body, &mut wrong);
    wrong
}

/// A refusal: what differs.
pub(super) fn rejected(said: Rejection, expected: &Rejected) -> Vec<String> {
    let row = apply::row(said.refusal);
    let rejection = match apply::rejection(said) {
        Ok(rejection) => rejection,
        Err(error) => return vec![format!("it failed: {error}")],
    };
    let mut wrong = Vec::new();
    // A row's label is `handler_` and the name of the refusal, but for the one whose label is taken.
    let code = match row.label {
        "handler_not_available" => "unavailable",
        label => label.trim_start_matches("handler_"),
    };
    same("code", expected.code.as_deref(), code, &mut wrong);
    let detail = rejection.detail.as_deref().unwrap_or_default();
    same("detail", expected.detail.as_deref(), detail, &mut wrong);
    let headers = rejection.headers.into_iter().collect();
    compare_headers(&headers, &expected.headers, &[], &mut wrong);
    wrong
}

fn compare_identity(found: Option<&Identity>, expected: &Expected, wrong: &mut Vec<String>) {
    let Some(found) = found else {
        wrong.push(format!("identity: expected `{}`, found none", expected.subject));
        return;
    };
    same("identity", Some(&expected.subject), &found.subject, wrong);
    let app = found.app.as_deref().unwrap_or("(none)");
    same("identity's app", expected.app.as_deref(), app, wrong);
    for (name, value) in &expected.claims {
        let claim = found.claims.get(name).map_or("(none)", |claim| claim);
        same(&format!("claim `{name}`"), Some(value), claim, wrong);
    }
}

fn compare_headers(
    headers: &HeaderMap,
    expected: &Texts,
    removed: &[String],
    wrong: &mut Vec<String>,
) {
    for (name, expected) in expected {
        let lines: Vec<_> = headers
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .collect();
        let found = if lines.is_empty() { "(none)".to_owned() } else { lines.join(", ") };
        same(&format!("header `{name}`"), Some(expected), &found, wrong);
    }
    for name in removed {
        if headers.contains_key(name) {
            wrong.push(format!("header `{name}`: expected none, found one"));
        }
    }
}

fn same(what: &str, expected: Option<&str>, found: &str, wrong: &mut Vec<String>) {
    if let Some(expected) = expected
        && expected != found
    {
        wrong.push(format!("{what}: expected `{expected}`, found `{found}`"));
    }
}

fn same_number(what: &str, expected: Option<u16>, found: u16, wrong: &mut Vec<String>) {
    if let Some(expected) = expected
        && expected != found
    {
        wrong.push(format!("{what}: expected {expected}, found {found}"));
    }
}

/// Header fields of a case; those that no message can have are left out.
fn map(texts: &Texts) -> HeaderMap {
    texts
        .iter()
        .filter_map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            Some((name, HeaderValue::from_bytes(value.as_bytes()).ok()?))
        })
        .collect()
}
