//! The host of the access front.

use super::{
    Carrier,
    memory::MemoryFront,
    resume::Resumption,
    rules::{Compiled, ReleaseRules},
    zones::Zone,
};
use crate::{
    edge::ConnInfo,
    front::{Incoming, Service, method},
    live::{Dispatcher, Live, NamedOperation},
};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Uri, Version,
    header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TE},
};
use paifang_access::{
    Admission, BodyPace, Call, Client, Delivery, Denied, Guard, Handshake, Host, Limits, Target,
    Tokens, User,
};
use paifang_config::{model, route};
use paifang_mmtp::{
    code::CloseCode,
    greeting::{Auth, Closing, Hello},
    session::CallId,
};
use paifang_pipeline::{
    BodySize, ErrorCode, Exchange, Frame, Front, FrontKind, HostName, RequestHead, Served, error,
    ports::{Clock, Store},
};
use std::sync::Arc;

/// The field that tells upstreams which attempts are one call.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Serves MMTP's calls by the release that is live.
pub(crate) struct AccessHost {
    dispatcher: Arc<Dispatcher>,
    live: Arc<Live>,
    resumption: Resumption,
    rules: ReleaseRules,
}

type Transport = Arc<Carrier>;

/// A call that the gateway makes for a client: its operation, fields and body.
#[derive(Default)]
struct Asked<'a> {
    operation: &'a str,
    headers: HeaderMap,
    body: Bytes,
    /// The upstream of the user's zone.
    elsewhere: Option<Arc<str>>,
}

impl AccessHost {
    /// `local` is where this gateway keeps its own state.
    pub(crate) fn new(
        dispatcher: Arc<Dispatcher>,
        live: Arc<Live>,
        local: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let resumption = Resumption::new(local, clock);
        Self { dispatcher, live, resumption, rules: ReleaseRules::default() }
    }

    /// What was counted of who may connect.
    pub(crate) fn guard(&self) -> &Guard {
        self.rules.guard()
    }

    /// The rules of the release that is live.
    fn rules(&self) -> Arc<Compiled> {
        self.rules.of(&self.live.load().snapshot)
    }

    /// Something of what is configured, or of the defaults.
    fn config<R>(&self, of: impl FnOnce(&model::Mmtp) -> R) -> R {
        of(&self.live.load().snapshot.config().mmtp)
    }

    /// Where the calls of a user go, who is at home elsewhere.
    fn elsewhere(&self, user: Option<&Arc<User>>) -> Option<Arc<str>> {
        let zone = user?.zone.as_ref()?;
        Some(self.rules().zones.as_ref()?.upstream(zone)?.into())
    }

    /// A call as HTTP has it, and the operation that it names; or what is wrong with its path.
    fn head_of(
        &self,
        call: Call<Transport>,
    ) -> Result<(Incoming, Option<NamedOperation>), (Transport, &'static ErrorCode)> {
        let Call { client, user, target, mut headers, id, length, deadline, .. } = call;
        let elsewhere = self.elsewhere(user.as_ref());
        forward_id(&mut headers, &id);
        if is_grpc(&headers) {
            // gRPC servers ask for it, and trailers reach a client of MMTP.
            headers.insert(TE, HeaderValue::from_static("trailers"));
        }
        if let Some(length @ 1..) = length {
            headers.insert(CONTENT_LENGTH, length.into());
        }
        let (method, uri, named) = match target {
            Target::Operation { name, params, query } => {
                let named = NamedOperation { name, params, query };
                (Method::POST, Uri::default(), Some(named))
            }
            Target::Path { method, path } => match target_of(&method, &path) {
                Ok((method, uri)) => (method, uri, None),
                Err(row) => return Err((client.transport.clone(), row)),
            },
        };
        let mut incoming = incoming(&client, method, uri, headers);
        (incoming.deadline, incoming.elsewhere) = (deadline, elsewhere);
        if named.is_none()
            && !incoming.host.as_str().is_empty()
            && let Ok(host) = HeaderValue::from_str(incoming.host.as_str())
        {
            incoming.head.headers.insert(HOST, host);
        }
        Ok((incoming, named))
    }

    /// Makes a call for a client.
    async fn ask<R>(
        &self,
        client: &Client<Transport>,
        asked: Asked<'_>,
        after: impl FnOnce(&Exchange) -> R,
    ) -> (MemoryFront, R) {
        let Asked { operation, headers, body, elsewhere } = asked;
        let named = NamedOperation { name: operation.into(), params: Vec::new(), query: None };
        let mut front = MemoryFront::new(body);
        let incoming = incoming(client, Method::POST, Uri::default(), headers);
        let incoming = Incoming { elsewhere, ..incoming };
        let (_, seen) = self.dispatcher.serve_mmtp(incoming, Some(&named), &mut front, after).await;
        (front, seen)
    }
}

impl Host for AccessHost {
    type Transport = Transport;

    fn limits(&self, _transport: &Transport) -> Arc<Limits> {
        self.rules().limits.clone()
    }

    async fn admit(&self, transport: &Transport, hello: &Hello) -> Result<Admission, Box<Closing>> {
        let (rules, address) = (self.rules(), transport.client_addr.ip());
        if !rules.takes(&hello.app) {
            let unknown = Closing::new(CloseCode::APP_UNKNOWN);
            return Err(Box::new(unknown.detail("the app is not one of those that may connect")));
        }
        let permit = rules.door.enter(&hello.app, &hello.device, address)?;
        let messages = self.live.load().messages.clone();
        let encoding = messages.map(|messages| messages.encoding.clone());
        Ok(Admission { permit: Some(permit), encoding, ..Admission::default() })
    }

    async fn authenticate(
        &self,
        client: &Arc<Client<Transport>>,
        auth: &Auth,
    ) -> Result<Option<User>, Denied> {
        let operation = self.config(|mmtp| mmtp.authenticate.clone());
        let Some(operation) = operation else { return Ok(None) };
        let mut headers = HeaderMap::new();
        let value = [auth.scheme.as_bytes(), b" ", &*auth.credential].concat();
        let Ok(mut value) = HeaderValue::from_bytes(&value) else {
            return Err(Denied::new(400, 1000, "the credential is no field"));
        };
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
        let whose =
            |call: &Exchange| call.slots().identity().map(|identity| identity.subject.clone());
        let asked = Asked { operation: operation.value(), headers, ..Asked::default() };
        let (front, user) = self.ask(client, asked, whose).await;
        if front.is_success() {
            let Some(id) = user else { return Ok(None) };
            let rules = self.rules();
            let zone = rules.zones.as_ref().map(|zones| zones.of(&id, &front.headers));
            return match zone.unwrap_or(Zone::Here) {
                Zone::Here => Ok(Some(User { id, zone: None })),
                Zone::Routed(zone) => Ok(Some(User { id, zone: Some(zone) })),
                Zone::MovedTo(addresses) => {
                    let moved = Denied::new(421, 0, "the user is at home elsewhere");
                    Err(Denied { moved_to: addresses, ..moved })
                }
            };
        }
        let status = front.status.filter(|status| *status >= 400).unwrap_or(503);
        let (error, detail) = match front.error {
            Some(row) => (u32::from(row.number), row.title),
            None => (0, ""),
        };
        Err(Denied::new(status, error, detail))
    }

    fn body_pace(&self, transport: &Transport) -> BodyPace {
        let limits = self.dispatcher.limits(&transport.connection);
        BodyPace { stall: limits.stall_timeout, total: limits.body_timeout }
    }

    async fn serve<F: Front>(&self, call: Call<Transport>, front: &mut F) {
        match self.head_of(call) {
            Ok((incoming, named)) => {
                let _: (Served, ()) =
                    self.dispatcher.serve_mmtp(incoming, named.as_ref(), front, |_| ()).await;
            }
            Err((transport, row)) => {
                let refused = self.dispatcher.refuse(&transport, row, "its TARGET");
                let (head, body) = refused.into_parts();
                let size = BodySize::Exact(body.len() as u64);
                if front.send_head(head, size).await.is_ok() {
                    // A client that is gone needs no answer.
                    let _ = front.send(Frame::last(body)).await;
                }
            }
        }
    }

    async fn deliver(&self, client: &Arc<Client<Transport>>, delivery: Delivery) -> bool {
        let Delivery { message, mut headers, user } = delivery;
        let operation = self.config(|mmtp| match message.key.channel {
            3 => mmtp.components.sync.clone(),
            4 => mmtp.components.log.clone(),
            8..=15 => mmtp.components.app.clone(),
            // Push comes from the server alone.
            _ => None,
        });
        let Some(operation) = operation else {
            tracing::debug!(channel = message.key.channel, "a message for no component");
            return false;
        };
        headers.insert("x-mmtp-channel", u16::from(message.key.channel).into());
        forward_id(&mut headers, &CallId::of(&client.nonce, message.key));
        let (body, elsewhere) = (message.data, self.elsewhere(user.as_ref()));
        let asked = Asked { operation: operation.value(), headers, body, elsewhere };
        let (front, ()) = self.ask(client, asked, |_| ()).await;
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

/// Whether a call is one of gRPC, by its type.
fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    kind.strip_prefix(b"application/grpc")
        .is_some_and(|rest| matches!(rest, [] | [b'+' | b';', ..]))
}

/// Says which attempts are one call, where the client has not said so itself.
fn forward_id(headers: &mut HeaderMap, id: &CallId) {
    if !headers.contains_key(IDEMPOTENCY_KEY)
        && let Ok(value) = HeaderValue::from_str(id.hex(&mut [0; 64]))
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
    Incoming::new(head, host, connection, FrontKind::Mmtp)
}
