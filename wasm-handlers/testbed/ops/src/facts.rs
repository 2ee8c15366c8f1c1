//! What a stage was given, as JSON. Bytes that are no text are shown with replacement characters.

use crate::draft::Given;
use paifang_guest::{Call, Fields, Identity, Named};
use serde_json::{Map, Value, json};

/// All of it. Header fields are pairs in their order; what was not given is null or empty.
pub(crate) fn given(given: &Given<'_>) -> Value {
    let mut all = given.call.map(call).unwrap_or_default();
    all.insert("stage".to_owned(), json!(given.stage));
    if let Some(body) = given.body {
        all.insert("body".to_owned(), text(body));
    }
    if let Some(response) = given.response {
        let response = json!({ "status": response.status, "headers": fields(response.fields()) });
        all.insert("response".to_owned(), response);
    }
    if let Some(outcome) = given.outcome {
        let outcome = json!({
            "status": outcome.status,
            "termination": outcome.termination,
            "duration_nanos": outcome.duration_nanos,
            "request_bytes": outcome.request_bytes,
            "response_bytes": outcome.response_bytes,
            "error_code": outcome.error_code,
            "headers": fields(outcome.fields()),
        });
        all.insert("outcome".to_owned(), outcome);
    }
    Value::Object(all)
}

fn call(call: &Call) -> Map<String, Value> {
    let all = json!({
        "method": call.method,
        "path": call.path,
        "query": call.query,
        "host": call.host,
        "client_ip": call.client_ip,
        "api": call.api,
        "app": call.app,
        "request_id": call.request_id,
        "params": named(call.params()),
        "identity": call.identity.as_ref().map(identity),
        "headers": fields(call.fields()),
        "slots": named(call.slots()),
        "kept": text(call.kept()),
    });
    match all {
        Value::Object(all) => all,
        _ => Map::new(),
    }
}

fn identity(identity: &Identity) -> Value {
    json!({ "subject": identity.subject, "app": identity.app, "claims": named(identity.claims()) })
}

fn named(list: &[Named]) -> Value {
    list.iter().map(|named| (named.name.clone(), Value::from(&*named.value))).collect()
}

fn fields(fields: Fields<'_>) -> Value {
    fields.map(|(name, value)| json!([name, text(value)])).collect()
}

/// Bytes as a text.
pub(crate) fn text(bytes: &[u8]) -> Value {
    Value::from(String::from_utf8_lossy(bytes))
}
