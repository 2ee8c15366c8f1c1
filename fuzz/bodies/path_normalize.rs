//! Path normalisation: held against a slow and plain normaliser, and against what no normal path
//! may hold.

use http::Method;
use paifang_config::route::{EncodedSlash, Form, PathPolicy, Target, normalize, normalize_path};

/// The first byte chooses method and policy, the rest is the request-target.
pub fn run(data: &[u8]) {
    let Some((&choice, target)) = data.split_first() else { return };
    let method = match choice & 3 {
        0 => Method::OPTIONS,
        1 => Method::CONNECT,
        _ => Method::GET,
    };
    let reject = choice & 4 != 0;
    let encoded_slash = if reject { EncodedSlash::Reject } else { EncodedSlash::Keep };
    let policy = PathPolicy { max_len: 4096, encoded_slash };
    match normalize(&method, target, &policy) {
        Ok(normal) => check(&method, target, &normal, &policy),
        Err(_) if target.first() == Some(&b'/') && target.len() * 3 <= policy.max_len => {
            check_refusal(target, reject);
        }
        Err(_) => {}
    }
}

fn check(method: &Method, input: &[u8], normal: &Target<'_>, policy: &PathPolicy) {
    let input = std::str::from_utf8(input).unwrap();
    let path = normal.path();
    let sent = normal.path_and_query();
    assert!(sent.bytes().all(|byte| byte > b' ' && byte != 0x7F && byte != b'#'), "{sent:?}");
    assert_eq!(sent.split_once('?'), normal.query().map(|query| (path, query)));
    if normal.form() == Form::Asterisk {
        assert_eq!((path, method), ("*", &Method::OPTIONS));
        return;
    }
    assert!(sent.len() <= policy.max_len + normal.query().map_or(0, |query| query.len() + 1));
    if normal.is_unchanged() && !(sent == "/" && normal.form() == Form::Absolute) {
        assert!(input.ends_with(&*sent));
    }
    check_path(path, policy);
    assert_eq!(normalize_path(path, policy).as_deref(), Ok(path), "not idempotent");
    let again = normalize(method, sent.as_bytes(), policy);
    if sent.len() <= policy.max_len {
        let again = again.unwrap();
        assert!(again.is_unchanged());
        assert_eq!((again.path(), again.query()), (path, normal.query()));
    }
    if normal.form() == Form::Origin {
        let raw = input.split_once('?').map_or(input, |(path, _)| path);
        let reject = policy.encoded_slash == EncodedSlash::Reject;
        assert_eq!(naive(raw.as_bytes(), reject).as_deref(), Some(path), "{raw:?}");
    }
}

/// What must hold for every path that is sent on.
fn check_path(path: &str, policy: &PathPolicy) {
    assert!(path.starts_with('/') && !path.contains("//"), "{path:?}");
    let mut rest = path.as_bytes();
    while let [byte, more @ ..] = rest {
        rest = more;
        if *byte == b'%' {
            let (digits, more) = rest.split_at(2);
            assert!(!digits.iter().any(u8::is_ascii_lowercase), "{path:?}");
            let byte = u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap();
            assert!(!unreserved(byte) && !byte.is_ascii_control(), "{path:?}");
            let slash = matches!(byte, b'/' | b'\\');
            assert!(!slash || policy.encoded_slash == EncodedSlash::Keep, "{path:?}");
            rest = more;
        } else {
            assert!(unreserved(*byte) || b"!$&'()*+,;=:@/".contains(byte), "{path:?}");
        }
    }
    // However a server decodes slashes and drops parameters, it finds no dot segment.
    let decoded = path.replace("%2F", "/").replace("%5C", "/").replace("%3B", ";");
    let mut names = decoded.split('/').map(|part| part.split(';').next());
    assert!(!names.any(|name| matches!(name, Some("." | ".."))), "{path:?}");
}

/// Refusals, too, must agree with the plain normaliser, but for the faults of queries.
fn check_refusal(target: &[u8], reject: bool) {
    let mut parts = target.splitn(2, |&byte| byte == b'?');
    let path = parts.next().unwrap_or_default();
    let query = parts.next().unwrap_or_default();
    let bad_query = std::str::from_utf8(query).is_err()
        || query.iter().any(|&byte| byte <= b' ' || byte == 0x7F || byte == b'#');
    let naive = naive(path, reject);
    assert!(bad_query || naive.is_none(), "{:?} was refused", naive);
}

/// The policy of docs/specs/paths.md, one rule after the other.
fn naive(path: &[u8], reject: bool) -> Option<String> {
    let mut text = String::new();
    let mut at = 0;
    while at < path.len() {
        let byte = path[at];
        at += 1;
        match byte {
            b'%' => {
                let digits = std::str::from_utf8(path.get(at..at + 2)?).ok()?;
                // `from_str_radix` takes a sign.
                if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                    return None;
                }
                let value = u8::from_str_radix(digits, 16).ok()?;
                at += 2;
                match value {
                    0..0x20 | 0x7F => return None,
                    b'/' | b'\\' if reject => return None,
                    value if unreserved(value) => text.push(value.into()),
                    value => text += &format!("%{value:02X}"),
                }
            }
            b'\\' | b'#' | 0..=b' ' | 0x7F.. => return None,
            b'"' | b'<' | b'>' | b'[' | b']' | b'^' | b'`' | b'{' | b'|' | b'}' => {
                text += &format!("%{byte:02X}");
            }
            byte => text.push(byte.into()),
        }
    }
    while text.contains("//") {
        text = text.replace("//", "/");
    }
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = text.strip_prefix('/')?.split('/').peekable();
    while let Some(segment) = segments.next() {
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop()?;
                }
                if segments.peek().is_none() {
                    kept.push("");
                }
            }
            segment => {
                let decoded = segment.replace("%2F", "/").replace("%5C", "/").replace("%3B", ";");
                let mut names = decoded.split('/').map(|part| part.split(';').next());
                if names.any(|name| matches!(name, Some("." | ".."))) {
                    return None;
                }
                kept.push(segment);
            }
        }
    }
    Some(format!("/{}", kept.join("/")))
}

fn unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}
