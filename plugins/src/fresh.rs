//! For how long an answer to a step's own question may be used.

use http::{
    HeaderMap,
    header::{AGE, CACHE_CONTROL},
};
use std::time::Duration;

/// RFC 9111 section 4.2.1, as far as it concerns one answer without validators: no time at all
/// where it must not be kept, and nothing where it does not say.
pub(crate) fn fresh(headers: &HeaderMap) -> Option<Duration> {
    let seconds = |text: &str| text.trim().trim_matches('"').parse::<u64>().ok();
    let directives = headers.get_all(CACHE_CONTROL).iter().filter_map(|line| line.to_str().ok());
    let mut fresh = None;
    for directive in directives.flat_map(|line| line.split(',')) {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "no-store" | "no-cache" => return Some(Duration::ZERO),
            "max-age" => fresh = seconds(value),
            _ => {}
        }
    }
    let age = headers.get(AGE).and_then(|age| seconds(age.to_str().ok()?)).unwrap_or(0);
    fresh.map(|fresh| Duration::from_secs(fresh.saturating_sub(age)))
}

#[cfg(test)]
mod tests {
    //! How long an answer says that it is good for.
    use super::fresh;
    use http::{HeaderMap, HeaderName, HeaderValue};
    use std::time::Duration;

    #[test]
    fn an_answer_says_how_long_it_is_good_for() {
        type Fields = &'static [(&'static str, &'static str)];
        let table: [(Fields, Option<u64>); 8] = [
            (&[], None),
            (&[("cache-control", "public, max-age=300")], Some(300)),
            (&[("cache-control", "Max-Age=\"60\""), ("age", "20")], Some(40)),
            (&[("cache-control", "max-age=60"), ("age", "90")], Some(0)),
            (&[("cache-control", "max-age=60, no-cache")], Some(0)),
            (&[("cache-control", "max-age=60"), ("cache-control", "no-store")], Some(0)),
            (&[("cache-control", "max-age=-1")], None),
            (&[("cache-control", "s-maxage=60")], None),
        ];
        for (fields, seconds) in table {
            let headers: HeaderMap = fields
                .iter()
                .map(|(name, value)| {
                    (HeaderName::from_static(name), HeaderValue::from_static(value))
                })
                .collect();
            assert_eq!(fresh(&headers), seconds.map(Duration::from_secs), "{fields:?}");
        }
    }
}
