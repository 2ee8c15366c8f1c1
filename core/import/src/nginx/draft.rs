//! An API in the making.

use super::tree::Directive;
use crate::out::{Item, Node};

/// Where in a chain a step stands: nginx's phases in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Log,
    RequestId,
    ResponseHeaders,
    Condition,
    Return,
    Connections,
    Rate,
    Address,
    Identity,
    Rewrite,
    RequestHeaders,
    Content,
}

/// An API in the making.
#[derive(Debug, Default)]
pub(super) struct Draft {
    steps: Vec<(Phase, Item)>,
    ids: Vec<String>,
    pub(super) upstream: Option<String>,
    pub(super) timeout: Option<u64>,
    pub(super) body_limit: Option<String>,
    /// Why it may not be online.
    pub(super) offline: Option<String>,
    /// Whether a step answers every request.
    pub(super) answered: bool,
}

impl Draft {
    /// Adds a step that stands for a directive; `more` are keys beside its kind.
    pub(super) fn step(
        &mut self,
        phase: Phase,
        (kind, id): (&str, &str),
        config: Node,
        more: Option<(&str, Node)>,
        from: &Directive,
    ) {
        let mut step = Node::map().with(kind, config);
        let wanted = if id.is_empty() { kind } else { id };
        let mut name = wanted.to_owned();
        let mut number = 2;
        while self.ids.contains(&name) {
            name = format!("{wanted}-{number}");
            number += 1;
        }
        if name != kind {
            step.put("id", Node::text(name.clone()));
        }
        self.ids.push(name);
        if let Some((key, node)) = more {
            step.put(key, node);
        }
        self.steps.push((phase, step.commented(origin(from))));
    }

    /// Notes why the API may not be online; the first reason stays.
    pub(super) fn refuse(&mut self, why: impl Into<String>) {
        self.offline.get_or_insert(why.into());
    }

    /// Whether anything answers.
    pub(super) fn answers(&self) -> bool {
        self.answered || self.upstream.is_some()
    }

    /// Its steps, in the order of their phases.
    pub(super) fn steps(&mut self) -> Vec<Item> {
        let mut steps = std::mem::take(&mut self.steps);
        steps.sort_by_key(|(phase, _)| *phase);
        steps.into_iter().map(|(_, item)| item).collect()
    }
}

/// Where a directive stands, short: `shop.conf:12`, with what it is.
pub(super) fn origin(directive: &Directive) -> String {
    let file = directive.place.file.rsplit('/').next().unwrap_or_default();
    let line = directive.line();
    let cut: String = line.chars().take(70).collect();
    format!("{file}:{}: {cut}", directive.place.line)
}
