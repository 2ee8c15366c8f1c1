//! `mock`: answers made up from the request, for APIs that are not there, or not to be bothered.
//!
//! Cases are tried from the top and the first that matches answers; a call that matches none goes on
//! down the chain. The body is collected only where a case's other conditions hold and it either has
//! conditions on the body or its answer is filled from it.

mod case;
mod config;
#[cfg(test)]
mod tests;

pub use config::{CaseConfig, Latency, MockConfig, TurnConfig};

use crate::{
    answer,
    template::{JsonBody, Values},
};
use case::{Case, Turn};
use paifang_pipeline::{
    BuildContext, Built, ConfigError, ErrorCode, Handler, Plugin, RequestCall, Stages, Verdict, mix,
};
use std::sync::Arc;

/// The most cases of one step.
const MAX_CASES: usize = 256;

/// The plugin. Docs: `docs/plugins/mock.md`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mock;

impl Plugin for Mock {
    type Config = MockConfig;

    fn kind(&self) -> &'static str {
        "mock"
    }

    fn errors(&self) -> &'static [&'static ErrorCode] {
        answer::ERRORS
    }

    fn build(&self, config: MockConfig, context: &BuildContext<'_>) -> Result<Built, ConfigError> {
        if config.cases.is_empty() {
            return Err(ConfigError::at("/cases", "a mock without cases answers nothing")
                .help("give at least one, such as `- { json: { ok: true } }`"));
        }
        if config.cases.len() > MAX_CASES {
            let message = format!("more than {MAX_CASES} cases in one mock");
            return Err(ConfigError::at("/cases", message));
        }
        // Tells this step's dice from those of other steps and APIs.
        let names = context.api.bytes().chain([b'/']).chain(context.step.bytes());
        let seed = names.fold(0, |seed, byte| mix(seed, u64::from(byte)));
        let mut cases: Vec<Case> = Vec::new();
        for (index, case) in config.cases.iter().enumerate() {
            let at = format!("/cases/{index}");
            if cases.last().is_some_and(Case::always) {
                return Err(ConfigError::at(at, "no call comes to this case")
                    .help("the case above it has no conditions, so it takes every call"));
            }
            cases.push(Case::new(case, &at, mix(seed, index as u64))?);
        }
        let always = cases.last().is_some_and(Case::always);
        let built = Built::new(Mocker { cases: cases.into() });
        Ok(if always { built.always_answers() } else { built })
    }
}

/// A step that answers in the origin's place.
struct Mocker {
    /// Shared with answers that are on their way.
    cases: Arc<[Case]>,
}

impl Handler for Mocker {
    fn stages(&self) -> Stages {
        Stages::REQUEST
    }

    fn request(&self, call: &mut RequestCall<'_>) -> Verdict {
        let body = call.body().map(JsonBody::new);
        for (index, case) in self.cases.iter().enumerate() {
            match case.matches(call, body.as_ref()) {
                None => return Verdict::NeedBody,
                Some(false) => {}
                Some(true) if case.needs_body() && body.is_none() => return Verdict::NeedBody,
                Some(true) => {
                    let turn = case.next_turn();
                    return self.answer(call, body.as_ref(), index, turn);
                }
            }
        }
        Verdict::Continue
    }
}

impl Mocker {
    /// Answers at once, or after the answer's latency.
    fn answer(
        &self,
        call: &RequestCall<'_>,
        body: Option<&JsonBody<'_>>,
        case: usize,
        turn: usize,
    ) -> Verdict {
        let chosen = &self.cases[case];
        let latency = chosen.latency(turn, call.facts().entropy);
        if latency.is_zero() {
            return chosen.turn(turn).respond(&Values { call, body });
        }
        let cases = self.cases.clone();
        Verdict::wait(async move {
            tokio::time::sleep(latency).await;
            move |call: &mut RequestCall<'_>| {
                let body = call.body().map(JsonBody::new);
                let turn: &Turn = cases[case].turn(turn);
                turn.respond(&Values { call, body: body.as_ref() })
            }
        })
    }
}
