//! Sets of methods, and how well a set fits a request's method.

use std::fmt;

use http::Method;

/// The methods that have a bit of their own, in the order in which `Allow` lists them.
const KNOWN: [Method; 9] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
    Method::TRACE,
    Method::CONNECT,
];
const GET: u16 = 1;
const HEAD: u16 = 2;

/// The methods of a route: any, or one or more given ones. GET includes HEAD unless another route
/// lists HEAD; OPTIONS is included by nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MethodSet {
    /// Bit n stands for `KNOWN[n]`; no bits and no others is "any".
    known: u16,
    /// Extension methods, sorted by name, each once.
    others: Vec<Method>,
}

/// How a set of methods fits a method; the greater wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::route) enum MethodRank {
    /// The route takes any method.
    Any,
    /// HEAD, by a route that lists GET.
    Implied,
    /// The method is listed.
    Listed,
}

/// A request's method, looked at once per lookup.
#[derive(Debug, Clone, Copy)]
pub(in crate::route) struct MethodKey<'a> {
    bit: u16,
    method: &'a Method,
}

impl<'a> MethodKey<'a> {
    pub(in crate::route) fn new(method: &'a Method) -> Self {
        MethodKey { bit: bit(method), method }
    }
}

impl MethodSet {
    /// Any method.
    pub fn any() -> Self {
        MethodSet::default()
    }

    /// These methods; `None` when there are none.
    pub fn of(methods: impl IntoIterator<Item = Method>) -> Option<Self> {
        let mut set = MethodSet::default();
        for method in methods {
            match bit(&method) {
                0 => set.others.push(method),
                bit => set.known |= bit,
            }
        }
        set.others.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        set.others.dedup();
        (!set.is_any()).then_some(set)
    }

    /// Whether every method is meant.
    pub fn is_any(&self) -> bool {
        self.known == 0 && self.others.is_empty()
    }

    /// Whether a request with `method` fits.
    pub fn allows(&self, method: &Method) -> bool {
        self.rank(MethodKey::new(method)).is_some()
    }

    /// The methods for an `Allow` field: HEAD stands beside GET. Empty for any method.
    pub fn iter(&self) -> impl Iterator<Item = &Method> {
        let known = if self.known & GET != 0 { self.known | HEAD } else { self.known };
        KNOWN
            .iter()
            .enumerate()
            .filter_map(move |(n, method)| (known & (1 << n) != 0).then_some(method))
            .chain(&self.others)
    }

    pub(in crate::route) fn rank(&self, key: MethodKey<'_>) -> Option<MethodRank> {
        if self.known & key.bit != 0 {
            Some(MethodRank::Listed)
        } else if self.is_any() {
            Some(MethodRank::Any)
        } else if key.bit == HEAD && self.known & GET != 0 {
            Some(MethodRank::Implied)
        } else if key.bit == 0 && self.others.contains(key.method) {
            Some(MethodRank::Listed)
        } else {
            None
        }
    }

    /// Whether some method fits both equally well.
    pub(in crate::route) fn ties_with(&self, other: &MethodSet) -> bool {
        if self.is_any() || other.is_any() {
            return self.is_any() && other.is_any();
        }
        // HEAD implied by both means that both list GET.
        self.known & other.known != 0 || self.others.iter().any(|m| other.others.contains(m))
    }

    /// Adds the methods of `other`, which must not be "any".
    pub(in crate::route) fn add(&mut self, other: &MethodSet) {
        self.known |= other.known;
        for method in &other.others {
            if let Err(at) = self.others.binary_search_by(|m| m.as_str().cmp(method.as_str())) {
                self.others.insert(at, method.clone());
            }
        }
    }
}

impl fmt::Display for MethodSet {
    /// As in an `Allow` field: `GET, HEAD, POST`; `*` for any.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_any() {
            return f.write_str("*");
        }
        for (n, method) in self.iter().enumerate() {
            let comma = if n == 0 { "" } else { ", " };
            write!(f, "{comma}{method}")?;
        }
        Ok(())
    }
}

fn bit(method: &Method) -> u16 {
    match *method {
        Method::GET => 1,
        Method::HEAD => 1 << 1,
        Method::POST => 1 << 2,
        Method::PUT => 1 << 3,
        Method::PATCH => 1 << 4,
        Method::DELETE => 1 << 5,
        Method::OPTIONS => 1 << 6,
        Method::TRACE => 1 << 7,
        Method::CONNECT => 1 << 8,
        _ => 0,
    }
}
