//! JSON values whose strings are templates.

use super::{
    Rules, TemplateError,
    parse::{Form, Part, parse, push_literal},
};
use serde_json::Value;

/// The parts of a JSON value's text. Errors name the string by its JSON pointer.
pub(super) fn parts(value: &Value, rules: Rules) -> Result<Vec<Part>, (String, TemplateError)> {
    let mut parts = Vec::new();
    write(value, rules, &mut String::new(), &mut parts)?;
    Ok(parts)
}

fn write(
    value: &Value,
    rules: Rules,
    pointer: &mut String,
    out: &mut Vec<Part>,
) -> Result<(), (String, TemplateError)> {
    match value {
        Value::String(text) => string(text, rules, out).map_err(|error| (pointer.clone(), error)),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                push_literal(out, if index == 0 { "[" } else { "," });
                below(pointer, &index.to_string(), |pointer| write(item, rules, pointer, out))?;
            }
            push_literal(out, if items.is_empty() { "[]" } else { "]" });
            Ok(())
        }
        Value::Object(members) => {
            for (index, (name, member)) in members.iter().enumerate() {
                push_literal(out, if index == 0 { "{" } else { "," });
                push_literal(out, &Value::from(name.as_str()).to_string());
                push_literal(out, ":");
                below(pointer, name, |pointer| write(member, rules, pointer, out))?;
            }
            push_literal(out, if members.is_empty() { "{}" } else { "}" });
            Ok(())
        }
        plain => {
            push_literal(out, &plain.to_string());
            Ok(())
        }
    }
}

/// Runs `inner` with the pointer one level deeper.
fn below<T>(pointer: &mut String, name: &str, inner: impl FnOnce(&mut String) -> T) -> T {
    let length = pointer.len();
    pointer.push('/');
    pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
    let result = inner(pointer);
    pointer.truncate(length);
    result
}

/// A string: quoted text with placeholders, or one placeholder that is a JSON value itself.
fn string(text: &str, rules: Rules, out: &mut Vec<Part>) -> Result<(), TemplateError> {
    let parts = parse(text, rules)?;
    if let [Part::Value { form: Form::Json, .. }] = parts.as_slice() {
        out.extend(parts);
        return Ok(());
    }
    let is_json = |part: &Part| matches!(part, Part::Value { form: Form::Json, .. });
    if parts.iter().any(is_json) {
        return Err(TemplateError {
            at: 0,
            message: "a placeholder with `json` must be the whole string".to_owned(),
            help: Some("leave `json` out to get the value as text".to_owned()),
        });
    }
    push_literal(out, "\"");
    for part in parts {
        match part {
            Part::Literal(text) => {
                let quoted = Value::from(&*text).to_string();
                push_literal(out, &quoted[1..quoted.len() - 1]);
            }
            value => out.push(value),
        }
    }
    push_literal(out, "\"");
    Ok(())
}
