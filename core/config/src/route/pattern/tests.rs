//! What patterns accept, how they print, what they match.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use http::{HeaderMap, HeaderValue, Method, header::ACCEPT};

use super::*;
use crate::route::{HostError, PathError};

#[test]
fn path_patterns_match() {
    for (pattern, hits, misses) in [
        ("/", &["/"][..], &["/a", "//", "*", ""][..]),
        ("/a", &["/a"], &["/", "/a/", "/A", "/ab", "/a/b"]),
        ("/a/", &["/a/"], &["/a", "/a/b"]),
        ("/{x}", &["/a", "/%2F"], &["/", "/a/", "/a/b"]),
        ("/{x}/", &["/a/"], &["/a", "//"]),
        ("/a/{x}/b", &["/a/1/b"], &["/a//b", "/a/1/2/b", "/a/1", "/a/1/b/"]),
        ("/{*r}", &["/a", "/a/b/"], &["/"]),
        ("/a/{x}/{*r}", &["/a/1/2", "/a/1/2/", "/a/1//"], &["/a/1", "/a/1/"]),
    ] {
        let parsed = PathPattern::parse(pattern).unwrap();
        assert_eq!(parsed.to_string(), pattern);
        assert!(hits.iter().all(|path| parsed.matches(path)), "{pattern} misses");
        assert!(!misses.iter().any(|path| parsed.matches(path)), "{pattern} hits");
    }
}

#[test]
fn prefixes_match_on_segment_boundaries() {
    let prefix = PathPattern::prefix("/v1").unwrap();
    assert_eq!(prefix, PathPattern::prefix("/v1/").unwrap());
    assert_eq!(prefix.to_string(), "/v1/");
    for (path, hit) in
        [("/v1", true), ("/v1/", true), ("/v1/a/b", true), ("/v10", false), ("/", false)]
    {
        assert_eq!(prefix.matches(path), hit, "{path}");
    }
    assert_eq!(PathPattern::prefix("/").unwrap(), PathPattern::any());
    assert_eq!(PathPattern::any().to_string(), "/");
    assert!(PathPattern::any().matches("/") && PathPattern::any().matches("/a"));
    assert!(!PathPattern::any().matches("*"));
    assert!(PathPattern::prefix("/{a}/b").unwrap().matches("/x/b/c"));
}

#[test]
fn literals_take_the_normal_form() {
    for (pattern, normal) in [
        ("/%7euser/%c3%a9", "/~user/%C3%A9"),
        ("/é", "/%C3%A9"),
        ("/a%2fb/%7Bx%7d", "/a%2Fb/%7Bx%7D"),
    ] {
        assert_eq!(PathPattern::parse(pattern).unwrap().to_string(), normal);
    }
}

#[test]
fn parameters_keep_their_names() {
    let pattern = PathPattern::parse("/{shop}/x/{_id-2}/{*rest}").unwrap();
    let names: Vec<&str> = pattern.param_names().map(|name| &**name).collect();
    assert_eq!(names, ["shop", "_id-2", "rest"]);
}

#[test]
fn bad_path_patterns_are_refused() {
    use PathPatternError as E;
    let deep = "/a".repeat(65);
    for (pattern, error) in [
        ("", E::NotAbsolute),
        ("a", E::NotAbsolute),
        ("*", E::NotAbsolute),
        ("//", E::DoubleSlash),
        ("/a//b", E::DoubleSlash),
        ("/a/../b", E::DotSegment),
        ("/%2e", E::DotSegment),
        ("/..;x", E::DotSegment),
        ("/a?b", E::Query),
        ("/a{b}", E::Brace),
        ("/{b}.json", E::Brace),
        ("/{{b}}", E::Brace),
        ("/{b", E::Brace),
        ("/{}", E::Name(String::new())),
        ("/{1a}", E::Name("1a".into())),
        ("/{*}", E::Name(String::new())),
        ("/{a}/{a}", E::Twice("a".into())),
        ("/{a}/{*a}", E::Twice("a".into())),
        ("/{*a}/b", E::CatchAll("a".into())),
        (&deep, E::TooManySegments),
        ("/a b", E::Path(PathError::Control { at: 1, byte: b' ' })),
        ("/%g0", E::Path(PathError::BadEscape { at: 0 })),
    ] {
        assert_eq!(PathPattern::parse(pattern), Err(error), "{pattern}");
    }
    assert_eq!(PathPattern::prefix("/{*a}"), Err(E::CatchAll("a".into())));
    assert_eq!(PathPattern::prefix("/a//"), Err(E::DoubleSlash));
    assert_eq!(PathPattern::prefix("//"), Err(E::DoubleSlash));
    assert!(PathPattern::parse(&deep[2..]).is_ok());
}

#[test]
fn host_patterns() {
    use HostPatternError as E;
    for (text, printed, hits, misses) in [
        (
            "Api.Example.com.",
            "api.example.com",
            &["api.example.com"][..],
            &["x.api.example.com"][..],
        ),
        (
            "*.Example.com",
            "*.example.com",
            &["a.example.com", "a.b.example.com"],
            &["example.com", "xexample.com", ".example.com"],
        ),
        ("*", "*", &["a", "[::1]"], &[]),
        ("[::0001]", "[::1]", &["[::1]"], &["::1"]),
        ("*.com", "*.com", &["a.com"], &["com"]),
    ] {
        let pattern = HostPattern::parse(text).unwrap();
        assert_eq!(pattern.to_string(), printed);
        assert!(hits.iter().all(|host| pattern.matches(Some(host))), "{text} misses");
        assert!(!misses.iter().any(|host| pattern.matches(Some(host))), "{text} hits");
        assert_eq!(pattern.matches(None), text == "*");
    }
    for (text, error) in [
        ("a:80", E::Port),
        ("a:", E::Port),
        ("*.a:80", E::Port),
        ("a.*", E::Wildcard),
        ("*a", E::Wildcard),
        ("*.*.a", E::Wildcard),
        ("*.0.0.1", E::Address),
        ("*.1.2.3.4", E::Address),
        ("*.[::1]", E::Address),
        ("bücher.example", E::Unicode),
        ("", E::Host(HostError::Empty)),
        ("*.", E::Host(HostError::Empty)),
        ("a b", E::Host(HostError::BadByte { byte: b' ' })),
    ] {
        assert_eq!(HostPattern::parse(text), Err(error), "{text}");
    }
}

#[test]
fn method_sets() {
    let purge = || Method::from_bytes(b"PURGE").unwrap();
    let set = MethodSet::of([purge(), Method::POST, Method::GET, purge()]).unwrap();
    assert_eq!(set.to_string(), "GET, HEAD, POST, PURGE");
    for method in [Method::GET, Method::HEAD, Method::POST, purge()] {
        assert!(set.allows(&method), "{method}");
    }
    let link = Method::from_bytes(b"LINK").unwrap();
    for method in [Method::OPTIONS, Method::PUT, link.clone()] {
        assert!(!set.allows(&method), "{method}");
    }
    assert!(MethodSet::of([]).is_none());
    assert!(MethodSet::any().is_any() && MethodSet::any().allows(&link));
    assert_eq!(MethodSet::any().to_string(), "*");
    assert!(!MethodSet::of([Method::HEAD]).unwrap().allows(&Method::GET));
}

#[test]
fn header_conditions() {
    let condition = |test| HeaderCondition::new(ACCEPT, test).unwrap();
    let present = condition(HeaderTest::Present);
    let exact = condition(HeaderTest::Exact(b"a/b"[..].into()));
    let prefix = condition(HeaderTest::Prefix(b"a/"[..].into()));
    let prints = [&present, &exact, &prefix].map(|condition| condition.to_string());
    assert_eq!(prints, ["accept present", "accept: a/b", "accept: a/*"]);

    let holds = |values: &[&'static str]| {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(ACCEPT, HeaderValue::from_static(value));
        }
        [&present, &exact, &prefix].map(|condition| condition.holds(&headers))
    };
    assert_eq!(holds(&[]), [false, false, false]);
    assert_eq!(holds(&["a/b"]), [true, true, true]);
    assert_eq!(holds(&["a/bc"]), [true, false, true]);
    assert_eq!(holds(&["A/b"]), [true, false, false]);
    // Twice is there, but is neither value.
    assert_eq!(holds(&["a/b", "a/b"]), [true, false, false]);
}

#[test]
fn conditions_that_cannot_hold_are_refused() {
    let refused = |test| HeaderCondition::new(ACCEPT, test).unwrap_err();
    assert_eq!(refused(HeaderTest::Prefix([].into())), ConditionError::EmptyPrefix);
    for value in [&b" a"[..], b"a ", b"\ta", b"a\nb", b"a\x7f"] {
        assert_eq!(refused(HeaderTest::Exact(value.into())), ConditionError::Unmatchable);
    }
    assert_eq!(refused(HeaderTest::Prefix(b" a"[..].into())), ConditionError::Unmatchable);
    for test in [HeaderTest::Prefix(b"a "[..].into()), HeaderTest::Exact([].into())] {
        assert!(HeaderCondition::new(ACCEPT, test).is_ok());
    }
}
