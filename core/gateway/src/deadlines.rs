//! How long callers wait: read from the heads of their calls, and told to the servers that are asked for them.
//!
//! gRPC has a field of its own (`grpc-timeout`, <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>). For all other
//! calls there is no standard one, and servers and proxies each have theirs; here it is `x-request-timeout-ms`, as whole milliseconds. Both
//! are taken from any caller: they can only make the gateway wait for less long than the API's own timeout.

use http::{HeaderMap, HeaderName, HeaderValue, header::CONTENT_TYPE};
use paifang_pipeline::Exchange;
use std::time::Duration;
use tokio::time::Instant;

/// gRPC's field: digits and a unit.
pub(crate) const GRPC_TIMEOUT: &str = "grpc-timeout";
/// That of other calls: milliseconds.
pub(crate) const REQUEST_TIMEOUT: &str = "x-request-timeout-ms";

/// The most digits of a time in `grpc-timeout`.
const GRPC_DIGITS: usize = 8;
/// So many digits are more than a hundred days.
const MILLIS_DIGITS: usize = 10;
const SECOND: u128 = 1000;

/// Until when the caller waits, by what its head says; what is no time says nothing.
pub(crate) fn asked(headers: &HeaderMap) -> Option<Instant> {
    let of = |name, read: fn(&str) -> Option<Duration>| read(headers.get(name)?.to_str().ok()?);
    let times = [of(GRPC_TIMEOUT, grpc), of(REQUEST_TIMEOUT, millis)];
    Instant::now().checked_add(times.into_iter().flatten().min()?)
}

/// Tells a server how long its answer is waited for, where the caller has said how long it waits. Of a gRPC call, whose answer may be a
/// long stream, that is the caller's own time; of others no more than the API's timeout has left.
pub(crate) fn tell(headers: &mut HeaderMap, call: &Exchange) {
    let (Some(caller), Some(head)) = (call.facts().deadline, call.head_due()) else { return };
    let left = |until: Instant| until.saturating_duration_since(Instant::now()).as_millis().max(1);
    if is_grpc(headers) {
        let left = left(caller);
        let (left, unit) = match left.to_string().len() <= GRPC_DIGITS {
            true => (left, 'm'),
            false => ((left / SECOND).min(99_999_999), 'S'),
        };
        put(headers, GRPC_TIMEOUT, &format!("{left}{unit}"));
        headers.remove(REQUEST_TIMEOUT);
    } else {
        put(headers, REQUEST_TIMEOUT, &left(head.min(caller)).to_string());
        headers.remove(GRPC_TIMEOUT);
    }
}

fn put(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    kind.is_some_and(|kind| kind.starts_with(b"application/grpc"))
}

/// `100m`: one to eight digits and H, M, S, m, u or n.
fn grpc(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number = number(digits, GRPC_DIGITS)?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

fn millis(text: &str) -> Option<Duration> {
    number(text, MILLIS_DIGITS).map(Duration::from_millis)
}

/// A number above 0 in decimal digits, no more than so many.
fn number(digits: &str, most: usize) -> Option<u64> {
    let plain = digits.len() <= most && digits.bytes().all(|digit| digit.is_ascii_digit());
    if plain { digits.parse().ok().filter(|number| *number > 0) } else { None }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use paifang_pipeline::{Facts, Params, ports::Nanos};

    #[test]
    fn times_are_read_as_grpc_writes_them() {
        for (text, expected) in [
            ("1H", Some(3_600_000_000_000)),
            ("2M", Some(120_000_000_000)),
            ("3S", Some(3_000_000_000)),
            ("99999999m", Some(99_999_999_000_000)),
            ("5u", Some(5_000)),
            ("7n", Some(7)),
            ("0S", None),
            ("100000000m", None),
            ("S", None),
            ("", None),
            ("5", None),
            ("-5S", None),
            ("5 S", None),
            ("5s", None),
            ("5é", None),
        ] {
            assert_eq!(grpc(text).map(|time| time.as_nanos()), expected, "{text}");
        }
        assert_eq!(millis("250"), Some(Duration::from_millis(250)));
        for text in ["", "0", "+5", "1.5", "99999999999"] {
            assert_eq!(millis(text), None, "{text}");
        }
    }

    fn call(deadline: Option<Instant>) -> Exchange {
        let mut facts = Facts::embedded(Nanos(0), Duration::ZERO);
        facts.deadline = deadline;
        Exchange::new(http::Request::new(()).into_parts().0, facts, Params::default())
    }

    fn fields(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        pairs.iter().map(pair).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_left_is_told_at_the_moment_of_the_attempt() {
        let headers = fields(&[(GRPC_TIMEOUT, "2S"), (REQUEST_TIMEOUT, "1500")]);
        let deadline = asked(&headers);
        assert_eq!(deadline, Some(Instant::now() + Duration::from_millis(1500)));
        let call = call(deadline);
        tokio::time::advance(Duration::from_millis(400)).await;
        let mut told = headers.clone();
        tell(&mut told, &call);
        assert_eq!(told, fields(&[(REQUEST_TIMEOUT, "1100")]));
        tokio::time::advance(Duration::from_millis(600)).await;
        let kind = ("content-type", "application/grpc+proto");
        let mut told = fields(&[kind, (GRPC_TIMEOUT, "2S"), (REQUEST_TIMEOUT, "1500")]);
        tell(&mut told, &call);
        assert_eq!(told, fields(&[kind, (GRPC_TIMEOUT, "500m")]));
        tokio::time::advance(Duration::from_secs(9)).await;
        tell(&mut told, &call);
        assert_eq!(told[GRPC_TIMEOUT], "1m", "a time is above 0");
    }

    #[tokio::test(start_paused = true)]
    async fn long_times_fit_and_who_says_nothing_is_told_nothing() {
        let mut told = fields(&[("content-type", "application/grpc")]);
        tell(&mut told, &call(Some(Instant::now() + Duration::from_secs(200_000))));
        assert_eq!(told[GRPC_TIMEOUT], "200000S");
        let mut told = fields(&[(REQUEST_TIMEOUT, "soon")]);
        assert_eq!(asked(&told), None);
        tell(&mut told, &call(None));
        assert_eq!(told, fields(&[(REQUEST_TIMEOUT, "soon")]));
    }
}
