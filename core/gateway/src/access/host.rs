//! The host of the access front.

use super::{Carrier, memory::MemoryFront, resume::Resumption};
use crate::{
    edge::ConnInfo,
    front::{Incoming, Service, method},
    live::{Dispatcher, Live, NamedOperation},
};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Uri, Version,
    header::{AUTHORIZATION, CONTENT_LENGTH, HOST},
};
use paifang_access::{
    Admission, Call, Client, Delivery, Denied, Handshake, Host, Limits, Target, Tokens, User,
};
use paifang_config::{model, route};
use paifang_mmtp::{
    greeting::{Auth, Closing, Heartbeat, Hello, Settings},
    session::CallId,
};
use paifang_pipeline::{
    BodySize, ErrorCode, Exchange, Frame, Front, FrontKind, HostName, RequestHead, Served, error,
    ports::{Clock, Store},
    units::HumanDuration,
};
use std::sync::Arc;

/// The field that tells upstreams which attempts are one call.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Serves MMTP's calls by the release that is live.
pub(crate) struct AccessHost {
    dispatcher: Arc<Dispatcher>,
    live: Arc<Live>,
    resumption: Resumption,
}

type Transport = Arc<Carrier>;

impl AccessHost {
    /// `local` is where this gateway keeps its own state.
    pub(crate) fn new(
        dispatcher: Arc<Dispatcher>,
        live: Arc<Live>,
        local: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { dispatcher, live, resumption: Resumption::new(local, clock) }
    }

    /// What is configured, or the defaults.
    fn config(&self) -> model::Mmtp {
        self.live.load().snapshot.config().mmtp.clone()
    }

    /// A call that the gateway makes for a client: of an operation, with this body and these fields.
    async fn ask<R>(
        &self,
        client: &Client<Transport>,
        operation: &str,
        headers: HeaderMap,
        body: Bytes,
        after: impl FnOnce(&Exchange) -> R,
    ) -> (MemoryFront, R) {
        let named = NamedOperation { name: operation.into(), params: Vec::new(), query: None };
        let mut front = MemoryFront::new(body);
        let incoming = incoming(client, Method::POST, Uri::default(), headers);
        let (_, seen) = self.dispatcher.serve_mmtp(incoming, Some(&named), &mut front, after).await;
        (front, seen)
    }
}

impl Host for AccessHost {
    type Transport = Transport;

    fn limits(&self, _transport: &Transport) -> Arc<Limits> {
        Arc::new(limits(&self.config()))
    }

    async fn admit(
        &self,
        _transport: &Transport,
        _hello: &Hello,
    ) -> Result<Admission, Box<Closing>> {
        Ok(Admission::default())
    }

    async fn authenticate(
        &self,
        client: &Arc<Client<Transport>>,
        auth: &Auth,
    ) -> Result<Option<User>, Denied> {
        let Some(operation) = self.config().authenticate else { return Ok(None) };
        let mut headers = HeaderMap::new();
        let value = [auth.scheme.as_bytes(), b" ", &*auth.credential].concat();
        let denied = |status, error, detail: &str| Denied { status, error, detail: detail.into() };
        let Ok(mut value) = HeaderValue::from_bytes(&value) else {
            return Err(denied(400, 1000, "the credential is no field"));
        };
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
        let whose = |call: &Exchange| {
            call.slots().identity().map(|identity| User { id: identity.subject.clone() })
        };
        let (front, user) = self.ask(client, operation.value(), headers, Bytes::new(), whose).await;
        if front.is_success() {
            return Ok(user);
        }
        let status = front.status.filter(|status| *status >= 400).unwrap_or(503);
        let (error, detail) = match front.error {
            Some(row) => (u32::from(row.number), row.title),
            None => (0, ""),
        };
        Err(denied(status, error, detail))
    }

    async fn serve<F: Front>(&self, call: Call<Transport>, front: &mut F) {
        let Call { client, target, mut headers, id, length, .. } = call;
        forward_id(&mut headers, &id);
        if let Some(length @ 1..) = length {
            headers.insert(CONTENT_LENGTH, length.into());
        }
        match target {
            Target::Operation { name, params, query } => {
                let named = NamedOperation { name, params, query };
                let incoming = incoming(&client, Method::POST, Uri::default(), headers);
                let _: (Served, ()) =
                    self.dispatcher.serve_mmtp(incoming, Some(&named), front, |_| ()).await;
            }
            Target::Path { method, path } => {
                let (method, uri) = match target_of(&method, &path) {
                    Ok(target) => target,
                    Err(row) => {
                        let refused = self.dispatcher.refuse(&client.transport, row, "its TARGET");
                        let (head, body) = refused.into_parts();
                        let size = BodySize::Exact(body.len() as u64);
                        if front.send_head(head, size).await.is_ok() {
                            // A client that is gone needs no answer.
                            let _ = front.send(Frame::last(body)).await;
                        }
                        return;
                    }
                };
                let mut incoming = incoming(&client, method, uri, headers);
                if let Ok(host) = HeaderValue::from_str(incoming.host.as_str())
                    && !incoming.host.as_str().is_empty()
                {
                    incoming.head.headers.insert(HOST, host);
                }
                let _: (Served, ()) =
                    self.dispatcher.serve_mmtp(incoming, None, front, |_| ()).await;
            }
        }
    }

    async fn deliver(&self, client: &Arc<Client<Transport>>, delivery: Delivery) -> bool {
        let Delivery { message, mut headers, .. } = delivery;
        let config = self.config();
        let components = &config.components;
        let operation = match message.key.channel {
            3 => &components.sync,
            4 => &components.log,
            8..=15 => &components.app,
            // Push comes from the server alone.
            _ => &None,
        };
        let Some(operation) = operation else {
            tracing::debug!(channel = message.key.channel, "a message for no component");
            return false;
        };
        headers.insert("x-mmtp-channel", u16::from(message.key.channel).into());
        forward_id(&mut headers, &CallId::of(&client.nonce, message.key));
        let body = message.data;
        let (front, ()) = self.ask(client, operation.value(), headers, body, |_| ()).await;
        front.is_success()
    }

    async fn confirmed(&self, transport: &Transport) -> bool {
        transport.handshake_end().await
    }

    fn handshake(&self, transport: &Transport) -> Handshake {
        match &transport.connection.tls {
            None => Handshake::None,
            Some(tls) if !tls.resumed => Handshake::Full,
            // Nobody else is served before its end.
            Some(_) if transport.connection.handshake.is_some() => Handshake::Early,
            Some(_) => Handshake::Resumed,
        }
    }

    fn server_name<'a>(&self, transport: &'a Transport) -> Option<&'a str> {
        server_name(&transport.connection)
    }

    fn tokens(&self, _transport: &Transport) -> Option<Arc<Tokens>> {
        self.resumption.tokens(&self.live.load().snapshot)
    }
}

/// Method and URI of a TARGET, held to what the fronts of HTTP hold them to.
fn target_of(method: &str, path: &str) -> Result<(Method, Uri), &'static ErrorCode> {
    let method = method::check(method.as_bytes()).map_err(|refusal| refusal.code)?;
    let about_server = path == "*" && method == Method::OPTIONS;
    if !path.starts_with('/') && !about_server {
        return Err(error::BAD_PATH);
    }
    let uri = Uri::try_from(path).map_err(|_| error::BAD_PATH)?;
    Ok((method, uri))
}

/// Says which attempts are one call, where the client has not said so itself.
fn forward_id(headers: &mut HeaderMap, id: &CallId) {
    if !headers.contains_key(IDEMPOTENCY_KEY)
        && let Ok(value) = HeaderValue::try_from(id.to_string())
    {
        headers.insert(IDEMPOTENCY_KEY, value);
    }
}

/// The name that TLS was told.
fn server_name(connection: &ConnInfo) -> Option<&str> {
    connection.tls.as_ref().and_then(|tls| tls.server_name.as_deref())
}

/// A head as HTTP has it. The host is the one that HELLO named, or the HTTP request that carries MMTP, or TLS.
fn incoming(client: &Client<Transport>, method: Method, uri: Uri, headers: HeaderMap) -> Incoming {
    let carrier = &*client.transport;
    let connection = carrier.connection.clone();
    let named = client.authority.as_deref();
    let carried = carrier.host.as_ref().map(HostName::as_str);
    let sni = server_name(&connection);
    let host = {
        let mut hosts = [named, carried, sni].into_iter().flatten();
        let host = hosts.find_map(|host| route::Host::parse(host.as_bytes()).ok());
        HostName::new(host.as_ref().map(route::Host::name).unwrap_or_default())
    };
    let mut head: RequestHead = http::Request::new(()).into_parts().0;
    (head.method, head.uri, head.version, head.headers) = (method, uri, Version::HTTP_2, headers);
    Incoming { head, host, connection, front: FrontKind::Mmtp }
}

/// The section `mmtp` as the front takes it.
fn limits(config: &model::Mmtp) -> Limits {
    let seconds =
        |duration: &HumanDuration| u32::try_from(duration.get().as_secs()).unwrap_or(u32::MAX);
    let heartbeat = &config.heartbeat;
    let mut limits = Limits::with_heartbeat(Heartbeat {
        initial: seconds(heartbeat.initial.value()),
        least: seconds(heartbeat.least.value()),
        most: seconds(heartbeat.most.value()),
    });
    let own = &config.limits;
    limits.session.settings =
        Settings { max_calls: *own.calls, max_operations: *own.operations, ..Settings::default() };
    limits.one_per_device = config.one_per_device;
    limits
}
