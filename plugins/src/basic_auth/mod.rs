//! `basic_auth`: names and passwords (RFC 7617).
//!
//! Slow hashes are checked beside the threads that serve calls, a few at once; whose password was
//! right is remembered for a while. Page: `docs/plugins/basic_auth.md`.

pub mod config;
mod credentials;
pub mod errors;
mod gate;
mod load;
mod stored;
#[cfg(test)]
mod tests;
mod users;

use config::Config;
use credentials::{Nothing, ROOM, read};
use gate::{Broken, Gate, Place};
use http::{
    HeaderValue,
    header::{AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE},
};
use load::Made;
use paifang_pipeline::{
    BuildContext, Built, ConfigError, ErrorCode, Failure, Handler, Plugin, Rejection, RequestCall,
    Slots, Stages, Verdict, ports::Clock,
};
use std::{sync::Arc, time::Duration};
use users::{Candidate, Mark, Users};

const MAX_REMEMBER: Duration = Duration::from_secs(3600);

/// The plugin.
#[derive(Default)]
pub struct BasicAuth {
    made: Made,
    gate: Arc<Gate>,
}

impl Plugin for BasicAuth {
    type Config = Config;

    fn kind(&self) -> &'static str {
        "basic_auth"
    }

    fn errors(&self) -> &'static [&'static ErrorCode] {
        errors::ROWS
    }

    fn build(&self, config: Config, context: &BuildContext<'_>) -> Result<Built, ConfigError> {
        let remember = config.remember.get();
        if remember > MAX_REMEMBER {
            let message = format!("expected 0s to 1h, found `{}`", config.remember);
            return Err(ConfigError::at("/remember", message));
        }
        let step = Checks {
            challenge: credentials::challenge(&config)?,
            users: self.made.users(&config, context)?,
            gate: self.gate.clone(),
            clock: context.clock.clone(),
            remember: u64::try_from(remember.as_nanos()).unwrap_or(u64::MAX),
            forward: config.forward,
        };
        let mut built = Built::new(Step(Arc::new(step))).writes(Slots::IDENTITY);
        if config.users.iter().any(|user| user.app.is_some()) {
            built = built.writes(Slots::APP);
        }
        built.overrides = config.overrides;
        Ok(built)
    }
}

/// The handler.
struct Step(Arc<Checks>);

/// What it decides by; shared with the futures that wait for a check.
struct Checks {
    users: Arc<Users>,
    gate: Arc<Gate>,
    clock: Arc<dyn Clock>,
    challenge: HeaderValue,
    /// For how long, in nanoseconds.
    remember: u64,
    forward: bool,
}

impl Handler for Step {
    fn stages(&self) -> Stages {
        Stages::REQUEST
    }

    fn request(&self, call: &mut RequestCall<'_>) -> Verdict {
        let mut room = ROOM;
        let presented = match read(call.headers(), &mut room) {
            Ok(presented) => presented,
            Err(Nothing::Missing) => return self.0.challenge(errors::MISSING),
            Err(Nothing::Malformed) => return Verdict::reject(errors::MALFORMED),
        };
        let users = &self.0.users;
        // For all alike: whose hash it is that cannot tell such passwords apart is not said.
        if presented.password.len() > users.longest() {
            return self.0.challenge(errors::INVALID);
        }
        let candidate = users.candidate(presented.name);
        let user = users.get(candidate.index);
        if !user.stored.is_slow() {
            let right = user.stored.is(presented.password) && candidate.exists;
            return self.0.decide(call, candidate, right);
        }
        let mark = users.mark(&presented);
        if self.0.remembers(candidate, &mark) {
            return self.0.decide(call, candidate, true);
        }
        let Some(place) = self.0.gate.enter() else {
            return Verdict::Reject(
                // Nobody knows how long it takes; a second is the shortest that can be said.
                Rejection::new(errors::BUSY).header(RETRY_AFTER, HeaderValue::from_static("1")),
            );
        };
        let (checks, password) = (self.0.clone(), presented.password.to_vec());
        Verdict::wait(async move {
            let right = checks.check(place, candidate, mark, password).await;
            move |call: &mut RequestCall<'_>| match right {
                Ok(right) => checks.decide(call, candidate, right),
                Err(error) => Verdict::Fail(Failure::failed(error.to_string())),
            }
        })
    }
}

impl Checks {
    fn remembers(&self, candidate: Candidate, mark: &Mark) -> bool {
        let user = self.users.get(candidate.index);
        candidate.exists && user.remembers(mark, self.clock.now(), self.remember)
    }

    async fn check(
        &self,
        place: Place,
        candidate: Candidate,
        mark: Mark,
        password: Vec<u8>,
    ) -> Result<bool, Broken> {
        let users = self.users.clone();
        // Calls that come together wait for one check, not for one each.
        let known = || self.remembers(candidate, &mark).then_some(true);
        let check = move || users.get(candidate.index).stored.is(&password);
        let right = self.gate.check(place, known, check).await? && candidate.exists;
        if right {
            self.users.get(candidate.index).remember(mark, self.clock.now());
        }
        Ok(right)
    }

    fn decide(&self, call: &mut RequestCall<'_>, candidate: Candidate, right: bool) -> Verdict {
        if !right {
            return self.challenge(errors::INVALID);
        }
        let user = self.users.get(candidate.index);
        if !self.forward {
            call.head_mut().headers.remove(AUTHORIZATION);
        }
        let slots = call.slots_mut();
        if let Some(app) = &user.app {
            slots.set_app(app.clone());
        }
        slots.set_identity(user.identity.clone());
        Verdict::Continue
    }

    fn challenge(&self, code: &'static ErrorCode) -> Verdict {
        Verdict::Reject(Rejection::new(code).header(WWW_AUTHENTICATE, self.challenge.clone()))
    }
}
