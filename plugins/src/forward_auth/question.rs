//! What the server is asked.

use super::config::Config;
use crate::{
    errors,
    fields::{self, pointer},
    template::{HeaderTemplate, Rules, Template, Values},
};
use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Method, Request, Uri,
    header::{CONTENT_TYPE, HOST},
    uri::PathAndQuery,
};
use paifang_pipeline::{ConfigError, Exchange, Rejection, rules::is_normal_path};

const MAX_FIELDS: usize = 32;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");

/// What a question tells of the call, whatever the client says of itself.
const OWN: [HeaderName; 6] =
    [FORWARDED_FOR, FORWARDED_HOST, FORWARDED_METHOD, FORWARDED_PROTO, FORWARDED_URI, HOST];

/// How a question is made of a call.
pub(super) struct Question {
    method: Method,
    path: Template,
    send: Box<[HeaderName]>,
    set: Box<[(HeaderName, HeaderTemplate)]>,
}

impl Question {
    pub(super) fn new(config: &Config) -> Result<Self, ConfigError> {
        let method = match (&config.method, config.body.is_some()) {
            (None, false) => Method::GET,
            (None, true) => Method::POST,
            (Some(name), _) => match Method::from_bytes(name.as_bytes()) {
                Ok(Method::CONNECT | Method::TRACE) | Err(_) => {
                    let message = format!("`{name:.40}` is no method that is sent");
                    return Err(ConfigError::at("/method", message));
                }
                Ok(method) => method,
            },
        };
        let path = Template::compile(&config.path, Rules::url());
        let path = path.map_err(|error| error.at_pointer("/path"))?;
        if !config.path.starts_with('/') {
            return Err(ConfigError::at("/path", "a path begins with `/`"));
        }
        let mut send = names("/send", &config.send)?.into_vec();
        for (index, name) in send.iter().enumerate() {
            not_ours(name, &format!("/send/{index}"))?;
        }
        if config.body.is_some() && !send.contains(&CONTENT_TYPE) {
            send.push(CONTENT_TYPE);
        }
        if config.set.len() > MAX_FIELDS {
            let message =
                format!("expected at most {MAX_FIELDS} headers, found {}", config.set.len());
            return Err(ConfigError::at("/set", message));
        }
        let mut set = Vec::new();
        for (name, text) in &config.set {
            let at = pointer("/set", name);
            let name = fields::name(name, &at)?;
            not_ours(&name, &at)?;
            let value = HeaderTemplate::compile(text, Rules::header());
            set.push((name, value.map_err(|error| error.at_pointer(&at))?));
        }
        Ok(Self { method, path, send: send.into(), set: set.into() })
    }

    /// Whether this header of the call is sent.
    pub(super) fn sends(&self, name: &HeaderName) -> bool {
        self.send.contains(name)
    }

    /// The question for a call.
    ///
    /// # Errors
    /// A value of the call cannot stand in it.
    pub(super) fn of(&self, call: &Exchange, body: Bytes) -> Result<Request<Bytes>, Rejection> {
        let values = Values::of(call);
        let path =
            self.path.render(&values).map_err(|error| error.rejection("the question's path"))?;
        let refused = |what| Rejection::new(errors::VALUE_REFUSED).internal(what);
        let path = PathAndQuery::from_maybe_shared(path);
        let path = path.map_err(|_| refused("the question's path is none"))?;
        if !is_normal_path(path.path()) {
            return Err(refused("the question's path is not normalised"));
        }
        let mut question = Request::new(body);
        *question.method_mut() = self.method.clone();
        *question.uri_mut() = Uri::from(path);
        let headers = question.headers_mut();
        for name in &self.send {
            for value in call.headers().get_all(name) {
                headers.append(name, value.clone());
            }
        }
        for (name, value) in &self.set {
            let value = value.render(&values).map_err(|error| error.rejection(name.as_str()))?;
            headers.insert(name, value);
        }
        let facts = call.facts();
        let uri = call.head().uri.path_and_query().map_or("/", PathAndQuery::as_str);
        for (name, value) in [
            (FORWARDED_FOR, facts.client_ip.to_string().as_str()),
            (FORWARDED_HOST, facts.host()),
            (FORWARDED_METHOD, call.method().as_str()),
            (FORWARDED_PROTO, facts.scheme.as_str()),
            (FORWARDED_URI, uri),
        ] {
            let value = HeaderValue::from_str(value).map_err(|_| refused("the target"))?;
            headers.insert(name, value);
        }
        Ok(question)
    }
}

fn not_ours(name: &HeaderName, at: &str) -> Result<(), ConfigError> {
    if OWN.contains(name) {
        return Err(ConfigError::at(at, format!("`{name}` is set by this step itself")));
    }
    Ok(())
}

/// Names of headers, each once.
pub(super) fn names(at: &str, list: &[String]) -> Result<Box<[HeaderName]>, ConfigError> {
    if list.len() > MAX_FIELDS {
        let message = format!("expected at most {MAX_FIELDS} headers, found {}", list.len());
        return Err(ConfigError::at(at, message));
    }
    let mut names: Vec<HeaderName> = Vec::new();
    for (index, text) in list.iter().enumerate() {
        let at = format!("{at}/{index}");
        let name = fields::name(text, &at)?;
        if names.contains(&name) {
            return Err(ConfigError::at(at, format!("`{name}` stands here twice")));
        }
        names.push(name);
    }
    Ok(names.into())
}
