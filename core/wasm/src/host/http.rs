//! `http`: calls to the gateway's upstreams, by the pool, checks and balancing that proxied calls
//! have.

// The derived traits say how the contract's records are laid out.
#![allow(unsafe_code)]

use super::{Mode, misuse, waited};
use crate::{
    contract::Field,
    env::{Ctx, Env, Phase},
};
use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use paifang_pipeline::ports::{HttpOutError, HttpOutLimits};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;
use wasmtime::{
    StoreContextMut,
    component::{ComponentType, Lift, LinkerInstance, Lower},
};

/// Stands for all upstreams; no config can name one so.
pub(crate) const ANY: &str = "*";
/// The most header fields of a request.
const MOST_HEADERS: usize = 64;

#[derive(Debug, Clone, ComponentType, Lift)]
#[component(record)]
struct Request {
    upstream: String,
    method: String,
    #[component(name = "path-and-query")]
    path_and_query: String,
    headers: Vec<Field>,
    body: Vec<u8>,
    #[component(name = "timeout-millis")]
    timeout_millis: Option<u32>,
}

#[derive(Debug, Clone, ComponentType, Lower)]
#[component(record)]
struct Response {
    status: u16,
    headers: Vec<Field>,
    body: Vec<u8>,
}

#[derive(Debug, Clone, ComponentType, Lower)]
#[component(variant)]
enum Error {
    #[component(name = "denied")]
    Denied,
    #[component(name = "invalid")]
    Invalid(String),
    #[component(name = "timeout")]
    Timeout,
    #[component(name = "too-large")]
    TooLarge,
    #[component(name = "unavailable")]
    Unavailable(String),
}

impl From<HttpOutError> for Error {
    fn from(error: HttpOutError) -> Self {
        match error {
            HttpOutError::Unknown => Self::Denied,
            HttpOutError::Invalid(why) => Self::Invalid(why),
            HttpOutError::Timeout => Self::Timeout,
            HttpOutError::TooLarge => Self::TooLarge,
            HttpOutError::Unavailable(why) => Self::Unavailable(why),
        }
    }
}

pub(super) fn link(to: &mut LinkerInstance<'_, Ctx>, mode: Mode) -> wasmtime::Result<()> {
    match mode {
        Mode::Sync => to.func_wrap("send", |_, (_,): (Request,)| {
            misuse::<(Result<Response, Error>,)>("http was not foreseen here")
        }),
        Mode::Async => {
            to.func_wrap_async("send", |store: StoreContextMut<'_, Ctx>, (request,): (Request,)| {
                let ctx = store.data();
                let (env, phase, patience) = (ctx.env.clone(), ctx.phase, ctx.patience);
                Box::new(async move {
                    Ok((match phase {
                        Phase::Call => waited(store, send(&env, request, patience)).await,
                        Phase::Configure | Phase::Log => {
                            Err(Error::Invalid("nothing is waited for here".to_owned()))
                        }
                    },))
                })
            })
        }
    }
}

async fn send(
    env: &Arc<Env>,
    request: Request,
    patience: Option<Instant>,
) -> Result<Response, Error> {
    let limits = &env.spec.limits;
    let granted = |name: &Arc<str>| **name == *request.upstream || **name == *ANY;
    if !env.spec.grants.http.iter().any(granted) {
        return Err(Error::Denied);
    }
    if request.body.len() > limits.body_bytes {
        return Err(Error::Invalid(format!("a body of {} bytes", request.body.len())));
    }
    let left = patience.map_or(limits.wall, |until| until - Instant::now());
    let asked = request.timeout_millis.map(|millis| Duration::from_millis(millis.into()));
    let timeout = asked.map_or(left, |asked| asked.min(left));
    let outgoing = outgoing(&request).map_err(Error::Invalid)?;
    let limits = HttpOutLimits { timeout, response_bytes: limits.body_bytes };
    let response = env.http.call(&request.upstream, outgoing, limits).await?;
    let (head, body) = response.into_parts();
    let field = |(name, value): (&HeaderName, &HeaderValue)| Field {
        name: name.as_str().to_owned(),
        value: value.as_bytes().to_vec(),
    };
    Ok(Response {
        status: head.status.as_u16(),
        headers: head.headers.iter().map(field).collect(),
        body: body.to_vec(),
    })
}

fn outgoing(request: &Request) -> Result<http::Request<Bytes>, String> {
    if !request.path_and_query.starts_with('/') {
        return Err("the path must begin with `/`".to_owned());
    }
    if request.headers.len() > MOST_HEADERS {
        return Err(format!("more than {MOST_HEADERS} header fields"));
    }
    let mut outgoing = http::Request::builder()
        .method(request.method.as_bytes())
        .uri(&request.path_and_query)
        .body(Bytes::copy_from_slice(&request.body))
        .map_err(|error| error.to_string())?;
    for Field { name, value } in &request.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| "a header name")?;
        let value = HeaderValue::from_bytes(value).map_err(|_| format!("the value of `{name}`"))?;
        outgoing.headers_mut().append(name, value);
    }
    Ok(outgoing)
}
