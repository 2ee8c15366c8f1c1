//! What a fleet will do, checked before anything is done.

use std::{net::SocketAddr, path::Path, sync::Arc, thread::available_parallelism, time::Duration};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Uri, Version, header::HOST, uri::Authority};
use paifang_client::{Compression, DictionaryDir};
use tokio_rustls::rustls::pki_types::ServerName;

use super::{
    args::{CallArguments, FleetArguments, LineArguments, Protocol, Think, ZstdArguments},
    dial::{Dialer, Tls},
    driver, limits,
    wire::Wire,
};
use crate::cli::{Failed, given};
use crate::upstream::{SystemRoots, TlsSpec};

/// The longest name of an operation (docs/specs/mmtp.md section 3), in bytes.
const MAX_OPERATION: usize = 128;

/// A checked fleet.
pub(super) struct Plan {
    pub(super) protocol: Protocol,
    pub(super) clients: u32,
    pub(super) ramp: Duration,
    pub(super) duration: Duration,
    pub(super) think: Think,
    pub(super) timeout: Duration,
    pub(super) request: Request<Bytes>,
    /// The operation that is called instead, over MMTP.
    pub(super) operation: Option<Arc<str>>,
    /// Whether a call may be made twice.
    pub(super) idempotent: bool,
    /// What all clients of MMTP compress with; nothing is compressed without.
    pub(super) compression: Option<Compression>,
    /// The host that calls are for.
    pub(super) authority: String,
    pub(super) reconnect_every: Option<Duration>,
    pub(super) calls_per_connection: Option<u32>,
    pub(super) heartbeat: Option<Duration>,
    pub(super) seed: u64,
    pub(super) dialer: Arc<Dialer>,
}

impl Plan {
    /// Checks the words and looks the target up.
    ///
    /// # Errors
    ///
    /// What is wrong, for the one who wrote them, or that the target's name leads nowhere.
    pub(super) async fn make(words: &FleetArguments) -> Result<Self, Failed> {
        check(words).map_err(usage)?;
        let (secure, authority) = target(&words.target).map_err(usage)?;
        let address = look_up(&authority, secure).await.map_err(Failed::Unreachable)?;
        Self::towards(words, secure, &authority, address).map_err(usage)
    }

    fn towards(
        words: &FleetArguments,
        secure: bool,
        authority: &Authority,
        address: SocketAddr,
    ) -> Result<Self, String> {
        let line = &words.line;
        let host = match &line.host {
            Some(name) => name.clone(),
            None => authority.host().trim_matches(['[', ']']).to_owned(),
        };
        let shown = match &line.host {
            Some(name) => Authority::try_from(name.as_str())
                .map_err(|_| format!("--host: `{name}` is no name of a server"))?,
            None => authority.clone(),
        };
        let sources = limits::sources(&line.source, words.clients, address);
        if sources.iter().any(|source| source.is_ipv4() != address.is_ipv4()) {
            return Err(format!("--source: {address} is of the other family"));
        }
        let tls = if secure { Some(tls(line, words.protocol, &host)?) } else { None };
        let dialer = Dialer {
            target: address,
            sources,
            tls,
            network: line.network.clone(),
            wire: Arc::default(),
        };
        Ok(Self {
            protocol: words.protocol,
            clients: words.clients,
            ramp: words.ramp.get(),
            duration: words.duration.get(),
            think: words.think,
            timeout: words.timeout.get(),
            request: request(&words.call, words.protocol, secure, &shown)?,
            operation: words.call.call.as_deref().map(Arc::from),
            idempotent: words.call.idempotent,
            compression: compression(&words.zstd)?,
            authority: shown.to_string(),
            reconnect_every: line.reconnect_every.map(|every| every.get()),
            calls_per_connection: line.calls_per_connection,
            heartbeat: line.heartbeat.map(|every| every.get()),
            seed: words.seed,
            dialer: Arc::new(dialer),
        })
    }

    /// Bytes of all connections.
    pub(super) fn wire(&self) -> &Wire {
        &self.dialer.wire
    }
}

/// Exit code of wrong words, as clap has it.
fn usage(why: String) -> Failed {
    Failed::Coded(2, why)
}

/// Words that say nothing together.
fn check(words: &FleetArguments) -> Result<(), String> {
    let (line, zstd, protocol) = (&words.line, &words.zstd, words.protocol);
    if line.heartbeat.is_some() && !driver::has_heartbeat(protocol) {
        return Err(format!("--heartbeat: {protocol} has none"));
    }
    if line.heartbeat.is_some_and(|every| every.get().is_zero()) {
        return Err("--heartbeat: it cannot be all the time".to_owned());
    }
    if words.timeout.get().is_zero() {
        return Err("--timeout: nothing is answered in no time".to_owned());
    }
    if protocol == Protocol::Mmtp {
        let length = words.call.call.as_ref().map_or(1, String::len);
        return match (1..=MAX_OPERATION).contains(&length) {
            true => Ok(()),
            false => Err(format!("--call: an operation's name has 1 to {MAX_OPERATION} bytes")),
        };
    }
    if words.call.call.is_some() {
        return Err(format!("--call: {protocol} has no operations; name a --path"));
    }
    if words.call.idempotent {
        return Err(format!("--idempotent: clients of {protocol} repeat nothing"));
    }
    if zstd.zstd || zstd.dict.is_some() {
        return Err(format!("--zstd, --dict: {protocol} has no compressed messages"));
    }
    Ok(())
}

/// What clients compress with: as many contexts as threads that drive them.
fn compression(words: &ZstdArguments) -> Result<Option<Compression>, String> {
    let threads = available_parallelism().map_or(1, usize::from);
    let Some(folder) = &words.dict else {
        return Ok(words.zstd.then(|| Compression::new(threads)));
    };
    let store = DictionaryDir::new(folder);
    let store = store.map_err(|why| format!("--dict: {}: {why}", folder.display()))?;
    Ok(Some(Compression::with_dictionaries(threads, store)))
}

/// Whether it is TLS, and who.
fn target(text: &str) -> Result<(bool, Authority), String> {
    let wrong = || format!("--target: `{text}` is not like https://127.0.0.1:8443");
    let target: Uri = text.parse().map_err(|_| wrong())?;
    let secure = match target.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => return Err(wrong()),
    };
    let authority = target.authority().filter(|authority| !authority.as_str().contains('@'));
    match (authority, target.path_and_query().map(|path| path.as_str())) {
        (Some(authority), None | Some("/")) => Ok((secure, authority.clone())),
        (Some(_), Some(path)) => Err(format!("--target: the path belongs to `--path {path}`")),
        _ => Err(wrong()),
    }
}

async fn look_up(authority: &Authority, secure: bool) -> Result<SocketAddr, String> {
    let port = authority.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let host = authority.host().trim_matches(['[', ']']);
    let found = tokio::net::lookup_host((host, port)).await;
    let mut found = found.map_err(|error| format!("--target: {host}: {error}"))?;
    found.next().ok_or_else(|| format!("--target: {host} has no address"))
}

fn tls(line: &LineArguments, protocol: Protocol, host: &str) -> Result<Tls, String> {
    let ca = line.ca.as_deref().map(given::certificates).transpose();
    let ca = ca.map_err(|why| format!("--ca: {why}"))?;
    let spec = TlsSpec { ca, verify: !line.insecure, ..TlsSpec::default() };
    let config = spec.client_config(&SystemRoots::default()).map_err(|error| error.to_string());
    let mut config = config?;
    config.alpn_protocols = vec![driver::alpn(protocol).to_vec()];
    config.enable_early_data = protocol == Protocol::Mmtp && !line.cold;
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| format!("`{host}` is no name that a certificate may have; see --host"))?;
    Ok(Tls { config, name, resume: !line.cold })
}

fn request(
    call: &CallArguments,
    protocol: Protocol,
    secure: bool,
    authority: &Authority,
) -> Result<Request<Bytes>, String> {
    let body = match call.data.as_deref() {
        None => Bytes::new(),
        Some(data) => match data.strip_prefix('@') {
            Some(path) => given::read(Path::new(path), given::MAX_BODY)
                .map_err(|why| format!("--data: {why}"))?
                .into(),
            None => data.to_owned().into(),
        },
    };
    let method = match &call.method {
        Some(method) => Method::from_bytes(method.as_bytes())
            .map_err(|_| format!("--method: `{method}` is none"))?,
        None if body.is_empty() => Method::GET,
        None => Method::POST,
    };
    let scheme = if secure { "https" } else { "http" };
    let path = Some(call.path.as_str()).filter(|path| path.starts_with('/'));
    let wrong = || format!("--path: `{}` is not like /v1/orders?open", call.path);
    let path = path.ok_or_else(wrong)?;
    let mut request = Request::new(body);
    *request.method_mut() = method;
    // HTTP/1.1 has the path in its first line and the name in `host`.
    let (uri, version) = match protocol {
        Protocol::H1 | Protocol::Mmtp => (path.to_owned(), Version::HTTP_11),
        Protocol::H2 => (format!("{scheme}://{authority}{path}"), Version::HTTP_2),
    };
    *request.uri_mut() = uri.parse().map_err(|_| wrong())?;
    *request.version_mut() = version;
    if protocol == Protocol::H1 {
        let host = HeaderValue::from_str(authority.as_str()).map_err(|error| error.to_string())?;
        request.headers_mut().insert(HOST, host);
    }
    for line in &call.header {
        let (name, value) = header(line).ok_or_else(|| format!("--header: `{line}` is none"))?;
        request.headers_mut().append(name, value);
    }
    Ok(request)
}

fn header(line: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = line.split_once(':')?;
    Some((name.trim().parse().ok()?, value.trim().parse().ok()?))
}
