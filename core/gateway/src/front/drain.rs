//! Whether a connection should come to an end, as its front asks it.

use crate::edge::DrainState;
use tokio::sync::watch;

/// The state of a call's listener, for who takes its connection over: in the extensions of a head that asks to switch protocols.
#[derive(Clone, Debug)]
pub(crate) struct WatchDrain(pub(crate) watch::Receiver<DrainState>);

/// A connection's view of the listener's [`DrainState`].
#[derive(Debug, Clone)]
pub(super) struct Drain {
    state: watch::Receiver<DrainState>,
    ending: bool,
    /// One of its own: whoever waits has seen what `is_ending` has yet to see.
    waits: watch::Receiver<DrainState>,
}

impl Drain {
    pub(super) fn new(state: watch::Receiver<DrainState>) -> Self {
        let ending = state.borrow().is_ending();
        let waits = state.clone();
        Self { state, ending, waits }
    }

    /// The listener's state itself.
    pub(super) fn watch(&self) -> WatchDrain {
        WatchDrain(self.waits.clone())
    }

    /// Whether the call in flight, or the next one, is the last. Costs one atomic load unless the state
    /// has just changed. Nobody left to say so means yes.
    pub(super) fn is_ending(&mut self) -> bool {
        match self.state.has_changed() {
            Ok(false) => {}
            Ok(true) => self.ending = self.state.borrow_and_update().is_ending(),
            Err(_) => self.ending = true,
        }
        self.ending
    }

    /// Waits until the call in flight, or the next one, is the last. Cancel-safe.
    pub(super) async fn ending(&mut self) {
        if !self.ending {
            // An error means that nobody is left to say so.
            let _ = self.waits.wait_for(DrainState::is_ending).await;
            self.ending = true;
        }
    }

    /// Waits until idle connections close at once. Cancel-safe.
    pub(super) async fn begun(&mut self) {
        // An error means that nobody is left to say so.
        let _ = self.waits.wait_for(DrainState::is_draining).await;
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
        assert!(!asks.is_ending());
        sender.send(DrainState::Draining { until: Instant::now() }).unwrap();
        assert!(asks.is_ending());
        waits.begun().await;
        assert!(waits.is_ending());
    }

    #[tokio::test]
    async fn nobody_left_to_say_so_means_yes() {
        let (sender, receiver) = watch::channel(DrainState::Running);
        let (mut asks, mut waits) = (Drain::new(receiver.clone()), Drain::new(receiver));
        drop(sender);
        assert!(asks.is_ending());
        waits.begun().await;
    }

    #[tokio::test]
    async fn leaving_makes_the_next_call_the_last_and_lets_idle_connections_be() {
        let (sender, receiver) = watch::channel(DrainState::Running);
        let mut drain = Drain::new(receiver);
        assert!(!drain.is_ending());
        let until = Instant::now();
        sender.send(DrainState::Leaving { until }).unwrap();
        // An idle connection has waited for its end, and then a call comes.
        tokio::select! {
            biased;
            () = drain.begun() => panic!("idle connections live on"),
            () = tokio::task::yield_now() => {}
        }
        assert!(drain.is_ending());
        drain.ending().await;
        sender.send(DrainState::Draining { until }).unwrap();
        drain.begun().await;
    }
}
