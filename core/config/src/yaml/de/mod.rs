//! Nodes into typed config, with every mistake told at its own place and as many as possible at
//! once.
//!
//! Serde stops at the first error. So a failed read notes the error and the node to blame, and
//! tries again without that node: what is optional takes its default, what is required makes its
//! parent fail, which is not told again. Only wrong input pays for that.

mod access;
mod error;
mod located;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use serde::Deserialize;
use serde::de::{Deserializer, Visitor};

use super::{Kind, Node, Plain, Scalar, Style, scalar};
use crate::diag::{Problem, Problems, did_you_mean};
use access::{Entries, Items, Variant};
use error::DeError;
pub use located::Located;
pub(crate) use located::{MANY, SECRET};
use located::{NODE, SPAN, hand_over};

/// More errors in one item than this are not looked for.
const ATTEMPTS: usize = 32;

/// Reads a type from a node. Errors go to `problems`; a value comes back when one could be made,
/// possibly with defaults for keys that were wrong.
pub fn read<'a, T: Deserialize<'a>>(node: &'a Node, problems: &mut Problems) -> Option<T> {
    let state = State::default();
    let mut value = None;
    for _ in 0..ATTEMPTS {
        match T::deserialize(De { node, state: &state }) {
            Ok(read) => {
                value = Some(read);
                break;
            }
            Err(error) => {
                let (span, blamed) = error.place(node);
                if !state.follows_from_a_hole(blamed, &error) {
                    state.problems.borrow_mut().push(error.problem(span));
                }
                let again = state.skipped.borrow_mut().insert(blamed);
                if blamed == address(node) || !again {
                    break;
                }
            }
        }
    }
    let mut told = state.problems.into_inner();
    told.dedup();
    problems.extend(told);
    value
}

/// The identity of a node during one read: where it stands in memory.
fn address(node: &Node) -> usize {
    std::ptr::from_ref(node) as usize
}

/// What one read has found so far.
#[derive(Default)]
struct State {
    problems: RefCell<Vec<Problem>>,
    /// Nodes that are read as if they were not there.
    skipped: RefCell<HashSet<usize>>,
    /// Keys that were skipped, by the address of their map.
    holes: RefCell<HashMap<usize, HashSet<String>>>,
    /// Maps whose unknown keys have been told.
    checked: RefCell<HashSet<usize>>,
}

impl State {
    fn is_skipped(&self, node: &Node) -> bool {
        let skipped = self.skipped.borrow();
        !skipped.is_empty() && skipped.contains(&address(node))
    }

    /// Whether the error is only there because something in it was wrong, which has been told.
    fn follows_from_a_hole(&self, blamed: usize, error: &DeError) -> bool {
        if error.follows() {
            return true;
        }
        let Some(missing) = error.missing() else { return false };
        self.holes.borrow().get(&blamed).is_some_and(|keys| keys.contains(missing))
    }
}

/// Serde's view of a node.
#[derive(Clone, Copy)]
struct De<'a, 's> {
    node: &'a Node,
    state: &'s State,
}

impl<'a, 's> De<'a, 's> {
    /// "expected …, found …" at this node.
    fn wrong(&self, expected: &str) -> DeError {
        let found = self.node.describe();
        DeError::at(self.node, format!("expected {expected}, found {found}"))
    }

    fn scalar(&self) -> Option<&'a Scalar> {
        if let Kind::Scalar(scalar) = &self.node.kind { Some(scalar) } else { None }
    }

    /// The text of a number or boolean: plain, or filled from `${…}`.
    fn typed_text(&self, expected: &str) -> Result<&'a str, DeError> {
        match self.scalar() {
            Some(scalar) if scalar.style == Style::Plain || scalar.filled => Ok(&scalar.text),
            Some(scalar) if Plain::of(&scalar.text) != Plain::Text => {
                Err(self.wrong(expected).help("remove the quotes"))
            }
            _ => Err(self.wrong(expected)),
        }
    }

    fn unsigned(&self, most: u64) -> Result<u64, DeError> {
        let expected = format!("a whole number from 0 to {most}");
        let text = self.typed_text(&expected)?;
        scalar::unsigned(text).filter(|number| *number <= most).ok_or_else(|| self.wrong(&expected))
    }

    fn signed(&self, least: i64, most: i64) -> Result<i64, DeError> {
        let expected = format!("a whole number from {least} to {most}");
        let text = self.typed_text(&expected)?;
        scalar::signed(text)
            .filter(|number| (least..=most).contains(number))
            .ok_or_else(|| self.wrong(&expected))
    }

    /// Tells every key of a map that a struct does not know.
    fn unknown_keys(&self, fields: &'static [&'static str]) {
        if !self.state.checked.borrow_mut().insert(address(self.node)) {
            return;
        }
        for entry in self.node.as_map().into_iter().flat_map(|map| map.entries()) {
            let key = &*entry.key.text;
            if !fields.contains(&key) {
                let mut problems = self.state.problems.borrow_mut();
                // Looking for near names is dear, and soon nobody reads them.
                let near = problems.len() < Problems::MOST;
                let help = near.then(|| did_you_mean(key, fields.iter().copied())).flatten();
                problems.push(
                    Problem::new(entry.key.span, format!("unknown key `{key}`")).maybe_help(help),
                );
            }
        }
    }
}

macro_rules! whole_numbers {
    ($($method:ident, $visit:ident, $read:ident, ($($limit:expr),*);)*) => {$(
        fn $method<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, DeError> {
            visitor.$visit(self.$read($($limit),*)?).map_err(|error: DeError| error.or_at(self.node))
        }
    )*};
}

impl<'a> Deserializer<'a> for De<'a, '_> {
    type Error = DeError;

    fn deserialize_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, DeError> {
        let node = self.node;
        let value = match &node.kind {
            Kind::Null => visitor.visit_unit(),
            Kind::Seq(_) => return self.deserialize_seq(visitor),
            Kind::Map(_) => return self.deserialize_map(visitor),
            Kind::Scalar(scalar) if scalar.style == Style::Quoted => {
                visitor.visit_str(&scalar.text)
            }
            Kind::Scalar(scalar) => match Plain::of(&scalar.text) {
                Plain::Null => visitor.visit_unit(),
                Plain::Bool(value) => visitor.visit_bool(value),
                Plain::Unsigned(value) => visitor.visit_u64(value),
                Plain::Signed(value) => visitor.visit_i64(value),
                Plain::Float(value) => visitor.visit_f64(value),
                Plain::Text => visitor.visit_str(&scalar.text),
            },
        };
        value.map_err(|error: DeError| error.or_at(node))
    }

    fn deserialize_bool<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, DeError> {
        let expected = "true or false";
        let value = match Plain::of(self.typed_text(expected)?) {
            Plain::Bool(value) => value,
            _ => return Err(self.wrong(expected)),
        };
        visitor.visit_bool(value)
    }

    whole_numbers! {
        deserialize_u8, visit_u64, unsigned, (u8::MAX.into());
        deserialize_u16, visit_u64, unsigned, (u16::MAX.into());
        deserialize_u32, visit_u64, unsigned, (u32::MAX.into());
        deserialize_u64, visit_u64, unsigned, (u64::MAX);
        deserialize_i8, visit_i64, signed, (i8::MIN.into(), i8::MAX.into());
        deserialize_i16, visit_i64, signed, (i16::MIN.into(), i16::MAX.into());
        deserialize_i32, visit_i64, signed, (i32::MIN.into(), i32::MAX.into());
        deserialize_i64, visit_i64, signed, (i64::MIN, i64::MAX);
    }

    fn deserialize_f32<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, DeError> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, DeError> {
        let expected = "a number";
        let number =
            scalar::float(self.typed_text(expected)?).ok_or_else(|| self.wrong(expected))?;
        visitor.visit_f64(number)
    }

    fn deserialize_str<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, DeError> {
        match self.scalar() {
            Some(scalar) => {
                visitor.visit_str(&scalar.text).map_err(|error: DeError| error.or_at(self.node))
            }
            None => Err(self.wrong(&error::expectation(&visitor))),
        }
    }

    fn deserialize_string<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, DeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_char<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, DeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, DeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, DeError> {
        if self.node.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_unit<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, DeError> {
        if self.node.is_null() { visitor.visit_unit() } else { Err(self.wrong("nothing")) }
    }

    fn deserialize_newtype_struct<V: Visitor<'a>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DeError> {
        match name {
            NODE => {
                hand_over(self.node.clone());
                visitor.visit_unit()
            }
            SPAN => {
                hand_over(Node::new(self.node.span, Kind::Null));
                visitor.visit_newtype_struct(self)
            }
            MANY => match &self.node.kind {
                Kind::Scalar(_) => visitor.visit_seq(Items {
                    items: std::slice::from_ref(self.node).iter(),
                    state: self.state,
                }),
                Kind::Seq(_) | Kind::Null => self.deserialize_seq(visitor),
                Kind::Map(_) => Err(self.wrong(&error::expectation(&visitor))),
            },
            // A secret that was written down must not be shown by the error about it.
            SECRET => match self.node.as_map().map(|map| map.entries()) {
                Some([entry])
                    if matches!(&*entry.key.text, "env" | "file")
                        && matches!(entry.value.kind, Kind::Scalar(_)) =>
                {
                    visitor.visit_newtype_struct(self)
                }
                _ => Err(DeError::at(
                    self.node,
                    "expected a reference to a secret, found something else".into(),
                )
                .help("write { env: NAME } or { file: path }; secrets do not stand in config")
                .hidden()),
            },
            _ => visitor.visit_newtype_struct(self).map_err(|error| error.or_at(self.node)),
        }
    }

    /// Nothing (`apis:` with no items) is an empty list.
    fn deserialize_seq<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, DeError> {
        let items = match &self.node.kind {
            Kind::Seq(items) => &**items,
            Kind::Null => &[],
            _ => {
                let help = self.scalar().map(|scalar| format!("write [ {} ]", scalar.text));
                return Err(self.wrong("a list").maybe_help(help));
            }
        };
        visitor
            .visit_seq(Items { items: items.iter(), state: self.state })
            .map_err(|error| error.or_at(self.node))
    }

    fn deserialize_tuple<V: Visitor<'a>>(self, _: usize, visitor: V) -> Result<V::Value, DeError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'a>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, DeError> {
        self.deserialize_seq(visitor)
    }

    /// Nothing (`request_id:` with no config) is an empty map.
    fn deserialize_map<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, DeError> {
        let entries = match &self.node.kind {
            Kind::Map(map) => map.entries(),
            Kind::Null => &[],
            _ => return Err(self.wrong("a map")),
        };
        visitor
            .visit_map(Entries::new(self.node, entries, None, self.state))
            .map_err(|error| error.or_at(self.node))
    }

    fn deserialize_struct<V: Visitor<'a>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeError> {
        let entries = match &self.node.kind {
            Kind::Map(map) => map.entries(),
            Kind::Null => &[],
            _ => {
                let shown = fields.iter().take(3).copied().collect::<Vec<_>>().join(", ");
                return Err(self.wrong(&format!("a map with keys such as {shown}")));
            }
        };
        self.unknown_keys(fields);
        visitor
            .visit_map(Entries::new(self.node, entries, Some(fields), self.state))
            .map_err(|error| error.or_at(self.node))
    }

    /// `name`, or `name: value` for variants that carry one.
    fn deserialize_enum<V: Visitor<'a>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeError> {
        let (name, span, value) = match &self.node.kind {
            Kind::Scalar(scalar) => (&*scalar.text, self.node.span, None),
            Kind::Map(map) if map.entries().len() == 1 => {
                let entry = &map.entries()[0];
                (&*entry.key.text, entry.key.span, Some(&entry.value))
            }
            _ => return Err(self.wrong(&format!("one of {}", variants.join(", ")))),
        };
        if !variants.contains(&name) {
            let message = format!(
                "expected one of {}, found `{}`",
                variants.join(", "),
                super::node::cut(name)
            );
            return Err(DeError::at_span(self.node, span, message).maybe_help(
                crate::diag::closest(name, variants.iter().copied())
                    .map(|name| format!("did you mean `{name}`?")),
            ));
        }
        visitor
            .visit_enum(Variant { name, value, node: self.node, state: self.state })
            .map_err(|error| error.or_at(self.node))
    }

    fn deserialize_ignored_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, DeError> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! { <V: Visitor<'a>> i128 u128 bytes byte_buf unit_struct }
}
