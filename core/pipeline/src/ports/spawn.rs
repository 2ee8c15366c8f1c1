//! Background work, injected: handlers never reach for a runtime of their own.

use std::{future::Future, pin::Pin};

/// An owned future of whatever kind.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send + 'static>>;

/// Starts background tasks. Tasks end when the gateway stops.
pub trait Spawn: Send + Sync {
    /// Runs `task` until it ends or the gateway stops.
    fn spawn(&self, task: BoxFuture<()>);
}

/// Spawns onto one tokio runtime, named when the gateway is built.
#[derive(Debug, Clone)]
pub struct TokioSpawn(pub tokio::runtime::Handle);

impl Spawn for TokioSpawn {
    fn spawn(&self, task: BoxFuture<()>) {
        self.0.spawn(task);
    }
}
