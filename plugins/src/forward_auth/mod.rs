//! `forward_auth`: a server is asked whether a call may pass.
//!
//! What the client sent under the names that the server is to speak under is taken away before
//! anything else, so it stands nowhere even where the step fails open. Page:
//! `docs/plugins/forward_auth.md`.

mod answer;
pub mod config;
mod memory;
mod question;
#[cfg(test)]
mod tests;

use crate::{fresh::fresh, known::Digest};
use answer::{Pass, Read, Reading};
use bytes::Bytes;
use config::Config;
use http::Request;
use memory::Memory;
use paifang_pipeline::{
    BuildContext, Built, ConfigError, ErrorCode, Failure, Handler, Plugin, Rejection, RequestCall,
    Slots, Stages, Verdict, error,
    ports::{Clock, HttpOut, HttpOutLimits, Nanos},
};
use question::Question;
use std::{sync::Arc, time::Duration};

const TIMEOUT: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(30));
const MAX_BODY: u64 = 1 << 20;

/// The plugin.
#[derive(Debug, Clone, Copy, Default)]
pub struct ForwardAuth;

impl Plugin for ForwardAuth {
    type Config = Config;

    fn kind(&self) -> &'static str {
        "forward_auth"
    }

    fn errors(&self) -> &'static [&'static ErrorCode] {
        &[crate::errors::VALUE_REFUSED, crate::errors::TOO_LARGE]
    }

    fn build(&self, config: Config, context: &BuildContext<'_>) -> Result<Built, ConfigError> {
        context.known_upstream(&config.upstream, "/upstream")?;
        let (least, most) = TIMEOUT;
        let timeout = config.timeout.get();
        if !(least..=most).contains(&timeout) {
            let message = format!("expected 10ms to 30s, found `{}`", config.timeout);
            return Err(ConfigError::at("/timeout", message));
        }
        for (at, size) in [("/body", config.body), ("/deny/body", Some(config.deny.body))] {
            if let Some(size) = size.filter(|size| size.bytes() > MAX_BODY) {
                return Err(ConfigError::at(at, format!("expected at most 1MiB, found `{size}`")));
            }
        }
        let question = Question::new(&config)?;
        let memory = match (&config.cache, config.body) {
            (None, _) => None,
            (Some(_), Some(_)) => {
                let message = "an answer that depends on a body cannot be remembered";
                return Err(ConfigError::at("/cache", message));
            }
            (Some(cache), None) => Some(Memory::new(cache, &question)?),
        };
        let step = Asks {
            question,
            reading: Reading::new(&config)?,
            memory,
            body: config.body.map(|size| size.as_usize()),
            limits: HttpOutLimits { timeout, response_bytes: config.deny.body.as_usize() },
            upstream: config.upstream,
            http: context.http.clone(),
            clock: context.clock.clone(),
        };
        let mut built = Built::new(Step(Arc::new(step)));
        if config.identity.is_some() {
            built = built.writes(Slots::IDENTITY);
        }
        built.overrides = config.overrides;
        Ok(built)
    }
}

/// The handler.
struct Step(Arc<Asks>);

/// What it decides by; shared with the futures that wait for an answer.
struct Asks {
    question: Question,
    reading: Reading,
    memory: Option<Memory>,
    /// The largest body that is sent; none is where absent.
    body: Option<usize>,
    upstream: String,
    limits: HttpOutLimits,
    http: Arc<dyn HttpOut>,
    clock: Arc<dyn Clock>,
}

impl Handler for Step {
    fn stages(&self) -> Stages {
        Stages::REQUEST
    }

    fn request(&self, call: &mut RequestCall<'_>) -> Verdict {
        let asks = &self.0;
        let body = match (asks.body, call.body()) {
            (None, _) => Bytes::new(),
            (Some(_), None) => return Verdict::NeedBody,
            (Some(most), Some(body)) if body.len() > most => {
                let why = format!("{} bytes, of which {most} are sent", body.len());
                return Verdict::Reject(Rejection::new(error::BODY_TOO_LARGE).internal(why));
            }
            (Some(_), Some(body)) => body.clone(),
        };
        let memory = asks.memory.as_ref();
        let mut key = memory.and_then(|memory| memory.of_call(call));
        if let Some(pass) = asks.known(key.as_ref(), call.now()) {
            return asks.pass(call, &pass);
        }
        let question = asks.question.of(call, body);
        // Now, not with the answer: none may come, and `on_failure: open` then lets the call pass.
        asks.reading.strip(call.head_mut());
        let question = match question {
            Ok(question) => question,
            Err(rejection) => return Verdict::Reject(rejection),
        };
        if memory.is_some() && key.is_none() {
            key = Some(Memory::of_question(&question));
            if let Some(pass) = asks.known(key.as_ref(), call.now()) {
                return asks.pass(call, &pass);
            }
        }
        let asks = asks.clone();
        Verdict::wait(async move {
            let told = asks.ask(question, key).await;
            move |call: &mut RequestCall<'_>| match told {
                Told::Pass(pass) => asks.pass(call, &pass),
                Told::Verdict(verdict) => verdict,
            }
        })
    }
}

/// What is to be done.
enum Told {
    Pass(Arc<Pass>),
    Verdict(Verdict),
}

impl Asks {
    fn known(&self, key: Option<&Digest>, now: Nanos) -> Option<Arc<Pass>> {
        self.memory.as_ref()?.get(key?, now)
    }

    async fn ask(&self, question: Request<Bytes>, key: Option<Digest>) -> Told {
        let answer = match self.http.call(&self.upstream, question, self.limits).await {
            Ok(answer) => answer,
            Err(error) => return unavailable(error.to_string()),
        };
        let allowed = fresh(answer.headers());
        match self.reading.read(answer) {
            Read::Pass(pass) => {
                let pass = Arc::new(pass);
                if let (Some(memory), Some(key)) = (&self.memory, key) {
                    memory.put(key, self.clock.now(), &pass, allowed);
                }
                Told::Pass(pass)
            }
            Read::Deny(response) => Told::Verdict(Verdict::Respond(response)),
            Read::Failed(why) => unavailable(why),
        }
    }

    fn pass(&self, call: &mut RequestCall<'_>, pass: &Pass) -> Verdict {
        self.reading.strip(call.head_mut());
        pass.apply(call.head_mut());
        if let Some(identity) = &pass.identity {
            call.slots_mut().set_identity(identity.clone());
        }
        Verdict::Continue
    }
}

fn unavailable(why: String) -> Told {
    Told::Verdict(Verdict::Fail(Failure::unavailable(why)))
}
