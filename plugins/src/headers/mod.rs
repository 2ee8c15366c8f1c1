//! `headers`: removes, renames, sets and adds header fields of requests and responses.

mod changes;
mod config;
#[cfg(test)]
mod tests;

pub use config::{ChangesConfig, HeadersConfig};

use crate::errors;
use changes::{Changes, Side};
use paifang_pipeline::{
    BuildContext, Built, ConfigError, ErrorCode, Failure, Handler, Plugin, RequestCall,
    ResponseCall, ResponseVerdict, Stages, Verdict,
};

/// The plugin. Docs: `docs/plugins/headers.md`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Headers;

impl Plugin for Headers {
    type Config = HeadersConfig;

    fn kind(&self) -> &'static str {
        "headers"
    }

    fn errors(&self) -> &'static [&'static ErrorCode] {
        &[errors::VALUE_REFUSED, errors::TOO_LARGE]
    }

    fn build(&self, config: HeadersConfig, _: &BuildContext<'_>) -> Result<Built, ConfigError> {
        let request = Changes::new(&config.request, Side::Request, "/request")?;
        let response = Changes::new(&config.response, Side::Response, "/response")?;
        if request.is_empty() && response.is_empty() {
            return Err(ConfigError::at("", "no header is changed")
                .help("say what changes, such as `response: { set: { x-frame-options: DENY } }`"));
        }
        Ok(Built::new(Changer { request, response }))
    }
}

/// A step that changes headers.
struct Changer {
    request: Changes,
    response: Changes,
}

impl Handler for Changer {
    fn stages(&self) -> Stages {
        let request = if self.request.is_empty() { Stages::NONE } else { Stages::REQUEST };
        let response = if self.response.is_empty() { Stages::NONE } else { Stages::RESPONSE };
        request.and(response)
    }

    fn request(&self, call: &mut RequestCall<'_>) -> Verdict {
        match self.request.apply(call, |call| &mut call.head_mut().headers) {
            Ok(()) => Verdict::Continue,
            Err(refused) => Verdict::Reject(refused.error.rejection(refused.name.as_str())),
        }
    }

    fn response(&self, call: &mut ResponseCall<'_>) -> ResponseVerdict {
        match self.response.apply(call, |call| &mut call.response_mut().headers) {
            Ok(()) => ResponseVerdict::Continue,
            // The request was taken; an answer without the header could be a lesser protection.
            Err(refused) => ResponseVerdict::Fail(Failure::failed(format!(
                "{}: {}",
                refused.name, refused.error
            ))),
        }
    }
}
