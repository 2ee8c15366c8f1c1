//! `cors`: which other sites' pages may call, by the CORS protocol of the Fetch standard
//! (<https://fetch.spec.whatwg.org/#http-cors-protocol>).
//!
//! It answers preflights itself and tells browsers what pages may read of every other answer, errors
//! of the gateway included. Page: `docs/plugins/cors.md`.

mod config;
mod grants;
mod origins;
#[cfg(test)]
mod tests;

pub use config::CorsConfig;

use bytes::Bytes;
use grants::Grants;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS,
        ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS,
        ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
    },
};
use origins::{Found, List, Origins};
use paifang_pipeline::{
    BuildContext, Built, ConfigError, Handler, Plugin, RequestCall, Response, ResponseCall,
    ResponseVerdict, Stages, Verdict,
};

/// The plugin.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cors;

impl Plugin for Cors {
    type Config = CorsConfig;

    fn kind(&self) -> &'static str {
        "cors"
    }

    fn build(&self, config: CorsConfig, _: &BuildContext<'_>) -> Result<Built, ConfigError> {
        let origins = Origins::new(&config.origins, config.credentials)?;
        Ok(Built::new(Step { origins, grants: Grants::new(&config)? }))
    }
}

/// The handler. Its word of a call is 0 for an origin that is not let in, [`BELOW`] for one that it
/// keeps as a value, else the place of one that the config writes out, counted from 1.
struct Step {
    origins: Origins,
    grants: Grants,
}

const BELOW: u64 = u64::MAX;

/// What an answer may say of this protocol. Only this step says it.
static FIELDS: [HeaderName; 7] = [
    ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_ALLOW_CREDENTIALS,
    ACCESS_CONTROL_EXPOSE_HEADERS,
    ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_HEADERS,
    ACCESS_CONTROL_MAX_AGE,
    HeaderName::from_static("access-control-allow-private-network"),
];

impl Handler for Step {
    fn stages(&self) -> Stages {
        Stages::REQUEST.and(Stages::RESPONSE)
    }

    fn request(&self, call: &mut RequestCall<'_>) -> Verdict {
        if is_preflight(call) {
            return Verdict::Respond(self.preflight(call.headers()));
        }
        // Kept, for steps below may take the header out of what the upstream sees.
        if let Origins::Some(list) = &self.origins
            && let Some(origin) = only(call.headers())
        {
            match list.find(origin.as_bytes()) {
                None => {}
                Some(Found::Exact(at)) => *call.word() = at as u64 + 1,
                Some(Found::Below) => {
                    let origin = origin.clone();
                    call.keep(origin);
                    *call.word() = BELOW;
                }
            }
        }
        Verdict::Continue
    }

    fn response(&self, call: &mut ResponseCall<'_>) -> ResponseVerdict {
        let origin = match &self.origins {
            Origins::Any => Some(HeaderValue::from_static("*")),
            Origins::Some(list) => self.kept(list, call),
        };
        let fields = &mut call.response_mut().headers;
        for name in &FIELDS {
            fields.remove(name);
        }
        if matches!(self.origins, Origins::Some(_)) && !varies_by_origin(fields) {
            fields.append(VARY, HeaderValue::from_static("Origin"));
        }
        if let Some(origin) = origin {
            fields.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            self.grants.answer(fields);
        }
        ResponseVerdict::Continue
    }
}

impl Step {
    /// The answer to a preflight. One of a foreign origin says nothing, which is a no.
    fn preflight(&self, asks: &HeaderMap) -> Response {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let fields = response.headers_mut();
        fields.insert(
            VARY,
            HeaderValue::from_static(
                "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
            ),
        );
        let origin = match &self.origins {
            Origins::Any => Some(HeaderValue::from_static("*")),
            Origins::Some(list) => {
                only(asks).filter(|origin| list.find(origin.as_bytes()).is_some()).cloned()
            }
        };
        if let Some(origin) = origin {
            fields.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            self.grants.preflight(asks, fields);
        }
        response
    }

    /// The origin that was let in on the way down.
    fn kept(&self, list: &List, call: &mut ResponseCall<'_>) -> Option<HeaderValue> {
        match *call.word() {
            0 => None,
            BELOW => call.kept::<HeaderValue>().cloned(),
            at => list.value(usize::try_from(at - 1).ok()?).cloned(),
        }
    }
}

/// Fetch section 3.3.2: OPTIONS with an origin and the method that is asked for.
fn is_preflight(call: &RequestCall<'_>) -> bool {
    let head = call.head();
    head.method == Method::OPTIONS
        && head.headers.contains_key(ORIGIN)
        && head.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// The origin of a request: there is one, or none.
fn only(headers: &HeaderMap) -> Option<&HeaderValue> {
    let mut values = headers.get_all(ORIGIN).iter();
    values.next().filter(|_| values.next().is_none())
}

/// Whether caches know already that the answer depends on the origin.
fn varies_by_origin(fields: &HeaderMap) -> bool {
    let names =
        fields.get_all(VARY).iter().flat_map(|value| value.as_bytes().split(|b| *b == b','));
    names.map(<[u8]>::trim_ascii).any(|name| name == b"*" || name.eq_ignore_ascii_case(b"origin"))
}
