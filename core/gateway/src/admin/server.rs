//! The admin listener.

use super::{Token, auth, routes};
use crate::control::Controller;
use std::{net::SocketAddr, sync::Arc};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

/// A running admin API.
pub(crate) struct Admin {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// Why the admin API cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("the admin API cannot listen on {address}: {source}")]
pub struct AdminError {
    /// Where it should have listened.
    pub address: SocketAddr,
    /// What the system says.
    pub source: std::io::Error,
}

impl Admin {
    /// Binds and serves. The address is taken once, at the start; a reload does not move it.
    pub(crate) async fn start(
        address: SocketAddr,
        token: Token,
        controller: Arc<Controller>,
    ) -> Result<Self, AdminError> {
        let failed = |source| AdminError { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (stop, mut stopped) = watch::channel(false);
        let guard = axum::middleware::from_fn_with_state(token, auth::check);
        let router =
            routes::guarded(controller.clone()).layer(guard).merge(routes::open(controller));
        let task = tokio::spawn(async move {
            let until_stopped = async move {
                // An error means that the sender is gone: stop as well.
                let _ = stopped.wait_for(|stop| *stop).await;
            };
            let served = axum::serve(listener, router).with_graceful_shutdown(until_stopped).await;
            if let Err(error) = served {
                tracing::error!(%error, "the admin API has ended");
            }
        });
        tracing::info!(%address, "admin API");
        Ok(Self { address, stop, task })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it; requests in flight have a second.
    pub(crate) async fn stop(self) {
        self.stop.send_replace(true);
        let abort = self.task.abort_handle();
        if tokio::time::timeout(std::time::Duration::from_secs(1), self.task).await.is_err() {
            abort.abort();
        }
    }
}
