//! Calls that name an operation: the HTTP form that steps and upstreams see.

use crate::front::Incoming;
use http::{HeaderValue, Method, Uri, header::HOST};
use paifang_config::{
    model,
    route::{EncodedSlash, PathPattern, PathPolicy},
};
use paifang_pipeline::{HostName, Param, Params, Rejection, error};
use std::sync::Arc;

/// What a call names instead of a method and a path.
#[derive(Debug)]
pub(crate) struct NamedOperation {
    /// The operation.
    pub(crate) name: Arc<str>,
    /// Parameters of its path, not encoded.
    pub(crate) params: Vec<(Box<str>, Box<str>)>,
    /// The query, encoded as in a URI.
    pub(crate) query: Option<Box<str>>,
}

/// How an API's operation looks over HTTP.
#[derive(Debug)]
pub(crate) struct OperationForm {
    method: Method,
    path: PathPattern,
    /// The host of the API's match, where it names one that is no pattern.
    host: Option<Box<str>>,
    /// The API has a match, which a call must fit in this form.
    pub(crate) is_routed: bool,
}

impl OperationForm {
    /// The form of an API that has an operation. Without a match it is `POST /` and the operation's name; its first method and
    /// host otherwise.
    pub(crate) fn of(api: &model::Api) -> Option<Self> {
        let name = api.operation.as_ref()?;
        let literal = || PathPattern::parse(&format!("/{}", name.value())).ok();
        let Some(matches) = &api.matches else {
            let path = literal()?;
            return Some(Self { method: Method::POST, path, host: None, is_routed: false });
        };
        let method = matches.method.iter().find_map(|method| method.value().parse().ok());
        // They were parsed when the routes were built.
        let path = match (&matches.path, &matches.path_prefix) {
            (Some(path), _) => PathPattern::parse(path.value()).ok()?,
            (None, Some(prefix)) => PathPattern::prefix(prefix.value()).ok()?,
            (None, None) => literal()?,
        };
        let mut hosts = matches.host.iter().map(|host| host.value());
        let host = hosts.find(|host| !host.contains('*')).map(|host| host.as_str().into());
        Some(Self { method: method.unwrap_or(Method::POST), path, host, is_routed: true })
    }

    /// Gives a call the host of its API, where that names one; else it keeps the connection's.
    pub(crate) fn name_host(&self, incoming: &mut Incoming) {
        if let Some(host) = &self.host {
            incoming.host = HostName::new(host);
        }
        let host = incoming.host.as_str();
        if let Ok(value) = HeaderValue::from_str(host)
            && !host.is_empty()
        {
            incoming.head.headers.insert(HOST, value);
        }
    }

    /// Method, URI and parameters of one call.
    pub(crate) fn fill(
        &self,
        named: &NamedOperation,
        policy: &PathPolicy,
    ) -> Result<(Method, Uri, Params), Rejection> {
        let value = |name: &str| {
            let found = named.params.iter().find(|(own, _)| **own == *name);
            found.map(|(_, value)| &**value)
        };
        let refused = |detail: String| Rejection::new(error::BAD_PATH).detail(detail);
        let slashes = policy.encoded_slash == EncodedSlash::Keep;
        let filled = self.path.fill(slashes, value).map_err(|why| refused(why.to_string()))?;
        let mut target = filled.path;
        if let Some(query) = &named.query {
            target.push('?');
            target.push_str(query);
        }
        if target.len() > policy.max_len {
            return Err(Rejection::new(error::URI_TOO_LONG));
        }
        let bad = |_| refused("the query is not encoded as in a URI".to_owned());
        let uri = Uri::try_from(target).map_err(bad)?;
        let list = filled.params.into_iter().map(|(name, range)| Param { name, range }).collect();
        let params = Params::new(&uri, list);
        Ok((self.method.clone(), uri, params))
    }
}
