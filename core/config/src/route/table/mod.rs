//! The route table: built once per release, then only read.
//!
//! Normative: docs/specs/routing.md. A request is matched by host, then path, then method, then
//! listener and expressions on the path, then header conditions, each time the most specific first; where a more specific route does not take
//! the request, the next is tried, down to routes for any host and prefix `/`.

mod build;
mod explain;
#[cfg(test)]
mod narrow_tests;
mod slot;
#[cfg(test)]
mod tests;
mod trie;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use http::{HeaderMap, Method};

use super::pattern::{HeaderCondition, HostPattern, MethodKey, MethodSet, Narrow, PathPattern};
pub use build::{BuildError, TableBuilder};
pub use explain::{Candidate, Criterion, Verdict};
use slot::{Answer, Slot};
pub use trie::Span;
use trie::{Params, SlotId, Trie};

/// One route: what it asks of a request, and what answers it.
///
/// An API with several paths is several routes with one value. `P` says where the route was
/// written, for errors and explanations.
#[derive(Debug, Clone)]
pub struct Route<T, P> {
    /// Any of these; none means any host.
    pub hosts: Vec<HostPattern>,
    /// The methods it takes.
    pub methods: MethodSet,
    /// The paths it takes.
    pub path: PathPattern,
    /// What it asks of listener and path beside that.
    pub narrow: Narrow,
    /// All of these must hold; one condition per header.
    pub headers: Vec<HeaderCondition>,
    /// What answers: an index, usually.
    pub value: T,
    /// Where the route was written.
    pub origin: P,
}

/// A route within its table, counted from 0 in the order in which routes were added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RouteId(u32);

impl RouteId {
    /// The number of the route, from 0, in the order in which routes were added.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a lookup sees of a request.
#[derive(Debug, Clone, Copy)]
pub struct Request<'r> {
    /// [`Host::name`](super::Host::name), or `None` without host.
    pub host: Option<&'r str>,
    /// The method.
    pub method: &'r Method,
    /// [`Target::path`](super::Target::path): in normal form.
    pub path: &'r str,
    /// The name of the listener that it came by; where there is none, routes for certain listeners do
    /// not match.
    pub listener: Option<&'r str>,
    /// The header fields.
    pub headers: &'r HeaderMap,
}

/// What a lookup found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// This route.
    Match(Match),
    /// No route, but with one of these methods there would be one: 405 with this `Allow`.
    MethodNotAllowed(MethodSet),
    /// No route: 404.
    NotFound,
}

/// A route found, with the places of its path parameters. It borrows nothing; [`RouteTable`] gives
/// the meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    route: RouteId,
    params: Params,
}

impl Match {
    /// The route.
    pub fn route(&self) -> RouteId {
        self.route
    }

    /// Where the parameters stand in the path, in the order of the route's
    /// [`PathPattern::param_names`].
    pub fn spans(&self) -> &[Span] {
        &self.params
    }
}

/// An immutable table of routes, and of operations by name.
#[derive(Debug)]
pub struct RouteTable<T, P> {
    routes: Vec<Route<T, P>>,
    /// Per exact host its root in the trie.
    hosts: HashMap<Box<str>, u32, FixedState>,
    /// Per wildcard, without `*.`, its root.
    wildcards: HashMap<Box<str>, u32, FixedState>,
    /// The root of routes for any host.
    any_host: Option<u32>,
    trie: Trie,
    slots: Vec<Slot>,
    operations: HashMap<Box<str>, T, FixedState>,
}

impl<T, P> RouteTable<T, P> {
    /// The best route for a request.
    ///
    /// Costs a hash of the host and of each path segment, whatever the number of routes. Allocates
    /// only for more than four parameters, and for 405.
    pub fn lookup(&self, request: &Request<'_>) -> Outcome {
        let method = MethodKey::new(request.method);
        let mut missed = false;
        let mut found = None;
        self.visit(request, &mut |slot, params| {
            match self.slots[slot as usize].choose(&self.routes, method, request) {
                Answer::Route(route) => {
                    found = Some(Match { route: RouteId(route), params: std::mem::take(params) });
                }
                Answer::Method => missed = true,
                Answer::None => {}
            }
            found.is_some()
        });
        match found {
            Some(found) => Outcome::Match(found),
            None if missed => self.allowed(request),
            None => Outcome::NotFound,
        }
    }

    /// The value for an operation's name (its name over MMTP).
    pub fn by_operation(&self, name: &str) -> Option<&T> {
        self.operations.get(name)
    }

    /// The route with this id. It must come from this table.
    pub fn route(&self, id: RouteId) -> &Route<T, P> {
        &self.routes[id.index()]
    }

    /// The value of the route with this id.
    pub fn value(&self, id: RouteId) -> &T {
        &self.route(id).value
    }

    /// Names and values of the parameters of `found`, whose lookup was with `path`. Values are in
    /// normal form: still escaped where a path must be.
    pub fn params<'t>(
        &'t self,
        found: &'t Match,
        path: &'t str,
    ) -> impl Iterator<Item = (&'t str, &'t str)> {
        let names = self.route(found.route).path.param_names();
        names.zip(&found.params).map(move |(name, span)| (&**name, span.of(path)))
    }

    /// All routes, in the order in which they were added.
    pub fn routes(&self) -> impl ExactSizeIterator<Item = (RouteId, &Route<T, P>)> {
        self.routes.iter().enumerate().map(|(n, route)| (RouteId(n as u32), route))
    }

    /// The number of routes.
    pub fn len(&self) -> usize {
        self.routes.len()
    }

    /// Whether it has no routes (it may have operations).
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    /// 405, or 404 when only other headers than the request's would lead to those other methods.
    #[cold]
    fn allowed(&self, request: &Request<'_>) -> Outcome {
        let mut allow = MethodSet::any();
        self.visit(request, &mut |slot, _| {
            self.slots[slot as usize].allowed(&self.routes, request, &mut allow);
            false
        });
        if allow.is_any() { Outcome::NotFound } else { Outcome::MethodNotAllowed(allow) }
    }

    /// Visits the slots that match host and path, in order of precedence, until `visit` says true.
    fn visit(
        &self,
        request: &Request<'_>,
        visit: &mut impl FnMut(SlotId, &mut Params) -> bool,
    ) -> bool {
        let mut params = Params::new();
        let mut walk = |root: u32| self.trie.visit(root, request.path, &mut params, &mut *visit);
        if let Some(host) = request.host {
            if let Some(&root) = self.hosts.get(host)
                && walk(root)
            {
                return true;
            }
            if !self.wildcards.is_empty() {
                // From the left, so that the longest wildcard comes first.
                let mut rest = host;
                while let Some((label, parent)) = rest.split_once('.') {
                    rest = parent;
                    if !label.is_empty()
                        && let Some(&root) = self.wildcards.get(parent)
                        && walk(root)
                    {
                        return true;
                    }
                }
            }
        }
        self.any_host.is_some_and(walk)
    }
}
