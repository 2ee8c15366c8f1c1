//! The JSON objects of tokens and sets of keys: no name twice in one (RFC 7515 section 4 lets a reader
//! refuse it), and nothing nested deeper than a limit.

use crate::strict::{self, Bounds};
use serde_json::{Map, Value};

/// How deep objects and lists may stand in one another. How many there may be is bounded by the size of
/// what is read.
const BOUNDS: Bounds = Bounds { depth: 16, values: u32::MAX };

/// Reads an object.
pub(super) fn object(text: &[u8]) -> Option<Map<String, Value>> {
    match strict::read(text, BOUNDS) {
        Ok(Value::Object(object)) => Some(object),
        _ => None,
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
