//! An API in the making, whatever config it comes from.

use std::collections::BTreeSet;

use crate::Options;
use crate::out::{Item, Node, unique};
use crate::report::Book;
use crate::values;

/// An API in the making; `P` says where in the chain a step stands, the lesser above.
#[derive(Debug, Clone)]
pub(crate) struct Draft<P> {
    steps: Vec<(P, Item)>,
    ids: BTreeSet<String>,
    pub(crate) upstream: Option<String>,
    /// In milliseconds.
    pub(crate) timeout: Option<u64>,
    pub(crate) body_limit: Option<String>,
    /// How its answers are kept.
    pub(crate) cache: Option<Node>,
    /// Why it may not be online.
    pub(crate) offline: Option<String>,
    /// Whether a step answers every request.
    pub(crate) answered: bool,
}

impl<P> Default for Draft<P> {
    fn default() -> Self {
        Self {
            steps: Vec::new(),
            ids: BTreeSet::new(),
            upstream: None,
            timeout: None,
            body_limit: None,
            cache: None,
            offline: None,
            answered: false,
        }
    }
}

impl<P: Ord + Copy> Draft<P> {
    /// Adds a step; those of one place keep their order. `id` may be empty, `more` are keys beside its
    /// kind, `comment` says where it comes from.
    pub(crate) fn step(
        &mut self,
        place: P,
        (kind, id): (&str, &str),
        config: Node,
        more: Option<(&str, Node)>,
        comment: impl Into<String>,
    ) {
        let wanted = if id.is_empty() { kind } else { id };
        let name = unique(wanted, |name| self.ids.contains(name));
        let mut step = Node::map().with(kind, config);
        if name != kind {
            step.put("id", Node::text(name.clone()));
        }
        self.ids.insert(name);
        if let Some((key, node)) = more {
            step.put(key, node);
        }
        self.steps.push((place, step.commented(comment)));
    }

    /// Adds the steps of a chain, with changes to them by id.
    pub(crate) fn chain(&mut self, place: P, chain: &str, with: Node, comment: impl Into<String>) {
        let step = Node::map().with("chain", Node::text(chain)).with("with", with);
        self.steps.push((place, step.commented(comment)));
    }

    /// Notes why the API may not be online; the first reason stays.
    pub(crate) fn refuse(&mut self, why: impl Into<String>) {
        self.offline.get_or_insert(why.into());
    }

    /// Whether anything answers.
    pub(crate) fn answers(&self) -> bool {
        self.answered || self.upstream.is_some()
    }

    /// Its steps, in the order of their places.
    pub(crate) fn steps(mut self) -> Vec<Item> {
        self.steps.sort_by_key(|(place, _)| *place);
        self.steps.into_iter().map(|(_, item)| item).collect()
    }

    /// The API. One that may not be online is told of in the book, and is offline unless the options say
    /// that it need not be protected.
    pub(crate) fn api(
        mut self,
        id: &str,
        matches: Node,
        options: Options,
        book: &mut Book,
    ) -> Node {
        let answers = self.answers();
        let mut api = Node::map().with("id", Node::text(id)).with("match", matches);
        if !answers {
            self.refuse("nothing answers it");
        }
        if let Some(why) = self.offline.take() {
            let open = options.allow_unprotected && answers;
            let state = if open { "online" } else { "offline" };
            api.put("state", Node::text(state).commented(why.clone()));
            book.offline.push((id.to_owned(), why));
        }
        let rest = [
            ("cache", self.cache.take()),
            ("upstream", self.upstream.take().map(Node::Text)),
            ("timeout", self.timeout.map(|ms| Node::plain(values::duration(ms)))),
            ("body_limit", self.body_limit.take().map(Node::Plain)),
        ];
        let steps = self.steps();
        if !steps.is_empty() {
            api.put("handlers", Node::List(steps));
        }
        for (key, node) in rest {
            if let Some(node) = node {
                api.put(key, node);
            }
        }
        api
    }
}
