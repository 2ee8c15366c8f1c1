//! What the server's answer means.

use super::{config::Config, question::names};
use crate::fields::{self, pointer};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{CACHE_CONTROL, CONTENT_ENCODING, HOST},
};
use paifang_pipeline::{ConfigError, Identity, RequestHead, Response};
use std::sync::Arc;

const MAX_CLAIMS: usize = 16;
const MAX_CLAIM_BYTES: usize = 1_024;
const MAX_SUBJECT_BYTES: usize = 1_024;
/// Of all headers that are taken, names and values together.
const MAX_TAKEN_BYTES: usize = 16 * 1024;

/// How answers are read.
pub(super) struct Reading {
    take: Box<[HeaderName]>,
    told: Box<[HeaderName]>,
    identity: Option<Who>,
}

struct Who {
    subject: HeaderName,
    claims: Box<[(Box<str>, HeaderName)]>,
}

/// What a call that may pass gets.
pub(super) struct Pass {
    /// Headers of the call, instead of those by their names.
    headers: Box<[(HeaderName, HeaderValue)]>,
    pub(super) identity: Option<Arc<Identity>>,
}

/// An answer.
pub(super) enum Read {
    Pass(Pass),
    Deny(Response),
    /// Neither: why.
    Failed(String),
}

impl Reading {
    pub(super) fn new(config: &Config) -> Result<Self, ConfigError> {
        let identity = match &config.identity {
            None => None,
            Some(who) => {
                if who.claims.len() > MAX_CLAIMS {
                    let message =
                        format!("expected at most {MAX_CLAIMS} claims, found {}", who.claims.len());
                    return Err(ConfigError::at("/identity/claims", message));
                }
                let mut claims = Vec::new();
                for (name, header) in &who.claims {
                    let at = pointer("/identity/claims", name);
                    if !(1..=MAX_CLAIM_BYTES).contains(&name.len()) {
                        let message = format!("a claim's name has 1 to {MAX_CLAIM_BYTES} bytes");
                        return Err(ConfigError::at(at, message));
                    }
                    claims.push((name.as_str().into(), fields::name(header, &at)?));
                }
                let subject = fields::name(&who.subject, "/identity/subject")?;
                Some(Who { subject, claims: claims.into() })
            }
        };
        let (take, told) =
            (names("/take", &config.take)?, names("/deny/headers", &config.deny.headers)?);
        if let Some(index) = take.iter().position(|name| *name == HOST) {
            let message = "`host` is not the server's to say";
            return Err(ConfigError::at(format!("/take/{index}"), message));
        }
        Ok(Self { take, told, identity })
    }

    /// Takes away what the client says under the names that the server is to speak under.
    pub(super) fn strip(&self, head: &mut RequestHead) {
        for name in &self.take {
            head.headers.remove(name);
        }
    }

    pub(super) fn read(&self, answer: http::Response<Bytes>) -> Read {
        let (head, body) = answer.into_parts();
        match head.status {
            status if status.is_success() => match self.pass(&head.headers) {
                Ok(pass) => Read::Pass(pass),
                Err(why) => Read::Failed(why),
            },
            StatusCode::UNAUTHORIZED
            | StatusCode::FORBIDDEN
            | StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT => {
                Read::Deny(self.deny(head.status, &head.headers, body))
            }
            status => Read::Failed(format!("the answer is {status}")),
        }
    }

    fn pass(&self, answer: &HeaderMap) -> Result<Pass, String> {
        let headers = self.take.iter().flat_map(|name| {
            answer.get_all(name).iter().map(|value| (name.clone(), value.clone()))
        });
        let headers: Box<[(HeaderName, HeaderValue)]> = headers.collect();
        let bytes = headers.iter().map(|(name, value)| name.as_str().len() + value.len());
        if bytes.sum::<usize>() > MAX_TAKEN_BYTES {
            return Err(format!("the headers to take have more than {MAX_TAKEN_BYTES} bytes"));
        }
        let Some(who) = &self.identity else { return Ok(Pass { headers, identity: None }) };
        let text = |name: &HeaderName| {
            let mut values = answer.get_all(name).iter();
            match (values.next(), values.next()) {
                (None, _) => Ok(None),
                // Visible ASCII, so no control characters.
                (Some(value), None) => value
                    .to_str()
                    .map(Some)
                    .map_err(|_| format!("the answer's `{name}` is no text")),
                (Some(_), Some(_)) => Err(format!("the answer has `{name}` twice")),
            }
        };
        let subject = text(&who.subject)?
            .filter(|subject| (1..=MAX_SUBJECT_BYTES).contains(&subject.len()))
            .ok_or_else(|| format!("the answer does not say who calls in `{}`", who.subject))?;
        let mut identity = Identity::new(subject.into(), None, "forward_auth");
        for (claim, name) in &who.claims {
            if let Some(value) = text(name)? {
                identity.claims.insert(String::from(&**claim), value.to_owned());
            }
        }
        Ok(Pass { headers, identity: Some(Arc::new(identity)) })
    }

    fn deny(&self, status: StatusCode, answer: &HeaderMap, body: Bytes) -> Response {
        // Without the header that says how, a body that is encoded says nothing.
        let readable =
            !answer.contains_key(CONTENT_ENCODING) || self.told.contains(&CONTENT_ENCODING);
        let mut response = Response::new(if readable { body } else { Bytes::new() });
        *response.status_mut() = status;
        let headers = response.headers_mut();
        for name in &self.told {
            for value in answer.get_all(name) {
                headers.append(name, value.clone());
            }
        }
        // It is for this caller and for this moment.
        if !headers.contains_key(CACHE_CONTROL) {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        response
    }
}

impl Pass {
    /// Gives the call what the server said; what the client said has been taken away.
    pub(super) fn apply(&self, head: &mut RequestHead) {
        for (name, value) in &self.headers {
            head.headers.append(name, value.clone());
        }
    }
}
