//! Header fields as the contract hands them over: the lines of a head, looked into where they lie.

/// Header fields: each a name in lower case and a value as it stands on the wire.
#[derive(Debug, Clone)]
pub struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn of(lines: Option<&'a [u8]>) -> Self {
        Self(lines.unwrap_or_default())
    }

    fn line(&mut self) -> Option<&'a [u8]> {
        let end = self.0.iter().position(|byte| *byte == b'\n')?;
        let (line, rest) = self.0.split_at(end);
        self.0 = &rest[1..];
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a str, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let line = self.line()?;
            // The gateway gives no others.
            let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
            let Ok(name) = std::str::from_utf8(&line[..colon]) else { continue };
            return Some((name, value(&line[colon + 1..])));
        }
    }
}

fn value(after_colon: &[u8]) -> &[u8] {
    after_colon.strip_prefix(b" ").unwrap_or(after_colon)
}

/// All values of a name.
pub(crate) fn values<'a, 'n>(
    lines: Option<&'a [u8]>,
    name: &'n str,
) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
    let mut fields = Fields::of(lines);
    std::iter::from_fn(move || {
        loop {
            let line = fields.line()?;
            if let Some((found, rest)) = line.split_at_checked(name.len())
                && let [b':', rest @ ..] = rest
                && found.eq_ignore_ascii_case(name.as_bytes())
            {
                return Some(value(rest));
            }
        }
    })
}

/// The first value of a name, where it is text.
pub(crate) fn first<'a>(lines: Option<&'a [u8]>, name: &str) -> Option<&'a str> {
    values(lines, name).next().and_then(|value| std::str::from_utf8(value).ok())
}

/// Adds a field; for tests.
///
/// # Panics
/// Where a line may not hold it: the gateway would never hand it over.
pub(crate) fn add(lines: &mut Option<Vec<u8>>, name: &str, value: &[u8]) {
    let ends = |byte: &u8| matches!(byte, b'\r' | b'\n' | 0);
    assert!(
        !name.contains([':', '\r', '\n']) && !value.iter().any(ends),
        "no header field: {name:?}"
    );
    let lines = lines.get_or_insert_default();
    lines.extend_from_slice(name.to_ascii_lowercase().as_bytes());
    lines.extend_from_slice(b": ");
    lines.extend_from_slice(value);
    lines.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_where_they_lie() {
        let mut lines = None;
        add(&mut lines, "X-A", b"1: 2");
        add(&mut lines, "x-ab", b"\xff");
        add(&mut lines, "x-a", b"");
        let lines = lines.as_deref();
        assert_eq!(
            Fields::of(lines).collect::<Vec<_>>(),
            [("x-a", &b"1: 2"[..]), ("x-ab", b"\xff"), ("x-a", b"")]
        );
        assert_eq!(values(lines, "X-a").collect::<Vec<_>>(), [&b"1: 2"[..], b""]);
        assert_eq!((first(lines, "x-a"), first(lines, "x-ab")), (Some("1: 2"), None));
        assert_eq!((first(lines, "x"), first(None, "x-a")), (None, None));
        assert_eq!(Fields::of(Some(b"")).next(), None);
    }

    #[test]
    fn lines_that_no_gateway_gives_are_passed_over() {
        let odd = Some(&b"no colon\r\n\xff: 1\r\nx:1\ny: 2\r\ncut: off"[..]);
        assert_eq!(Fields::of(odd).collect::<Vec<_>>(), [("x", &b"1"[..]), ("y", b"2")]);
    }
}
