//! Precedence, 405, conflicts and explanations, rule by rule.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Instant;

use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::*;
use crate::route::HeaderTest;

type Table = RouteTable<&'static str, &'static str>;

/// `[HOST] [METHOD,METHOD] PATH [name=value] [name=prefix*] [name]`, its own label; `…/**` is a prefix.
pub(super) fn route(text: &'static str) -> Route<&'static str, &'static str> {
    let mut words = text.split(' ').peekable();
    let hosts = words.next_if(|word| word.contains('.') || *word == "*");
    let methods = words.next_if(|word| !word.starts_with('/'));
    let path = words.next().unwrap();
    let path = match path.strip_suffix("**") {
        Some(prefix) => PathPattern::prefix(prefix).unwrap(),
        None => PathPattern::parse(path).unwrap(),
    };
    let headers = words.map(|word| {
        let (name, test) = match word.split_once('=') {
            None => (word, HeaderTest::Present),
            Some((name, value)) => match value.strip_suffix('*') {
                Some(prefix) => (name, HeaderTest::Prefix(prefix.as_bytes().into())),
                None => (name, HeaderTest::Exact(value.as_bytes().into())),
            },
        };
        HeaderCondition::new(name.parse().unwrap(), test).unwrap()
    });
    Route {
        hosts: hosts
            .iter()
            .flat_map(|h| h.split(','))
            .map(|h| HostPattern::parse(h).unwrap())
            .collect(),
        methods: MethodSet::of(
            methods.iter().flat_map(|m| m.split(',')).map(|m| m.parse().unwrap()),
        )
        .unwrap_or_default(),
        path,
        narrow: Narrow::default(),
        headers: headers.collect(),
        value: text,
        origin: text,
    }
}

fn build(routes: &[&'static str]) -> Result<Table, Vec<BuildError<&'static str>>> {
    let mut builder = TableBuilder::new();
    routes.iter().for_each(|text| builder.route(route(text)));
    builder.build()
}

/// Looks `[HOST] METHOD PATH [name=value]…` up and says `label {name=value}`, `405 …` or `404`.
fn find(table: &Table, call: &str) -> String {
    with_request(call, |request| match table.lookup(request) {
        Outcome::Match(found) => {
            let mut out = (*table.value(found.route())).to_owned();
            for (name, value) in table.params(&found, request.path) {
                out += &format!(" {{{name}={value}}}");
            }
            out
        }
        Outcome::MethodNotAllowed(allow) => format!("405 {allow}"),
        Outcome::NotFound => "404".to_owned(),
    })
}

fn with_request<R>(call: &str, then: impl FnOnce(&Request<'_>) -> R) -> R {
    let mut words = call.split(' ').peekable();
    let host = words.next_if(|word| word.contains('.'));
    let method: Method = words.next().unwrap().parse().unwrap();
    let path = words.next().unwrap();
    let mut headers = HeaderMap::new();
    for (name, value) in words.filter_map(|word| word.split_once('=')) {
        headers.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
    }
    then(&Request { host, method: &method, path, listener: Some("l"), headers: &headers })
}

#[track_caller]
fn check(routes: &[&'static str], calls: &[(&str, &str)]) {
    let table = build(routes).unwrap();
    // The order in which routes are added decides nothing.
    let reversed: Vec<_> = routes.iter().rev().copied().collect();
    let reversed = build(&reversed).unwrap();
    for (call, expected) in calls {
        assert_eq!(find(&table, call), *expected, "{call}");
        assert_eq!(find(&reversed, call), *expected, "{call}, routes reversed");
    }
}

#[test]
fn hosts_from_exact_to_any() {
    check(
        &["a.b.t /x", "*.b.t /x", "*.t /x", "* /x", "*.b.t /y", "/z", "a.b.t,c.t /w"],
        &[
            ("a.b.t GET /x", "a.b.t /x"),
            ("c.b.t GET /x", "*.b.t /x"),
            ("d.c.b.t GET /x", "*.b.t /x"),
            ("b.t GET /x", "*.t /x"),
            ("x.u GET /x", "* /x"),
            ("GET /x", "* /x"),
            // What a more specific host does not have is looked for at the less specific ones.
            ("a.b.t GET /y", "*.b.t /y"),
            ("a.b.t GET /z", "/z"),
            ("b.t GET /y", "404"),
            ("c.t GET /w", "a.b.t,c.t /w"),
            ("127.0.0.1 GET /x", "* /x"),
        ],
    );
}

#[test]
fn paths_from_literal_to_prefix() {
    check(
        &[
            "/a/b",
            "/a/{p}",
            "/{q}/b",
            "/{q}/{*all}",
            "/a/{*rest}",
            "/a/**",
            "/**",
            "/a",
            "/a/b/**",
            "/d/{x}/e",
            "/d/{y}/f",
        ],
        &[
            ("GET /a/b", "/a/b"),
            ("GET /a/b/", "/a/b/**"),
            ("GET /a/c", "/a/{p} {p=c}"),
            ("GET /c/b", "/{q}/b {q=c}"),
            ("GET /c/d", "/{q}/{*all} {q=c} {all=d}"),
            ("GET /a/c/d", "/a/{*rest} {rest=c/d}"),
            ("GET /a/", "/a/**"),
            ("GET /a", "/a"),
            ("GET /c", "/**"),
            ("GET /", "/**"),
            ("GET /d/1/e", "/d/{x}/e {x=1}"),
            ("GET /d/2/f", "/d/{y}/f {y=2}"),
            // A literal that leads nowhere does not keep a parameter from matching.
            ("GET /d/1/g", "/{q}/{*all} {q=d} {all=1/g}"),
            ("GET /a%2Fb", "/**"),
            ("OPTIONS *", "404"),
        ],
    );
}

#[test]
fn many_parameters() {
    check(
        &["/{a}/{b}/{c}/{d}/{e}/{*f}"],
        &[(
            "GET /1/2/3/4/5/6/7",
            "/{a}/{b}/{c}/{d}/{e}/{*f} {a=1} {b=2} {c=3} {d=4} {e=5} {f=6/7}",
        )],
    );
}

#[test]
fn methods_listed_then_implied_then_any() {
    check(
        &[
            "GET /a",
            "POST,PURGE /a",
            "/a",
            "GET /b",
            "HEAD /b",
            "GET /c x=1",
            "HEAD /c",
            "GET /d",
            "/d x=1",
        ],
        &[
            ("GET /a", "GET /a"),
            ("HEAD /a", "GET /a"),
            ("PURGE /a", "POST,PURGE /a"),
            ("DELETE /a", "/a"),
            ("OPTIONS /a", "/a"),
            ("HEAD /b", "HEAD /b"),
            ("GET /b", "GET /b"),
            // Method before headers: HEAD listed beats HEAD implied with more conditions.
            ("HEAD /c x=1", "HEAD /c"),
            ("GET /d x=1", "GET /d"),
            ("POST /d x=1", "/d x=1"),
        ],
    );
}

#[test]
fn method_not_allowed_only_when_nothing_else_takes_it() {
    check(
        &[
            "a.t GET /x",
            "a.t POST,LINK /{p}",
            "DELETE /x",
            "GET /y k=1",
            "PUT /y",
            "GET /s",
            "POST /**",
            "GET /only k=1",
        ],
        &[
            ("a.t PUT /x", "405 GET, HEAD, POST, DELETE, LINK"),
            ("a.t POST /x", "a.t POST,LINK /{p} {p=x}"),
            ("a.t DELETE /x", "DELETE /x"),
            ("POST /s", "POST /**"),
            ("PUT /s", "405 GET, HEAD, POST"),
            // Allow tells what the same request may use: not what other headers would open.
            ("PATCH /y", "405 POST, PUT"),
            ("PATCH /y k=1", "405 GET, HEAD, POST, PUT"),
            ("OPTIONS /s", "405 GET, HEAD, POST"),
        ],
    );
    check(&["GET /only k=1"], &[("PUT /only", "404"), ("PUT /only k=1", "405 GET, HEAD")]);
}

#[test]
fn headers_more_then_more_exact_then_longer() {
    check(
        &["/a", "/a k", "/a k=v", "/a k=v*", "/a k=vw*", "/a k=v l", "/a l=1 k=w"],
        &[
            ("GET /a", "/a"),
            ("GET /a k=x", "/a k"),
            ("GET /a k=v", "/a k=v"),
            ("GET /a k=vx", "/a k=v*"),
            ("GET /a k=vwx", "/a k=vw*"),
            ("GET /a k=v l=", "/a k=v l"),
            ("GET /a k=w l=1", "/a l=1 k=w"),
            // A value that stands twice is no value.
            ("GET /a k=v k=v", "/a k"),
        ],
    );
}

#[test]
fn many_routes_of_one_place_are_chosen_by_a_header() {
    let names: Vec<&'static str> =
        (0..500).map(|n| &*format!("POST /rpc op=o{n}").leak()).collect();
    let mut routes = names.clone();
    routes.extend([
        "POST /rpc",
        "POST /rpc op=o7 v=2",
        "/rpc",
        "POST /rpc op=p*",
        "GET /rpc op=o9",
    ]);
    check(
        &routes,
        &[
            ("POST /rpc op=o7", "POST /rpc op=o7"),
            ("POST /rpc op=o7 v=2", "POST /rpc op=o7 v=2"),
            ("POST /rpc op=o499", "POST /rpc op=o499"),
            ("POST /rpc op=o500", "POST /rpc"),
            ("POST /rpc op=o1 op=o1", "POST /rpc"),
            ("POST /rpc op=px", "POST /rpc op=p*"),
            ("GET /rpc op=o9", "GET /rpc op=o9"),
            ("PUT /rpc op=o9", "/rpc"),
        ],
    );
    routes.push("POST /rpc op=o3");
    let errors = build(&routes).unwrap_err();
    assert!(matches!(&errors[..], [BuildError::Conflict { first: "POST /rpc op=o3", .. }]));
}

#[test]
fn ties_are_refused_with_both_places() {
    for (a, b, tied) in [
        ("/a", "/a", true),
        ("/{x}/b", "/{y}/b", true),
        ("/a/**", "/a**", true),
        ("/{*x}", "/{*y}", true),
        ("/a/{*x}", "/a/**", false),
        ("GET /a", "/a", false),
        ("GET,POST /a", "POST,PUT /a", true),
        ("GET /a", "POST /a", false),
        ("GET /a", "HEAD /a", false),
        ("LINK /a", "LINK /a", true),
        ("a.t /a", "b.t /a", false),
        ("a.t,b.t /a", "c.t,b.t /a", true),
        ("a.t /a", "A.t. /a", true),
        ("*.t /a", "a.t /a", false),
        ("/a k=1", "/a k=2", false),
        ("/a k=1", "/a k=1", true),
        ("/a k", "/a l", true),
        ("/a k=1", "/a l=1", true),
        ("/a k=1*", "/a k=2*", false),
        ("/a k=1* l=22*", "/a k=12* l=2*", true),
        ("/a k=1 l=2*", "/a k=3* l=4", false),
        ("/a%7e", "/a~", true),
    ] {
        let (a, b): (&'static str, &'static str) = (a, b);
        match build(&[a, b]) {
            Ok(_) => assert!(!tied, "{a} | {b}"),
            Err(errors) => {
                let [BuildError::Conflict { first, second, .. }] = &errors[..] else {
                    panic!("{errors:?}")
                };
                assert!(tied && *first == a && *second == b, "{a} | {b}");
            }
        }
    }
}

#[test]
fn all_faults_are_told_at_once() {
    let mut builder = TableBuilder::new();
    for text in ["/a", "/b k=1 k=2", "/a", "a.t,b.t /c", "b.t,a.t /c", "/a"] {
        builder.route(route(text));
    }
    builder.operation("pay", "one", "first");
    builder.operation("pay", "two", "second");
    let errors = builder.build().unwrap_err();
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "two conditions on the header `k`",
            "two routes match the same requests and neither is more specific: host *, path /a",
            "two routes match the same requests and neither is more specific: host a.t, path /c",
            "two routes match the same requests and neither is more specific: host *, path /a",
            "two APIs have the operation `pay`",
        ]
    );
}

#[test]
fn operations_are_found_by_name() {
    let mut builder = TableBuilder::new();
    builder.operation("orders.create", 7, ());
    let table = builder.build().unwrap();
    assert_eq!(table.by_operation("orders.create"), Some(&7));
    assert_eq!(table.by_operation("orders"), None);
    assert!(table.is_empty());
}

#[test]
fn explanations_name_every_fate() {
    let routes = [
        "/**",
        "a.t GET /x",
        "a.t /x",
        "*.t GET /x",
        "a.t GET /{p}",
        "a.t GET /x k=1",
        "a.t POST /x",
        "b.t GET /x",
        "a.t GET /x/",
        "a.t GET /y",
        "a.t GET /x k",
    ];
    let table = build(&routes).unwrap();
    let lines = |call: &str| {
        with_request(call, |request| {
            let line = |c: Candidate| format!("{}: {}", routes[c.route.index()], c.verdict);
            table.explain(request).into_iter().map(line).collect::<Vec<_>>()
        })
    };
    assert_eq!(
        lines("a.t GET /x k=2"),
        [
            "a.t GET /x k: answers",
            "a.t GET /x: outranked: another route asks more of the headers",
            "a.t /x: outranked: another route names the method more exactly",
            "a.t GET /{p}: outranked: another route names the path more exactly",
            "*.t GET /x: outranked: another route names the host more exactly",
            "/**: outranked: another route names the host more exactly",
            "a.t GET /x k=1: header: it asks for k: 1",
            "a.t POST /x: method: it takes POST",
            "b.t GET /x: host: it is for others",
            "a.t GET /x/: path: differs by a trailing slash",
        ]
    );
    assert_eq!(lines("z.u GET /no/where"), ["/**: answers"]);
}

#[test]
fn ten_thousand_routes_build_fast() {
    let mut builder = TableBuilder::new();
    for n in 0..10_000u32 {
        let path = PathPattern::parse(&format!("/v1/service{}/{{shop}}/op{n}", n % 100)).unwrap();
        let hosts = vec![HostPattern::parse(&format!("h{}.example.com", n % 10)).unwrap()];
        let methods = MethodSet::of([Method::GET]).unwrap();
        builder.route(Route {
            hosts,
            methods,
            path,
            narrow: Narrow::default(),
            headers: vec![],
            value: n,
            origin: (),
        });
    }
    let start = Instant::now();
    let table = builder.build().unwrap();
    // Milliseconds; the bound is wide because only a quadratic build is to be caught.
    assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
    let headers = HeaderMap::new();
    let (host, path) = (Some("h7.example.com"), "/v1/service77/acme/op9977");
    let found = table.lookup(&Request {
        host,
        method: &Method::GET,
        path,
        listener: None,
        headers: &headers,
    });
    let Outcome::Match(found) = found else { panic!("{found:?}") };
    assert_eq!(found.route().index(), 9977);
    assert_eq!(found.spans()[0].of(path), "acme");
}
