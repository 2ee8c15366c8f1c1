//! From a connection and a head to what a call knows of its caller.

use crate::front::Incoming;
use paifang_pipeline::{Facts, FrontKind, Scheme, ports::Clock};

/// The facts of one call. Takes the host out of `incoming`.
pub(super) fn of(incoming: &mut Incoming, clock: &dyn Clock) -> Facts {
    let connection = &*incoming.connection;
    let mut facts = Facts::new(
        connection.listener.clone(),
        incoming.front,
        connection.client_addr,
        connection.destination_addr,
        clock.now(),
        clock.unix(),
    );
    facts.host = std::mem::take(&mut incoming.host);
    facts.scheme = if connection.tls.is_some() { Scheme::Https } else { Scheme::Http };
    if incoming.front == FrontKind::Mmtp {
        // No proxy speaks MMTP: what a client says of another one in front of it is worth nothing.
        facts.client_ip = connection.client_addr.ip().to_canonical();
    } else {
        facts.client_ip = connection.client_ip(&incoming.head.headers);
        facts.peer_trusted = connection.from_trusted_proxy();
    }
    facts.tls = connection.tls.as_ref().map(|tls| tls.facts.clone());
    facts.entropy = fastrand::u64(..);
    facts
}
