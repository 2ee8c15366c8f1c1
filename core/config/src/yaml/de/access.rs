//! Walking lists, maps and variants, leaving out what has been found wrong before.

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{DeserializeSeed, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};

use super::error::DeError;
use super::{De, State, address};
use crate::yaml::{Entry, Node};

/// The items of a list.
pub(super) struct Items<'a, 's> {
    pub(super) items: std::slice::Iter<'a, Node>,
    pub(super) state: &'s State,
}

impl<'a> SeqAccess<'a> for Items<'a, '_> {
    type Error = DeError;

    fn next_element_seed<T: DeserializeSeed<'a>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DeError> {
        let Some(node) = self.items.by_ref().find(|node| !self.state.is_skipped(node)) else {
            return Ok(None);
        };
        seed.deserialize(De { node, state: self.state })
            .map(Some)
            .map_err(|error| error.or_at(node))
    }

    fn size_hint(&self) -> Option<usize> {
        self.items.size_hint().1
    }
}

/// The entries of a map. For structs, keys that it does not know are passed over.
pub(super) struct Entries<'a, 's> {
    map: &'a Node,
    entries: std::slice::Iter<'a, Entry>,
    fields: Option<&'static [&'static str]>,
    current: Option<&'a Node>,
    state: &'s State,
}

impl<'a, 's> Entries<'a, 's> {
    pub(super) fn new(
        map: &'a Node,
        entries: &'a [Entry],
        fields: Option<&'static [&'static str]>,
        state: &'s State,
    ) -> Self {
        Self { map, entries: entries.iter(), fields, current: None, state }
    }
}

impl<'a> MapAccess<'a> for Entries<'a, '_> {
    type Error = DeError;

    fn next_key_seed<K: DeserializeSeed<'a>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, DeError> {
        for entry in self.entries.by_ref() {
            let key: &'a str = &entry.key.text;
            if self.fields.is_some_and(|fields| !fields.contains(&key)) {
                continue;
            }
            if self.state.is_skipped(&entry.value) {
                let mut holes = self.state.holes.borrow_mut();
                holes.entry(address(self.map)).or_default().insert(key.to_owned());
                continue;
            }
            self.current = Some(&entry.value);
            let key = BorrowedStrDeserializer::<DeError>::new(key);
            return seed.deserialize(key).map(Some).map_err(|error| error.or_at_key(entry));
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'a>>(&mut self, seed: V) -> Result<V::Value, DeError> {
        let node = self.current.take().unwrap_or(self.map);
        seed.deserialize(De { node, state: self.state }).map_err(|error| error.or_at(node))
    }

    fn size_hint(&self) -> Option<usize> {
        self.entries.size_hint().1
    }
}

/// One variant of an enum.
pub(super) struct Variant<'a, 's> {
    pub(super) name: &'a str,
    pub(super) value: Option<&'a Node>,
    pub(super) node: &'a Node,
    pub(super) state: &'s State,
}

impl<'a> EnumAccess<'a> for Variant<'a, '_> {
    type Error = DeError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'a>>(self, seed: V) -> Result<(V::Value, Self), DeError> {
        let name = BorrowedStrDeserializer::<DeError>::new(self.name);
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'a, 's> Variant<'a, 's> {
    /// The value that a variant carries.
    fn value(&self) -> Result<De<'a, 's>, DeError> {
        match self.value {
            Some(node) if !self.state.is_skipped(node) => Ok(De { node, state: self.state }),
            skipped => {
                let error = DeError::at(self.node, format!("`{}` needs a value", self.name));
                Err(if skipped.is_some() { error.following() } else { error })
            }
        }
    }
}

impl<'a> VariantAccess<'a> for Variant<'a, '_> {
    type Error = DeError;

    fn unit_variant(self) -> Result<(), DeError> {
        match self.value {
            Some(node) if !node.is_null() && !self.state.is_skipped(node) => {
                Err(DeError::at(node, format!("`{}` takes no value", self.name)))
            }
            _ => Ok(()),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'a>>(self, seed: T) -> Result<T::Value, DeError> {
        let value = self.value()?;
        seed.deserialize(value).map_err(|error| error.or_at(value.node))
    }

    fn tuple_variant<V: Visitor<'a>>(self, _: usize, visitor: V) -> Result<V::Value, DeError> {
        serde::Deserializer::deserialize_seq(self.value()?, visitor)
    }

    fn struct_variant<V: Visitor<'a>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeError> {
        serde::Deserializer::deserialize_struct(self.value()?, "", fields, visitor)
    }
}
