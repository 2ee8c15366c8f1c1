//! Holding the rules against a body while it is read. Nothing of the body is kept, and what no
//! pointer names is skipped without going down into it, so that neither size nor depth matters.

use crate::{
    rules::{Node, Rules},
    scalar::{Number, Scalar},
};
use serde::{
    Deserializer,
    de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use std::fmt;

/// What the rules say of a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Score {
    /// Never below zero.
    pub(crate) points: i64,
    /// The names of the rules that hold.
    pub(crate) names: Vec<String>,
}

/// Scores a body; `None` where it is no JSON text.
pub(crate) fn score(rules: &Rules, body: &[u8]) -> Option<Score> {
    let mut holds = vec![false; rules.list.len()];
    let mut from = serde_json::Deserializer::from_slice(body);
    let read = Here { rules, holds: &mut holds, node: Some(&rules.root), list: None };
    read.deserialize(&mut from).ok()?;
    from.end().ok()?;
    let held = || rules.list.iter().zip(&holds).filter(|(_, holds)| **holds).map(|(rule, _)| rule);
    let sum: i64 = held().map(|rule| i64::from(rule.points)).sum();
    Some(Score { points: sum.max(0), names: held().map(|rule| rule.name.clone()).collect() })
}

/// A value that is about to be read.
struct Here<'r, 'h> {
    rules: &'r Rules,
    /// For each rule whether it holds. Where a member is there twice, any of its values will do:
    /// who knows which of them the upstream takes.
    holds: &'h mut [bool],
    /// What pointers name here, if any.
    node: Option<&'r Node>,
    /// The list that this is an item of, if a pointer names it.
    list: Option<&'r Node>,
}

impl<'r> Here<'r, '_> {
    fn scalar(self, value: Scalar<&str>) {
        for at in self.node.into_iter().flat_map(|node| &node.rules) {
            self.holds[*at] |= self.rules.list[*at].holds(value);
        }
        for at in self.list.into_iter().flat_map(|list| &list.rules) {
            self.holds[*at] |= self.rules.list[*at].holds_of_item(value);
        }
    }

    fn below(&mut self, node: Option<&'r Node>, list: Option<&'r Node>) -> Here<'r, '_> {
        Here { rules: self.rules, holds: &mut *self.holds, node, list }
    }
}

impl<'de> DeserializeSeed<'de> for Here<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        if self.node.is_none() && self.list.is_none() {
            return from.deserialize_ignored_any(IgnoredAny).map(|_| ());
        }
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Here<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.scalar(Scalar::Null);
        Ok(())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.scalar(Scalar::Bool(value));
        Ok(())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.scalar(Scalar::Number(Number::Whole(value.into())));
        Ok(())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.scalar(Scalar::Number(Number::Whole(value.into())));
        Ok(())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.scalar(Scalar::Number(Number::Float(value)));
        Ok(())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.scalar(Scalar::Text(value));
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        let (node, mut at) = (self.node, 0_usize);
        loop {
            let child = node.and_then(|node| node.item(at));
            if items.next_element_seed(self.below(child, node))?.is_none() {
                return Ok(());
            }
            at += 1;
        }
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
        while let Some(child) = members.next_key_seed(Key(self.node))? {
            members.next_value_seed(self.below(child, None))?;
        }
        Ok(())
    }
}

/// The name of a member: what pointers name there.
struct Key<'r>(Option<&'r Node>);

impl<'de, 'r> DeserializeSeed<'de> for Key<'r> {
    type Value = Option<&'r Node>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_str(self)
    }
}

impl<'r> Visitor<'_> for Key<'r> {
    type Value = Option<&'r Node>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.and_then(|node| node.child(name)))
    }
}
