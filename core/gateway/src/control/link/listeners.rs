//! Listeners of the config as the edge and the fronts take them.

use super::Linker;
use crate::{
    edge::{
        AcceptGate, ConnInfo, Deadlines, ForwardedHeader, Limits, ListenerSpec, ProxyProtocol,
        Trust, TrustedProxies,
        tls::{Alpn, CertificateSpec, ClientAuth, SessionLimits, TlsConfig, TlsSpec, TlsVersion},
    },
    front::HttpLimits,
    upstream::Deps,
};
use paifang_config::{model, snapshot::Snapshot};
use paifang_pipeline::{Chain, Connection, Stages, ports::Clock};
use std::sync::Arc;

/// Each listener's bounds on HTTP, by name.
type NamedLimits = Vec<(Arc<str>, Arc<HttpLimits>)>;

pub(super) fn build(linker: &mut Linker<'_>, deps: &Deps) -> (Vec<ListenerSpec>, NamedLimits) {
    let snapshot = linker.snapshot;
    let mut specs = Vec::new();
    let mut limits = Vec::new();
    for listener in &snapshot.config().listeners {
        let listener = &listener.value;
        let name: Arc<str> = Arc::from(&**listener.name.value());
        limits.push((name.clone(), Arc::new(http_limits(snapshot, &listener.limits))));
        if let Some(spec) = spec(linker, listener, name, &deps.clock) {
            specs.push(spec);
        }
    }
    (specs, limits)
}

/// For connections of a listener that has left the config.
pub(super) fn default_limits(snapshot: &Snapshot) -> Arc<HttpLimits> {
    Arc::new(http_limits(snapshot, &model::Limits::default()))
}

fn http_limits(snapshot: &Snapshot, limits: &model::Limits) -> HttpLimits {
    HttpLimits {
        header_timeout: limits.header.get(),
        idle_timeout: limits.idle.get(),
        stall_timeout: limits.body.get(),
        body_timeout: limits.body_total.get(),
        header_bytes: limits.header_bytes.as_usize(),
        header_count: *limits.header_count as usize,
        target_bytes: snapshot.path_policy().max_len,
        h2_streams: *limits.h2_streams,
        h2_pending_resets: *limits.h2_resets as usize,
        requests_per_connection: limits
            .requests_per_connection
            .as_ref()
            .map_or(u64::MAX, |requests| u64::from(**requests)),
    }
}

fn spec(
    linker: &mut Linker<'_>,
    listener: &model::Listener,
    name: Arc<str>,
    clock: &Arc<dyn Clock>,
) -> Option<ListenerSpec> {
    let mut spec = ListenerSpec::new(name.clone(), listener.address.0);
    if let Some(tls) = &listener.tls {
        spec.tls = Some(self::tls(linker, tls, listener.mmtp.is_some())?);
    }
    spec.plain_mmtp = listener.mmtp.as_ref().is_some_and(|mmtp| mmtp.plain);
    let networks = listener.trusted_proxies.iter().map(|network| network.0);
    let proxy = *listener.proxy_protocol.value();
    spec.proxy_protocol = match proxy {
        model::ProxyProtocol::Off => ProxyProtocol::Off,
        model::ProxyProtocol::Required => ProxyProtocol::Required,
    };
    spec.trust = Trust { proxies: TrustedProxies::new(networks), header: forwarded(listener) };
    let limits = &listener.limits;
    spec.limits = Limits {
        connections: Some(*limits.connections),
        connections_per_ip: limits.connections_per_ip.as_ref().map(|limit| **limit),
    };
    spec.deadlines = Deadlines {
        proxy_header: limits.handshake.get(),
        handshake: limits.handshake.get(),
        first_bytes: limits.idle.get(),
    };
    if let Some(chain) = linker.snapshot.accept(&name) {
        spec.gate = Some(Arc::new(Gate { chain: chain.clone(), clock: clock.clone() }));
    }
    Some(spec)
}

fn forwarded(listener: &model::Listener) -> ForwardedHeader {
    match listener.client_header {
        model::ClientHeader::XForwardedFor => ForwardedHeader::XForwardedFor,
        model::ClientHeader::Forwarded => ForwardedHeader::Forwarded,
        model::ClientHeader::None => ForwardedHeader::None,
    }
}

fn tls(linker: &mut Linker<'_>, tls: &model::ListenerTls, mmtp: bool) -> Option<TlsConfig> {
    let mut certificates = Vec::new();
    for certificate in &tls.certificates {
        let (chain, key) = (linker.pem(&certificate.cert), linker.pem(&certificate.key));
        certificates.push(CertificateSpec {
            label: certificate.cert.value().display().to_string(),
            chain_pem: chain?.into(),
            key_pem: key?.into(),
        });
    }
    let mut spec = TlsSpec::new(certificates);
    // First: a client that offers it beside others means it.
    spec.alpn = mmtp.then_some(Alpn::Mmtp).into_iter().collect();
    spec.alpn.extend(tls.alpn.iter().map(|alpn| match alpn {
        model::Alpn::H2 => Alpn::H2,
        model::Alpn::Http11 => Alpn::Http1,
    }));
    if mmtp || tls.sessions.is_some() || tls.early_data.is_some() {
        let sessions = tls.sessions.clone().unwrap_or_default();
        spec.sessions = Some(SessionLimits {
            count: *sessions.count as usize,
            bytes: sessions.memory.as_usize(),
            lifetime: sessions.lifetime.get(),
        });
    }
    if let Some(early) = &tls.early_data {
        spec.early_data = u32::try_from(early.max.as_usize()).unwrap_or(u32::MAX);
    }
    spec.min_version = match tls.min_version {
        model::TlsVersion::V12 => TlsVersion::Tls12,
        model::TlsVersion::V13 => TlsVersion::Tls13,
    };
    if let Some(authority) = &tls.client_ca {
        let pem: Arc<[u8]> = linker.pem(&authority.file)?.into();
        spec.client_auth = match authority.required {
            true => ClientAuth::Required(pem),
            false => ClientAuth::Optional(pem),
        };
    }
    let place = tls.certificates.first()?.cert.span();
    match TlsConfig::build(&spec) {
        Ok(config) => {
            for warning in config.warnings(std::time::SystemTime::now()) {
                tracing::warn!(%warning, "certificate");
            }
            Some(config)
        }
        Err(wrong) => {
            linker.wrong(place, wrong.to_string());
            None
        }
    }
}

/// The `accept` steps of a listener, as the edge asks them.
struct Gate {
    chain: Arc<Chain>,
    clock: Arc<dyn Clock>,
}

impl AcceptGate for Gate {
    fn admit(&self, info: &ConnInfo) -> bool {
        let connection = Connection {
            listener: info.listener.clone(),
            peer: info.peer_addr,
            client: info.client_addr,
            now: self.clock.now(),
        };
        let steps = self.chain.steps().iter();
        steps
            .filter(|step| step.handler.stages().has(Stages::ACCEPT))
            .all(|step| step.handler.accept(&connection))
    }
}
