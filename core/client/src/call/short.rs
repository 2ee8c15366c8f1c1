//! The short form as a way for one call: when it is taken, and what opens it.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use paifang_mmtp::{code::Advice, greeting::Closing};
use tokio::time::{Instant, sleep_until};

use crate::{
    client::State,
    connection::{Connection, Lost},
    error::Error,
    forms::{Forms, SHORT_AFTER},
    keeper::{self, asked_wait},
    shared::Shared,
};

type Opening = Pin<Box<dyn Future<Output = Result<Connection, String>> + Send>>;

/// See the module.
pub(super) struct ShortForm {
    shared: Arc<Shared>,
    safe: bool,
    began: Instant,
    opening: Option<Opening>,
    /// Conversations in a row that could not be opened, and until when another waits for that.
    failures: u32,
    hold: Instant,
}

impl ShortForm {
    /// `safe`: the call may be made again.
    pub(super) fn new(shared: &Arc<Shared>, safe: bool) -> Self {
        let began = Instant::now();
        Self { shared: shared.clone(), safe, began, opening: None, failures: 0, hold: began }
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
        let kept = match self.opening {
            None => keeper::short_again(&self.shared, self.safe),
            Some(_) => None,
        };
        let opened = match kept {
            Some(connection) => Ok(connection),
            None => {
                let opening = self.opening.get_or_insert_with(|| {
                    let shared = self.shared.clone();
                    Box::pin(async move { keeper::short(&shared).await })
                });
                opening.as_mut().await
            }
        };
        self.opening = None;
        match opened {
            Ok(connection) => {
                self.tell(State::Unconnected);
                Some(connection)
            }
            Err(why) => {
                self.wait(Duration::ZERO, why);
                None
            }
        }
    }

    /// A conversation has ended without the answer. What a server says in it that it shall not be asked again nobody else will hear.
    pub(super) fn lost(&mut self, connection: &Connection, lost: &Lost) -> Result<(), Error> {
        let standing = connection.standing();
        let standing = standing.borrow();
        let said = standing.closed.as_ref().filter(|closed| closed.is_by_peer());
        let Some(Closing { code, detail, .. }) = said.map(|closed| &closed.closing) else {
            if !connection.is_kept() {
                self.wait(Duration::ZERO, "the conversation broke off".into());
            }
            // Else the connection was stale: another is opened at once.
            return Ok(());
        };
        match code.advice() {
            Advice::Change | Advice::Stop if *lost == Lost::NotLookedAt => {
                Err(Error::Ended { code: *code, detail: detail.to_string() })
            }
            _ => {
                let asked = said.map_or(Duration::ZERO, |closed| asked_wait(&closed.closing));
                self.wait(asked, format!("the server refuses: {code}"));
                Ok(())
            }
        }
    }

    /// Another is opened after what the server has asked for and the own wait.
    fn wait(&mut self, asked: Duration, why: String) {
        tracing::debug!(why, "no conversation of the short form");
        let own = self.shared.options.backoff.bound(self.failures);
        self.hold = Instant::now() + asked + own;
        self.failures = self.failures.saturating_add(1);
        if self.shared.options.forms == Forms::Post {
            self.shared.failed(why.clone());
        }
        self.tell(State::Waiting { until: self.hold, why });
    }
}
