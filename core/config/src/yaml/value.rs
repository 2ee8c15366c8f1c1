//! Free config: a node as a JSON value, and the way back from a JSON pointer to a place.

use serde_json::Value;

use super::{Kind, Node, Plain, Span, Style};

/// The node as JSON: plain scalars by the core schema, quoted ones as texts.
#[must_use]
pub fn to_value(node: &Node) -> Value {
    match &node.kind {
        Kind::Null => Value::Null,
        Kind::Seq(items) => Value::Array(items.iter().map(to_value).collect()),
        Kind::Map(map) => Value::Object(
            map.entries()
                .iter()
                .map(|entry| (entry.key.text.to_string(), to_value(&entry.value)))
                .collect(),
        ),
        Kind::Scalar(scalar) if scalar.style == Style::Quoted => {
            Value::String(scalar.text.to_string())
        }
        Kind::Scalar(scalar) => match Plain::of(&scalar.text) {
            // What was filled with nothing is an empty text; an absent value is `null` itself.
            Plain::Null if scalar.text.is_empty() => Value::String(String::new()),
            Plain::Null => Value::Null,
            Plain::Bool(value) => value.into(),
            Plain::Unsigned(value) => value.into(),
            Plain::Signed(value) => value.into(),
            Plain::Float(value) => value.into(),
            Plain::Text => Value::String(scalar.text.to_string()),
        },
    }
}

/// The node that a JSON pointer (RFC 6901) names, and the place to point at: a scalar itself, the
/// key of a map or list, `whole` for the root. When the pointer leads nowhere, the deepest node on
/// its way, so that an error about a missing key points at its map.
#[must_use]
pub fn by_pointer<'a>(root: &'a Node, pointer: &str, whole: Span) -> (&'a Node, Span) {
    let (mut node, mut place) = (root, whole);
    for part in pointer.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        let next = match &node.kind {
            Kind::Map(map) => map.entry(&part).map(|entry| (&entry.value, entry.key.span)),
            Kind::Seq(items) => part
                .parse::<usize>()
                .ok()
                .and_then(|index| items.get(index))
                .map(|item| (item, item.span)),
            _ => None,
        };
        let Some((found, key)) = next else { break };
        node = found;
        place = if matches!(found.kind, Kind::Scalar(_)) { found.span } else { key };
    }
    (node, place)
}
