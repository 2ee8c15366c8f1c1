//! `key_auth`: who presents an app's key is that app.
//!
//! The keys are the secrets of the section `apps`. Page: `docs/plugins/key_auth.md`.

pub mod config;
pub mod errors;
mod index;
pub(crate) mod source;
#[cfg(test)]
mod tests;

use crate::apps::{Allowed, PerApps};
use config::Config;
use http::{HeaderValue, header::WWW_AUTHENTICATE};
use index::Index;
use paifang_pipeline::{
    BuildContext, Built, ConfigError, ErrorCode, Failure, Handler, Plugin, Rejection, RequestCall,
    Slots, Stages, Verdict,
};
use source::{NoKey, Source, find, hide, sources};
use std::sync::Arc;

/// The plugin.
#[derive(Default)]
pub struct KeyAuth {
    indexes: PerApps<Index>,
}

impl Plugin for KeyAuth {
    type Config = Config;

    fn kind(&self) -> &'static str {
        "key_auth"
    }

    fn errors(&self) -> &'static [&'static ErrorCode] {
        errors::ROWS
    }

    fn build(&self, config: Config, context: &BuildContext<'_>) -> Result<Built, ConfigError> {
        let sources = sources(&config.from)?;
        let step = Step {
            index: self.indexes.get_or(context.apps, Index::new)?,
            allowed: Allowed::new(config.apps.as_deref(), context)?,
            challenge: challenge(&sources),
            sources,
            hide: config.hide,
        };
        let mut built = Built::new(step).writes(Slots::IDENTITY).writes(Slots::APP);
        built.overrides = config.overrides;
        Ok(built)
    }
}

/// The challenge of a 401 (RFC 9110 section 11.6.1): the scheme that is taken, else `ApiKey`, which
/// names no registered scheme but says what is missing.
fn challenge(sources: &[Source]) -> HeaderValue {
    sources
        .iter()
        .find_map(|source| match source {
            Source::Scheme(scheme) => HeaderValue::from_str(scheme).ok(),
            _ => None,
        })
        .unwrap_or(HeaderValue::from_static("ApiKey"))
}

/// The handler.
struct Step {
    index: Arc<Index>,
    allowed: Allowed,
    challenge: HeaderValue,
    sources: Box<[Source]>,
    hide: bool,
}

impl Handler for Step {
    fn stages(&self) -> Stages {
        Stages::REQUEST
    }

    fn request(&self, call: &mut RequestCall<'_>) -> Verdict {
        let presented = match find(&self.sources, call) {
            Ok(presented) => presented,
            Err(NoKey::Missing) => return self.challenge(errors::KEY_MISSING),
            Err(NoKey::Ambiguous) => return Verdict::reject(errors::KEY_AMBIGUOUS),
        };
        let Some(caller) = self.index.find(&presented.key) else {
            return self.challenge(errors::KEY_UNKNOWN);
        };
        if !self.allowed.has(&caller.app) {
            let internal = format!("app `{}`", caller.app.id);
            return Verdict::Reject(Rejection::new(errors::APP_REFUSED).internal(internal));
        }
        let source = presented.source;
        if self.hide
            && let Err(error) = hide(&self.sources[source], call.head_mut())
        {
            return Verdict::Fail(Failure::failed(error.to_string()));
        }
        let slots = call.slots_mut();
        slots.set_app(caller.app.clone());
        slots.set_identity(caller.identity.clone());
        Verdict::Continue
    }
}

impl Step {
    fn challenge(&self, code: &'static ErrorCode) -> Verdict {
        Verdict::Reject(Rejection::new(code).header(WWW_AUTHENTICATE, self.challenge.clone()))
    }
}
