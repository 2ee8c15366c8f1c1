//! W3C Trace Context: reading and writing `traceparent`, checking `tracestate`.
//!
//! <https://www.w3.org/TR/trace-context/>: sections 3.2 (`traceparent`) and 3.3 (`tracestate`).

use http::{HeaderValue, header::GetAll};
use std::fmt;

/// A trace's id: 16 bytes, not all zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceId(pub [u8; 16]);

/// A span's id: 8 bytes, not all zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpanId(pub [u8; 8]);

impl TraceId {
    /// An id of these random bits.
    #[must_use]
    pub const fn new(high: u64, low: u64) -> Self {
        // Zero means that there is none, so its one neighbour comes twice as often.
        let low = if high == 0 && low == 0 { 1 } else { low };
        Self((((high as u128) << 64) | low as u128).to_be_bytes())
    }

    /// The lower 64 bits: random where whoever made the id says so.
    #[must_use]
    pub const fn low(self) -> u64 {
        u128::from_be_bytes(self.0) as u64
    }
}

impl SpanId {
    /// An id of these random bits.
    #[must_use]
    pub const fn new(bits: u64) -> Self {
        Self((if bits == 0 { 1 } else { bits }).to_be_bytes())
    }
}

fn hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

/// What a `traceparent` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace.
    pub trace: TraceId,
    /// The caller's span.
    pub parent: SpanId,
    /// Whether the caller may have recorded the trace.
    pub sampled: bool,
}

/// The length of a value of version 00.
const LENGTH: usize = 55;

impl TraceParent {
    /// Reads a value. None where it is malformed, and then the trace begins anew.
    ///
    /// A version above 00 is read as far as 00 goes, and may have more behind a dash; ff is none.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (head, rest) = value.split_at_checked(LENGTH)?;
        let version = unhex::<1>(&head[..2])?[0];
        let whole = match version {
            0xff => false,
            0 => rest.is_empty(),
            _ => rest.first().is_none_or(|next| *next == b'-'),
        };
        if !whole || [2, 35, 52].iter().any(|dash| head[*dash] != b'-') {
            return None;
        }
        let (trace, parent) = (unhex::<16>(&head[3..35])?, unhex::<8>(&head[36..52])?);
        let flags = unhex::<1>(&head[53..55])?[0];
        let whole = trace != [0; 16] && parent != [0; 8];
        whole.then_some(Self {
            trace: TraceId(trace),
            parent: SpanId(parent),
            sampled: flags & 1 == 1,
        })
    }

    /// Reads a request's fields: exactly one must be there.
    #[must_use]
    pub fn of(mut values: impl Iterator<Item = impl AsRef<[u8]>>) -> Option<Self> {
        let only = values.next()?;
        if values.next().is_some() { None } else { Self::parse(only.as_ref()) }
    }

    /// The value of version 00 for the next hop.
    #[must_use]
    pub fn value(&self) -> Option<HeaderValue> {
        let mut text = [0; LENGTH];
        text[..3].copy_from_slice(b"00-");
        put(&self.trace.0, &mut text[3..35]);
        put(&self.parent.0, &mut text[36..52]);
        text[35] = b'-';
        text[52] = b'-';
        text[53..].copy_from_slice(if self.sampled { b"01" } else { b"00" });
        HeaderValue::from_bytes(&text).ok()
    }
}

/// Writes lower-case hexadecimal.
fn put(bytes: &[u8], text: &mut [u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (byte, pair) in bytes.iter().zip(text.chunks_exact_mut(2)) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
}

/// Reads lower-case hexadecimal; upper case is malformed.
fn unhex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    (text.len() == 2 * N).then_some(bytes)
}

/// The most members that a `tracestate` has (section 3.3.1.1).
const MEMBERS: usize = 32;
/// The longest that is handed on, in bytes; 512 is the least that must be (section 3.3.1.5).
const LONGEST: usize = 8192;

/// Whether a request's `tracestate` fields are one that may be handed on: at most 32 members with
/// keys that come once, and legal values. Anything else is dropped as a whole.
#[must_use]
pub fn good_state(values: GetAll<'_, HeaderValue>) -> bool {
    let mut keys: smallvec::SmallVec<[&[u8]; 8]> = smallvec::SmallVec::new();
    let mut length = 0;
    for value in values {
        length += value.len();
        for member in value.as_bytes().split(|byte| *byte == b',') {
            let member = member.trim_ascii();
            if member.is_empty() {
                continue;
            }
            let Some(at) = member.iter().position(|byte| *byte == b'=') else { return false };
            let (key, value) = (&member[..at], &member[at + 1..]);
            if !is_key(key) || !is_value(value) || keys.contains(&key) || keys.len() == MEMBERS {
                return false;
            }
            keys.push(key);
        }
    }
    length <= LONGEST
}

/// `key`, or `tenant@system`.
fn is_key(key: &[u8]) -> bool {
    let part = |part: &[u8], longest: usize, digit_first: bool| {
        let first = part.first().is_some_and(|first| {
            first.is_ascii_lowercase() || digit_first && first.is_ascii_digit()
        });
        let rest = |byte: &u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-*/".contains(byte)
        };
        first && part.len() <= longest && part.iter().all(rest)
    };
    match key.iter().position(|byte| *byte == b'@') {
        None => part(key, 256, false),
        Some(at) => part(&key[..at], 241, true) && part(&key[at + 1..], 14, false),
    }
}

/// Up to 256 printable characters without comma and equals sign; spaces are trimmed before.
fn is_value(value: &[u8]) -> bool {
    let fits = |byte: &u8| (0x20..=0x7e).contains(byte) && !b",=".contains(byte);
    (1..=256).contains(&value.len()) && value.iter().all(fits)
}

#[cfg(test)]
mod tests {
    //! The specification's examples, and what is wrong by its letter.
    #![allow(clippy::unwrap_used)]
    use super::{SpanId, TraceId, TraceParent, good_state};
    use http::{HeaderMap, HeaderValue};

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_good_value_is_read_and_written_back() {
        let parent = TraceParent::parse(GOOD.as_bytes()).unwrap();
        assert_eq!(parent.trace.to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(parent.parent.to_string(), "b7ad6b7169203331");
        assert!(parent.sampled);
        assert_eq!(parent.value().unwrap(), GOOD);
        let other = GOOD.replace("-01", "-00");
        assert_eq!(TraceParent::parse(other.as_bytes()).unwrap().value().unwrap(), other);
        let random = GOOD.replace("-01", "-03");
        assert_eq!(TraceParent::parse(random.as_bytes()), Some(parent), "only one bit is known");
    }

    #[test]
    fn later_versions_are_read_as_far_as_they_are_known() {
        for later in ["01", "cc", "fe"] {
            let value = GOOD.replacen("00", later, 1);
            assert!(TraceParent::parse(value.as_bytes()).is_some(), "{value}");
            let longer = format!("{value}-what-the-future-will-be-like");
            assert!(TraceParent::parse(longer.as_bytes()).is_some(), "{longer}");
            assert_eq!(TraceParent::parse(format!("{value}.what").as_bytes()), None);
        }
    }

    #[test]
    fn malformed_values_are_none() {
        let wrong = [
            String::new(),
            GOOD[..54].to_owned(),
            format!("{GOOD}-"),
            format!("{GOOD}0"),
            GOOD.replacen("00", "ff", 1),
            GOOD.replacen("00", "0", 1),
            GOOD.replacen('a', "A", 1),
            GOOD.replacen('a', "g", 1),
            GOOD.replacen('-', "_", 1),
            GOOD.replace("-01", "_01"),
            GOOD.replace("-01", "-0x"),
            format!("00-{}-b7ad6b7169203331-01", "0".repeat(32)),
            format!("00-0af7651916cd43dd8448eb211c80319c-{}-01", "0".repeat(16)),
        ];
        for value in wrong {
            assert_eq!(TraceParent::parse(value.as_bytes()), None, "{value}");
        }
        assert_eq!(TraceParent::of([GOOD, GOOD].iter()), None, "two of them");
        assert_eq!(TraceParent::of(std::iter::empty::<&str>()), None);
    }

    #[test]
    fn ids_are_never_zero() {
        assert_eq!(TraceId::new(0, 0).low(), 1);
        assert_eq!(SpanId::new(0).to_string(), "0000000000000001");
        assert_eq!(TraceId::new(1, 2).to_string(), "00000000000000010000000000000002");
    }

    fn state(values: &[&str]) -> bool {
        let mut map = HeaderMap::new();
        values.iter().for_each(|value| {
            map.append("tracestate", HeaderValue::from_str(value).unwrap());
        });
        good_state(map.get_all("tracestate"))
    }

    #[test]
    fn states_are_checked_as_the_specification_has_them() {
        for good in [
            &["rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"][..],
            &["foo=1", "bar=2"],
            &["foo=1 \t , \t bar=2, "],
            &["fw529a3039@dt=FfvPX", "0a/b*c-d_e@x=~!#"],
            &[""],
        ] {
            assert!(state(good), "{good:?}");
        }
        let many = (0..33).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join(",");
        let long = format!("k={}", "v".repeat(257));
        for wrong in [
            &["foo"][..],
            &["foo="],
            &["foo=1=2"],
            &["Foo=1"],
            &["0foo=1"],
            &["foo@=1"],
            &["@foo=1"],
            &["foo@bar@baz=1"],
            &["foo=1", "foo=2"],
            &["fo o=1"],
            &[&many],
            &[&long],
        ] {
            assert!(!state(wrong), "{wrong:?}");
        }
    }
}
