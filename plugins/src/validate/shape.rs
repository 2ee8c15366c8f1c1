//! What types a schema allows, so that a text can be read as a value: `7` is a number where one is
//! wanted and a text elsewhere.

use serde_json::{Number, Value};
use std::collections::BTreeMap;

/// A set of JSON types. Empty: the schema does not say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Kinds(u8);

impl Kinds {
    pub(super) const NULL: Self = Self(1);
    pub(super) const BOOLEAN: Self = Self(1 << 1);
    pub(super) const NUMBER: Self = Self(1 << 2);
    pub(super) const STRING: Self = Self(1 << 3);
    pub(super) const ARRAY: Self = Self(1 << 4);
    pub(super) const OBJECT: Self = Self(1 << 5);

    pub(super) const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    fn of_name(name: &str) -> Self {
        match name {
            "null" => Self::NULL,
            "boolean" => Self::BOOLEAN,
            "number" | "integer" => Self::NUMBER,
            "string" => Self::STRING,
            "array" => Self::ARRAY,
            "object" => Self::OBJECT,
            _ => Self::default(),
        }
    }

    fn of_value(value: &Value) -> Self {
        match value {
            Value::Null => Self::NULL,
            Value::Bool(_) => Self::BOOLEAN,
            Value::Number(_) => Self::NUMBER,
            Value::String(_) => Self::STRING,
            Value::Array(_) => Self::ARRAY,
            Value::Object(_) => Self::OBJECT,
        }
    }
}

/// A parameter's types, and those of its items where it is a list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) kinds: Kinds,
    pub(super) items: Kinds,
}

impl Shape {
    /// Whether no text can be such a value.
    pub(super) fn is_object(self) -> bool {
        self.kinds == Kinds::OBJECT || self.kinds == Kinds::OBJECT.and(Kinds::NULL)
    }

    /// Whether values with commas, or several values, are a list.
    pub(super) fn is_list(self) -> bool {
        self.kinds.has(Kinds::ARRAY)
    }
}

/// How deep schemas are looked into.
const DEEPEST: u32 = 16;
/// Keywords with schemas for the same value.
const COMBINED: [&str; 3] = ["allOf", "anyOf", "oneOf"];

/// What a schema at a place says; `follow` leads from a `$ref` that stands there to the schema it
/// names.
pub(super) fn shape<'a, P: Clone>(
    at: &P,
    schema: &'a Value,
    follow: &impl Fn(&P, &'a Value) -> Option<(P, &'a Value)>,
) -> Shape {
    let kinds = kinds(at, schema, follow, DEEPEST);
    let items = member(at, schema, "items", follow, DEEPEST);
    Shape {
        kinds,
        items: items
            .map_or_else(Kinds::default, |(at, items)| self::kinds(&at, items, follow, DEEPEST)),
    }
}

/// The properties that a schema names, itself or by a `$ref`, `allOf`, `anyOf` or `oneOf`, and what
/// they are.
pub(super) fn properties<'a, P: Clone>(
    at: &P,
    schema: &'a Value,
    follow: &impl Fn(&P, &'a Value) -> Option<(P, &'a Value)>,
) -> BTreeMap<&'a str, Shape> {
    let mut found = BTreeMap::new();
    let mut open = vec![(at.clone(), schema, DEEPEST)];
    while let Some((at, schema, left)) = open.pop() {
        let Some(left) = left.checked_sub(1) else { continue };
        let named = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
        for (name, property) in named {
            let Shape { kinds, items } = shape(&at, property, follow);
            let known: &mut Shape = found.entry(name.as_str()).or_default();
            *known = Shape { kinds: known.kinds.and(kinds), items: known.items.and(items) };
        }
        open.extend(follow(&at, schema).map(|(at, schema)| (at, schema, left)));
        let parts = COMBINED.iter().filter_map(|key| schema.get(key)?.as_array()).flatten();
        open.extend(parts.map(|part| (at.clone(), part, left)));
    }
    found
}

/// A member of the schema, or of what its `$ref` or one of its `allOf` leads to.
fn member<'a, P: Clone>(
    at: &P,
    schema: &'a Value,
    name: &str,
    follow: &impl Fn(&P, &'a Value) -> Option<(P, &'a Value)>,
    left: u32,
) -> Option<(P, &'a Value)> {
    let left = left.checked_sub(1)?;
    if let Some(found) = schema.get(name) {
        return Some((at.clone(), found));
    }
    if let Some((at, next)) = follow(at, schema) {
        return member(&at, next, name, follow, left);
    }
    let parts = COMBINED.iter().filter_map(|key| schema.get(key)?.as_array());
    parts.flatten().find_map(|part| member(at, part, name, follow, left))
}

fn kinds<'a, P: Clone>(
    at: &P,
    schema: &'a Value,
    follow: &impl Fn(&P, &'a Value) -> Option<(P, &'a Value)>,
    left: u32,
) -> Kinds {
    let Some(left) = left.checked_sub(1) else { return Kinds::default() };
    match schema.get("type") {
        Some(Value::String(name)) => return Kinds::of_name(name),
        Some(Value::Array(names)) => {
            let names = names.iter().filter_map(Value::as_str);
            return names.fold(Kinds::default(), |all, name| all.and(Kinds::of_name(name)));
        }
        _ => {}
    }
    if let Some((at, next)) = follow(at, schema) {
        return kinds(&at, next, follow, left);
    }
    if let Some(Value::Array(options)) = schema.get("enum") {
        return options.iter().fold(Kinds::default(), |all, value| all.and(Kinds::of_value(value)));
    }
    if let Some(value) = schema.get("const") {
        return Kinds::of_value(value);
    }
    let parts = |key: &str| schema.get(key).and_then(Value::as_array);
    if let Some(all) = parts("allOf") {
        let each = all.iter().map(|part| kinds(at, part, follow, left));
        if let Some(found) = each.into_iter().find(|kinds| !kinds.is_empty()) {
            return found;
        }
    }
    let some = ["anyOf", "oneOf"].into_iter().filter_map(parts).flatten();
    some.fold(Kinds::default(), |all, part| all.and(kinds(at, part, follow, left)))
}

/// A text as a value of these types: the first that it can be of number, boolean and null, else a
/// text, of which the schema says what is wrong.
pub(super) fn coerce(text: &str, kinds: Kinds) -> Value {
    if kinds.has(Kinds::NUMBER)
        && !text.contains(char::is_whitespace)
        && let Ok(number) = serde_json::from_str::<Number>(text)
    {
        return Value::Number(number);
    }
    match text {
        "true" if kinds.has(Kinds::BOOLEAN) => Value::Bool(true),
        "false" if kinds.has(Kinds::BOOLEAN) => Value::Bool(false),
        "" if kinds.has(Kinds::NULL) => Value::Null,
        _ => Value::String(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    //! Types of schemas, values of texts.
    use super::{Kinds, Shape, coerce, properties, shape};
    use serde_json::{Value, json};

    #[test]
    fn types_are_found_where_schemas_hide_them() {
        let number = json!({ "type": "integer" });
        let of = |schema: Value| {
            shape(&(), &schema, &|(), at| at.get("$ref").map(|_| ((), &number))).kinds
        };
        let (num, text) = (Kinds::NUMBER, Kinds::STRING);
        for (schema, wanted) in [
            (json!({}), Kinds::default()),
            (json!(true), Kinds::default()),
            (json!({ "type": ["number", "string"] }), num.and(text)),
            (json!({ "enum": ["a", 1] }), num.and(text)),
            (json!({ "const": false }), Kinds::BOOLEAN),
            (json!({ "allOf": [{ "minimum": 1 }, { "type": "number" }] }), num),
            (json!({ "anyOf": [{ "type": "string" }, { "type": "integer" }] }), num.and(text)),
        ] {
            let shown = schema.to_string();
            assert_eq!(of(schema), wanted, "{shown}");
        }
        let list = json!({ "type": "array", "items": { "$ref": "x" } });
        let found = shape(&(), &list, &|(), at| at.get("$ref").map(|_| ((), &number)));
        assert_eq!(found, Shape { kinds: Kinds::ARRAY, items: num });
        // A circle ends.
        let round = json!({ "$ref": "#" });
        let follow = |(): &(), at: &Value| at.get("$ref").map(|_| ((), &round));
        assert!(shape(&(), &round, &follow).kinds.is_empty());
    }

    #[test]
    fn properties_are_found_behind_references_and_alternatives() {
        let other = json!({ "properties": { "a": { "type": "integer" }, "b": { "type": "array", "items": { "type": "boolean" } } } });
        let schema = json!({ "properties": { "a": {} }, "allOf": [{ "$ref": "x" }], "oneOf": [{ "properties": { "c": { "type": "string" } } }] });
        let follow = |(): &(), at: &Value| at.get("$ref").map(|_| ((), &other));
        let found = properties(&(), &schema, &follow);
        let shape = |kinds, items| Shape { kinds, items };
        let wanted = [
            ("a", shape(Kinds::NUMBER, Kinds::default())),
            ("b", shape(Kinds::ARRAY, Kinds::BOOLEAN)),
            ("c", shape(Kinds::STRING, Kinds::default())),
        ];
        assert_eq!(found, wanted.into());
    }

    #[test]
    fn a_text_becomes_what_is_wanted_or_stays_one() {
        let all = Kinds::NUMBER.and(Kinds::BOOLEAN).and(Kinds::NULL);
        for (text, wanted) in [
            ("7", json!(7)),
            ("-1.5e3", json!(-1500.0)),
            ("true", json!(true)),
            ("", Value::Null),
            ("07", json!("07")),
            ("+7", json!("+7")),
            (" 7", json!(" 7")),
            ("0x7", json!("0x7")),
            ("TRUE", json!("TRUE")),
            ("NaN", json!("NaN")),
            ("7.", json!("7.")),
            ("١", json!("١")),
        ] {
            assert_eq!(coerce(text, all), wanted, "{text}");
            assert_eq!(coerce(text, Kinds::STRING), json!(text));
        }
    }
}
