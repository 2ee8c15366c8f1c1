//! JSON from outside: one reading only, and not deeper or more than it may be.
//!
//! A name that stands twice in an object is read in two ways by two servers (RFC 8259 section 4), so
//! what is checked here need not be what the origin acts on: it is refused.

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::{cell::Cell, fmt};

/// What is said of a text that is nested too deep; the reader finds it again in the error's text.
const TOO_DEEP: &str = "it is nested too deep";
/// What is said of a name that stands twice.
const TWICE: &str = "a name stands twice in an object";

/// What is said of more values than there may be.
const TOO_MANY: &str = "it has too many values";

/// How much a text of JSON may hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Lists and objects inside each other, at most 100: serde_json itself ends at 128.
    pub(crate) depth: u32,
    /// Values, lists and objects counted too.
    pub(crate) values: u32,
}

/// Reads a text.
///
/// # Errors
/// A sentence without anything of the text but line and column.
pub(crate) fn read(body: &[u8], bounds: Bounds) -> Result<Value, String> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let values = Cell::new(bounds.values);
    let value = Level { depth: bounds.depth, values: &values }.deserialize(&mut reader);
    value.and_then(|value| reader.end().map(|()| value)).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let text = error.to_string();
        let what = if text.contains(TOO_DEEP) || text.contains("recursion limit") {
            TOO_DEEP
        } else if text.contains(TWICE) {
            TWICE
        } else if text.contains(TOO_MANY) {
            TOO_MANY
        } else if error.is_eof() {
            "it breaks off"
        } else {
            "it is no JSON"
        };
        format!("{what}, at line {line} column {column}")
    })
}

/// A value with so many levels left, and so many values in the whole text.
#[derive(Clone, Copy)]
struct Level<'c> {
    depth: u32,
    values: &'c Cell<u32>,
}

impl Level<'_> {
    fn below<E: Error>(self) -> Result<Self, E> {
        let depth = self.depth.checked_sub(1).ok_or_else(|| E::custom(TOO_DEEP))?;
        Ok(Self { depth, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Level<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        let left = self.values.get().checked_sub(1).ok_or_else(|| D::Error::custom(TOO_MANY))?;
        self.values.set(left);
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }
    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }
    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
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
        let mut map = Map::new();
        while let Some(Name(name)) = entries.next_key()? {
            let value = entries.next_value_seed(below)?;
            if map.insert(name, value).is_some() {
                return Err(A::Error::custom(TWICE));
            }
        }
        Ok(Value::Object(map))
    }
}

/// The name of a member.
struct Name(String);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(Self)
    }
}

#[cfg(test)]
mod tests {
    //! What is read, and what is refused with which words.
    use super::Bounds;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn read(body: &[u8], depth: u32) -> Result<Value, String> {
        super::read(body, Bounds { depth, values: 1_000_000 })
    }

    #[test]
    fn values_are_counted() {
        for (text, values) in [("1", 1), ("[]", 1), ("[1,2]", 3), (r#"{"a":[{}],"b":1}"#, 4)] {
            let read = |values| super::read(text.as_bytes(), Bounds { depth: 64, values });
            assert!(read(values).is_ok(), "{text}");
            let error = read(values - 1).unwrap_err();
            assert!(error.starts_with("it has too many values, at line"), "{error}");
        }
    }

    #[test]
    fn depth_and_names_have_their_limits() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(read(nested(64).as_bytes(), 64).is_ok());
        for depth in [65, 100_000] {
            let error = read(nested(depth).as_bytes(), 64).unwrap_err();
            assert!(error.starts_with("it is nested too deep, at line 1"), "{error}");
        }
        assert!(read("[".repeat(1_000_000).as_bytes(), 100).is_err());
        let deep = "{\"a\":".repeat(5) + "1" + &"}".repeat(5);
        assert!(read(deep.as_bytes(), 4).is_err() && read(deep.as_bytes(), 5).is_ok());
        for twice in [r#"{"a":1,"a":1}"#, r#"[{"b":{"a":1,"\u0061":2}}]"#] {
            let error = read(twice.as_bytes(), 64).unwrap_err();
            assert!(error.starts_with("a name stands twice in an object"), "{error}");
        }
    }

    #[test]
    fn what_is_no_json_is_told_without_its_bytes() {
        for (text, what) in [
            ("", "it breaks off, at line 1 column 0"),
            ("{\"secret\": tru", "it breaks off, at line 1 column 14"),
            ("secret", "it is no JSON, at line 1 column 1"),
            ("{} x", "it is no JSON, at line 1 column 4"),
            ("\u{feff}{}", "it is no JSON, at line 1 column 1"),
            ("{'a': 1}", "it is no JSON, at line 1 column 2"),
            ("NaN", "it is no JSON, at line 1 column 1"),
            ("[1,]", "it is no JSON, at line 1 column 4"),
        ] {
            assert_eq!(read(text.as_bytes(), 64).unwrap_err(), what, "{text}");
        }
        assert!(read(b"\"\xff\"", 64).is_err());
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            (-1e300..1e300f64).prop_map(Value::from),
            ".*".prop_map(Value::from),
        ];
        leaf.prop_recursive(6, 60, 5, |inner| {
            let object = proptest::collection::btree_map(".{0,4}", inner.clone(), 0..5);
            prop_oneof![
                proptest::collection::vec(inner, 0..5).prop_map(Value::from),
                object.prop_map(|map| json!(map)),
            ]
        })
    }

    proptest! {
        #[test]
        fn other_values_are_read_as_serde_reads_them(value in values()) {
            let text = value.to_string();
            let plain: Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(read(text.as_bytes(), 64), Ok(plain));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let plain = serde_json::from_slice::<Value>(&bytes);
            if let Ok(value) = read(&bytes, 64) {
                prop_assert_eq!(value, plain.unwrap());
            }
        }
    }
}
