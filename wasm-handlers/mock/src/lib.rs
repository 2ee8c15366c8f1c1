//! Answers by rules, without an upstream: the first rule that matches a request says what it is
//! answered with, from the request itself and from how often it was asked.

mod config;
mod pattern;
mod rules;
mod template;
#[cfg(test)]
mod tests;

use config::{Config, Otherwise};
use paifang_guest::prelude::*;
use pattern::Captured;
use rules::{Answer, Rules};
use template::{Escape, Source};

/// The longest body that is made, in bytes.
const MAX_BODY: usize = 1 << 20;
/// The longest header value that is made, in bytes.
const MAX_HEADER: usize = 8 << 10;

fn configure(config: Config) -> Result<(Rules, Manifest), Vec<ConfigError>> {
    let rules = Rules::new(config)?;
    let manifest = Manifest::new().on_request(rules.reads());
    Ok((rules, manifest))
}

fn request(rules: &Rules, call: &Call) -> RequestVerdict {
    let Some((rule, captured)) = rules.find(call) else {
        return match rules.otherwise {
            Otherwise::Pass => next().into(),
            Otherwise::NotFound => {
                reject(Refusal::NotFound).detail("No rule matches this request.").into()
            }
        };
    };
    let count = match &rule.counter {
        None => 1,
        Some(key) => match host::kv::add(key, 1, None) {
            Ok(count) => u64::try_from(count).unwrap_or(1),
            Err(error) => return fail(format!("the call cannot be counted: {error}")),
        },
    };
    match rule.answer(count) {
        Some(answer) => fill(answer, call, &captured, count),
        None => fail("the rule has no answer"),
    }
}

/// Fills an answer from the call.
fn fill(answer: &Answer, call: &Call, captured: &Captured<'_>, count: u64) -> RequestVerdict {
    let value = |source: &Source| value(source, call, captured, count);
    let mut reply = paifang_guest::answer(answer.status);
    for (name, template) in &answer.headers {
        let Some(text) = template.fill(Escape::Plain, MAX_HEADER, value) else {
            return refuse("A header of the answer becomes too long.");
        };
        if text.chars().any(|char| char.is_ascii_control()) {
            return refuse("A value for a header has control characters in it.");
        }
        reply = reply.header(&**name, text);
    }
    match answer.body.fill(answer.escape, MAX_BODY, value) {
        Some(body) => reply.body(body).into(),
        None => refuse("The answer becomes too long."),
    }
}

fn value(source: &Source, call: &Call, captured: &Captured<'_>, count: u64) -> Option<String> {
    match source {
        Source::Param(name) => {
            let own = captured.iter().find(|(found, _)| found == name);
            own.map(|(_, value)| &**value).or_else(|| call.param(name)).map(str::to_owned)
        }
        Source::Query(name) => rules::query(call, name).next(),
        Source::Header(name) => call.header(name).map(str::to_owned),
        Source::Count => Some(count.to_string()),
    }
}

fn refuse(why: &str) -> RequestVerdict {
    reject(Refusal::BadRequest).detail(why).into()
}

paifang_guest::handler! {
    state: Rules,
    configure: configure,
    request: request,
    schema: "../schema.json",
    probes: "../probes.yaml",
}
