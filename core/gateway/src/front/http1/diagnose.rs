//! Says why the parser has refused a header section. Slow and only about requests already refused.

use super::super::refusal::Refusal;

/// The first thing that is wrong with `section`, in the order in which a reader meets it.
pub(super) fn why(section: &[u8]) -> Refusal {
    let mut lines =
        section.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let request_line = lines.next().unwrap_or_default();
    let detail = line(request_line)
        .or_else(|| words(request_line))
        .or_else(|| {
            lines
                .take_while(|line| !line.is_empty())
                .find_map(|text| line(text).or_else(|| field(text)))
        })
        .unwrap_or("the header section is malformed");
    Refusal::malformed(detail)
}

/// What no line may hold.
fn line(text: &[u8]) -> Option<&'static str> {
    let bad = text.iter().find(|&&byte| byte != b'\t' && (byte < b' ' || byte == 0x7F))?;
    Some(match bad {
        b'\r' => "a CR without LF",
        0 => "a NUL in the header section",
        _ => "a control character in the header section",
    })
}

fn words(request_line: &[u8]) -> Option<&'static str> {
    let words: Vec<&[u8]> = request_line.split(|&byte| byte == b' ').collect();
    match words.as_slice() {
        [method, _, _] if !method.iter().all(|&byte| is_token(byte)) => {
            Some("the method has a character that no method has")
        }
        [_, [], _] => Some("the request target is missing"),
        [_, _, _] => None,
        [_, _] => Some("the request target is missing"),
        _ => Some("the request line has more than two spaces"),
    }
}

fn field(text: &[u8]) -> Option<&'static str> {
    if matches!(text.first(), Some(b' ' | b'\t')) {
        return Some("a header field is folded over two lines");
    }
    let Some(colon) = text.iter().position(|&byte| byte == b':') else {
        return Some("a header line has no colon");
    };
    match &text[..colon] {
        [] => Some("a header field has no name"),
        [.., b' ' | b'\t'] => Some("blanks before the colon of a header field"),
        name if !name.iter().all(|&byte| is_token(byte)) => {
            Some("a header name has a character that no name has")
        }
        _ => None,
    }
}

/// `tchar` of RFC 9110 section 5.6.2.
const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}
