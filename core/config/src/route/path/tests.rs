//! Tables of paths and request-targets; tests/route_reference.rs adds generated ones.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::borrow::Cow;

use http::Method;

use super::*;

const KEEP: PathPolicy = PathPolicy { max_len: 64, encoded_slash: EncodedSlash::Keep };
const REJECT: PathPolicy = PathPolicy { max_len: 64, encoded_slash: EncodedSlash::Reject };

#[test]
fn normal_paths_are_borrowed() {
    for path in [
        "/",
        "/a",
        "/a/",
        "/v1/orders/42",
        "/.well-known/x",
        "/...",
        "/a.b/..c/.d/e..",
        "/a%20b",
        "/%E4%BD%A0",
        "/a;v=1/b",
        "/;/x",
        "/a%2Fb",
        "/a%5Cb",
        "/a%2F.b/..c%2F",
        "/..%20",
        "/!$&'()*+,;=:@-_~",
        "/a%252e%25",
    ] {
        let got = normalize_path(path, &KEEP);
        assert!(matches!(got, Ok(Cow::Borrowed(same)) if same == path), "{path}: {got:?}");
    }
}

#[test]
fn other_spellings_become_the_normal_one() {
    for (path, normal) in [
        ("/%61%5A%30%2D%2e%5f%7E", "/aZ0-._~"),
        ("/%c3%a9%2f%5c", "/%C3%A9%2F%5C"),
        ("//", "/"),
        ("//a///b//", "/a/b/"),
        ("/.", "/"),
        ("/./", "/"),
        ("/a/.", "/a/"),
        ("/a/./b", "/a/b"),
        ("/a/..", "/"),
        ("/a/../", "/"),
        ("/a/b/..", "/a/"),
        ("/a/b/../c", "/a/c"),
        ("/a/b/../../c", "/c"),
        ("/a//../b", "/b"),
        ("/a/%2e%2E/b", "/b"),
        ("/a/.%2e/b", "/b"),
        ("/a/%2e/b", "/a/b"),
        ("/a;x/../b", "/b"),
        ("/{a}|\"<>^`[]", "/%7Ba%7D%7C%22%3C%3E%5E%60%5B%5D"),
        ("/a%3bb", "/a%3Bb"),
        ("/%252E%252e", "/%252E%252e"),
    ] {
        let got = normalize_path(path, &KEEP).unwrap();
        assert_eq!(got, normal, "{path}");
        assert_eq!(normalize_path(&got, &KEEP).unwrap(), normal, "{path} is not idempotent");
    }
}

#[test]
fn each_refusal_has_its_own_error() {
    use PathError as E;
    let at = 2;
    for (path, error) in [
        ("", E::NotAbsolute),
        ("a/b", E::NotAbsolute),
        ("/a?b", E::NotAbsolute),
        ("/a\u{0}", E::Control { at, byte: 0 }),
        ("/a\n", E::Control { at, byte: b'\n' }),
        ("/a b", E::Control { at, byte: b' ' }),
        ("/a\u{7f}", E::Control { at, byte: 0x7F }),
        ("/aé", E::NonAscii { at }),
        ("/a\\b", E::Backslash { at }),
        ("/a#b", E::Fragment { at }),
        ("/a%", E::BadEscape { at }),
        ("/a%4", E::BadEscape { at }),
        ("/a%4/1", E::BadEscape { at }),
        ("/a%zz", E::BadEscape { at }),
        ("/a%+1", E::BadEscape { at }),
        ("/a%00", E::EncodedNul { at }),
        ("/a%0d%0a", E::EncodedControl { at, byte: b'\r' }),
        ("/a%7F", E::EncodedControl { at, byte: 0x7F }),
        ("/..", E::AboveRoot { at: 1 }),
        ("/../", E::AboveRoot { at: 1 }),
        ("/%2e%2e/a", E::AboveRoot { at: 1 }),
        ("/a/../../b", E::AboveRoot { at: 6 }),
        ("/a/..;/b", E::HiddenDotSegment { at: 3 }),
        ("/a/.;x=1", E::HiddenDotSegment { at: 3 }),
        ("/a/%2e%2e%3Bx", E::HiddenDotSegment { at: 3 }),
        ("/a/..%2Fb", E::HiddenDotSegment { at: 3 }),
        ("/a/b%2f..", E::HiddenDotSegment { at: 3 }),
        ("/a/b%5C..%5cc", E::HiddenDotSegment { at: 3 }),
        ("/a/b%2F.;c", E::HiddenDotSegment { at: 3 }),
    ] {
        assert_eq!(normalize_path(path, &KEEP), Err(error), "{path:?}");
    }
}

#[test]
fn encoded_slashes_can_be_refused() {
    for path in ["/a%2Fb", "/a%2fb", "/a%5Cb", "/a%5cb"] {
        let error = PathError::EncodedSlash { at: 2 };
        assert_eq!(normalize_path(path, &REJECT), Err(error), "{path}");
    }
    assert_eq!(normalize_path("/a%25b", &REJECT).unwrap(), "/a%25b");
}

#[test]
fn the_limit_holds_before_and_after() {
    let longest = format!("/{}", "a".repeat(63));
    assert_eq!(normalize_path(&longest, &KEEP).unwrap(), longest);
    let longer = format!("{longest}a");
    assert_eq!(normalize_path(&longer, &KEEP), Err(PathError::TooLong { len: 65, max: 64 }));
    let grows = format!("/{}", "|".repeat(30));
    assert_eq!(normalize_path(&grows, &KEEP), Err(PathError::TooLong { len: 91, max: 64 }));
    let query = format!("/?{}", "q".repeat(63));
    let error = normalize(&Method::GET, query.as_bytes(), &KEEP);
    assert_eq!(error, Err(PathError::TooLong { len: 65, max: 64 }));
}

fn target(method: Method, text: &str) -> Result<Target<'_>, PathError> {
    normalize(&method, text.as_bytes(), &KEEP)
}

#[test]
fn origin_form() {
    let same = target(Method::GET, "/a/b?x=%zz&é=\\/../").unwrap();
    assert_eq!((same.form(), same.path()), (Form::Origin, "/a/b"));
    assert_eq!(same.query(), Some("x=%zz&é=\\/../"));
    assert!(same.is_unchanged() && same.authority().is_none());
    assert_eq!(same.path_and_query(), "/a/b?x=%zz&é=\\/../");

    let changed = target(Method::GET, "/a/../b?x=/../y").unwrap();
    assert_eq!((changed.path(), changed.query()), ("/b", Some("x=/../y")));
    assert!(!changed.is_unchanged());
    assert_eq!(changed.path_and_query(), "/b?x=/../y");
    assert_eq!(changed.into_path(), "/b");

    let empty = target(Method::GET, "/a?").unwrap();
    assert_eq!((empty.query(), &*empty.path_and_query()), (Some(""), "/a?"));
    assert_eq!(target(Method::GET, "//b").unwrap().path_and_query(), "/b");
}

#[test]
fn queries_are_only_checked() {
    use PathError as E;
    for (text, error) in [
        ("/a?b c", E::Control { at: 4, byte: b' ' }),
        ("/a?b\u{1}", E::Control { at: 4, byte: 1 }),
        ("/a?b#c", E::Fragment { at: 4 }),
        ("http://h/a?b\tc", E::Control { at: 4, byte: b'\t' }),
        ("http://h?b#", E::Fragment { at: 2 }),
    ] {
        assert_eq!(target(Method::GET, text), Err(error), "{text}");
    }
    let bytes = normalize(&Method::GET, b"/a?\xFF", &KEEP);
    assert_eq!(bytes, Err(E::NonAscii { at: 3 }));
}

#[test]
fn absolute_form() {
    let full = target(Method::GET, "HTTP://API.Example.com:8080/a/./b?c").unwrap();
    assert_eq!((full.form(), full.path(), full.query()), (Form::Absolute, "/a/b", Some("c")));
    assert_eq!(full.authority().unwrap().to_string(), "api.example.com:8080");
    assert_eq!(full.path_and_query(), "/a/b?c");

    let bare = target(Method::GET, "https://h").unwrap();
    assert_eq!((bare.path(), &*bare.path_and_query()), ("/", "/"));
    let query = target(Method::GET, "https://h?q").unwrap();
    assert_eq!((query.path(), &*query.path_and_query()), ("/", "/?q"));

    use PathError as E;
    for (text, error) in [
        ("ftp://h/", E::Scheme),
        ("h/a", E::NotAbsolute),
        ("http:/h", E::NotAbsolute),
        ("", E::NotAbsolute),
        ("?a", E::NotAbsolute),
        ("http:///a", E::Authority(HostError::Empty)),
        ("http://u@h/", E::Authority(HostError::Userinfo)),
        ("http://h#f", E::Fragment { at: 0 }),
        ("http://h\\a/", E::Authority(HostError::BadByte { byte: b'\\' })),
    ] {
        assert_eq!(target(Method::GET, text), Err(error), "{text}");
    }
}

#[test]
fn asterisk_and_connect() {
    let star = target(Method::OPTIONS, "*").unwrap();
    assert_eq!((star.form(), star.path(), &*star.path_and_query()), (Form::Asterisk, "*", "*"));
    let server = target(Method::OPTIONS, "http://h:1").unwrap();
    assert_eq!((server.form(), server.authority().unwrap().port()), (Form::Asterisk, Some(1)));
    assert_eq!(target(Method::OPTIONS, "http://h/").unwrap().form(), Form::Absolute);
    assert_eq!(target(Method::OPTIONS, "http://h?").unwrap().path_and_query(), "/?");
    assert_eq!(target(Method::GET, "*"), Err(PathError::Asterisk));
    assert_eq!(target(Method::OPTIONS, "**"), Err(PathError::NotAbsolute));
    assert_eq!(target(Method::CONNECT, "h:443"), Err(PathError::AuthorityForm));
    // Extended CONNECT (RFC 8441) has a path.
    assert_eq!(target(Method::CONNECT, "/chat").unwrap().path(), "/chat");
}
