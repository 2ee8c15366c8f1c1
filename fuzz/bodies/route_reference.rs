//! The rules of docs/specs/routing.md as a linear scan: slow, plain, and written apart from the
//! table it is held against.

use std::cmp::Reverse;
use std::collections::BTreeSet;

/// A route as text, in normal form.
#[derive(Debug, Clone)]
pub struct Spec {
    /// `*`, `*.name` or a name; at least one.
    pub hosts: Vec<String>,
    /// None means any.
    pub methods: Vec<String>,
    /// `{name}` and `{*name}` as in config; a prefix without its trailing slash.
    pub path: String,
    /// Whether `path` is a prefix.
    pub prefix: bool,
    /// One per name.
    pub headers: Vec<(String, Test)>,
}

/// A condition on a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// It is there.
    Present,
    /// It stands once, with this value.
    Exact(String),
    /// It stands once, and begins so.
    Prefix(String),
}

/// A request as text.
#[derive(Debug, Clone)]
pub struct Call {
    /// None: HTTP/1.0.
    pub host: Option<String>,
    /// Any method.
    pub method: String,
    /// In normal form.
    pub path: String,
    /// In order; names may repeat.
    pub headers: Vec<(String, String)>,
}

/// What the rules say about a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// This route, with names and values of its parameters.
    Match(usize, Vec<(String, String)>),
    /// 405 with these methods.
    MethodNotAllowed(BTreeSet<String>),
    /// 404.
    NotFound,
}

/// Greater is better. The path's shape: a letter per segment, a to d, the lesser the better.
type Rank = (usize, Reverse<String>, u8, (usize, usize, usize));

/// What the rules say.
pub fn answer(specs: &[Spec], call: &Call) -> Answer {
    let mut fits = Vec::new();
    let mut allow = BTreeSet::new();
    for (n, spec) in specs.iter().enumerate() {
        let host = spec.hosts.iter().filter_map(|host| host_rank(host, call.host.as_deref())).max();
        let (Some(host), Some(params)) = (host, path_params(spec, &call.path)) else { continue };
        if !spec.headers.iter().all(|(name, test)| holds(name, test, &call.headers)) {
            continue;
        }
        match method_rank(spec, &call.method) {
            Some(method) => {
                let rank: Rank = (host, Reverse(shape(spec)), method, header_rank(spec));
                fits.push((rank, n, params));
            }
            None => {
                allow.extend(spec.methods.iter().cloned());
                if spec.methods.iter().any(|method| method == "GET") {
                    allow.insert("HEAD".to_owned());
                }
            }
        }
    }
    fits.sort();
    if let [.., (second, a, _), (first, b, _)] = &fits[..] {
        assert!(second < first, "routes {a} and {b} tie, which the table should have refused");
    }
    match fits.pop() {
        Some((_, n, params)) => Answer::Match(n, params),
        None if !allow.is_empty() => Answer::MethodNotAllowed(allow),
        None => Answer::NotFound,
    }
}

/// Whether two routes must be refused beside each other.
pub fn tie(a: &Spec, b: &Spec) -> bool {
    let key = |spec: &Spec| {
        let literal =
            |segment: &str| if segment.starts_with('{') { "{}" } else { segment }.to_owned();
        let path: Vec<String> = spec.path.split('/').map(literal).collect();
        (path, shape(spec), spec.methods.is_empty(), header_rank(spec))
    };
    key(a) == key(b)
        && a.hosts.iter().any(|host| b.hosts.contains(host))
        && (a.methods.is_empty() || a.methods.iter().any(|method| b.methods.contains(method)))
        && !a
            .headers
            .iter()
            .any(|(x, this)| b.headers.iter().any(|(y, that)| x == y && !compatible(this, that)))
}

fn compatible(a: &Test, b: &Test) -> bool {
    match (a, b) {
        (Test::Present, _) | (_, Test::Present) => true,
        (Test::Exact(a), Test::Exact(b)) => a == b,
        (Test::Exact(a), Test::Prefix(b)) => a.starts_with(b),
        (Test::Prefix(a), Test::Exact(b)) => b.starts_with(a),
        (Test::Prefix(a), Test::Prefix(b)) => a.starts_with(b) || b.starts_with(a),
    }
}

fn host_rank(pattern: &str, host: Option<&str>) -> Option<usize> {
    if pattern == "*" {
        return Some(0);
    }
    let host = host?;
    if pattern == host {
        return Some(1000);
    }
    let suffix = pattern.strip_prefix('*')?;
    (host.len() > suffix.len() && host.ends_with(suffix)).then_some(suffix.len())
}

fn shape(spec: &Spec) -> String {
    let mut shape: String = spec
        .path
        .split('/')
        .skip(1)
        .map(|segment| match segment {
            segment if segment.starts_with("{*") => 'c',
            segment if segment.starts_with('{') => 'b',
            _ => 'a',
        })
        .collect();
    if spec.prefix {
        shape.push('d');
    }
    shape
}

fn path_params(spec: &Spec, path: &str) -> Option<Vec<(String, String)>> {
    let mut params = Vec::new();
    let mut rest: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
    rest.reverse();
    for segment in spec.path.split('/').skip(1) {
        let name = segment.strip_prefix('{').and_then(|name| name.strip_suffix('}'));
        if let Some(name) = name.and_then(|name| name.strip_prefix('*')) {
            rest.reverse();
            let all = rest.join("/");
            let found = !all.is_empty();
            params.push((name.to_owned(), all));
            return found.then_some(params);
        }
        let value = rest.pop()?;
        match name {
            Some(name) if !value.is_empty() => params.push((name.to_owned(), value.to_owned())),
            None if segment == value => {}
            _ => return None,
        }
    }
    (rest.is_empty() || spec.prefix).then_some(params)
}

fn method_rank(spec: &Spec, method: &str) -> Option<u8> {
    if spec.methods.is_empty() {
        return Some(0);
    }
    if spec.methods.iter().any(|listed| listed == method) {
        return Some(2);
    }
    (method == "HEAD" && spec.methods.iter().any(|listed| listed == "GET")).then_some(1)
}

fn header_rank(spec: &Spec) -> (usize, usize, usize) {
    let exact = spec.headers.iter().filter(|(_, test)| matches!(test, Test::Exact(_))).count();
    let prefix = spec.headers.iter().map(|(_, test)| match test {
        Test::Prefix(prefix) => prefix.len(),
        _ => 0,
    });
    (spec.headers.len(), exact, prefix.sum())
}

fn holds(name: &str, test: &Test, headers: &[(String, String)]) -> bool {
    let values: Vec<&String> =
        headers.iter().filter(|(other, _)| other == name).map(|(_, value)| value).collect();
    match (test, &values[..]) {
        (Test::Present, values) => !values.is_empty(),
        (Test::Exact(wanted), [value]) => *value == wanted,
        (Test::Prefix(wanted), [value]) => value.starts_with(wanted),
        _ => false,
    }
}
