//! What a client of MMTP is reached by: a connection, and where it speaks within HTTP the request that carries it.

use crate::{edge::ConnInfo, front::Incoming};
use paifang_pipeline::HostName;
use std::{net::SocketAddr, ops::Deref, sync::Arc};

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Carrier {
    /// With the client that a trusted proxy has named, if one did.
    pub(crate) connection: Arc<ConnInfo>,
    /// The host of the HTTP request, for a client that names none in HELLO.
    pub(crate) host: Option<HostName>,
}

impl Carrier {
    /// A connection of MMTP alone.
    pub(super) fn long(connection: Arc<ConnInfo>) -> Self {
        Self { connection, host: None }
    }

    /// Within an HTTP request.
    pub(super) fn within(incoming: &mut Incoming) -> Self {
        let mut connection = incoming.connection.clone();
        if connection.from_trusted_proxy() {
            let client = connection.client_ip(&incoming.head.headers);
            Arc::make_mut(&mut connection).client_addr = SocketAddr::new(client, 0);
        }
        let host = std::mem::take(&mut incoming.host);
        let host = (!host.as_str().is_empty()).then_some(host);
        Self { connection, host }
    }
}

impl Deref for Carrier {
    type Target = ConnInfo;

    fn deref(&self) -> &ConnInfo {
        &self.connection
    }
}
