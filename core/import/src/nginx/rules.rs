//! `rewrite` directives that send a request elsewhere: to another address, or to another location.

use super::location::{Kind, LocId, Locations};
use super::notes::Notes;
use super::tree::Directive;
use crate::expression::{Expression, Reach};
use crate::vars::{Piece, pieces};

/// A `rewrite` whose expression decides where a request goes.
#[derive(Debug)]
pub(super) struct Rule<'t> {
    pub(super) directive: &'t Directive,
    pub(super) expression: Expression,
    /// The new path, or address, with `$1` for groups.
    pub(super) replacement: String,
    /// The location that serves the new path; none for a redirect.
    pub(super) target: Option<LocId>,
    /// The status of a redirect.
    pub(super) status: u16,
    /// Whether the request's query goes along.
    pub(super) keep_query: bool,
}

/// The rules of each location. Those that only change the path within their location (`break`) are none.
pub(super) fn rules<'t>(
    locations: &Locations<'t>,
    notes: &mut Notes,
) -> (Vec<Vec<Rule<'t>>>, Vec<(LocId, String)>) {
    let mut all = Vec::new();
    let mut lost = Vec::new();
    for (id, location) in locations.list.iter().enumerate() {
        let mut rules = Vec::new();
        for directive in location.scope.own().iter().filter(|d| d.name == "rewrite") {
            if id != 0 && directive.arg(2) == "break" && !is_address(directive.arg(1)) {
                continue;
            }
            match rule(locations, id, directive) {
                Ok(rule) => {
                    match rule.target {
                        Some(to) => {
                            let to = &locations.list[to].directive;
                            notes
                                .taken(directive, format!("served by what `{}` became", to.line()));
                        }
                        None => notes.taken(directive, "redirect"),
                    }
                    rules.push(rule);
                }
                Err(why) => {
                    notes.not(directive, &*why);
                    lost.push((id, format!("line {}: {why}", directive.place.line)));
                }
            }
        }
        all.push(rules);
    }
    (all, lost)
}

pub(super) fn is_address(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://") || text.starts_with("$scheme")
}

fn rule<'t>(
    locations: &Locations<'t>,
    from: LocId,
    directive: &'t Directive,
) -> Result<Rule<'t>, String> {
    let (text, replacement, flag) = (directive.arg(0), directive.arg(1), directive.arg(2));
    let expression = Expression::parse(text, false)?;
    let (replacement, keep_query) = match replacement.strip_suffix('?') {
        Some(cut) => (cut, false),
        None => (replacement, true),
    };
    if replacement.contains('?') {
        return Err("a query in the replacement: write a `rewrite` step with `query.set`".into());
    }
    let status = match flag {
        "permanent" => 301,
        _ => 302,
    };
    let redirects = matches!(flag, "redirect" | "permanent") || is_address(replacement);
    let target = if redirects { None } else { Some(target(locations, from, replacement)?) };
    Ok(Rule {
        directive,
        expression,
        replacement: replacement.to_owned(),
        target,
        status,
        keep_query,
    })
}

/// The location that takes every path that a replacement can make.
fn target(locations: &Locations<'_>, from: LocId, replacement: &str) -> Result<LocId, String> {
    let literal = match pieces(replacement).first() {
        Some(Piece::Text(text)) if text.starts_with('/') => (*text).to_owned(),
        _ => return Err("the new path does not begin with a text".into()),
    };
    let whole = pieces(replacement).len() == 1;
    let id = locations.find(&literal);
    let unclear = || format!("which location takes `{replacement}` depends on the request");
    if !whole {
        let other = locations.list.iter().any(|location| match &location.kind {
            Kind::Exact(name) | Kind::Prefix { name, .. } => {
                name.len() > literal.len() && name.starts_with(&literal)
            }
            _ => false,
        });
        if other {
            return Err(unclear());
        }
    }
    let id = match locations.list[id].kind {
        Kind::Exact(_) if !whole => return Err(unclear()),
        _ => id,
    };
    for tried in locations.tried(id) {
        let Kind::Regex(expression) = &locations.list[tried].kind else { continue };
        if whole && expression.takes(&literal) {
            return Ok(tried);
        }
        let directory = &literal[..literal.rfind('/').map_or(1, |at| at + 1)];
        if !whole && expression.reach(directory) != Reach::None {
            return Err(unclear());
        }
    }
    // nginx would begin again there, and its rules might send the request on.
    let again =
        locations.list[id].scope.own().iter().any(|d| d.name == "rewrite" && d.arg(2) != "break");
    if again && id != from {
        return Err("the location that it leads to has rewrites of its own".into());
    }
    Ok(id)
}
