//! `request_id`: gives each call an id, for the upstream, for the client, and for the steps below.

mod config;
mod generate;
#[cfg(test)]
mod tests;

pub use config::RequestIdConfig;

use crate::fields;
use http::{HeaderName, HeaderValue, header::HOST};
use paifang_pipeline::{
    BuildContext, Built, ConfigError, Exchange, Handler, Plugin, RequestCall, ResponseCall,
    ResponseVerdict, Slots, Stages, Verdict,
};

/// The longest id that is taken from a request, in bytes.
const MAX_LENGTH: usize = 128;

/// The plugin. Docs: `docs/plugins/request_id.md`.
#[derive(Debug, Clone, Copy, Default)]
pub struct RequestId;

impl Plugin for RequestId {
    type Config = RequestIdConfig;

    fn kind(&self) -> &'static str {
        "request_id"
    }

    fn protects(&self) -> bool {
        false
    }

    fn build(&self, config: RequestIdConfig, _: &BuildContext<'_>) -> Result<Built, ConfigError> {
        let header = fields::name(&config.header, "/header")?;
        if header == HOST {
            return Err(ConfigError::at("/header", "`host` carries the host"));
        }
        let step = Identifier { header, trust: config.trust, response: config.response };
        let built = Built::new(step).writes(Slots::REQUEST_ID);
        Ok(Built { overrides: config.overrides, ..built })
    }
}

/// A step that gives ids.
struct Identifier {
    header: HeaderName,
    trust: bool,
    response: bool,
}

impl Handler for Identifier {
    fn stages(&self) -> Stages {
        if self.response { Stages::REQUEST.and(Stages::RESPONSE) } else { Stages::REQUEST }
    }

    fn request(&self, call: &mut RequestCall<'_>) -> Verdict {
        let id = match self.brought(call) {
            Some(id) => id.clone(),
            None => {
                let id = generate::id(call.facts());
                call.head_mut().headers.insert(&self.header, id.clone());
                id
            }
        };
        call.slots_mut().set_request_id(id);
        Verdict::Continue
    }

    fn response(&self, call: &mut ResponseCall<'_>) -> ResponseVerdict {
        if let Some(id) = call.slots().request_id().cloned() {
            call.response_mut().headers.insert(&self.header, id);
        }
        ResponseVerdict::Continue
    }
}

impl Identifier {
    /// The id that the request brings, where it may be kept.
    fn brought<'a>(&self, call: &'a Exchange) -> Option<&'a HeaderValue> {
        if !self.trust {
            return None;
        }
        let mut values = call.headers().get_all(&self.header).iter();
        let id = values.next().filter(|_| values.next().is_none())?;
        let sane = (1..=MAX_LENGTH).contains(&id.len());
        (sane && id.as_bytes().iter().all(u8::is_ascii_graphic)).then_some(id)
    }
}
