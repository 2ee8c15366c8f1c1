//! Requests that nginx makes beside the client's own, to a location that passes them on.

use super::Import;
use super::headers::Host;
use super::location::{Kind, Location, Locations};
use super::proxy::{Ask, Pass, read};
use super::tree::Directive;
use super::upstream::Wanted;
use crate::expression::Expression;
use crate::vars::Vars;

/// A location that is asked beside.
pub(super) struct Asked<'l, 't> {
    pub(super) location: &'l Location<'t>,
    /// Its `proxy_pass`.
    pub(super) directive: &'t Directive,
    pub(super) pass: Pass,
    /// Whether the address ends with the target of the client's request.
    pub(super) same_target: bool,
}

/// An upstream that is asked beside, and how long that may take.
pub(super) struct Beside {
    pub(super) upstream: String,
    /// Milliseconds.
    pub(super) timeout: u64,
}

/// Finds the location for a path, which must have nothing but `proxy_pass` to answer by.
///
/// # Errors
/// Why it cannot be told what is asked.
pub(super) fn asked<'l, 't>(
    locations: &'l Locations<'t>,
    vars: &Vars,
    path: &str,
) -> Result<Asked<'l, 't>, String> {
    if !path.starts_with('/') || path.contains(['$', '?']) {
        return Err(format!("`{path}` is no path of its own"));
    }
    let takes = |expression: &Expression| expression.takes(path);
    let rewrites = locations.list[0].directive.inner().iter().filter(|d| d.name == "rewrite");
    for rewrite in rewrites {
        if Expression::parse(rewrite.arg(0), false).as_ref().map_or(true, takes) {
            return Err(format!("`{}` may change `{path}`", rewrite.line()));
        }
    }
    let id = locations.find(path);
    let by_expression = locations.tried(id).into_iter().any(
        |other| matches!(&locations.list[other].kind, Kind::Regex(expression) if takes(expression)),
    );
    let location = &locations.list[id];
    if by_expression || location.kind == Kind::Server {
        return Err(format!("`{path}` has no location of its own"));
    }
    let own = location.scope.own();
    let other = own.iter().find(|d| {
        let name = d.name.as_str();
        matches!(name, "return" | "if" | "rewrite" | "try_files" | "set")
            || name.contains("_by_lua")
            || name.starts_with("js_")
            || (name.ends_with("_pass") && name != "proxy_pass")
    });
    if let Some(other) = other {
        return Err(format!("`{}` in the location of `{path}`", other.line()));
    }
    let directive = own.iter().find(|d| d.name == "proxy_pass");
    let directive =
        directive.ok_or_else(|| format!("the location of `{path}` passes nothing on"))?;
    let pass = read(directive, vars)?;
    let same_target = directive.arg(0).ends_with("$request_uri");
    Ok(Asked { location, directive, pass, same_target })
}

impl Import<'_> {
    /// The upstream of a location that is asked beside.
    ///
    /// # Errors
    /// Why there can be none.
    pub(super) fn beside(
        &mut self,
        asked: &Asked<'_, '_>,
        vars: &Vars,
        host: Host,
    ) -> Result<Beside, String> {
        let scope = &asked.location.scope;
        let mut wanted = Wanted::default();
        self.ways(scope, "proxy", &mut wanted);
        let timeout = wanted.once();
        let ask = Ask { scope, prefix: "proxy", vars, host, wanted, from: asked.directive };
        let upstream = self.passed(&ask, &asked.pass)?.upstream;
        self.notes.taken(asked.directive, format!("upstream {upstream}"));
        self.notes.taken(asked.location.directive, "what is asked beside");
        for name in ["proxy_pass_request_body", "proxy_pass_request_headers"] {
            if let Some(directive) = scope.last(name) {
                self.notes.taken(directive, "what is asked beside says so");
            }
        }
        Ok(Beside { upstream, timeout })
    }

    /// Whether a location is asked beside, by whatever server.
    pub(super) fn is_asked(&self, location: &Location<'_>) -> bool {
        let name = match &location.kind {
            Kind::Exact(name) => name,
            Kind::Prefix { name, .. } => name,
            Kind::Server | Kind::Regex(_) => return false,
        };
        self.beside.iter().any(|path| path.starts_with(name.as_str()))
    }
}
