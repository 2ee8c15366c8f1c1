//! The setup for clients whose sessions are kept here.

use std::sync::Arc;

use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::server::{ProducesTickets, StoresServerSessions};

use super::TlsSpec;
use super::sessions::{SessionLimits, Sessions};

/// How clients that offer TLS 1.3 are served where sessions are kept.
#[derive(Clone)]
pub(super) struct Keeping {
    pub(super) server: Arc<ServerConfig>,
    pub(super) sessions: Arc<Sessions>,
    limits: SessionLimits,
}

impl Keeping {
    pub(super) fn new(spec: &TlsSpec, limits: SessionLimits, server: &ServerConfig) -> Self {
        let sessions = Arc::new(Sessions::new(limits));
        let mut server = server.clone();
        // Without an enabled ticketer, tickets name what the storage holds.
        server.ticketer = Arc::new(NoTickets);
        server.session_storage = Arc::clone(&sessions) as Arc<dyn StoresServerSessions>;
        server.max_early_data_size = spec.early_data;
        // The answer to early data goes out before the handshake has ended. Who shows a certificate is answered after.
        server.send_half_rtt_data = spec.early_data > 0;
        Self { server: Arc::new(server), sessions, limits }
    }

    /// Goes on with the sessions of `old`, within the limits of this.
    pub(super) fn succeeding(mut self, old: &Self) -> Self {
        old.sessions.limit(self.limits);
        let mut server = (*self.server).clone();
        server.session_storage = Arc::clone(&old.sessions) as Arc<dyn StoresServerSessions>;
        self.server = Arc::new(server);
        self.sessions = Arc::clone(&old.sessions);
        self
    }
}

/// Makes no ticket that holds a session.
#[derive(Debug)]
struct NoTickets;

impl ProducesTickets for NoTickets {
    fn enabled(&self) -> bool {
        false
    }

    fn lifetime(&self) -> u32 {
        0
    }

    fn encrypt(&self, _plain: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn decrypt(&self, _cipher: &[u8]) -> Option<Vec<u8>> {
        None
    }
}
