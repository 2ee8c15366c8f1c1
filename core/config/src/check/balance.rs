//! Upstreams: which server gets a call, and how much it bears.

use std::time::Duration;

use super::pick;
use super::range::{HOUR, MILLI, number, time};
use crate::diag::{Problem, Problems};
use crate::model::{Balance, HashBy, OutlierEjection, Upstream};
use crate::yaml::Span;

const CENTI: Duration = Duration::from_millis(10);
const DECI: Duration = Duration::from_millis(100);

pub(super) fn check(upstream: &Upstream, problems: &mut Problems) {
    if let Balance::ConsistentHash(hash) = &upstream.balance {
        by(hash.by.value(), hash.by.span(), problems);
    }
    if let Some(slow) = &upstream.slow_start {
        time(&slow.duration, DECI, HOUR, problems);
    }
    if let Some(outliers) = &upstream.outlier_ejection {
        ejection(outliers, problems);
    }
    let limits = &upstream.limits;
    for limit in [&limits.connections, &limits.requests, &limits.total_requests] {
        limit.iter().for_each(|limit| number(limit, 1, 1_000_000, problems));
    }
    number(&limits.pending, 0, 100_000, problems);
    time(&limits.pending_timeout, MILLI, Duration::from_secs(60), problems);
}

fn by(by: &HashBy, span: Span, problems: &mut Problems) {
    let (name, fits): (&str, fn(&str) -> bool) = match by {
        HashBy::ClientIp | HashBy::Path | HashBy::Identity => return,
        HashBy::Header(name) => (name, |name| name.parse::<http::HeaderName>().is_ok()),
        // RFC 6265, section 4.1.1: a token, as a header's name is.
        HashBy::Cookie(name) => (name, |name| name.parse::<http::HeaderName>().is_ok()),
        HashBy::Query(name) => (name, |name| {
            !name.is_empty()
                && name.bytes().all(|byte| byte.is_ascii_graphic() && !b"&=#".contains(&byte))
        }),
    };
    if !fits(name) {
        problems.push(Problem::new(span, format!("`{name}` cannot be such a name")));
    }
}

fn ejection(rules: &OutlierEjection, problems: &mut Problems) {
    number(&rules.failures, 0, 1000, problems);
    number(&rules.attempts, 1, 100_000, problems);
    time(&rules.interval, DECI, Duration::from_secs(600), problems);
    time(&rules.time, CENTI, HOUR, problems);
    time(&rules.time_max, CENTI, 24 * HOUR, problems);
    if rules.time.get() > rules.time_max.get() {
        problems.push(Problem::new(
            pick(rules.time.span(), rules.time_max.span()),
            format!("`time` ({}) is longer than `time_max` ({})", rules.time, rules.time_max),
        ));
    }
    if *rules.failures == 0 && rules.failure_share.is_none() {
        problems.push(
            Problem::new(rules.failures.span(), "this ejects nobody")
                .help("set `failures` or `failure_share`, or leave `outlier_ejection` out"),
        );
    }
    for status in &rules.statuses {
        number(status, 400, 599, problems);
    }
}
