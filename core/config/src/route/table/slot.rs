//! The routes that share one host pattern and one path pattern, and the choice between them.

use std::iter;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use http::{HeaderMap, HeaderName};

use super::{Request, Route};
use crate::route::pattern::{HeaderRank, HeaderTest, MethodKey, MethodRank, MethodSet, only};

/// From this many routes on that ask for an exact value of one header, its values are hashed:
/// gateways that serve all APIs under one path choose by such a header.
const INDEX_FROM: usize = 8;

/// Routes in order of precedence: those that list methods before those that take any, then by
/// `NarrowRank` and [`HeaderRank`]. The order decides, except that HEAD listed beats HEAD implied.
#[derive(Debug)]
pub(super) struct Slot {
    index: Option<Box<Index>>,
    /// All routes, or those not in the index.
    rest: Box<[Place]>,
}

/// A route and its place in the order of precedence.
#[derive(Debug, Clone, Copy)]
struct Place {
    order: u32,
    route: u32,
}

#[derive(Debug)]
struct Index {
    header: HeaderName,
    by_value: HashMap<Box<[u8]>, Vec<Place>, FixedState>,
}

/// What a slot says to a request.
pub(super) enum Answer {
    /// This route fits best.
    Route(u32),
    /// No route fits, but at least one lists other methods only.
    Method,
    /// No route fits.
    None,
}

impl Slot {
    /// Orders the routes with the ids `members`, and reports each pair that ties to `conflict`: for
    /// each route the first earlier one.
    pub(super) fn new<T, P>(
        routes: &[Route<T, P>],
        mut members: Vec<u32>,
        conflict: &mut impl FnMut(u32, u32),
    ) -> Self {
        let key = |id: u32| {
            let route = &routes[id as usize];
            let narrow = std::cmp::Reverse(route.narrow.rank());
            (route.methods.is_any(), narrow, std::cmp::Reverse(HeaderRank::of(&route.headers)))
        };
        members.sort_by_cached_key(|&id| (key(id), id));
        let header = common_header(routes, &members);
        let mut by_value: HashMap<Box<[u8]>, Vec<Place>, FixedState> = HashMap::default();
        let mut rest = Vec::new();
        for (order, &route) in (0..).zip(&members) {
            let place = Place { order, route };
            match header.and_then(|header| exact(&routes[route as usize], header)) {
                Some(value) => match by_value.get_mut(value) {
                    Some(places) => places.push(place),
                    None => {
                        by_value.insert(value.into(), vec![place]);
                    }
                },
                None => rest.push(place),
            }
        }
        let index = header.map(|header| Box::new(Index { header: header.clone(), by_value }));
        let slot = Slot { index, rest: rest.into() };
        if members.len() > 1 {
            slot.find_conflicts(routes, &members, key, conflict);
        }
        slot
    }

    /// The best route for a request that matched this slot's host and path.
    pub(super) fn choose<T, P>(
        &self,
        routes: &[Route<T, P>],
        method: MethodKey<'_>,
        request: &Request<'_>,
    ) -> Answer {
        let mut implied = None;
        let mut missed = false;
        for id in self.candidates(request.headers) {
            let route = &routes[id as usize];
            match route.methods.rank(method) {
                None => missed = true,
                Some(_) if !holds(route, request) => {}
                Some(MethodRank::Listed) => return Answer::Route(id),
                Some(MethodRank::Implied) => implied = implied.or(Some(id)),
                Some(MethodRank::Any) => return Answer::Route(implied.unwrap_or(id)),
            }
        }
        match implied {
            Some(id) => Answer::Route(id),
            None if missed => Answer::Method,
            None => Answer::None,
        }
    }

    /// Adds the methods of all routes whose other conditions hold; for a request that matched none.
    pub(super) fn allowed<T, P>(
        &self,
        routes: &[Route<T, P>],
        request: &Request<'_>,
        allow: &mut MethodSet,
    ) {
        for id in self.candidates(request.headers) {
            let route = &routes[id as usize];
            if holds(route, request) {
                allow.add(&route.methods);
            }
        }
    }

    /// The routes that may fit, in order of precedence.
    fn candidates(&self, headers: &HeaderMap) -> impl Iterator<Item = u32> {
        let mut indexed: &[Place] = match &self.index {
            None => &[],
            Some(index) => only(headers, &index.header)
                .and_then(|value| index.by_value.get(value))
                .map_or(&[], Vec::as_slice),
        };
        let mut rest: &[Place] = &self.rest;
        iter::from_fn(move || {
            let from = match (indexed.first(), rest.first()) {
                (Some(a), Some(b)) if a.order < b.order => &mut indexed,
                (Some(_), None) => &mut indexed,
                _ => &mut rest,
            };
            let (first, others) = from.split_first()?;
            *from = others;
            Some(first.route)
        })
    }

    /// Routes tie when nothing in the order tells them apart and one request can fulfil both.
    /// Routes under different values of the index exclude each other, so they are not compared.
    fn find_conflicts<T, P, K: PartialEq>(
        &self,
        routes: &[Route<T, P>],
        members: &[u32],
        key: impl Fn(u32) -> K,
        conflict: &mut impl FnMut(u32, u32),
    ) {
        let header = self.index.as_ref().map(|index| &index.header);
        for group in members.chunk_by(|&a, &b| key(a) == key(b)) {
            let mut by_value: HashMap<&[u8], Vec<u32>, FixedState> = HashMap::default();
            let mut others = Vec::new();
            for (n, &id) in group.iter().enumerate() {
                let ties = |&&other: &&u32| ties(&routes[other as usize], &routes[id as usize]);
                let value = header.and_then(|header| exact(&routes[id as usize], header));
                let rival = match value {
                    None => {
                        others.push(id);
                        group[..n].iter().find(ties)
                    }
                    Some(value) => {
                        let same = by_value.entry(value).or_default();
                        let rival = same.iter().chain(&others).find(ties).copied();
                        same.push(id);
                        if let Some(rival) = rival {
                            conflict(rival, id);
                        }
                        continue;
                    }
                };
                if let Some(&rival) = rival {
                    conflict(rival, id);
                }
            }
        }
    }
}

fn holds<T, P>(route: &Route<T, P>, request: &Request<'_>) -> bool {
    route.headers.iter().all(|condition| condition.holds(request.headers))
        && route.narrow.lacks(request.listener, request.path).is_none()
}

fn ties<T, P>(a: &Route<T, P>, b: &Route<T, P>) -> bool {
    a.methods.ties_with(&b.methods)
        && !a.narrow.excludes(&b.narrow)
        && !a.headers.iter().any(|x| b.headers.iter().any(|y| x.excludes(y)))
}

/// The value that a route asks of `header`, when it asks for an exact one.
fn exact<'r, T, P>(route: &'r Route<T, P>, header: &HeaderName) -> Option<&'r [u8]> {
    route.headers.iter().find_map(|condition| match condition.test() {
        HeaderTest::Exact(value) if condition.name() == header => Some(&**value),
        _ => None,
    })
}

/// The header that most routes ask an exact value of, when they are many.
fn common_header<'r, T, P>(routes: &'r [Route<T, P>], members: &[u32]) -> Option<&'r HeaderName> {
    if members.len() < INDEX_FROM {
        return None;
    }
    let mut counts: HashMap<&HeaderName, usize, FixedState> = HashMap::default();
    for &id in members {
        for condition in &routes[id as usize].headers {
            if matches!(condition.test(), HeaderTest::Exact(_)) {
                *counts.entry(condition.name()).or_default() += 1;
            }
        }
    }
    let most = counts.into_iter().max_by_key(|(name, count)| (*count, name.as_str()));
    most.filter(|(_, count)| *count >= INDEX_FROM).map(|(name, _)| name)
}
