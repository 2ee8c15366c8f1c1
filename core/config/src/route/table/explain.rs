//! Why a request goes where it goes: every route that came close, with its fate.
//!
//! For people, so it reads all routes one by one; a lookup never comes here.

use std::cmp::Ordering;
use std::fmt;

use super::{Request, Route, RouteId, RouteTable};
use crate::route::pattern::{
    HeaderCondition, HeaderRank, HostPattern, MethodKey, MethodRank, MethodSet, NarrowRank,
};

/// A route that came close to a request, and its fate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The route.
    pub route: RouteId,
    /// The most specific of its host patterns that matched; `None` when none did.
    pub host: Option<HostPattern>,
    /// Its fate.
    pub verdict: Verdict,
}

/// What became of a candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It answers the request.
    Wins,
    /// It would take the request, but another is more specific.
    Outranked {
        /// The route that answers.
        by: RouteId,
        /// What tells them apart.
        on: Criterion,
    },
    /// Host, path and headers match, the method does not.
    Method(MethodSet),
    /// Host, path and method match, this header condition does not hold.
    Header(HeaderCondition),
    /// Host and path match, what it asks of listener or path beside that does not hold; in words.
    Narrow(String),
    /// The path matches, none of its host patterns does.
    Host,
    /// Only a trailing slash more or less keeps the path from matching.
    TrailingSlash,
}

/// In which respect one matching route is more specific than another, in order of weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Criterion {
    /// Exact host, then the longer wildcard, then any host.
    Host,
    /// At the first difference: literal, parameter, catch-all, prefix.
    Path,
    /// Listed method, then HEAD by way of GET, then any method.
    Method,
    /// For certain listeners, then more expressions on the path.
    Narrow,
    /// More header conditions, then more exact ones, then longer prefixes.
    Headers,
}

impl<T, P> RouteTable<T, P> {
    /// All routes whose path matches a request, or fails by a trailing slash only: the winner first,
    /// then those it outranks from the most specific on, then those that do not match, in the order
    /// in which they were added.
    pub fn explain(&self, request: &Request<'_>) -> Vec<Candidate> {
        let method = MethodKey::new(request.method);
        let mut matching = Vec::new();
        let mut failing = Vec::new();
        for (id, route) in self.routes() {
            match fate(route, request, method) {
                Fate::Matches(rank) => matching.push((id, rank)),
                Fate::Fails(host, verdict) => {
                    failing.push(Candidate { route: id, host, verdict });
                }
                Fate::Elsewhere => {}
            }
        }
        // The same order that a lookup follows step by step.
        matching.sort_by(|(_, a), (_, b)| a.beats(b).map_or(Ordering::Equal, |(order, _)| order));
        let best = matching.first().map(|(id, rank)| (*id, rank.clone()));
        let matching = matching.into_iter().filter_map(|(route, rank)| {
            let (by, best) = best.as_ref()?;
            let verdict = match best.beats(&rank) {
                Some((_, on)) if route != *by => Verdict::Outranked { by: *by, on },
                _ => Verdict::Wins,
            };
            Some(Candidate { route, host: Some(rank.host), verdict })
        });
        matching.chain(failing).collect()
    }
}

enum Fate {
    Matches(Rank),
    Fails(Option<HostPattern>, Verdict),
    Elsewhere,
}

/// All that decides between matching routes.
#[derive(Debug, Clone)]
struct Rank {
    host: HostPattern,
    shape: Vec<u8>,
    method: MethodRank,
    narrow: NarrowRank,
    headers: HeaderRank,
}

impl Rank {
    /// How this rank stands to another (`Less` is before it) and in which respect; `None` when
    /// nothing tells them apart, which a built table excludes.
    fn beats(&self, other: &Rank) -> Option<(Ordering, Criterion)> {
        let orders = [
            (other.host.rank().cmp(&self.host.rank()), Criterion::Host),
            (self.shape.cmp(&other.shape), Criterion::Path),
            (other.method.cmp(&self.method), Criterion::Method),
            (other.narrow.cmp(&self.narrow), Criterion::Narrow),
            (other.headers.cmp(&self.headers), Criterion::Headers),
        ];
        orders.into_iter().find(|(order, _)| order.is_ne())
    }
}

fn fate<T, P>(route: &Route<T, P>, request: &Request<'_>, method: MethodKey<'_>) -> Fate {
    let any = if route.hosts.is_empty() { Some(&HostPattern::Any) } else { None };
    let host = any
        .into_iter()
        .chain(&route.hosts)
        .filter(|host| host.matches(request.host))
        .max_by_key(|host| host.rank())
        .cloned();
    if !route.path.matches(request.path) {
        let other = match request.path.strip_suffix('/') {
            Some(shorter) => route.path.matches(shorter),
            None => route.path.matches(&format!("{}/", request.path)),
        };
        return if other && host.is_some() {
            Fate::Fails(host, Verdict::TrailingSlash)
        } else {
            Fate::Elsewhere
        };
    }
    let Some(host) = host else { return Fate::Fails(None, Verdict::Host) };
    if let Some(lack) = route.narrow.lacks(request.listener, request.path) {
        return Fate::Fails(Some(host), Verdict::Narrow(lack.to_string()));
    }
    let broken = route.headers.iter().find(|condition| !condition.holds(request.headers));
    match (route.methods.rank(method), broken) {
        (_, Some(condition)) => Fate::Fails(Some(host), Verdict::Header(condition.clone())),
        (None, None) => Fate::Fails(Some(host), Verdict::Method(route.methods.clone())),
        (Some(rank), None) => Fate::Matches(Rank {
            host,
            shape: route.path.shape().collect(),
            method: rank,
            narrow: route.narrow.rank(),
            headers: HeaderRank::of(&route.headers),
        }),
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Wins => f.write_str("answers"),
            Verdict::Outranked { on, .. } => write!(f, "outranked: {on}"),
            Verdict::Method(methods) => write!(f, "method: it takes {methods}"),
            Verdict::Header(condition) => write!(f, "header: it asks for {condition}"),
            Verdict::Narrow(lack) => f.write_str(lack),
            Verdict::Host => f.write_str("host: it is for others"),
            Verdict::TrailingSlash => f.write_str("path: differs by a trailing slash"),
        }
    }
}

impl fmt::Display for Criterion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Criterion::Host => "another route names the host more exactly",
            Criterion::Path => "another route names the path more exactly",
            Criterion::Method => "another route names the method more exactly",
            Criterion::Narrow => "another route asks more of listener or path",
            Criterion::Headers => "another route asks more of the headers",
        })
    }
}
