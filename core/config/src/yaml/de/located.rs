//! Values that know their place, and whole nodes inside typed config.
//!
//! Serde has no way to hand a span through. So the names of certain newtypes tell the reader to
//! leave the node in a slot of the thread, from which the type takes it in the same call.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::{Serialize, Serializer};

use crate::yaml::{Node, Span, to_value};

/// Newtype name that asks for the node itself.
pub(crate) const NODE: &str = "$paifang::Node";
/// Newtype name that asks for the place beside the value.
pub(super) const SPAN: &str = "$paifang::Located";
/// Newtype name of a reference to a secret.
pub(crate) const SECRET: &str = "$paifang::Secret";
/// Newtype name of a list that may be written as a single value.
pub(crate) const MANY: &str = "$paifang::Many";

thread_local! {
    static HANDED: RefCell<Option<Node>> = const { RefCell::new(None) };
}

pub(super) fn hand_over(node: Node) {
    HANDED.with_borrow_mut(|slot| *slot = Some(node));
}

/// The node that the reader left for the type being read.
pub(crate) fn take_node() -> Option<Node> {
    HANDED.with_borrow_mut(Option::take)
}

/// A value with the place it was read from. Equality looks at the value alone.
#[derive(Clone)]
pub struct Located<T> {
    value: T,
    span: Span,
}

impl<T> Located<T> {
    /// A value at a place.
    pub const fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }

    /// The place; [`Span::NONE`] for defaults.
    pub const fn span(&self) -> Span {
        self.span
    }

    /// The value.
    pub const fn value(&self) -> &T {
        &self.value
    }

    /// The value, to change it where it stands.
    pub const fn value_mut(&mut self) -> &mut T {
        &mut self.value
    }

    /// The value alone.
    pub fn into_value(self) -> T {
        self.value
    }
}

impl<T> Deref for Located<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: fmt::Debug> fmt::Debug for Located<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

impl<T: fmt::Display> fmt::Display for Located<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

impl<T: PartialEq> PartialEq for Located<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: Eq> Eq for Located<T> {}

impl<T> From<T> for Located<T> {
    fn from(value: T) -> Self {
        Self { value, span: Span::NONE }
    }
}

impl<T: Default> Default for Located<T> {
    fn default() -> Self {
        T::default().into()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Located<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Reader<T> {
            type Value = Located<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }
            fn visit_newtype_struct<D: Deserializer<'de>>(
                self,
                from: D,
            ) -> Result<Located<T>, D::Error> {
                // Taken before the value is read, which may use the slot itself.
                let span = take_node().map_or(Span::NONE, |node| node.span);
                Ok(Located { value: T::deserialize(from)?, span })
            }
        }
        from.deserialize_newtype_struct(SPAN, Reader(PhantomData))
    }
}

impl<T: Serialize> Serialize for Located<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(to)
    }
}

impl<T: JsonSchema> JsonSchema for Located<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }
    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Node;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a node of YAML")
            }
            fn visit_unit<E: Error>(self) -> Result<Node, E> {
                take_node().ok_or_else(|| E::custom("nodes are read from YAML only"))
            }
        }
        from.deserialize_newtype_struct(NODE, Reader)
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to_value(self).serialize(to)
    }
}

impl JsonSchema for Node {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Node".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        true.into()
    }
}
