//! `respond`: answers every call itself, with one answer from the config. Nothing below it runs.

mod config;
#[cfg(test)]
mod tests;

pub use config::RespondConfig;

use crate::{
    answer::{self, Answer, AnswerParts},
    template::{JsonBody, Values},
};
use paifang_pipeline::{
    BuildContext, Built, ConfigError, ErrorCode, Handler, Plugin, RequestCall, Stages, Verdict,
};

/// The plugin. Docs: `docs/plugins/respond.md`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Respond;

impl Plugin for Respond {
    type Config = RespondConfig;

    fn kind(&self) -> &'static str {
        "respond"
    }

    fn errors(&self) -> &'static [&'static ErrorCode] {
        answer::ERRORS
    }

    fn build(&self, config: RespondConfig, _: &BuildContext<'_>) -> Result<Built, ConfigError> {
        let parts = AnswerParts {
            status: config.status,
            headers: &config.headers,
            body: config.body.as_deref(),
            json: config.json.as_ref(),
        };
        let answer = Answer::new(parts, "")?;
        Ok(Built::new(Responder { needs_body: answer.needs_body(), answer }).always_answers())
    }
}

/// A step that answers.
struct Responder {
    answer: Answer,
    needs_body: bool,
}

impl Handler for Responder {
    fn stages(&self) -> Stages {
        Stages::REQUEST
    }

    fn request(&self, call: &mut RequestCall<'_>) -> Verdict {
        let body = call.body().map(JsonBody::new);
        if self.needs_body && body.is_none() {
            return Verdict::NeedBody;
        }
        match self.answer.render(&Values { call, body: body.as_ref() }) {
            Ok(response) => Verdict::Respond(response),
            Err(rejection) => Verdict::Reject(rejection),
        }
    }
}
