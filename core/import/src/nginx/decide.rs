//! From nginx's way of choosing a location to routes whose order means nothing.
//!
//! Paths are parted into places, each a directory or a single path. At each place a decision says which
//! expressions are tried in which order and what takes the rest; it becomes one route for each outcome, which
//! looks for its own expressions and excludes those tried before.

use std::collections::{BTreeMap, BTreeSet};

use super::limits;
use super::location::{Kind, LocId, Locations};
use super::rules::Rule;
use crate::expression::{Expression, Reach};

/// What becomes of a request in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Leaf {
    /// A location serves it; with the rule that sent it there.
    Location { id: LocId, by: Option<(LocId, usize)> },
    /// A rule of a location answers with a redirect.
    Rule { id: LocId, rule: usize },
    /// It is sent to the same path with a slash, which this location takes.
    Slash { to: String, id: LocId },
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Decision {
    Leaf(Leaf),
    /// The first expression that matches decides, else the last.
    Split(Vec<(Expression, Decision)>, Box<Decision>),
}

/// Which paths a route takes by its pattern.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Pattern {
    Path(String),
    Prefix(String),
}

/// One route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) pattern: Pattern,
    pub(super) matching: Vec<String>,
    pub(super) excluding: Vec<String>,
    pub(super) leaf: Leaf,
}

/// Locations with the rules that rewrite or redirect in them.
pub(super) struct Decider<'a, 't> {
    pub(super) locations: &'a Locations<'t>,
    pub(super) rules: &'a [Vec<Rule<'t>>],
    directories: BTreeSet<String>,
    paths: BTreeSet<String>,
}

impl<'a, 't> Decider<'a, 't> {
    pub(super) fn new(locations: &'a Locations<'t>, rules: &'a [Vec<Rule<'t>>]) -> Self {
        let mut new =
            Self { locations, rules, directories: BTreeSet::new(), paths: BTreeSet::new() };
        new.directories.insert("/".into());
        for location in &locations.list {
            match &location.kind {
                Kind::Exact(name) => {
                    new.paths.insert(name.clone());
                }
                Kind::Prefix { name, .. } if name.ends_with('/') => {
                    new.directory(name);
                }
                Kind::Prefix { name, .. } => {
                    new.directory(&format!("{name}/"));
                    new.directory(&name[..name.rfind('/').map_or(0, |at| at + 1)]);
                }
                Kind::Regex(expression) => new.place(expression),
                Kind::Server => {}
            }
        }
        for rule in rules.iter().flatten() {
            new.place(&rule.expression);
        }
        new
    }

    fn directory(&mut self, name: &str) {
        if let Some(path) = name.strip_suffix('/').filter(|path| !path.is_empty()) {
            self.paths.insert(path.to_owned());
        }
        if name.ends_with('/') {
            self.directories.insert(name.to_owned());
        }
    }

    fn place(&mut self, expression: &Expression) {
        match expression.only() {
            Some(path) if path.starts_with('/') => {
                self.paths.insert(path.to_owned());
            }
            _ => {
                let directory = expression.directory().to_owned();
                self.directory(&directory);
            }
        }
    }

    /// All routes; `None` where they are too many.
    pub(super) fn routes(&self) -> Option<Vec<Route>> {
        let directories: BTreeMap<&String, Decision> =
            self.directories.iter().map(|name| (name, self.at_directory(name))).collect();
        let paths: BTreeMap<&String, Decision> =
            self.paths.iter().map(|path| (path, self.at_path(path))).collect();
        let mut routes = Vec::new();
        for (path, decision) in &paths {
            // A prefix takes the path without its slash, too.
            let twin = directories.get(&format!("{path}/"));
            if twin == Some(decision) {
                continue;
            }
            flatten(&Pattern::Path((*path).clone()), decision, &mut routes)?;
        }
        for (name, decision) in &directories {
            let path = name.strip_suffix('/').unwrap_or_default();
            // What the directory around it decides alike needs no place of its own.
            let around = directories
                .iter()
                .filter(|(other, _)| *other != name && name.starts_with(other.as_str()));
            let around = around.max_by_key(|(other, _)| other.len());
            if let Some((_, around)) = around
                && around == decision
                && paths.get(&path.to_owned()).is_none_or(|twin| twin == decision)
            {
                continue;
            }
            flatten(&Pattern::Prefix((*name).clone()), decision, &mut routes)?;
        }
        // Paths that the place around them decides alike, now that it may be gone.
        let kept: Vec<Route> = routes
            .iter()
            .filter(|route| match &route.pattern {
                Pattern::Prefix(_) => true,
                Pattern::Path(path) => !self.redundant(path, &paths, &directories, &routes),
            })
            .cloned()
            .collect();
        Some(kept)
    }

    /// Whether the longest directory that has routes decides a path alike, and takes it.
    fn redundant(
        &self,
        path: &String,
        paths: &BTreeMap<&String, Decision>,
        directories: &BTreeMap<&String, Decision>,
        routes: &[Route],
    ) -> bool {
        let slashed = format!("{path}/");
        let longest = routes
            .iter()
            .filter_map(|route| match &route.pattern {
                Pattern::Prefix(name) if slashed.starts_with(name.as_str()) => Some(name),
                _ => None,
            })
            .max_by_key(|name| name.len());
        match (longest, paths.get(path)) {
            (Some(name), Some(Decision::Leaf(leaf))) => {
                directories.get(name) == Some(&Decision::Leaf(leaf.clone()))
            }
            _ => false,
        }
    }

    /// Whether this directory is the innermost place where an expression may match.
    fn reach(&self, expression: &Expression, directory: &str) -> Reach {
        let reach = expression.reach(directory);
        let inner = expression.directory();
        let elsewhere = reach == Reach::Some
            && inner.len() > directory.len()
            && self.directories.iter().any(|other| {
                other.len() > directory.len()
                    && other.starts_with(directory)
                    && inner.starts_with(other.as_str())
            });
        let alone = expression.only().is_some_and(|path| self.paths.contains(path));
        if elsewhere || alone { Reach::None } else { reach }
    }

    fn at_directory(&self, directory: &str) -> Decision {
        let locations = self.locations;
        let base = locations
            .list
            .iter()
            .enumerate()
            .filter_map(|(id, location)| match &location.kind {
                Kind::Prefix { name, .. } if directory.starts_with(name.as_str()) => {
                    Some((name.len(), id))
                }
                _ => None,
            })
            .max()
            .map_or(0, |(_, id)| id);
        // Prefixes that end inside a segment below this directory, the longest first.
        let mut partial: Vec<(&String, LocId)> = locations
            .list
            .iter()
            .enumerate()
            .filter_map(|(id, location)| match &location.kind {
                Kind::Prefix { name, .. } => {
                    let rest = name.strip_prefix(directory)?;
                    (!rest.is_empty() && !rest.contains('/')).then_some((name, id))
                }
                _ => None,
            })
            .collect();
        partial.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        let tried = locations.tried(base);
        let alike = partial.iter().all(|(_, id)| locations.tried(*id) == tried);
        let guarded = |id: LocId, with: bool| {
            let fallback = self.ruled(id, Place::Directory(directory));
            if !with {
                return fallback;
            }
            self.split(self.regexes(&locations.tried(id), Place::Directory(directory)), fallback)
        };
        let begins = partial
            .iter()
            .map(|(name, id)| (Expression::starting(name), guarded(*id, !alike)))
            .collect();
        let decision = self.split(begins, guarded(base, !alike));
        let decision = if alike {
            self.split(self.regexes(&tried, Place::Directory(directory)), decision)
        } else {
            decision
        };
        self.server_rules(Place::Directory(directory), decision)
    }

    fn at_path(&self, path: &str) -> Decision {
        let place = Place::Path(path);
        let id = self.locations.find(path);
        let exact = matches!(&self.locations.list[id].kind, Kind::Exact(_))
            || matches!(&self.locations.list[id].kind, Kind::Prefix { name, .. } if name == path);
        let decision = match self.locations.redirecting(path) {
            Some(to) if !exact => Decision::Leaf(Leaf::Slash { to: format!("{path}/"), id: to }),
            _ => {
                let fallback = self.ruled(id, place);
                self.split(self.regexes(&self.locations.tried(id), place), fallback)
            }
        };
        self.server_rules(place, decision)
    }

    /// The server's own rules come before any location is chosen.
    fn server_rules(&self, place: Place<'_>, then: Decision) -> Decision {
        self.split(self.rule_branches(0, place), then)
    }

    /// A location after its own rules. The server's have been asked already.
    fn ruled(&self, id: LocId, place: Place<'_>) -> Decision {
        let leaf = Decision::Leaf(Leaf::Location { id, by: None });
        if id == 0 { leaf } else { self.split(self.rule_branches(id, place), leaf) }
    }

    fn rule_branches(&self, id: LocId, place: Place<'_>) -> Vec<(Expression, Decision)> {
        let mut branches = Vec::new();
        for (at, rule) in self.rules[id].iter().enumerate() {
            let leaf = match rule.target {
                Some(to) => Leaf::Location { id: to, by: Some((id, at)) },
                None => Leaf::Rule { id, rule: at },
            };
            if self.branch(&mut branches, &rule.expression, Decision::Leaf(leaf), place) {
                break;
            }
        }
        branches
    }

    fn regexes(&self, ids: &[LocId], place: Place<'_>) -> Vec<(Expression, Decision)> {
        let mut branches = Vec::new();
        for &id in ids {
            let Kind::Regex(expression) = &self.locations.list[id].kind else { continue };
            // Expressions inside one that matched are tried next.
            let own = &self.locations.list[id].regexes;
            let decision = self.split(self.regexes(own, place), self.ruled(id, place));
            if self.branch(&mut branches, expression, decision, place) {
                break;
            }
        }
        branches
    }

    /// Adds a branch unless it is never taken; says whether it is always, so that none behind it counts.
    fn branch(
        &self,
        branches: &mut Vec<(Expression, Decision)>,
        expression: &Expression,
        decision: Decision,
        place: Place<'_>,
    ) -> bool {
        let reach = match place {
            Place::Path(path) if expression.takes(path) => Reach::All,
            Place::Path(_) => Reach::None,
            Place::Directory(name) => self.reach(expression, name),
        };
        if reach == Reach::None || branches.iter().any(|(other, _)| other == expression) {
            return false;
        }
        let expression = match reach {
            Reach::All => Expression::starting(""),
            _ => expression.clone(),
        };
        branches.push((expression, decision));
        reach == Reach::All
    }

    fn split(&self, mut branches: Vec<(Expression, Decision)>, last: Decision) -> Decision {
        // A branch that takes everything is the last one.
        let last = match branches.pop() {
            Some((expression, decision)) if expression.as_str() == "^" => decision,
            Some(branch) => {
                branches.push(branch);
                last
            }
            None => return last,
        };
        if branches.is_empty() { last } else { Decision::Split(branches, Box::new(last)) }
    }
}

/// Where a decision is made.
#[derive(Debug, Clone, Copy)]
enum Place<'p> {
    Path(&'p str),
    Directory(&'p str),
}

fn flatten(pattern: &Pattern, decision: &Decision, routes: &mut Vec<Route>) -> Option<()> {
    fn walk(
        pattern: &Pattern,
        decision: &Decision,
        matching: &[String],
        excluding: &[String],
        routes: &mut Vec<Route>,
    ) -> Option<()> {
        match decision {
            Decision::Leaf(leaf) => {
                if routes.len() >= limits::APIS {
                    return None;
                }
                let (matching, excluding) = (matching.to_vec(), excluding.to_vec());
                routes.push(Route {
                    pattern: pattern.clone(),
                    matching,
                    excluding,
                    leaf: leaf.clone(),
                });
            }
            Decision::Split(branches, last) => {
                let mut excluding = excluding.to_vec();
                for (expression, decision) in branches {
                    let mut matching = matching.to_vec();
                    matching.push(expression.as_str().to_owned());
                    walk(pattern, decision, &matching, &excluding, routes)?;
                    excluding.push(expression.as_str().to_owned());
                }
                // The last has fewer expressions than all before it, so that it comes after them anyway;
                // unless it looks for others of its own.
                let plain = matches!(**last, Decision::Leaf(_));
                let excluding: &[String] =
                    if plain && matching.is_empty() { &[] } else { &excluding };
                walk(pattern, last, matching, excluding, routes)?;
            }
        }
        Some(())
    }
    walk(pattern, decision, &[], &[], routes)
}
