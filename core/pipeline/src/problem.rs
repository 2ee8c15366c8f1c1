//! Error answers: RFC 9457 problem bodies, or an app's own template.

use crate::{
    exchange::{Exchange, Response},
    verdict::Rejection,
};
use bytes::Bytes;
use http::{
    HeaderValue,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};
use std::collections::BTreeMap;

/// How error answers look: one template for all, and those of single apps.
#[derive(Debug, Default)]
pub struct ErrorPages {
    /// For calls whose app is unknown or has no template of its own.
    pub default: Option<ErrorTemplate>,
    /// By app id.
    pub apps: BTreeMap<String, ErrorTemplate>,
}

/// A body in which names in braces are filled in: `{code}`, `{status}`, `{title}`, `{detail}`, `{request_id}`,
/// `{trace_id}`. Values are escaped for JSON strings, so that a template cannot be broken out of.
#[derive(Debug, Clone)]
pub struct ErrorTemplate {
    /// The media type of the body.
    pub content_type: HeaderValue,
    /// The text.
    pub body: String,
}

impl ErrorPages {
    /// The answer for a rejection, as this call's app wants it.
    #[must_use]
    pub fn render(&self, call: &Exchange, rejection: &Rejection) -> Response {
        let code = rejection.code;
        let app = call.slots().app().map(|app| &*app.id);
        let template = app.and_then(|app| self.apps.get(app)).or(self.default.as_ref());
        let trace_id = call.span().map(|span| span.trace.to_string());
        let request_id = call.slots().request_id().and_then(|id| id.to_str().ok());
        let (content_type, body) = match template {
            Some(template) => (
                template.content_type.clone(),
                template
                    .body
                    .replace("{code}", &code.code())
                    .replace("{status}", code.status.as_str())
                    .replace("{title}", &escape(code.title))
                    .replace("{detail}", &escape(rejection.detail.as_deref().unwrap_or_default()))
                    .replace("{request_id}", &escape(request_id.unwrap_or_default()))
                    .replace("{trace_id}", &trace_id.unwrap_or_default()),
            ),
            None => (
                HeaderValue::from_static("application/problem+json"),
                problem(rejection, request_id, trace_id),
            ),
        };
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = code.status;
        // For fronts that say the row itself.
        response.extensions_mut().insert(code);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, content_type);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        for (name, value) in &rejection.headers {
            headers.append(name, value.clone());
        }
        response
    }
}

/// The problem document of RFC 9457, with `code`, `request_id` and `trace_id` as extension members.
fn problem(rejection: &Rejection, request_id: Option<&str>, trace_id: Option<String>) -> String {
    let code = rejection.code;
    let mut members = serde_json::Map::new();
    let mut put = |name: &str, value: serde_json::Value| members.insert(name.to_owned(), value);
    put("type", format!("urn:paifang:error:{}", code.label).into());
    put("title", code.title.into());
    put("status", code.status.as_u16().into());
    if let Some(detail) = &rejection.detail {
        put("detail", detail.as_ref().into());
    }
    put("code", code.code().into());
    if let Some(id) = request_id {
        put("request_id", id.into());
    }
    if let Some(id) = trace_id {
        put("trace_id", id.into());
    }
    if let Some(extension) = &rejection.extension {
        put(extension.0, extension.1.clone());
    }
    serde_json::Value::Object(members).to_string()
}

/// The inside of a JSON string literal.
fn escape(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}
