//! `jwt_auth`: JSON Web Tokens (RFC 7519), presented as bearer tokens (RFC 6750) and verified as
//! RFC 8725 wants it.
//!
//! Keys stand in the config or are fetched from a server in the background; a token that comes again
//! is remembered. Page: `docs/plugins/jwt_auth.md`.

mod algorithm;
mod claims;
pub mod config;
pub mod errors;
mod fetch;
mod jwks;
mod key;
mod load;
mod pem;
mod place;
mod remote;
mod strict;
#[cfg(test)]
mod tests;
pub mod token;
mod verifier;

pub use algorithm::Algorithm;

use crate::key_auth::source::NoKey;
use claims::Wrong;
use config::Config;
use http::{
    HeaderValue,
    header::{AUTHORIZATION, WWW_AUTHENTICATE},
};
use load::Made;
use paifang_pipeline::{
    BuildContext, Built, ConfigError, ErrorCode, Failure, Handler, Plugin, PluginCounter,
    Rejection, RequestCall, Slots, Stages, Verdict,
    ports::{HttpOut, Spawn},
};
use place::Place;
use std::sync::{Arc, atomic::Ordering::Relaxed};
use verifier::{Outcome, Refusal, Verified, Verifier};

/// The plugin.
#[derive(Default)]
pub struct JwtAuth {
    made: Made,
}

impl Plugin for JwtAuth {
    type Config = Config;

    fn kind(&self) -> &'static str {
        "jwt_auth"
    }

    fn errors(&self) -> &'static [&'static ErrorCode] {
        errors::ROWS
    }

    fn counters(&self) -> Vec<PluginCounter> {
        let counter = |outcome: &str, value| PluginCounter {
            name: "paifang_jwt_auth_key_fetches_total",
            help: "Fetches of sets of keys, by their outcome.",
            label: Some(("outcome", outcome.to_owned())),
            value,
        };
        let counts = &self.made.counts;
        vec![
            counter("fetched", counts.fetched.load(Relaxed)),
            counter("failed", counts.failed.load(Relaxed)),
        ]
    }

    fn build(&self, config: Config, context: &BuildContext<'_>) -> Result<Built, ConfigError> {
        let checks = Checks {
            places: place::places(&config.from)?,
            challenges: Challenges::new(&config)?,
            verifier: self.made.verifier(&config, context)?,
            forward: config.forward,
        };
        let step = Step { checks: Arc::new(checks), http: context.http.clone() };
        let mut built = Built::new(step).writes(Slots::IDENTITY);
        if config.claims.app.is_some() {
            built = built.writes(Slots::APP);
        }
        built.overrides = config.overrides;
        Ok(built)
    }
}

/// The handler.
struct Step {
    checks: Arc<Checks>,
    http: Arc<dyn HttpOut>,
}

/// What it decides by; shared with the futures that wait for keys.
struct Checks {
    verifier: Arc<Verifier>,
    places: Box<[Place]>,
    challenges: Challenges,
    forward: bool,
}

impl Handler for Step {
    fn stages(&self) -> Stages {
        Stages::REQUEST
    }

    fn start(&self, spawn: &Arc<dyn Spawn>) -> Result<(), String> {
        for remote in self.checks.verifier.remotes() {
            remote.start(&**spawn, &self.http);
        }
        Ok(())
    }

    fn request(&self, call: &mut RequestCall<'_>) -> Verdict {
        let waits = self.checks.verifier.remotes().count();
        decide(&self.checks, call, waits)
    }
}

/// `waits`: how many times more the call may wait for keys.
fn decide(checks: &Arc<Checks>, call: &mut RequestCall<'_>, waits: usize) -> Verdict {
    let (place, token) = match place::token(&checks.places, call) {
        Ok(found) => found,
        Err(NoKey::Missing) => return checks.challenges.missing(),
        Err(NoKey::Ambiguous) => return checks.challenges.ambiguous(),
    };
    match checks.verifier.check(&token, waits) {
        Outcome::Pass(verified) => checks.pass(call, place, verified),
        Outcome::Refused(refusal) => checks.challenges.refusal(&refusal),
        Outcome::Away => Verdict::Fail(Failure::unavailable("no keys for tokens can be had")),
        Outcome::Wait(waiter) => {
            let checks = checks.clone();
            Verdict::wait(async move {
                waiter.wait().await;
                // The request still carries its token.
                move |call: &mut RequestCall<'_>| decide(&checks, call, waits - 1)
            })
        }
    }
}

impl Checks {
    fn pass(&self, call: &mut RequestCall<'_>, place: usize, verified: Verified) -> Verdict {
        if !self.forward
            && let Err(error) = place::hide(&self.places[place], call.head_mut())
        {
            return Verdict::Fail(Failure::failed(error.to_string()));
        }
        let slots = call.slots_mut();
        if let Some(app) = verified.app {
            slots.set_app(app);
        }
        slots.set_identity(verified.identity);
        Verdict::Continue
    }
}

/// What `WWW-Authenticate` says (RFC 6750 section 3).
struct Challenges {
    missing: HeaderValue,
    ambiguous: HeaderValue,
    invalid: HeaderValue,
    insufficient: HeaderValue,
}

impl Challenges {
    fn new(config: &Config) -> Result<Self, ConfigError> {
        let realm = &config.realm;
        let plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
        if !(1..=128).contains(&realm.len()) || !realm.bytes().all(plain) {
            let message = "a realm is 1 to 128 printable ASCII characters";
            return Err(ConfigError::at("/realm", message).help("without quotes and backslashes"));
        }
        let scheme = config.from.iter().find_map(|place| match place {
            config::Place::Scheme(scheme) => Some(scheme.as_str()),
            _ => None,
        });
        let scheme = scheme.unwrap_or("Bearer");
        let challenge = |error: &str| {
            let text = match error {
                "" => format!("{scheme} realm=\"{realm}\""),
                error => format!("{scheme} realm=\"{realm}\", error=\"{error}\""),
            };
            HeaderValue::try_from(text)
                .map_err(|_| ConfigError::at("/realm", format!("`{AUTHORIZATION}` cannot say it")))
        };
        Ok(Self {
            missing: challenge("")?,
            ambiguous: challenge("invalid_request")?,
            invalid: challenge("invalid_token")?,
            insufficient: challenge("insufficient_scope")?,
        })
    }

    fn missing(&self) -> Verdict {
        Verdict::Reject(with(errors::MISSING, &self.missing))
    }

    fn ambiguous(&self) -> Verdict {
        Verdict::Reject(with(errors::AMBIGUOUS, &self.ambiguous))
    }

    /// The reason is for the logs; the token is not in it.
    fn refusal(&self, refusal: &Refusal) -> Verdict {
        let rejection = match refusal {
            Refusal::Wrong(Wrong::Expired) => with(errors::EXPIRED, &self.invalid),
            Refusal::Wrong(Wrong::Lacks(_)) => with(errors::INSUFFICIENT, &self.insufficient),
            Refusal::Wrong(Wrong::App) => Rejection::new(errors::APP_REFUSED),
            _ => with(errors::INVALID, &self.invalid),
        };
        Verdict::Reject(rejection.internal(refusal.to_string()))
    }
}

fn with(code: &'static ErrorCode, challenge: &HeaderValue) -> Rejection {
    Rejection::new(code).header(WWW_AUTHENTICATE, challenge.clone())
}
