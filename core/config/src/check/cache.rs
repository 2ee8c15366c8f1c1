//! Kept answers: sizes, times, names of headers and cookies.

use std::time::Duration;

use super::range::{HOUR, size, time};
use crate::diag::{Problem, Problems};
use crate::model::{Api, Cache, Config};
use crate::yaml::{Located, Span};

const MONTH: Duration = Duration::from_secs(30 * 24 * 3600);

/// Names in a key: more would make keys that nothing is found by.
const MOST_PARAMETERS: usize = 32;
const MOST_FIELDS: usize = 16;

pub(super) fn check(config: &Config, problems: &mut Problems) {
    let memory = &config.cache.memory;
    size(memory, 64 << 10, 1 << 40, problems);
    for api in &config.apis {
        if let Some(cache) = &api.cache {
            alone(api, cache, cache.span(), problems);
            if cache.max_object.bytes() > memory.bytes() {
                problems.push(
                    Problem::new(
                        super::pick(cache.max_object.span(), cache.span()),
                        format!(
                            "`max_object` ({}) is more than the whole memory ({memory})",
                            cache.max_object
                        ),
                    )
                    .help("raise `memory` of the top-level `cache`"),
                );
            }
        }
    }
}

fn alone(api: &Api, cache: &Cache, span: Span, problems: &mut Problems) {
    if api.upstream.is_none() {
        problems.push(
            Problem::new(span, "nothing to keep: the API has no `upstream`")
                .help("answers of steps are not kept; remove `cache`"),
        );
    }
    if let Some(ttl) = &cache.ttl {
        time(ttl, Duration::from_secs(1), MONTH, problems);
    }
    size(&cache.max_object, 1, 64 << 20, problems);
    for stale in [&cache.stale_while_revalidate, &cache.stale_if_error] {
        time(stale, Duration::ZERO, MONTH, problems);
    }
    time(&cache.collapse, Duration::ZERO, HOUR / 60, problems);
    header(&cache.tags, problems);
    let key = &cache.key;
    for name in key.headers.iter() {
        header(name, problems);
    }
    for (what, count, most) in [
        ("query parameters", key.query.as_deref().map_or(0, <[_]>::len), MOST_PARAMETERS),
        ("headers", key.headers.len(), MOST_FIELDS),
        ("cookies", key.cookies.len(), MOST_FIELDS),
    ] {
        if count > most {
            problems.push(Problem::new(
                span,
                format!("a key has at most {most} {what}, this one has {count}"),
            ));
        }
    }
}

fn header(name: &Located<String>, problems: &mut Problems) {
    if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
        problems.push(Problem::new(name.span(), format!("`{name}` is no header name")));
    }
}
