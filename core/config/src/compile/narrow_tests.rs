//! `listener`, `path_regex` and `path_not_regex` of a match, from YAML to the table.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use http::{HeaderMap, Method};

use crate::route::{Outcome, Request};
use crate::testing::Workshop;

#[test]
fn what_narrows_a_route_is_read_and_checked() {
    let snapshot = Workshop::with(
        "apis:
  - { id: all, match: { path_prefix: / }, upstream: orders }
  - { id: pictures, match: { path_prefix: /, path_regex: \"(?i)[.]jpg$\", path_not_regex: [ ^/raw ] }, upstream: orders }
",
    )
    .build(None)
    .unwrap();
    let headers = HeaderMap::new();
    let find = |path| {
        let request =
            Request { host: None, method: &Method::GET, path, listener: None, headers: &headers };
        match snapshot.table().lookup(&request) {
            Outcome::Match(found) => *snapshot.table().value(found.route()),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!([find("/a.JPG"), find("/raw/a.jpg"), find("/a")], [1, 0, 0]);
    let text = Workshop::with(
        "apis:
  - { id: a, match: { path: /a, path_regex: \"(a\" }, upstream: orders }
  - { id: b, match: { path: /b, listener: inner }, upstream: orders }
",
    )
    .wrong();
    for part in ["unclosed group", "there is no listener `inner`"] {
        assert!(text.contains(part), "{text}");
    }
}
