//! A trie over path segments, shared by all hosts of a table.
//!
//! Its edges live in one hash table keyed by (node, segment), so a step costs the same however many
//! siblings a node has: a lookup's cost depends on the path's length, not on the number of routes.
//! Parameter names are no part of it, so routes may name one place differently.

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use smallvec::SmallVec;
use std::hash::{BuildHasher, Hasher};

use crate::route::pattern::{PathPattern, Segment, Tail};

/// Where a parameter's value stands in the path, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Its first byte.
    pub start: u32,
    /// The byte after its last.
    pub end: u32,
}

impl Span {
    /// The value within the `path` that was looked up; empty for another, shorter one.
    pub fn of<'p>(&self, path: &'p str) -> &'p str {
        path.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

/// Values of parameters; up to four without allocation.
pub(super) type Params = SmallVec<[Span; 4]>;

/// The place of one pattern's routes, counted from 0 in order of insertion.
pub(super) type SlotId = u32;

/// Stands for "no node" and "no slot".
const NONE: u32 = u32::MAX;

#[derive(Debug, Default)]
pub(super) struct Trie {
    edges: HashTable<Edge>,
    nodes: Vec<Node>,
    slots: u32,
    /// Fixed: only config puts keys in, so nobody can aim at collisions, and each start and each
    /// measurement sees the same table.
    hasher: FixedState,
}

#[derive(Debug)]
struct Edge {
    from: u32,
    to: u32,
    segment: Box<str>,
}

#[derive(Debug, Clone, Copy)]
struct Node {
    /// Whether any literal edge leaves it.
    literals: bool,
    /// The node behind a parameter.
    param: u32,
    /// The slot of the pattern that ends here.
    end: SlotId,
    /// The slot of the pattern that goes on with a catch-all.
    catch_all: SlotId,
    /// The slot of the pattern that has this as its prefix.
    prefix: SlotId,
}

impl Trie {
    /// Adds a root, for one host pattern.
    pub(super) fn add_root(&mut self) -> u32 {
        self.add_node()
    }

    /// The slot of `pattern` under `root`, made when it is new. Patterns that differ only in names
    /// share one.
    pub(super) fn slot(&mut self, root: u32, pattern: &PathPattern) -> SlotId {
        let mut node = root;
        for segment in pattern.segments() {
            node = match segment {
                Segment::Literal(text) => self.child(node, text),
                Segment::Param(_) => self.param_child(node),
            };
        }
        let fresh = self.slots;
        let node = &mut self.nodes[node as usize];
        let slot = match pattern.tail() {
            Tail::End => &mut node.end,
            Tail::CatchAll(_) => &mut node.catch_all,
            Tail::Prefix => &mut node.prefix,
        };
        if *slot == NONE {
            *slot = fresh;
            self.slots += 1;
        }
        *slot
    }

    /// Visits the slots of all patterns under `root` that match `path`, the most specific first,
    /// with their parameters, until `visit` says true. Answers whether it did.
    pub(super) fn visit(
        &self,
        root: u32,
        path: &str,
        params: &mut Params,
        visit: &mut impl FnMut(SlotId, &mut Params) -> bool,
    ) -> bool {
        path.starts_with('/') && self.walk(root, path, 1, params, visit)
    }

    /// One node; the next segment begins at `at`, or all are used up when `at` is behind the path.
    ///
    /// The depth of recursion is that of the trie, at most the longest pattern's segments. Going
    /// back up tries what is less specific, so a path is never lost to a branch that led nowhere.
    fn walk(
        &self,
        node: u32,
        path: &str,
        at: usize,
        params: &mut Params,
        visit: &mut impl FnMut(SlotId, &mut Params) -> bool,
    ) -> bool {
        let Some(node_ref) = self.nodes.get(node as usize) else { return false };
        match path.as_bytes().get(at..) {
            None => {
                if node_ref.end != NONE && visit(node_ref.end, params) {
                    return true;
                }
            }
            Some(rest) => {
                let len = rest.iter().position(|&byte| byte == b'/').unwrap_or(rest.len());
                if node_ref.literals
                    && let Some(child) = self.find(node, &path[at..at + len])
                    && self.walk(child, path, at + len + 1, params, visit)
                {
                    return true;
                }
                if node_ref.param != NONE && len > 0 {
                    params.push(span(at, at + len));
                    if self.walk(node_ref.param, path, at + len + 1, params, visit) {
                        return true;
                    }
                    params.pop();
                }
                if node_ref.catch_all != NONE && !rest.is_empty() {
                    params.push(span(at, path.len()));
                    if visit(node_ref.catch_all, params) {
                        return true;
                    }
                    params.pop();
                }
            }
        }
        node_ref.prefix != NONE && visit(node_ref.prefix, params)
    }

    fn find(&self, from: u32, segment: &str) -> Option<u32> {
        let hash = hash(&self.hasher, from, segment);
        self.edges
            .find(hash, |edge| edge.from == from && *edge.segment == *segment)
            .map(|edge| edge.to)
    }

    fn child(&mut self, from: u32, segment: &str) -> u32 {
        if let Some(node) = self.find(from, segment) {
            return node;
        }
        let to = self.add_node();
        self.nodes[from as usize].literals = true;
        let Trie { edges, hasher, .. } = self;
        let edge = Edge { from, to, segment: segment.into() };
        edges.insert_unique(hash(hasher, from, segment), edge, |edge| {
            hash(hasher, edge.from, &edge.segment)
        });
        to
    }

    fn param_child(&mut self, from: u32) -> u32 {
        match self.nodes[from as usize].param {
            NONE => {
                let to = self.add_node();
                self.nodes[from as usize].param = to;
                to
            }
            node => node,
        }
    }

    fn add_node(&mut self) -> u32 {
        let id = self.nodes.len() as u32;
        self.nodes.push(Node {
            literals: false,
            param: NONE,
            end: NONE,
            catch_all: NONE,
            prefix: NONE,
        });
        id
    }
}

fn span(start: usize, end: usize) -> Span {
    Span { start: start as u32, end: end as u32 }
}

fn hash(state: &FixedState, from: u32, segment: &str) -> u64 {
    let mut hasher = state.build_hasher();
    hasher.write_u32(from);
    hasher.write(segment.as_bytes());
    hasher.finish()
}
