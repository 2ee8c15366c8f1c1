//! JSON that is read in one way only: no name twice in an object (RFC 7515 section 4 lets a reader
//! refuse it), and nothing nested deeper than a limit.

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// How deep objects and lists may stand in one another.
pub(super) const MAX_DEPTH: u8 = 16;

/// Reads an object.
pub(super) fn object(text: &[u8]) -> Option<Map<String, Value>> {
    let mut from = serde_json::Deserializer::from_slice(text);
    let value = Strict { left: MAX_DEPTH }.deserialize(&mut from).ok()?;
    from.end().ok()?;
    match value {
        Value::Object(object) => Some(object),
        _ => None,
    }
}

/// A value with so many levels left.
#[derive(Clone, Copy)]
struct Strict {
    left: u8,
}

impl Strict {
    fn below<E: Error>(self) -> Result<Self, E> {
        let left = self.left.checked_sub(1).ok_or_else(|| E::custom("nested too deep"))?;
        Ok(Self { left })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("no number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let below = self.below()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(below)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let below = self.below()?;
        let mut object = Map::new();
        while let Some(name) = entries.next_key_seed(Name)? {
            let value = entries.next_value_seed(below)?;
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("a name stands there twice"));
            }
        }
        Ok(Value::Object(object))
    }
}

/// A member's name.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<String, D::Error> {
        String::deserialize(from)
    }
}

#[cfg(test)]
mod tests {
    //! What has one reading, and what has none.
    #![allow(clippy::unwrap_used)]
    use super::object;

    #[test]
    fn an_object_is_read_as_it_stands() {
        let text = br#" {"a":[1,-2,0.5,null,true,"x"],"b":{"a":{}}} "#;
        let read = serde_json::Value::Object(object(text).unwrap());
        assert_eq!(read, serde_json::from_slice::<serde_json::Value>(text).unwrap());
    }

    #[test]
    fn what_could_be_read_otherwise_is_refused() {
        let nested = |levels: usize| format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels));
        assert!(object(nested(16).as_bytes()).is_some());
        for text in [
            nested(17).as_str(),
            &nested(100_000),
            &"[".repeat(100_000),
            "[]",
            "1",
            "",
            "{}{}",
            "{} x",
            r#"{"a":1,"a":1}"#,
            r#"{"b":{"a":1,"\u0061":2}}"#,
            r#"{"a":1e999}"#,
            r#"{a:1}"#,
            "{\"a\":\"\u{1}\"}",
        ] {
            assert!(object(text.as_bytes()).is_none(), "{text:.60}");
        }
        assert!(object(b"{\"a\":\"\xff\"}").is_none());
    }
}
