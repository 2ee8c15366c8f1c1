//! Calls: from a REQUEST to what the pipeline serves.

mod coded;
mod front;
mod response;

pub use front::CallFront;
pub(crate) use front::{Inbox, Piece};

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue};
use paifang_mmtp::{
    Malformed,
    session::{CallId, Called, Request},
};

use tokio::time::Instant;

use crate::{Client, User, encoding::number};

/// One call.
#[derive(Debug)]
pub struct Call<T> {
    /// Who makes it.
    pub client: Arc<Client<T>>,
    /// Whose it is: the connection's user when the call began, who may be another by now.
    pub user: Option<Arc<User>>,
    /// What it is for.
    pub target: Target,
    /// Its fields, those of the connection among them.
    pub headers: HeaderMap,
    /// Its identity over all attempts.
    pub id: CallId,
    /// Number of the attempt, from 1.
    pub attempt: u32,
    /// Until when the client waits for its answer.
    pub deadline: Option<Instant>,
    /// The length of its body, where all of it is there already.
    pub length: Option<usize>,
    /// Its body is compressed: with the dictionary of this number, or none.
    pub(crate) coded: Option<Option<u32>>,
}

/// What a call is for.
#[derive(Debug, PartialEq, Eq)]
pub enum Target {
    /// A named operation.
    Operation {
        /// Its name.
        name: Arc<str>,
        /// Parameters of its path.
        params: Vec<(Box<str>, Box<str>)>,
        /// The query, encoded as in a URI.
        query: Option<Box<str>>,
    },
    /// A method and a path with its query, as in HTTP.
    Path {
        /// The method.
        method: Box<str>,
        /// Path and query.
        path: Box<str>,
    },
}

/// Fields that concern an HTTP connection, or that the protocol says otherwise.
pub(crate) fn is_forbidden(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection"
            | "content-length"
            | "expect"
            | "host"
            | "http2-settings"
            | "keep-alive"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// Room for the fields of most calls, with those that are added on the way to an upstream.
const FIELDS: usize = 12;

impl<T> Call<T> {
    /// Reads what a request says.
    ///
    /// # Errors
    /// When a part of it is malformed: the call gets 400 and error 1000.
    pub(crate) fn new(client: Arc<Client<T>>, request: &Request) -> Result<Self, Malformed> {
        let target = target(request)?;
        let mut headers = client.call_fields();
        // Its own fields take the place of the connection's, all of a name together.
        let mut own = HeaderMap::with_capacity(FIELDS);
        for field in request.fields() {
            let (name, value) = field?;
            let name = HeaderName::from_bytes(name.as_bytes());
            let name = name.map_err(|_| Malformed::Value("FIELD's name"))?;
            let value = HeaderValue::from_bytes(value);
            let value = value.map_err(|_| Malformed::Value("FIELD's value"))?;
            if is_forbidden(&name) {
                return Err(Malformed::Value("FIELD's name"));
            }
            if !value.is_empty() || headers.remove(&name).is_none() {
                own.append(name, value);
            }
        }
        if headers.is_empty() {
            headers = own;
        } else {
            headers.extend(own);
        }
        let id = request.call_id(&client.nonce);
        let left = |ms: u32| Instant::now() + Duration::from_millis(u64::from(ms));
        let (attempt, deadline) = (request.attempt, request.deadline_ms.map(left));
        let user = client.user();
        let length = (request.end && !request.zstd).then_some(request.data.len());
        let coded = if request.zstd { Some(number(request.tlvs())?) } else { None };
        Ok(Self { client, user, target, headers, id, attempt, deadline, length, coded })
    }
}

fn target(request: &Request) -> Result<Target, Malformed> {
    match &request.called {
        Called::Operation(_, name) => {
            let mut params = Vec::new();
            for param in request.params() {
                let (name, value) = param?;
                params.push((name.into(), value.into()));
            }
            let query = match request.query() {
                None => None,
                Some(query) => {
                    let text = std::str::from_utf8(query).map_err(|_| Malformed::Text("QUERY"))?;
                    Some(text.into())
                }
            };
            Ok(Target::Operation { name: name.clone(), params, query })
        }
        Called::Target => {
            let (method, path) = request.target()?.ok_or(Malformed::Missing("TARGET"))?;
            Ok(Target::Path { method: method.into(), path: path.into() })
        }
    }
}
