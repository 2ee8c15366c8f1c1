//! Whether a connection should come to an end, as its front asks it.

use crate::edge::DrainState;
use tokio::sync::watch;

/// A connection's view of the listener's [`DrainState`].
#[derive(Debug, Clone)]
pub(super) struct Drain {
    state: watch::Receiver<DrainState>,
    draining: bool,
}

impl Drain {
    pub(super) fn new(state: watch::Receiver<DrainState>) -> Self {
        let draining = state.borrow().is_draining();
        Self { state, draining }
    }

    /// Whether it should. Costs one atomic load unless the state has just changed. Nobody left to
    /// say so means yes.
    pub(super) fn is_draining(&mut self) -> bool {
        match self.state.has_changed() {
            Ok(false) => {}
            Ok(true) => self.draining = self.state.borrow_and_update().is_draining(),
            Err(_) => self.draining = true,
        }
        self.draining
    }

    /// Waits until it should. Cancel-safe.
    pub(super) async fn begun(&mut self) {
        if !self.draining {
            // An error means that nobody is left to say so.
            let _ = self.state.wait_for(DrainState::is_draining).await;
            self.draining = true;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::Drain;
    use crate::edge::DrainState;
    use tokio::{sync::watch, time::Instant};

    #[tokio::test]
    async fn seen_by_asking_and_by_waiting() {
        let (sender, receiver) = watch::channel(DrainState::Running);
        let (mut asks, mut waits) = (Drain::new(receiver.clone()), Drain::new(receiver));
        assert!(!asks.is_draining());
        sender.send(DrainState::Draining { until: Instant::now() }).unwrap();
        assert!(asks.is_draining());
        waits.begun().await;
        assert!(waits.is_draining());
    }

    #[tokio::test]
    async fn nobody_left_to_say_so_means_yes() {
        let (sender, receiver) = watch::channel(DrainState::Running);
        let (mut asks, mut waits) = (Drain::new(receiver.clone()), Drain::new(receiver));
        drop(sender);
        assert!(asks.is_draining());
        waits.begun().await;
    }
}
