//! Calls that come whole and are answered whole, without an exchange or a chain: those that
//! handlers make. They are balanced and connected as proxied calls are, and made once.

use super::{
    Upstream,
    balance::Ask,
    call::{
        self,
        head::{Prepared, frame},
    },
    endpoint::Endpoint,
    spec::HostPolicy,
};
use crate::front::{
    fields::{Field, Fields},
    hop::strip_request,
};
use bytes::{Bytes, BytesMut};
use http::{
    HeaderValue, Method, Request, Response,
    header::{CONTENT_LENGTH, HOST},
    uri::Authority,
};
use paifang_pipeline::{
    BodySize, Frame, OriginCall, OriginError, OriginEvent, RequestHead, ResponseHead,
};

/// Why there is no whole response.
#[derive(Debug)]
pub(crate) enum WholeError {
    /// The request cannot be sent to any server.
    Invalid(&'static str),
    /// The body of the response is longer than it may be.
    TooLarge,
    /// The attempt failed.
    Failed(OriginError),
}

impl From<OriginError> for WholeError {
    fn from(error: OriginError) -> Self {
        Self::Failed(error)
    }
}

impl Upstream {
    /// Makes a call; the body of the response has at most `response_bytes`. There is no deadline
    /// for the whole of it: dropping the future ends the call.
    pub(crate) async fn call_whole(
        &self,
        request: Request<Bytes>,
        response_bytes: usize,
    ) -> Result<Response<Bytes>, WholeError> {
        let (mut head, body) = request.into_parts();
        let host = check(&head).map_err(WholeError::Invalid)?;
        let fields = Fields::of(&head.headers);
        strip_request(fields, &mut head.headers, false);
        fields.take(Field::Expect, &mut head.headers);
        self.stats.calls.count();
        let key = self.balance.key(&head, None);
        let ask = Ask { now: self.common.clock.now(), tried: None, key };
        let mut call = self.open_attempt(&head, ask).await?;
        let endpoint = call.endpoint_handle();
        let prepared = prepare(head, fields, host, body.len(), &endpoint);
        let started = call.start(prepared).await;
        started.inspect_err(|error| endpoint.stats.failed(error))?;
        if !body.is_empty() {
            call.send(Frame::last(body)).await?;
        }
        let response = receive(&mut call, response_bytes).await?;
        call.finish(true).await;
        Ok(response)
    }
}

/// What no server could make sense of; gives the host that is asked for.
fn check(head: &RequestHead) -> Result<Option<HeaderValue>, &'static str> {
    if head.method == Method::CONNECT {
        return Err("CONNECT asks for a tunnel");
    }
    if !head.uri.path().starts_with('/') {
        return Err("the path does not begin with `/`");
    }
    let mut hosts = head.headers.get_all(HOST).iter();
    let (first, more) = (hosts.next().cloned(), hosts.next());
    if more.is_some() {
        return Err("there is more than one `Host`");
    }
    let authority = |uri: &http::Uri| HeaderValue::from_str(uri.authority()?.as_str()).ok();
    let host = first.or_else(|| authority(&head.uri));
    let is_host = |host: &HeaderValue| {
        Authority::try_from(host.as_bytes()).is_ok() && !host.as_bytes().contains(&b'@')
    };
    match host {
        Some(host) if !is_host(&host) => Err("`Host` is no host"),
        host => Ok(host),
    }
}

/// Readies the head for `endpoint`. Nothing is told of a client: it is not the client that asks.
fn prepare(
    head: RequestHead,
    fields: Fields,
    host: Option<HeaderValue>,
    length: usize,
    endpoint: &Endpoint,
) -> Prepared {
    let RequestHead { method, uri, mut headers, .. } = head;
    let host = match &endpoint.common.spec.host {
        HostPolicy::Preserve => host,
        HostPolicy::Upstream => None,
        HostPolicy::Name(host) => Some(host.clone()),
    };
    headers.insert(HOST, host.unwrap_or_else(|| endpoint.identity.authority.clone()));
    let size = if length == 0 { BodySize::Empty } else { BodySize::Exact(length as u64) };
    // Of a known length, so it is framed alike for HTTP/1.1 and HTTP/2.
    let has_body = frame(&mut headers, fields, &method, size, false);
    Prepared { method, uri, headers, has_body }
}

async fn receive(
    call: &mut call::UpstreamCall,
    most: usize,
) -> Result<Response<Bytes>, WholeError> {
    let (head, mut ended) = loop {
        match call.recv().await? {
            OriginEvent::Info(_) => {}
            OriginEvent::Head(head, ended) => break (head, ended),
            OriginEvent::Frame(_) => {
                return Err(super::error::malformed("a body before the head").into());
            }
        }
    };
    if !ended && length(&head).is_some_and(|length| length > most as u64) {
        return Err(WholeError::TooLarge);
    }
    let (mut first, mut rest) = (Bytes::new(), BytesMut::new());
    while !ended {
        let OriginEvent::Frame(frame) = call.recv().await? else {
            return Err(super::error::malformed("a head within the body").into());
        };
        if frame.data.len() > most - first.len() - rest.len() {
            return Err(WholeError::TooLarge);
        }
        ended = frame.end;
        if first.is_empty() && rest.is_empty() {
            // One piece alone is not copied.
            first = frame.data;
        } else {
            rest.extend_from_slice(&std::mem::take(&mut first));
            rest.extend_from_slice(&frame.data);
        }
    }
    let body = if rest.is_empty() { first } else { rest.freeze() };
    Ok(Response::from_parts(head, body))
}

fn length(head: &ResponseHead) -> Option<u64> {
    head.headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
