//! Overlays: a file that changes what another one says.

use std::collections::HashMap;
use std::sync::Arc;

use crate::diag::{Problem, Problems};
use crate::yaml::{Entry, Kind, Node};

/// Lists whose items are merged by a key of theirs.
const KEYED: [(&str, &str); 2] = [("listeners", "name"), ("apis", "id")];

/// What an overlay must not hold.
pub(super) fn check(over: &Node, problems: &mut Problems) {
    match &over.kind {
        Kind::Null => {}
        Kind::Map(map) => {
            if let Some(entry) = map.entry("include") {
                problems.push(
                    Problem::new(entry.key.span, "an overlay cannot include files")
                        .help("give the other file as one more overlay"),
                );
            }
        }
        _ => problems.push(Problem::new(
            over.span,
            format!("expected a map of keys such as `apis`, found {}", over.describe()),
        )),
    }
}

/// Merges an overlay into the whole config: as [`merge`], but `listeners` merge by `name` and
/// `apis` by `id`; items that the base does not have are appended.
pub(super) fn merge_root(base: &Node, over: &Node) -> Node {
    let (Kind::Map(_), Kind::Map(_)) = (&base.kind, &over.kind) else {
        return base.clone();
    };
    merge_maps(base, over, |key, base, over| match KEYED.iter().find(|(list, _)| *list == key) {
        Some((_, by)) if base.as_seq().is_some() && over.as_seq().is_some() => {
            merge_lists(base, over, by)
        }
        _ => merge(base, over),
    })
}

/// Merges `over` into `base`: maps deep, everything else replaces, `null` in a map removes its
/// key. What replaced something remembers where that stood.
#[must_use]
pub fn merge(base: &Node, over: &Node) -> Node {
    match (&base.kind, &over.kind) {
        (Kind::Map(_), Kind::Map(_)) => merge_maps(base, over, |_, base, over| merge(base, over)),
        _ => without_nulls(over).overriding(base),
    }
}

fn merge_maps(base: &Node, over: &Node, both: impl Fn(&str, &Node, &Node) -> Node) -> Node {
    let (Some(base_map), Some(over_map)) = (base.as_map(), over.as_map()) else {
        return base.clone();
    };
    let mut changes: HashMap<&Arc<str>, &Entry> =
        over_map.entries().iter().map(|entry| (&entry.key.text, entry)).collect();
    let mut entries = Vec::with_capacity(base_map.entries().len() + changes.len());
    for entry in base_map.entries() {
        match changes.remove(&entry.key.text) {
            None => entries.push(entry.clone()),
            Some(change) if change.value.is_null() => {}
            Some(change) => entries.push(Entry {
                key: entry.key.clone(),
                value: both(&entry.key.text, &entry.value, &change.value),
            }),
        }
    }
    // In the overlay's own order.
    for entry in over_map.entries() {
        if changes.contains_key(&entry.key.text) && !entry.value.is_null() {
            let value = without_nulls(&entry.value);
            entries.push(Entry { key: entry.key.clone(), value });
        }
    }
    let mut merged = Node::map(base.span, entries);
    merged.overrode.clone_from(&base.overrode);
    merged
}

fn merge_lists(base: &Node, over: &Node, by: &str) -> Node {
    let (Some(base_items), Some(over_items)) = (base.as_seq(), over.as_seq()) else {
        return over.clone();
    };
    let name = |item: &Node| item.get(by).and_then(|name| name.as_text().map(str::to_owned));
    let mut items: Vec<Node> = base_items.to_vec();
    let positions: HashMap<String, usize> = base_items
        .iter()
        .enumerate()
        .filter_map(|(index, item)| Some((name(item)?, index)))
        .collect();
    for item in over_items {
        match name(item).and_then(|name| positions.get(&name).copied()) {
            Some(index) => items[index] = merge(&items[index], item),
            // Nameless items are kept, so that the checks can tell what is missing.
            None => items.push(item.clone()),
        }
    }
    Node::seq(base.span, items)
}

/// A new value has nothing to remove: `null` in its maps means absent. Lists stay as they are.
fn without_nulls(node: &Node) -> Node {
    let Kind::Map(map) = &node.kind else { return node.clone() };
    let entries = map
        .entries()
        .iter()
        .filter(|entry| !entry.value.is_null())
        .map(|entry| Entry { key: entry.key.clone(), value: without_nulls(&entry.value) })
        .collect();
    Node::map(node.span, entries)
}
