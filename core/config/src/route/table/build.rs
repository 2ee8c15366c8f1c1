//! Building a table: every fault is found here, none at a request.

use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashSet};
use http::HeaderName;
use thiserror::Error;

use super::slot::Slot;
use super::trie::Trie;
use super::{Route, RouteTable};
use crate::route::pattern::{HostPattern, PathPattern};

/// Collects routes and operations for a [`RouteTable`].
#[derive(Debug)]
pub struct TableBuilder<T, P> {
    routes: Vec<Route<T, P>>,
    operations: Vec<(Box<str>, T, P)>,
}

/// Why a table is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BuildError<P> {
    /// Some requests match both routes and nothing says which wins.
    #[error(
        "two routes match the same requests and neither is more specific: host {host}, path {path}"
    )]
    Conflict {
        /// Where the route that was added first was written.
        first: P,
        /// Where the other was written.
        second: P,
        /// The host pattern they share.
        host: HostPattern,
        /// The path pattern they share, as the second writes it.
        path: PathPattern,
    },
    /// A route has two conditions on one header.
    #[error("two conditions on the header `{name}`")]
    RepeatedHeader {
        /// Where the route was written.
        origin: P,
        /// The header.
        name: HeaderName,
    },
    /// Two APIs have one operation name.
    #[error("two APIs have the operation `{name}`")]
    RepeatedOperation {
        /// The name.
        name: Box<str>,
        /// Where it was given first.
        first: P,
        /// Where it was given again.
        second: P,
    },
}

impl<T, P> Default for TableBuilder<T, P> {
    fn default() -> Self {
        TableBuilder { routes: Vec::new(), operations: Vec::new() }
    }
}

impl<T, P: Clone> TableBuilder<T, P> {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a route. The order in which routes are added decides nothing.
    pub fn route(&mut self, route: Route<T, P>) {
        self.routes.push(route);
    }

    /// Names the value that answers an operation.
    pub fn operation(&mut self, name: &str, value: T, origin: P) {
        self.operations.push((name.into(), value, origin));
    }

    /// Builds the table.
    ///
    /// # Errors
    /// All faults at once, those of routes in the order of the routes: for each route that conflicts
    /// with earlier ones, the first of these is named.
    pub fn build(self) -> Result<RouteTable<T, P>, Vec<BuildError<P>>> {
        let mut errors: Vec<_> = self.routes.iter().filter_map(repeated_header).collect();
        let mut places = Places::default();
        for (id, route) in (0..).zip(&self.routes) {
            if route.hosts.is_empty() {
                places.add(&HostPattern::Any, &route.path, id);
            }
            for host in &route.hosts {
                places.add(host, &route.path, id);
            }
        }
        let mut conflicts = Vec::new();
        let mut slots = Vec::with_capacity(places.members.len());
        for (members, host) in places.members {
            let mut conflict = |a, b| conflicts.push((b, a, host.clone()));
            slots.push(Slot::new(&self.routes, members, &mut conflict));
        }
        errors.extend(self.name_conflicts(conflicts));
        let operations = index_operations(self.operations, &mut errors);
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(RouteTable {
            routes: self.routes,
            hosts: places.hosts,
            wildcards: places.wildcards,
            any_host: places.any_host,
            trie: places.trie,
            slots,
            operations,
        })
    }

    /// `conflicts` as (later route, earlier route, host); a pair that meets under several hosts is
    /// told once.
    fn name_conflicts(
        &self,
        mut conflicts: Vec<(u32, u32, HostPattern)>,
    ) -> impl Iterator<Item = BuildError<P>> {
        conflicts.sort_by_key(|(later, earlier, _)| (*later, *earlier));
        conflicts.dedup_by_key(|(later, ..)| *later);
        conflicts.into_iter().map(|(later, earlier, host)| {
            let (first, second) = (&self.routes[earlier as usize], &self.routes[later as usize]);
            BuildError::Conflict {
                first: first.origin.clone(),
                second: second.origin.clone(),
                host,
                path: second.path.clone(),
            }
        })
    }
}

/// Where routes go: a root per host pattern, a slot per path pattern under it.
#[derive(Default)]
struct Places {
    hosts: HashMap<Box<str>, u32, FixedState>,
    wildcards: HashMap<Box<str>, u32, FixedState>,
    any_host: Option<u32>,
    trie: Trie,
    /// Per slot its routes and the host pattern they share.
    members: Vec<(Vec<u32>, HostPattern)>,
}

impl Places {
    fn add(&mut self, host: &HostPattern, path: &PathPattern, route: u32) {
        let Places { hosts, wildcards, any_host, trie, members } = self;
        let root = match host {
            HostPattern::Any => *any_host.get_or_insert_with(|| trie.add_root()),
            HostPattern::Exact(name) => root(hosts, name, trie),
            HostPattern::Wildcard(name) => root(wildcards, name, trie),
        };
        let slot = trie.slot(root, path) as usize;
        if slot == members.len() {
            members.push((Vec::new(), host.clone()));
        }
        // A host that is given twice puts its route here twice in a row.
        let routes = &mut members[slot].0;
        if routes.last() != Some(&route) {
            routes.push(route);
        }
    }
}

fn root(roots: &mut HashMap<Box<str>, u32, FixedState>, name: &str, trie: &mut Trie) -> u32 {
    if let Some(&root) = roots.get(name) {
        return root;
    }
    let root = trie.add_root();
    roots.insert(name.into(), root);
    root
}

fn repeated_header<T, P: Clone>(route: &Route<T, P>) -> Option<BuildError<P>> {
    let mut seen = HashSet::<_, FixedState>::default();
    let repeated = route.headers.iter().find(|condition| !seen.insert(condition.name()))?;
    Some(BuildError::RepeatedHeader { origin: route.origin.clone(), name: repeated.name().clone() })
}

fn index_operations<T, P: Clone>(
    operations: Vec<(Box<str>, T, P)>,
    errors: &mut Vec<BuildError<P>>,
) -> HashMap<Box<str>, T, FixedState> {
    let mut values = HashMap::with_capacity_and_hasher(operations.len(), FixedState::default());
    let mut origins: HashMap<Box<str>, P, FixedState> = HashMap::default();
    for (name, value, origin) in operations {
        if let Some(first) = origins.get(&name) {
            let first = first.clone();
            errors.push(BuildError::RepeatedOperation { name, first, second: origin });
            continue;
        }
        origins.insert(name.clone(), origin);
        values.insert(name, value);
    }
    values
}
