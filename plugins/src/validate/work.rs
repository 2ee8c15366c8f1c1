//! How much work a schema can make, found out at load.
//!
//! A schema that leads back to itself by two ways at once, such as two alternatives of a `oneOf` that
//! both hold the same member against the whole, doubles the work with each level of a value: 64
//! levels would never end. So the ways in which one place of a value can come to be checked are
//! counted for every depth; too many refuse the config, and the error says which depth would do.

use super::{
    documents::{Documents, Spot, Wrong},
    schemas::is_pattern,
};
use serde_json::Value;
use std::collections::HashMap;

/// The most schemas that may be held against the places on one way into a value.
const MOST: f64 = 10_000.0;
/// The most schemas of one step.
const MOST_SCHEMAS: usize = 200_000;
/// Keywords with a schema, or a list or a map of them, for the value itself.
const SAME: [&str; 9] =
    ["allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas", "dependencies"];
/// Keywords with a schema for members, whatever their names are.
const MEMBERS: [&str; 2] = ["additionalProperties", "unevaluatedProperties"];
/// Keywords with a schema for all items.
const ITEMS: [&str; 4] = ["items", "additionalItems", "unevaluatedItems", "contains"];
/// Keywords that lead to what only the value decides.
const REFUSED: [&str; 3] = ["$dynamicRef", "$recursiveRef", "$anchor"];

/// Schemas and what they lead to.
#[derive(Default)]
pub(super) struct Works<'a> {
    ids: HashMap<Spot, usize>,
    schemas: Vec<Schema>,
    /// Those that whole values are held against.
    roots: Vec<usize>,
    /// Those that were found and not looked at.
    open: Vec<(usize, Spot, &'a Value)>,
}

struct Schema {
    spot: Spot,
    /// Schemas for the same value, each as often as it is used.
    same: Vec<usize>,
    below: Vec<(Below, usize)>,
}

/// Which part of a value.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Below {
    Member(Box<str>),
    AnyMember,
    Item(usize),
    AnyItem,
}

impl<'a> Works<'a> {
    /// Adds a schema that values are held against.
    pub(super) fn add(
        &mut self,
        documents: &Documents<'a>,
        spot: &Spot,
        schema: &'a Value,
    ) -> Result<(), Wrong> {
        let root = self.whole(documents, spot.clone(), schema)?;
        self.roots.push(root);
        while let Some((id, spot, schema)) = self.open.pop() {
            self.look(documents, id, &spot, schema)?;
        }
        Ok(())
    }

    /// A schema that is no part of one that was seen.
    fn whole(
        &mut self,
        documents: &Documents<'a>,
        spot: Spot,
        schema: &'a Value,
    ) -> Result<usize, Wrong> {
        if !self.ids.contains_key(&spot) {
            documents.lawful(&spot, schema)?;
        }
        self.id(spot, schema)
    }

    fn id(&mut self, spot: Spot, schema: &'a Value) -> Result<usize, Wrong> {
        if let Some(&known) = self.ids.get(&spot) {
            return Ok(known);
        }
        if self.schemas.len() == MOST_SCHEMAS {
            return Err(spot.wrong(format!("more than {MOST_SCHEMAS} schemas")));
        }
        let id = self.schemas.len();
        self.schemas.push(Schema { spot: spot.clone(), same: Vec::new(), below: Vec::new() });
        self.ids.insert(spot.clone(), id);
        self.open.push((id, spot, schema));
        Ok(id)
    }

    fn look(
        &mut self,
        documents: &Documents<'a>,
        id: usize,
        spot: &Spot,
        schema: &'a Value,
    ) -> Result<(), Wrong> {
        let Value::Object(map) = schema else { return Ok(()) };
        if let Some(name) =
            REFUSED.into_iter().find(|name| schema.get(name).is_some_and(Value::is_string))
        {
            let message = format!("`{name}` is not known here");
            return Err(spot.below(name).wrong(message).help("use `$ref` with a JSON pointer"));
        }
        if !spot.is_whole() && map.get("$id").is_some_and(Value::is_string) {
            let help = "give it as a document of its own, under `documents`";
            return Err(spot.below("$id").wrong("a document inside a document").help(help));
        }
        for (name, value) in map {
            let at = spot.below(name);
            match &**name {
                "$ref" => {
                    let Some(reference) = value.as_str() else { continue };
                    let (spot, value) = documents.target(spot, reference)?;
                    let to = self.whole(documents, spot, value)?;
                    self.schemas[id].same.push(to);
                }
                name if SAME.contains(&name) => {
                    let named = ["dependentSchemas", "dependencies"].contains(&name);
                    for (at, value) in parts(at, value, named) {
                        let to = self.id(at, value)?;
                        self.schemas[id].same.push(to);
                    }
                }
                "properties" => {
                    for (name, value) in value.as_object().into_iter().flatten() {
                        let to = self.id(at.below(name), value)?;
                        self.below(id, Below::Member(name.as_str().into()), to);
                    }
                }
                "pattern" => {
                    if let Some(pattern) = value.as_str() {
                        linear(&at, pattern)?;
                    }
                }
                "patternProperties" => {
                    for (name, value) in value.as_object().into_iter().flatten() {
                        linear(&at.below(name), name)?;
                        let to = self.id(at.below(name), value)?;
                        self.below(id, Below::AnyMember, to);
                    }
                }
                name if MEMBERS.contains(&name) => {
                    let to = self.id(at, value)?;
                    self.below(id, Below::AnyMember, to);
                }
                "prefixItems" | "items" if value.is_array() => {
                    for (index, (at, value)) in parts(at, value, false).into_iter().enumerate() {
                        let to = self.id(at, value)?;
                        self.below(id, Below::Item(index), to);
                    }
                }
                name if ITEMS.contains(&name) => {
                    let to = self.id(at, value)?;
                    self.below(id, Below::AnyItem, to);
                }
                _ => {}
            }
        }
        // They look once more at what stands beside them.
        if ["unevaluatedProperties", "unevaluatedItems"].iter().any(|name| map.contains_key(*name))
        {
            let Schema { same, .. } = &mut self.schemas[id];
            same.extend_from_within(..);
        }
        Ok(())
    }

    fn below(&mut self, id: usize, part: Below, to: usize) {
        self.schemas[id].below.push((part, to));
    }

    /// Whether no value of this depth costs too much.
    ///
    /// # Errors
    /// One could, or a schema leads to itself without a way into the value.
    pub(super) fn bounded(&self, depth: u32) -> Result<(), Wrong> {
        let places = self.places()?;
        let mut costs: HashMap<usize, f64> =
            places.iter().map(|(id, place)| (*id, place.own)).collect();
        for level in 0..=depth {
            if level > 0 {
                costs = places.iter().map(|(id, place)| (*id, place.cost(&costs))).collect();
            }
            if let Some(root) = self.roots.iter().find(|root| costs[*root] > MOST) {
                let spot = &self.schemas[*root].spot;
                let message = format!(
                    "of a value that is {level} levels deep, more than {MOST} schemas could have to be held against one part"
                );
                let wrong = spot.wrong(message);
                return Err(match level {
                    0 | 1 => wrong.help("use fewer alternatives"),
                    _ => wrong.help(format!(
                        "set `max_depth` to {}, or let fewer alternatives lead back to the whole",
                        level - 1
                    )),
                });
            }
        }
        Ok(())
    }

    /// The schemas that values and parts of values are held against, each with all that goes with
    /// it.
    fn places(&self) -> Result<HashMap<usize, Place>, Wrong> {
        let mut places = HashMap::new();
        let mut open = self.roots.clone();
        while let Some(id) = open.pop() {
            if places.contains_key(&id) {
                continue;
            }
            let place = self.place(id)?;
            open.extend(place.parts.values().flatten().map(|(to, _)| *to));
            places.insert(id, place);
        }
        Ok(places)
    }

    fn place(&self, id: usize) -> Result<Place, Wrong> {
        let mut place = Place { own: 0.0, parts: HashMap::new() };
        let mut times = HashMap::from([(id, 1.0)]);
        for id in self.order(id)? {
            let often: f64 = times.get(&id).copied().unwrap_or_default();
            place.own += often;
            for to in &self.schemas[id].same {
                *times.entry(*to).or_default() += often;
            }
            for (part, to) in &self.schemas[id].below {
                place.parts.entry(part.clone()).or_default().push((*to, often));
            }
        }
        Ok(place)
    }

    /// What is held against the same value as `first`, each behind all that lead to it.
    fn order(&self, first: usize) -> Result<Vec<usize>, Wrong> {
        enum Step {
            Enter(usize),
            Leave(usize),
        }
        // Whether it was left.
        let mut seen: HashMap<usize, bool> = HashMap::new();
        let mut order = Vec::new();
        let mut steps = vec![Step::Enter(first)];
        while let Some(step) = steps.pop() {
            match step {
                Step::Leave(id) => {
                    seen.insert(id, true);
                    order.push(id);
                }
                Step::Enter(id) => match seen.get(&id) {
                    Some(true) => {}
                    Some(false) => {
                        let spot = &self.schemas[id].spot;
                        return Err(spot.wrong("the schema leads to itself for the same value"));
                    }
                    None => {
                        seen.insert(id, false);
                        steps.push(Step::Leave(id));
                        steps.extend(self.schemas[id].same.iter().map(|to| Step::Enter(*to)));
                    }
                },
            }
        }
        order.reverse();
        Ok(order)
    }
}

/// A part of a value, with all schemas that are held against it.
struct Place {
    /// How many they are.
    own: f64,
    /// What is held against its parts, and how often.
    parts: HashMap<Below, Vec<(usize, f64)>>,
}

impl Place {
    /// The cost with one level more than `costs` are for: of itself, and of its dearest part.
    fn cost(&self, costs: &HashMap<usize, f64>) -> f64 {
        let of = |part: &Below| -> f64 {
            let all = self.parts.get(part).into_iter().flatten();
            all.map(|(to, times)| times * costs[to]).sum()
        };
        let (mut member, mut item) = (0.0f64, 0.0f64);
        for part in self.parts.keys() {
            match part {
                Below::Member(_) => member = member.max(of(part)),
                Below::Item(_) => item = item.max(of(part)),
                Below::AnyMember | Below::AnyItem => {}
            }
        }
        let (member, item) = (member + of(&Below::AnyMember), item + of(&Below::AnyItem));
        self.own + member.max(item)
    }
}

/// Refuses patterns that could take longer than their text is long.
fn linear(at: &Spot, pattern: &str) -> Result<(), Wrong> {
    if is_pattern(pattern) {
        return Ok(());
    }
    let help = "it is wrong, too large, or looks ahead, behind or back, which is not known here";
    Err(at.wrong(format!("`{pattern}` is no pattern that runs in linear time")).help(help))
}

/// The schemas of a keyword: one, a list, or a map by names.
fn parts(at: Spot, value: &Value, named: bool) -> Vec<(Spot, &Value)> {
    match value {
        Value::Array(list) => list
            .iter()
            .enumerate()
            .map(|(index, item)| (at.below(&index.to_string()), item))
            .collect(),
        Value::Object(map) if named => {
            map.iter().map(|(name, item)| (at.below(name), item)).collect()
        }
        value => vec![(at, value)],
    }
}

#[cfg(test)]
mod tests {
    //! Which schemas are bounded, and how deep.
    use super::super::documents::{Documents, Spot};
    use serde_json::{Value, json};
    use std::collections::BTreeMap;

    fn told(schema: Value, depth: u32) -> Result<(), String> {
        let others = BTreeMap::new();
        let documents = Documents::new(&schema, &others, "/body", None).unwrap();
        let bounded =
            documents.schema(&Spot::root(), &schema).and_then(|_| documents.bounded(depth));
        bounded.map_err(|wrong| {
            let error = wrong.at("/body");
            format!("{} {}", error.message, error.help.unwrap_or_default())
        })
    }

    #[test]
    fn what_leads_back_by_one_way_is_bounded() {
        for schema in [
            json!({ "properties": { "left": { "$ref": "#" }, "right": { "$ref": "#" } } }),
            json!({ "oneOf": [
                { "properties": { "and": { "items": { "$ref": "#" } } }, "required": ["and"] },
                { "properties": { "or": { "items": { "$ref": "#" } } }, "required": ["or"] },
                { "properties": { "not": { "$ref": "#" } }, "required": ["not"] },
                { "type": "string" },
            ] }),
            json!({ "prefixItems": [{ "$ref": "#" }, { "$ref": "#" }], "items": { "type": "null" } }),
        ] {
            assert_eq!(told(schema.clone(), 100), Ok(()), "{schema}");
        }
    }

    #[test]
    fn what_doubles_with_each_level_is_refused_beyond_some() {
        for schema in [
            json!({ "anyOf": [
                { "properties": { "a": { "$ref": "#" } }, "required": ["x"] },
                { "properties": { "a": { "$ref": "#" } } },
            ] }),
            json!({ "properties": { "a": { "$ref": "#" } }, "patternProperties": { ".": { "$ref": "#" } } }),
            json!({ "properties": { "a": { "$ref": "#" } }, "additionalProperties": { "$ref": "#" } }),
            json!({ "items": { "$ref": "#" }, "contains": { "$ref": "#" } }),
        ] {
            let error = told(schema.clone(), 64).unwrap_err();
            let depth = error.split("set `max_depth` to ").nth(1).expect(&error);
            let depth: u32 = depth.split(',').next().unwrap().parse().unwrap();
            assert!((8..14).contains(&depth), "{schema}: {error}");
            assert_eq!(told(schema.clone(), depth), Ok(()), "{schema}");
            assert!(told(schema, depth + 1).is_err());
        }
    }

    #[test]
    fn a_schema_that_never_comes_to_a_value_is_refused() {
        for schema in [
            json!({ "allOf": [{ "$ref": "#" }] }),
            json!({ "$defs": { "a": { "$ref": "#/$defs/b" }, "b": { "$ref": "#/$defs/a" } }, "not": { "$ref": "#/$defs/a" } }),
        ] {
            let error = told(schema, 1).unwrap_err();
            assert!(error.contains("leads to itself for the same value"), "{error}");
        }
        let many: Vec<Value> = (0..10_001).map(|_| json!({})).collect();
        assert!(told(json!({ "anyOf": many }), 1).unwrap_err().contains("use fewer alternatives"));
    }
}
