//! Chains: lists of steps that several APIs have stand once.

use super::{Item, Node};

/// A list shorter than this stands where it is.
const STEPS: usize = 2;

/// Takes lists of steps that stand in two APIs or more out of them: the map of chains, and the APIs with
/// a step `chain` in their place. Names come from the first API that has the list.
#[must_use]
pub fn shared(mut apis: Vec<Item>) -> (Node, Vec<Item>) {
    let lists: Vec<Option<Node>> = apis.iter().map(|api| handlers(api).cloned()).collect();
    let mut chains: Vec<(String, Item)> = Vec::new();
    for (at, list) in lists.iter().enumerate() {
        let Some(list @ Node::List(steps)) = list else { continue };
        let alike =
            |other: &&Option<Node>| other.as_ref().is_some_and(|other| bare(other) == bare(list));
        if steps.len() < STEPS || lists.iter().filter(alike).count() < 2 {
            continue;
        }
        let known = chains.iter().find(|(_, item)| bare(&item.node) == bare(list));
        let name = match known {
            Some((name, _)) => name.clone(),
            None => {
                let name = id(&apis[at]).unwrap_or_else(|| format!("chain-{at}"));
                chains.push((name.clone(), list.clone().into()));
                name
            }
        };
        let step = Node::List(vec![Node::map().with("chain", Node::text(name)).into()]);
        if let Node::Map(entries) = &mut apis[at].node {
            for (_, item) in entries.iter_mut().filter(|(key, _)| key == "handlers") {
                item.node = step.clone();
            }
        }
    }
    (Node::Map(chains), apis)
}

/// The node without comments: where a step came from does not make it another one.
fn bare(node: &Node) -> Node {
    let item = |item: &Item| Item { comment: Vec::new(), node: bare(&item.node) };
    match node {
        Node::List(items) => Node::List(items.iter().map(item).collect()),
        Node::Map(entries) => {
            Node::Map(entries.iter().map(|(key, value)| (key.clone(), item(value))).collect())
        }
        plain => plain.clone(),
    }
}

fn handlers(api: &Item) -> Option<&Node> {
    let Node::Map(entries) = &api.node else { return None };
    entries.iter().find(|(key, _)| key == "handlers").map(|(_, item)| &item.node)
}

fn id(api: &Item) -> Option<String> {
    let Node::Map(entries) = &api.node else { return None };
    match &entries.iter().find(|(key, _)| key == "id")?.1.node {
        Node::Text(id) => Some(id.clone()),
        _ => None,
    }
}
