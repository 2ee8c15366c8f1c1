//! The locations of a server, and which of them nginx chooses for a path.

use super::notes::{Notes, protects};
use super::scope::Scope;
use super::tree::Directive;
use crate::expression::Expression;

/// Where a location stands in [`Locations::list`]; 0 is the server itself.
pub(super) type LocId = usize;

/// What a location takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// The server itself, where no location is chosen.
    Server,
    /// `= /path`
    Exact(String),
    /// `/prefix`; with `^~` no expressions are tried.
    Prefix { name: String, final_: bool },
    /// `~` and `~*`
    Regex(Expression),
}

/// A location, or the server itself.
#[derive(Debug)]
pub(super) struct Location<'t> {
    pub(super) kind: Kind,
    pub(super) directive: &'t Directive,
    pub(super) scope: Scope<'t>,
    pub(super) parent: LocId,
    /// Its `~` locations, in their order.
    pub(super) regexes: Vec<LocId>,
    /// Why nothing below may be online: an expression that might have chosen another location is not ours.
    pub(super) blind: Option<String>,
}

/// All locations of a server.
#[derive(Debug)]
pub(super) struct Locations<'t> {
    pub(super) list: Vec<Location<'t>>,
    /// `@name` and its block.
    pub(super) named: Vec<(&'t str, &'t Directive)>,
}

impl<'t> Locations<'t> {
    /// Reads the locations of a server.
    pub(super) fn of(server: &'t Directive, scope: &Scope<'t>, notes: &mut Notes) -> Self {
        let root = Location {
            kind: Kind::Server,
            directive: server,
            scope: scope.clone(),
            parent: 0,
            regexes: Vec::new(),
            blind: None,
        };
        let mut all = Self { list: vec![root], named: Vec::new() };
        all.read(0, server.inner(), notes);
        all
    }

    fn read(&mut self, parent: LocId, block: &'t [Directive], notes: &mut Notes) {
        for directive in block.iter().filter(|directive| directive.name == "location") {
            let (first, second) = (directive.arg(0), directive.arg(1));
            let kind = match (directive.args.len(), first) {
                (1, name) if name.starts_with('@') => {
                    self.named.push((name, directive));
                    continue;
                }
                // Modifiers may stand without a blank.
                (1, name) if name.starts_with("~*") => self.regex(&name[2..], true),
                (1, name) if name.starts_with('~') => self.regex(&name[1..], false),
                (1, name) if name.starts_with("^~") => prefix(&name[2..], true),
                (1, name) if name.starts_with('=') => Ok(Kind::Exact(name[1..].to_owned())),
                (1, name) => prefix(name, false),
                (2, "=") => Ok(Kind::Exact(second.to_owned())),
                (2, "^~") => prefix(second, true),
                (2, "~") => self.regex(second, false),
                (2, "~*") => self.regex(second, true),
                _ => Err("no form of `location`".into()),
            };
            let kind = match kind {
                Ok(kind)
                    if matches!(self.list[parent].kind, Kind::Regex(_))
                        && !matches!(kind, Kind::Regex(_)) =>
                {
                    Err::<Kind, String>("a location inside one with an expression".into())
                }
                kind => kind,
            };
            match kind {
                Ok(kind) => {
                    let scope = self.list[parent].scope.inside(directive.inner());
                    let id = self.list.len();
                    if let Kind::Regex(_) = kind {
                        self.list[parent].regexes.push(id);
                    }
                    self.list.push(Location {
                        kind,
                        directive,
                        scope,
                        parent,
                        regexes: Vec::new(),
                        blind: None,
                    });
                    self.read(id, directive.inner(), notes);
                }
                Err(why) => {
                    let guarded =
                        directive.inner().iter().any(|d| protects(&d.name) || d.name == "return");
                    let help = if guarded { "; what it might have taken is offline" } else { "" };
                    notes.not_within(directive, &format!("{why}{help}"));
                    if guarded {
                        self.list[parent].blind.get_or_insert(format!(
                            "{} line {}: {why}",
                            directive.place.file, directive.place.line
                        ));
                    }
                }
            }
        }
    }

    fn regex(&self, text: &str, ignore_case: bool) -> Result<Kind, String> {
        Expression::parse(text, ignore_case).map(Kind::Regex)
    }

    /// Why the location may not be online: its own reason or that of a block around it.
    pub(super) fn blind(&self, mut id: LocId) -> Option<&str> {
        loop {
            if let Some(why) = &self.list[id].blind {
                return Some(why);
            }
            if id == 0 {
                return None;
            }
            id = self.list[id].parent;
        }
    }

    /// The exact location for a path, or the one with the longest prefix.
    pub(super) fn find(&self, path: &str) -> LocId {
        let mut best = (0, 0);
        for (id, location) in self.list.iter().enumerate() {
            match &location.kind {
                Kind::Exact(name) if name == path => return id,
                Kind::Prefix { name, .. }
                    if path.starts_with(name.as_str()) && name.len() > best.1 =>
                {
                    best = (id, name.len());
                }
                _ => {}
            }
        }
        best.0
    }

    /// The location `path/` whose requests for `path` nginx redirects there: one that is passed on.
    pub(super) fn redirecting(&self, path: &str) -> Option<LocId> {
        let passes = [
            "proxy_pass",
            "fastcgi_pass",
            "uwsgi_pass",
            "scgi_pass",
            "memcached_pass",
            "grpc_pass",
        ];
        self.list.iter().position(|location| match &location.kind {
            Kind::Prefix { name, .. } => {
                name.strip_suffix('/') == Some(path)
                    && location.scope.own().iter().any(|d| passes.contains(&d.name.as_str()))
            }
            _ => false,
        })
    }

    /// The `~` locations that nginx tries when it has chosen this one by its prefix, in their order: those
    /// inside it, then those beside it, and so outwards.
    pub(super) fn tried(&self, id: LocId) -> Vec<LocId> {
        let mut tried = Vec::new();
        let mut at = id;
        loop {
            let location = &self.list[at];
            tried.extend(&location.regexes);
            match location.kind {
                Kind::Prefix { final_: true, .. } | Kind::Exact(_) | Kind::Server => break,
                _ => at = location.parent,
            }
        }
        tried
    }
}

fn prefix(name: &str, final_: bool) -> Result<Kind, String> {
    match name.starts_with('/') {
        true => Ok(Kind::Prefix { name: name.to_owned(), final_ }),
        false => Err("a prefix that does not begin with `/`".into()),
    }
}
