//! Whole answers made from config: a status, headers and a body, each perhaps filled from the call.

mod config;
#[cfg(test)]
mod tests;

pub(crate) use config::AnswerParts;
pub use config::Status;

use crate::{
    errors, fields,
    template::{HeaderTemplate, Rules, Target, Template, Values},
};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header::CONTENT_TYPE};
use paifang_pipeline::{ConfigError, ErrorCode, Rejection, Response};

/// The rows of the error table that an answer can end in.
pub(crate) const ERRORS: &[&ErrorCode] = &[errors::VALUE_REFUSED, errors::TOO_LARGE];

/// A compiled answer.
#[derive(Debug)]
pub(crate) struct Answer {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderTemplate)>,
    body: Option<Template>,
}

impl Answer {
    /// Compiles an answer whose config stands at `at`.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub(crate) fn new(parts: AnswerParts<'_>, at: &str) -> Result<Self, ConfigError> {
        let status = parts.status.0;
        let mut headers = Vec::new();
        for (name, values) in parts.headers {
            let at = fields::pointer(&format!("{at}/headers"), name);
            for (index, value) in values.0.iter().enumerate() {
                let one = values.0.len() == 1;
                let at = if one { at.clone() } else { format!("{at}/{index}") };
                headers.push(fields::field(name, value, &at, Rules::header().with_body())?);
            }
        }
        let body = match (parts.body, parts.json) {
            (Some(_), Some(_)) => {
                return Err(ConfigError::at(format!("{at}/json"), "an answer has one body")
                    .help("give `body` for text or `json` for a value, not both"));
            }
            (Some(text), None) => {
                let rules = Rules::body(target(&headers, at)?);
                let template = Template::compile(text, rules);
                Some(template.map_err(|error| error.at_pointer(&format!("{at}/body")))?)
            }
            (None, Some(value)) => {
                let template = Template::compile_json(value)
                    .map_err(|(below, error)| error.at_pointer(&format!("{at}/json{below}")))?;
                Some(template)
            }
            (None, None) => None,
        };
        let bodyless = status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED;
        if body.is_some() && bodyless {
            let key = if parts.body.is_some() { "body" } else { "json" };
            let message = format!("an answer with status {} has no body", status.as_u16());
            return Err(ConfigError::at(format!("{at}/{key}"), message));
        }
        if body.is_some() && !headers.iter().any(|(name, _)| *name == CONTENT_TYPE) {
            let kind = match parts.json {
                Some(_) => "application/json",
                None => "text/plain; charset=utf-8",
            };
            headers.push((CONTENT_TYPE, HeaderTemplate::Fixed(HeaderValue::from_static(kind))));
        }
        Ok(Self { status, headers, body })
    }

    /// Whether it is filled from the request's body.
    pub(crate) fn needs_body(&self) -> bool {
        self.body.as_ref().is_some_and(Template::needs_body)
            || self.headers.iter().any(|(_, value)| value.needs_body())
    }

    /// The answer to a call.
    ///
    /// # Errors
    /// A value of the request that cannot stand where the answer puts it.
    pub(crate) fn render(&self, values: &Values<'_>) -> Result<Response, Rejection> {
        let body = match &self.body {
            Some(body) => body.render(values).map_err(|error| error.rejection("the body"))?,
            None => Bytes::new(),
        };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        response.headers_mut().reserve(self.headers.len());
        for (name, value) in &self.headers {
            let value = value.render(values).map_err(|error| error.rejection(name.as_str()))?;
            response.headers_mut().append(name, value);
        }
        Ok(response)
    }
}

/// How values are escaped in a body, by the media type that the headers give it.
fn target(headers: &[(HeaderName, HeaderTemplate)], at: &str) -> Result<Target, ConfigError> {
    let at = format!("{at}/headers/content-type");
    let mut kinds = headers.iter().filter(|(name, _)| *name == CONTENT_TYPE);
    let kind = match (kinds.next(), kinds.next()) {
        (None, _) => return Ok(Target::Text),
        (Some((_, HeaderTemplate::Fixed(kind))), None) => kind,
        (Some(_), None) => {
            let message = "the media type must not depend on the request";
            return Err(ConfigError::at(at, message)
                .help("the body's placeholders are escaped by it, so it must be known at load"));
        }
        (Some(_), Some(_)) => return Err(ConfigError::at(at, "a body has one media type")),
    };
    let kind = kind.to_str().unwrap_or_default().to_ascii_lowercase();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    Ok(if essence.ends_with("/json") || essence.ends_with("+json") {
        Target::Json
    } else if essence.ends_with("/html") || essence.ends_with("xml") {
        Target::Html
    } else {
        Target::Text
    })
}
