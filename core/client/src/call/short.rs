//! The short form as a way for one call: when it is taken, and what opens it.

use std::{future::Future, pin::Pin, sync::Arc};

use tokio::time::{Instant, sleep_until};

use crate::{
    client::State,
    connection::Connection,
    forms::{Forms, SHORT_AFTER},
    keeper,
    shared::Shared,
};

type Opening = Pin<Box<dyn Future<Output = Result<Connection, String>> + Send>>;

/// See the module.
pub(super) struct ShortForm {
    shared: Arc<Shared>,
    began: Instant,
    opening: Option<Opening>,
    /// Conversations in a row that could not be opened, and until when another waits for that.
    failures: u32,
    hold: Instant,
}

impl ShortForm {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        let began = Instant::now();
        Self { shared: shared.clone(), began, opening: None, failures: 0, hold: began }
    }

    /// Whether calls may go this way at all.
    pub(super) fn may_be(&self, shared: &Shared) -> bool {
        match shared.options.forms {
            Forms::Post => true,
            Forms::Auto => shared.memory().found.has_short(),
            Forms::Long | Forms::WebSocket => false,
        }
    }

    /// Now, or when another conversation may be opened after one that could not.
    pub(super) fn at_once(&self) -> Instant {
        self.began.max(self.hold)
    }

    /// When a connection that is being made has had its time.
    pub(super) fn in_a_while(&self) -> Instant {
        self.hold.max(self.began + SHORT_AFTER)
    }

    /// When a call that is on no connection goes this way.
    pub(super) fn due(&self, shared: &Shared) -> Option<Instant> {
        let at = match &*shared.state.borrow() {
            State::Unconnected | State::Waiting { .. } => self.at_once(),
            // It has just come, or is about to: its own change wakes the call.
            State::Connecting | State::Connected(_) => self.in_a_while(),
            State::Ended { .. } | State::Closed => return None,
        };
        Some(at)
    }

    /// Says where the client stands, where there is no keeper to do so.
    fn tell(&self, now: State) {
        if self.shared.options.forms == Forms::Post {
            self.shared.state.send_if_modified(|state| {
                let other = *state != now && *state != State::Closed;
                if other {
                    *state = now;
                }
                other
            });
        }
    }

    /// Waits until it is time, and for a conversation then; for ever where it is not `due`, which gives up what was begun. `None`: there was
    /// none to be had. Cancel-safe.
    pub(super) async fn opened(&mut self, due: Option<Instant>) -> Option<Connection> {
        let Some(due) = due else {
            self.opening = None;
            return std::future::pending().await;
        };
        if self.opening.is_none() {
            sleep_until(due).await;
        }
        let shared = &self.shared;
        let opening = self.opening.get_or_insert_with(|| {
            let shared = shared.clone();
            Box::pin(async move { open(&shared).await })
        });
        let opened = opening.as_mut().await;
        self.opening = None;
        match opened {
            Ok(connection) => {
                self.tell(State::Unconnected);
                Some(connection)
            }
            Err(why) => {
                tracing::debug!(why, "no conversation of the short form");
                self.hold = Instant::now() + self.shared.options.backoff.bound(self.failures);
                self.failures += 1;
                if self.shared.options.forms == Forms::Post {
                    self.shared.failed(why.clone());
                }
                self.tell(State::Waiting { until: self.hold, why });
                None
            }
        }
    }
}

async fn open(shared: &Arc<Shared>) -> Result<Connection, String> {
    // It is for opening alone, the dearest part, so that a crowd of calls does not come with as many handshakes at once.
    let room = shared.shorts.acquire().await.map_err(|_| "closed".to_owned())?;
    let opened = keeper::short(shared).await;
    drop(room);
    opened
}
