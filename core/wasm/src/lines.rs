//! Header fields as the contract hands them over: the lines of a head in HTTP/1.1 (RFC 9112,
//! section 5), one text for all of them. A list of fields would have the guest's allocator called
//! twice for each, which is most of what a short call costs.

use crate::reads::Selection;
use http::HeaderMap;
use smallvec::SmallVec;

/// A head of the usual size stays on the stack.
const USUAL_BYTES: usize = 512;

/// Lines of a head: `name: value` and CR LF each.
#[derive(Default)]
pub(crate) struct Lines(SmallVec<[u8; USUAL_BYTES]>);

impl Lines {
    /// The fields of a selection, in its order.
    pub(crate) fn of(headers: &HeaderMap, selection: &Selection) -> Self {
        let mut lines = Self::default();
        match selection {
            Selection::None => {}
            Selection::All => {
                headers.iter().for_each(|(name, value)| lines.add(name.as_str(), value.as_bytes()));
            }
            Selection::Named(names) => {
                for name in names {
                    let values = headers.get_all(name).iter();
                    values.for_each(|value| lines.add(name.as_str(), value.as_bytes()));
                }
            }
        }
        lines
    }

    /// Adds a field. Its name is a token in lower case; its value has no line ends.
    pub(crate) fn add(&mut self, name: &str, value: &[u8]) {
        self.0.reserve(name.len() + value.len() + 4);
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b": ");
        self.0.extend_from_slice(value);
        self.0.extend_from_slice(b"\r\n");
    }

    /// The text; `None` where there are no fields.
    pub(crate) fn text(&self) -> Option<&[u8]> {
        some(&self.0)
    }
}

/// A list that is not empty.
pub(crate) fn some<T>(list: &[T]) -> Option<&[T]> {
    (!list.is_empty()).then_some(list)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    #[test]
    fn a_field_is_a_line_and_no_field_is_nothing() {
        let mut headers = HeaderMap::new();
        let mut add = |name, value: &[u8]| {
            headers.append(
                HeaderName::from_static(name),
                HeaderValue::from_bytes(value).expect("a value"),
            )
        };
        add("x-a", b"1: 2");
        add("x-b", b"\xff");
        add("x-a", b"");
        let named = |names: &[&'static str]| {
            Selection::Named(names.iter().map(|name| HeaderName::from_static(name)).collect())
        };
        let lines = |selection| Lines::of(&headers, &selection).text().map(<[u8]>::to_vec);
        assert_eq!(
            lines(named(&["x-b", "x-none", "x-a"])).as_deref(),
            Some(&b"x-b: \xff\r\nx-a: 1: 2\r\nx-a: \r\n"[..])
        );
        assert_eq!(lines(Selection::All).map(|text| text.len()), Some(26));
        assert_eq!(lines(named(&["x-none"])), None);
        assert_eq!(lines(Selection::None), None);
    }
}
