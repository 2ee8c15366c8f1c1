//! From a connection and a head to what a call knows of its caller.

use crate::{edge::ConnInfo, front::Incoming};
use paifang_pipeline::{Facts, HostName, Scheme, TlsFacts, ports::Clock};
use std::sync::Arc;

/// The facts of one call.
pub(super) fn of(incoming: &Incoming, host: HostName, clock: &dyn Clock) -> Facts {
    let connection = &*incoming.connection;
    let mut facts = Facts::new(
        connection.listener.clone(),
        incoming.front,
        connection.client_addr,
        connection.destination_addr,
        clock.now(),
        clock.unix(),
    );
    facts.host = host;
    facts.scheme = if connection.tls.is_some() { Scheme::Https } else { Scheme::Http };
    facts.client_ip = connection.client_ip(&incoming.head.headers);
    facts.peer_trusted = connection.from_trusted_proxy();
    facts.tls = tls(connection);
    facts.entropy = fastrand::u64(..);
    facts
}

fn tls(connection: &ConnInfo) -> Option<Arc<TlsFacts>> {
    let tls = connection.tls.as_ref()?;
    let certificate = tls.client_certificate.as_ref();
    Some(Arc::new(TlsFacts {
        version: tls.version,
        sni: tls.server_name.clone(),
        client_cert_sha256: certificate.map(|certificate| certificate.fingerprint.clone()),
        client_cert_subject: certificate.map(|certificate| certificate.subject.clone()),
    }))
}
