//! APIs: unique ids and operations, something to match, something that answers.

use super::range::{HOUR, MILLI, time};
use super::{Seen, unknown, upstreams};
use crate::diag::{Problem, Problems};
use crate::model::{Api, ApiState, Config, Match};
use crate::yaml::Span;

pub(super) fn check(config: &Config, problems: &mut Problems) {
    let mut ids = Seen::default();
    let mut operations = Seen::default();
    for api in &config.apis {
        ids.add("APIs", &api.id, api.id.span(), problems);
        if let Some(operation) = &api.operation {
            operations.add("operations", operation, operation.span(), problems);
        }
        alone(config, api, api.whole, problems);
    }
}

fn alone(config: &Config, api: &Api, whole: bool, problems: &mut Problems) {
    match &api.matches {
        Some(matches) => pattern(matches, matches.span(), whole, problems),
        None if api.operation.is_none() && whole => problems.push(
            Problem::new(api.id.span(), format!("nothing can call the API `{}`", api.id.value()))
                .help("give it a `match`, an `operation`, or both"),
        ),
        None => {}
    }
    if let Some(timeout) = &api.timeout {
        time(timeout, MILLI, HOUR, problems);
    }
    upstreams::retry(&api.retry, problems);
    match &api.upstream {
        Some(name) if !config.names.upstreams.contains_key(&***name) => {
            problems.push(unknown("upstream", name, name.span(), &config.names.upstreams));
        }
        // With steps, the plugins say whether one of them always answers.
        None if whole
            && api.handlers.nodes().is_empty()
            && config.defaults.handlers.nodes().is_empty()
            && api.state == ApiState::Online =>
        {
            problems.push(
                Problem::new(
                    api.id.span(),
                    format!("nothing answers the API `{}`", api.id.value()),
                )
                .help("give it an `upstream`, or a step that answers, such as `respond`"),
            );
        }
        _ => {}
    }
}

fn pattern(matches: &Match, span: Span, whole: bool, problems: &mut Problems) {
    if let (Some(path), Some(prefix)) = (&matches.path, &matches.path_prefix) {
        problems.push(
            Problem::new(prefix.span(), "`path` and `path_prefix` exclude each other")
                .related(path.span(), "the path"),
        );
    }
    let nothing = matches.host.is_empty()
        && matches.method.is_empty()
        && matches.path.is_none()
        && matches.path_prefix.is_none()
        && matches.listener.is_empty()
        && matches.path_regex.is_empty()
        && matches.path_not_regex.is_empty()
        && matches.header.is_empty();
    if nothing && whole {
        problems.push(
            Problem::new(span, "an empty `match`")
                .help("to take every request, write path_prefix: /"),
        );
    }
}
