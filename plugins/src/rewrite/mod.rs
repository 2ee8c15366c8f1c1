//! `rewrite`: changes method, host, path and query of what is passed on.
//!
//! What the steps below and the upstream see is held to the same rules as what came in: a path that
//! a server behind could read in another way is refused, never sent.

mod config;
mod path;
mod query;
#[cfg(test)]
mod tests;

pub use config::{QueryConfig, RewriteConfig};

use crate::{errors, template::LINE_LIMIT};
use http::{
    HeaderValue, Method, Uri,
    header::HOST,
    uri::{Authority, PathAndQuery},
};
use paifang_pipeline::rules::is_normal_path;
use paifang_pipeline::{
    BuildContext, Built, ConfigError, ErrorCode, Exchange, Handler, Plugin, Rejection, RequestCall,
    Stages, Verdict,
};
use path::PathChange;
use query::QueryChange;

/// The plugin. Docs: `docs/plugins/rewrite.md`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rewrite;

impl Plugin for Rewrite {
    type Config = RewriteConfig;

    fn kind(&self) -> &'static str {
        "rewrite"
    }

    fn errors(&self) -> &'static [&'static ErrorCode] {
        &[errors::TOO_LARGE, errors::REWRITE_REFUSED]
    }

    fn build(&self, config: RewriteConfig, _: &BuildContext<'_>) -> Result<Built, ConfigError> {
        let step = Rewriter {
            method: config.method.as_deref().map(method).transpose()?,
            host: config.host.as_deref().map(host).transpose()?,
            path: PathChange::new(&config)?,
            query: QueryChange::new(&config.query)?,
        };
        if step.method.is_none() && step.host.is_none() && !step.changes_target() {
            return Err(ConfigError::at("", "nothing is rewritten")
                .help("say what changes, such as `strip_prefix: /v1`"));
        }
        Ok(Built::new(step))
    }
}

fn method(text: &str) -> Result<Method, ConfigError> {
    match Method::from_bytes(text.as_bytes()) {
        Ok(Method::CONNECT | Method::TRACE) => {
            Err(ConfigError::at("/method", format!("`{text}` is not relayed")))
        }
        Ok(method) => Ok(method),
        Err(_) => Err(ConfigError::at("/method", format!("`{text}` is no method"))),
    }
}

fn host(text: &str) -> Result<(Authority, HeaderValue), ConfigError> {
    let authority = text.parse::<Authority>().ok().filter(|_| !text.contains('@'));
    match (authority.filter(|host| !host.host().is_empty()), HeaderValue::from_str(text)) {
        (Some(authority), Ok(value)) => Ok((authority, value)),
        _ => Err(ConfigError::at("/host", format!("`{text}` is no host"))
            .help("write `example.com`, or `example.com:8080` where the port matters")),
    }
}

/// A step that rewrites.
struct Rewriter {
    method: Option<Method>,
    host: Option<(Authority, HeaderValue)>,
    path: PathChange,
    query: QueryChange,
}

impl Handler for Rewriter {
    fn stages(&self) -> Stages {
        Stages::REQUEST
    }

    fn request(&self, call: &mut RequestCall<'_>) -> Verdict {
        if self.changes_target() {
            let target = match self.target(call) {
                Ok(target) => target,
                Err(rejection) => return Verdict::Reject(rejection),
            };
            let mut parts = call.head().uri.clone().into_parts();
            parts.path_and_query = Some(target);
            match Uri::from_parts(parts) {
                Ok(uri) => call.head_mut().uri = uri,
                Err(_) => return Verdict::Reject(refused("the target is no URI")),
            }
        }
        if let Some((authority, value)) = &self.host {
            call.head_mut().headers.insert(HOST, value.clone());
            let uri = &call.head().uri;
            if uri.authority().is_some() {
                let mut parts = uri.clone().into_parts();
                parts.authority = Some(authority.clone());
                if let Ok(uri) = Uri::from_parts(parts) {
                    call.head_mut().uri = uri;
                }
            }
        }
        if let Some(method) = &self.method {
            call.head_mut().method = method.clone();
        }
        Verdict::Continue
    }
}

impl Rewriter {
    fn changes_target(&self) -> bool {
        !self.path.is_empty() || !self.query.is_empty()
    }

    /// The new path and query, checked.
    fn target(&self, call: &Exchange) -> Result<PathAndQuery, Rejection> {
        let path = self.path.apply(call).map_err(|error| error.rejection("the path"))?;
        if !self.path.is_empty() && !is_normal_path(&path) {
            return Err(refused("the rewritten path is not normalised"));
        }
        let query = if self.query.is_empty() {
            call.query().unwrap_or_default().into()
        } else {
            self.query.apply(call).map_err(|error| error.rejection("the query"))?
        };
        if path.len() + query.len() >= LINE_LIMIT {
            return Err(Rejection::new(errors::TOO_LARGE).internal("the target"));
        }
        let target = match query.as_str() {
            "" => path.into_owned(),
            query => format!("{path}?{query}"),
        };
        PathAndQuery::from_maybe_shared(bytes::Bytes::from(target))
            .map_err(|_| refused("the rewritten target is no target"))
    }
}

fn refused(why: &'static str) -> Rejection {
    Rejection::new(errors::REWRITE_REFUSED).internal(why)
}
