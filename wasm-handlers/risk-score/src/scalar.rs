//! A JSON value that is no list and no object, and how two of them compare.

use serde::{
    Deserialize, Deserializer,
    de::{Error, Visitor},
};
use std::{cmp::Ordering, fmt};

/// A value; as `Scalar<&str>` one that is just being read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Scalar<T = String> {
    Null,
    Bool(bool),
    Number(Number),
    Text(T),
}

/// A number. Whole ones compare exactly, whatever their size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Number {
    Whole(i128),
    Float(f64),
}

impl Number {
    pub(crate) fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Whole(a), Self::Whole(b)) => Some(a.cmp(&b)),
            (a, b) => a.float().partial_cmp(&b.float()),
        }
    }

    fn float(self) -> f64 {
        match self {
            Self::Whole(number) => number as f64,
            Self::Float(number) => number,
        }
    }
}

impl Scalar {
    /// Whether the value is this one; 1 and 1.0 are the same.
    pub(crate) fn is(&self, value: Scalar<&str>) -> bool {
        match (self, value) {
            (Self::Null, Scalar::Null) => true,
            (Self::Bool(a), Scalar::Bool(b)) => *a == b,
            (Self::Number(a), Scalar::Number(b)) => a.compare(b) == Some(Ordering::Equal),
            (Self::Text(a), Scalar::Text(b)) => a == b,
            _ => false,
        }
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Read;
        impl Visitor<'_> for Read {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a number, true, false or null")
            }
            fn visit_unit<E: Error>(self) -> Result<Scalar, E> {
                Ok(Scalar::Null)
            }
            fn visit_bool<E: Error>(self, value: bool) -> Result<Scalar, E> {
                Ok(Scalar::Bool(value))
            }
            fn visit_u64<E: Error>(self, value: u64) -> Result<Scalar, E> {
                Ok(Scalar::Number(Number::Whole(value.into())))
            }
            fn visit_i64<E: Error>(self, value: i64) -> Result<Scalar, E> {
                Ok(Scalar::Number(Number::Whole(value.into())))
            }
            fn visit_f64<E: Error>(self, value: f64) -> Result<Scalar, E> {
                Ok(Scalar::Number(Number::Float(value)))
            }
            fn visit_str<E: Error>(self, value: &str) -> Result<Scalar, E> {
                Ok(Scalar::Text(value.to_owned()))
            }
        }
        from.deserialize_any(Read)
    }
}

#[cfg(test)]
mod tests {
    use super::{Number, Scalar};

    #[test]
    fn values_are_the_same_by_kind_and_value() {
        let whole = |n: i128| Scalar::Number(Number::Whole(n));
        let float = |n: f64| Scalar::Number(Number::Float(n));
        let text = |text: &str| serde_json::from_str::<Scalar>(text).unwrap();
        assert!(text("1").is(whole(1)) && text("1").is(float(1.0)) && text("1.0").is(whole(1)));
        assert!(text("null").is(Scalar::Null) && text("true").is(Scalar::Bool(true)));
        assert!(text("\"a\"").is(Scalar::Text("a")));
        assert!(!text("\"1\"").is(whole(1)) && !text("1").is(Scalar::Text("1")));
        assert!(!text("false").is(Scalar::Null) && !text("\"a\"").is(Scalar::Text("A")));
        let large = i128::from(u64::MAX);
        assert!(text("18446744073709551615").is(whole(large)));
        assert!(!text("18446744073709551614").is(whole(large)), "no digit is lost");
        assert!(serde_json::from_str::<Scalar>("[1]").is_err());
    }
}
