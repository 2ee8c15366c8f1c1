//! Listeners and expressions: which route they lead to, and which conflict.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use http::{HeaderMap, Method};

use super::tests::route;
use super::*;
use crate::route::PathRegex;

/// Like [`route`], narrowed: listeners, expressions to be found, expressions excluded.
fn narrowed(
    text: &'static str,
    listeners: &[&str],
    matching: &[&str],
    excluding: &[&str],
) -> Route<&'static str, &'static str> {
    let expressions = |texts: &[&str]| texts.iter().map(|t| PathRegex::parse(t).unwrap()).collect();
    let narrow = Narrow {
        listeners: listeners.iter().map(|&name| name.into()).collect(),
        matching: expressions(matching),
        excluding: expressions(excluding),
    };
    Route { narrow, ..route(text) }
}

#[test]
fn listeners_and_expressions_narrow_a_route() {
    let mut builder = TableBuilder::new();
    builder.route(route("/**"));
    builder.route(narrowed("GET /**", &["inside"], &[], &[]));
    builder.route(narrowed("/a/**", &[], &[r"\.jpg$"], &[]));
    builder.route(narrowed("/a/**", &[], &["^/a/b"], &[r"\.jpg$"]));
    builder.route(narrowed("POST /only", &["inside"], &[], &[]));
    let table = builder.build().unwrap();
    let find = |listener, method: &Method, path| {
        let headers = HeaderMap::new();
        let request = Request { host: None, method, path, listener, headers: &headers };
        let found = match table.lookup(&request) {
            Outcome::Match(found) => found.route().index(),
            other => panic!("{other:?}"),
        };
        let winner = table.explain(&request).into_iter().find(|c| c.verdict == Verdict::Wins);
        assert_eq!(winner.unwrap().route.index(), found, "explained otherwise: {path}");
        found
    };
    let get = &Method::GET;
    assert_eq!(find(Some("inside"), get, "/x"), 1);
    assert_eq!(find(Some("outside"), get, "/x"), 0);
    assert_eq!(find(None, get, "/x"), 0);
    assert_eq!(find(None, get, "/a/b.jpg"), 2, "what the other excludes");
    assert_eq!(find(None, get, "/a/bc"), 3);
    assert_eq!(find(None, get, "/a/c"), 0, "neither expression holds: the shorter prefix takes it");
    // A route for another listener is as if it were not there: no 405 tells of it.
    assert_eq!(find(Some("outside"), &Method::DELETE, "/only"), 0);
}

#[test]
fn narrowed_routes_conflict_unless_one_excludes_the_other() {
    let built = |a: Route<_, _>, b: Route<_, _>| {
        let mut builder = TableBuilder::new();
        builder.route(a);
        builder.route(b);
        builder.build().is_ok()
    };
    assert!(!built(narrowed("/a", &[], &["x"], &[]), narrowed("/a", &[], &["y"], &[])));
    assert!(built(narrowed("/a", &[], &["x"], &[]), narrowed("/a", &[], &["y"], &["x"])));
    assert!(built(narrowed("/a", &[], &["x"], &[]), route("/a")), "one asks more");
    assert!(built(narrowed("/a", &["l"], &[], &[]), narrowed("/a", &["m"], &[], &[])));
    assert!(!built(narrowed("/a", &["l"], &[], &[]), narrowed("/a", &["m", "l"], &[], &[])));
}

#[test]
fn what_no_expression_can_be_is_refused() {
    let refused = |text: &str| PathRegex::parse(text).unwrap_err().to_string();
    assert_eq!(refused(""), "an empty expression takes every path");
    assert_eq!(refused(&"a".repeat(1025)), "longer than 1,024 bytes");
    assert!(refused("(?=a)").contains("look-around"), "{}", refused("(?=a)"));
    assert!(refused("(a{1000}){1000}").contains("size limit"), "{}", refused("(a{1000}){1000}"));
}
