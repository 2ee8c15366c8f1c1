//! What must hold between the parts of a config, and inside them beyond their types: names that
//! exist, ids that are unique, ranges of limits, combinations that make sense. What needs the
//! plugins is found when chains are compiled.

mod apis;
mod balance;
mod cache;
mod chains;
mod compression;
mod edge;
mod mmtp;
mod plans;
mod range;
mod stores;
mod upstreams;
mod wasm;
mod zones;

use std::collections::HashMap;
use std::sync::Arc;

use crate::diag::{Problem, Problems, did_you_mean};
use crate::model::Config;
use crate::yaml::Span;

pub(crate) use upstreams::listed as listed_endpoints;

/// Checks a config that has been read. All problems are told, each at its place.
pub fn check(config: &Config, problems: &mut Problems) {
    edge::check(config, problems);
    upstreams::check(config, problems);
    stores::check(config, problems);
    wasm::check(config, problems);
    chains::check(config, problems);
    apis::check(config, problems);
    cache::check(config, problems);
    mmtp::check(config, problems);
    compression::check(config, problems);
    plans::check(config, problems);
}

/// A name that is used twice.
fn duplicate(what: &str, name: &str, span: Span, first: Span) -> Problem {
    Problem::new(span, format!("two {what} are called `{name}`")).related(first, "first here")
}

/// Remembers names and tells those that come again.
#[derive(Default)]
struct Seen<'a>(HashMap<&'a str, Span>);

impl<'a> Seen<'a> {
    fn add(&mut self, what: &str, name: &'a str, span: Span, problems: &mut Problems) {
        if let Some(first) = self.0.get(name) {
            problems.push(duplicate(what, name, span, *first));
        } else {
            self.0.insert(name, span);
        }
    }
}

/// A name that nothing has.
fn unknown(what: &str, name: &str, span: Span, known: &HashMap<Arc<str>, Span>) -> Problem {
    let mut names: Vec<&str> = known.keys().map(|name| &**name).collect();
    names.sort_unstable();
    let problem = Problem::new(span, format!("there is no {what} `{name}`"));
    if names.is_empty() {
        return problem.help(format!("define it under `{what}s`"));
    }
    problem.maybe_help(did_you_mean(name, names))
}

/// The place of a value that may be a default.
fn pick(span: Span, other: Span) -> Span {
    if span == Span::NONE { other } else { span }
}
