//! What OpenAPI says in words of its own, said in words of JSON Schema.

use serde_json::{Map, Value};

/// The document with its schemas as JSON Schemas: of 3.0 `nullable`, of both `readOnly`, which a
/// request need not have though it is `required`, and the formats of numbers.
pub(super) fn lowered(document: &Value, older: bool) -> Value {
    match document {
        Value::Array(list) => list.iter().map(|item| lowered(item, older)).collect(),
        Value::Object(map) => {
            let mut map: Map<String, Value> =
                map.iter().map(|(name, value)| (name.clone(), lowered(value, older))).collect();
            if older {
                nullable(&mut map);
            }
            read_only(&mut map);
            int32(&mut map);
            Value::Object(map)
        }
        other => other.clone(),
    }
}

/// `nullable: true` adds `null` to a `type` that stands beside it, and only then (OpenAPI 3.0.3,
/// "Schema Object").
fn nullable(map: &mut Map<String, Value>) {
    if map.get("nullable") != Some(&Value::Bool(true)) {
        return;
    }
    let Some(Value::String(name)) = map.get("type").cloned() else { return };
    map.insert("type".to_owned(), Value::from(vec![name, "null".to_owned()]));
    if let Some(Value::Array(options)) = map.get_mut("enum")
        && !options.contains(&Value::Null)
    {
        options.push(Value::Null);
    }
}

fn read_only(map: &mut Map<String, Value>) {
    let Some(Value::Object(properties)) = map.get("properties") else { return };
    let is_read_only = |name: &Value| {
        let property = name.as_str().and_then(|name| properties.get(name));
        property.is_some_and(|property| property.get("readOnly") == Some(&Value::Bool(true)))
    };
    let Some(Value::Array(required)) = map.get("required") else { return };
    let kept: Vec<Value> = required.iter().filter(|name| !is_read_only(name)).cloned().collect();
    // Draft 4 knows no empty list there.
    match kept.is_empty() {
        true => drop(map.shift_remove("required")),
        false => drop(map.insert("required".to_owned(), Value::Array(kept))),
    }
}

fn int32(map: &mut Map<String, Value>) {
    let is = |name: &str, wanted: &str| map.get(name).and_then(Value::as_str) == Some(wanted);
    if !is("type", "integer") || !is("format", "int32") {
        return;
    }
    map.entry("minimum").or_insert_with(|| i32::MIN.into());
    map.entry("maximum").or_insert_with(|| i32::MAX.into());
}

#[cfg(test)]
mod tests {
    //! What is said otherwise.
    use super::lowered;
    use serde_json::json;

    #[test]
    fn words_of_openapi_become_words_of_json_schema() {
        for (older, schema, wanted) in [
            (
                true,
                json!({ "type": "string", "nullable": true, "enum": ["a"] }),
                json!({ "type": ["string", "null"], "nullable": true, "enum": ["a", null] }),
            ),
            (true, json!({ "nullable": true }), json!({ "nullable": true })),
            (
                false,
                json!({ "type": "string", "nullable": true }),
                json!({ "type": "string", "nullable": true }),
            ),
            (
                true,
                json!({ "properties": { "id": { "readOnly": true }, "n": {} }, "required": ["id", "n"] }),
                json!({ "properties": { "id": { "readOnly": true }, "n": {} }, "required": ["n"] }),
            ),
            (
                false,
                json!({ "properties": { "id": { "readOnly": true } }, "required": ["id"] }),
                json!({ "properties": { "id": { "readOnly": true } } }),
            ),
            (
                false,
                json!({ "items": { "type": "integer", "format": "int32", "minimum": 1 } }),
                json!({ "items": { "type": "integer", "format": "int32", "minimum": 1, "maximum": i32::MAX } }),
            ),
        ] {
            assert_eq!(lowered(&schema, older), wanted, "{schema}");
        }
    }
}
