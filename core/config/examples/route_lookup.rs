//! Looks routes up, for counting instructions under `valgrind --tool=callgrind`.
//!
//! Arguments: `ROUTES` `LOOKUPS` (defaults 1000 and 100000). The table is the same for the same
//! number of routes, and so is the sequence of lookups; the difference between two runs that differ
//! in `LOOKUPS` only is the cost of the lookups alone. Nothing is printed but the time of building
//! and the number of lookups that found a route.

use std::time::Instant;

use http::{HeaderMap, Method};
use paifang_config::route::{
    HostPattern, MethodSet, Narrow, Outcome, PathPattern, Request, Route, RouteTable, TableBuilder,
};

/// How many different requests are made in turn.
const REQUESTS: usize = 512;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default| arguments.next().and_then(|n| n.parse().ok()).unwrap_or(default);
    let (routes, lookups) = (number(1_000).max(1), number(100_000));

    let builder = builder(routes);
    let start = Instant::now();
    let Ok(table) = builder.build() else { return };
    let built = start.elapsed();

    let requests: Vec<_> =
        (0..REQUESTS).map(|n| (host(n * 31 % routes), path(n * 31 % routes, "acme"))).collect();
    let start = Instant::now();
    let found = look_up(&table, &requests, lookups);
    let spent = start.elapsed();
    let mut out = std::io::stdout().lock();
    let _ = std::io::Write::write_fmt(
        &mut out,
        format_args!(
            "{routes} routes built in {built:?}; {found} of {lookups} found in {spent:?}\n"
        ),
    );
}

/// Ten hosts; half of the paths with a parameter.
fn builder(routes: usize) -> TableBuilder<u32, usize> {
    let mut builder = TableBuilder::new();
    for n in 0..routes {
        let (Ok(host), Ok(path)) =
            (HostPattern::parse(&host(n)), PathPattern::parse(&path(n, "{shop}")))
        else {
            continue;
        };
        builder.route(Route {
            hosts: vec![host],
            methods: MethodSet::of([Method::GET, Method::POST]).unwrap_or_default(),
            path,
            narrow: Narrow::default(),
            headers: Vec::new(),
            value: n as u32,
            origin: n,
        });
    }
    builder
}

fn host(n: usize) -> String {
    format!("api{}.example.com", n % 10)
}

/// The numbers have the same width whatever their size, so that all tables have paths of one length.
fn path(n: usize, shop: &str) -> String {
    match n % 2 {
        0 => format!("/v1/service{:03}/operation{n:06}", n % 1000),
        _ => format!("/v1/service{:03}/{shop}/operation{n:06}", n % 1000),
    }
}

fn look_up(table: &RouteTable<u32, usize>, requests: &[(String, String)], lookups: usize) -> usize {
    let headers = HeaderMap::new();
    let mut found = 0;
    for (host, path) in requests.iter().cycle().take(lookups) {
        let request = Request {
            host: Some(host),
            method: &Method::POST,
            path,
            listener: None,
            headers: &headers,
        };
        if let Outcome::Match(_) = std::hint::black_box(table.lookup(&request)) {
            found += 1;
        }
    }
    found
}
