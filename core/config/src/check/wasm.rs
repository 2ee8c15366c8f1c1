//! Handlers in WebAssembly: names that a step can have, grants, limits.

use std::collections::HashMap;
use std::time::Duration;

use paifang_pipeline::units::Percent;

use super::range::{HOUR, MILLI, number, size, time};
use super::{pick, unknown};
use crate::diag::{Problem, Problems};
use crate::model::{BreakerRules, Config, Grant, Id, RESERVED, Wasm, WasmLimits};
use crate::yaml::{Located, Span};

const SECOND: Duration = Duration::from_secs(1);

pub(super) fn check(config: &Config, problems: &mut Problems) {
    for (name, wasm) in &config.wasm {
        self::name(name, wasm.span, problems);
        number(&wasm.reuse, 0, 1_000_000, problems);
        grants(config, wasm, problems);
        limits(&wasm.limits, problems);
        if let Some(rules) = wasm.breaker.rules() {
            breaker(rules, wasm.span, problems);
        }
    }
}

/// A step is one key, its kind, beside others that mean something else.
fn name(name: &Id, span: Span, problems: &mut Problems) {
    if RESERVED.contains(&&**name) || &**name == "chain" {
        problems.push(
            Problem::new(span, format!("no handler can be called `{name}`: steps have this key"))
                .help("give it another name"),
        );
    }
}

fn grants(config: &Config, wasm: &Wasm, problems: &mut Problems) {
    let mut seen = HashMap::new();
    for grant in &wasm.grants {
        let (name, span) = (grant.name(), grant.span());
        if let Grant::Http(upstreams) = grant.value() {
            once(&mut seen, name, span, "name all upstreams in one list", problems);
            http(config, upstreams, span, problems);
        } else {
            once(&mut seen, name, span, "remove one of them", problems);
        }
    }
}

fn once<'a>(
    seen: &mut HashMap<&'a str, Span>,
    name: &'a str,
    span: Span,
    help: &str,
    problems: &mut Problems,
) {
    let Some(first) = seen.get(name) else {
        seen.insert(name, span);
        return;
    };
    problems.push(
        Problem::new(span, format!("`{name}` is granted twice"))
            .related(*first, "first here")
            .help(help),
    );
}

fn http(config: &Config, upstreams: &[Located<Id>], span: Span, problems: &mut Problems) {
    if upstreams.is_empty() {
        problems.push(
            Problem::new(span, "`http` without an upstream grants nothing")
                .help("name the upstreams that it may call, or remove it"),
        );
    }
    let mut seen = HashMap::new();
    for name in upstreams {
        if !config.names.upstreams.contains_key(&***name) {
            problems.push(unknown("upstream", name, name.span(), &config.names.upstreams));
        }
        once(&mut seen, name, name.span(), "remove one of them", problems);
    }
}

fn limits(limits: &WasmLimits, problems: &mut Problems) {
    const KIB: u64 = 1 << 10;
    const MIB: u64 = 1 << 20;
    const GIB: u64 = 1 << 30;
    size(&limits.memory, 64 * KIB, GIB, problems);
    number(&limits.table, 1, 1_000_000, problems);
    time(&limits.cpu, MILLI, SECOND, problems);
    time(&limits.wall, 10 * MILLI, 60 * SECOND, problems);
    size(&limits.body, KIB, 64 * MIB, problems);
    number(&limits.instances, 1, 10_000, problems);
    number(&limits.kv_entries, 1, 10_000_000, problems);
    size(&limits.kv_bytes, KIB, 16 * GIB, problems);
    size(&limits.kv_value, 1, 16 * MIB, problems);
}

fn breaker(rules: &BreakerRules, entry: Span, problems: &mut Problems) {
    // The least share: at 0% it would open without a failure.
    if rules.failures.thousandths() < 1_000 {
        problems.push(Problem::new(
            rules.failures.span(),
            format!("expected 1% to {}, found {}", Percent::ALL, rules.failures),
        ));
    }
    number(&rules.calls, 1, 100_000, problems);
    time(&rules.window, 100 * MILLI, 600 * SECOND, problems);
    time(&rules.backoff, 10 * MILLI, HOUR, problems);
    time(&rules.backoff_max, 10 * MILLI, HOUR, problems);
    if rules.backoff.get() > rules.backoff_max.get() {
        problems.push(Problem::new(
            pick(rules.backoff.span(), pick(rules.backoff_max.span(), entry)),
            format!(
                "`backoff` ({}) is longer than `backoff_max` ({})",
                rules.backoff, rules.backoff_max
            ),
        ));
    }
}
