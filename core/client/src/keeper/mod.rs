//! The task that keeps a client connected.

mod backoff;
mod greet;
mod race;
mod watch;

pub(crate) use backoff::Backoff;
pub(crate) use race::{short, short_again};

use std::{sync::Arc, time::Duration};

use paifang_mmtp::{
    code::{Advice, CloseCode},
    greeting::Closing,
    session::{Closed, ClosedBy},
};
use tokio::time::Instant;

use crate::{
    client::{Connected, State},
    connection::{Command, Connection},
    shared::Shared,
};
use race::Failed;
use watch::Ended;

/// A connection that worked so long has shown that the server is well.
const SETTLED: Duration = Duration::from_secs(30);
/// How often in a row a server's ALTERNATE is followed without a wait.
const MOVES: u32 = 5;

/// Starts the task. It ends when the client is closed.
pub(crate) fn start(shared: Arc<Shared>) {
    let keeper = Keeper { changes: shared.changes.subscribe(), shared, failures: 0, moves: 0 };
    tokio::spawn(keeper.run());
}

struct Keeper {
    shared: Arc<Shared>,
    changes: tokio::sync::watch::Receiver<crate::shared::Changes>,
    /// Tries in a row without a connection that settled.
    failures: u32,
    /// Addresses in a row that the server has sent the client on from.
    moves: u32,
}

/// What follows the end of a connection, or of a try.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// Another try, so much later.
    After(Duration),
    /// None until something changes.
    Never(CloseCode, String),
}

impl Keeper {
    async fn run(mut self) {
        loop {
            self.shared.state.send_replace(State::Connecting);
            let shared = self.shared.clone();
            let raced = tokio::select! {
                raced = race::race(&shared) => raced,
                () = self.is_closed() => break,
            };
            let (next, why) = match raced {
                Ok(connection) => {
                    let ended = self.keep(connection).await;
                    self.shared.current.send_replace(None);
                    if self.shared.is_closed() {
                        break;
                    }
                    let code = ended.closed.closing.code;
                    (self.after_end(&ended), format!("the connection ended: {code}"))
                }
                Err(failed) => {
                    self.shared.current.send_replace(None);
                    let why = failed.to_string();
                    self.shared.failed(why.clone());
                    (self.after_failure(&failed), why)
                }
            };
            tracing::debug!(?next, why, "no connection");
            // What has changed meanwhile is a reason to try again at once: other credentials than those that were refused, say.
            let changed = self.changes.has_changed().unwrap_or(true);
            match next {
                Next::After(wait) => {
                    let until = Instant::now() + wait;
                    self.shared.state.send_replace(State::Waiting { until, why });
                    tokio::select! {
                        () = tokio::time::sleep_until(until) => {}
                        () = self.something_changed() => self.failures = 0,
                    }
                }
                Next::Never(code, detail) => {
                    if !changed {
                        self.shared.state.send_replace(State::Ended { code, detail });
                    }
                    self.something_changed().await;
                }
            }
            if self.shared.is_closed() {
                break;
            }
        }
        self.shared.current.send_replace(None);
        self.shared.state.send_replace(State::Closed);
    }

    /// The connection has ended.
    fn after_end(&mut self, ended: &Ended) -> Next {
        if ended.by_own {
            return Next::After(self.own_wait());
        }
        let Closed { by, closing } = &ended.closed;
        match (by, &ended.goaway) {
            (ClosedBy::Peer, _) => self.told_to_go(closing),
            // What it has said before counts, whoever closed then.
            (_, Some(goaway)) => self.told_to_go(goaway),
            (ClosedBy::Lost, None) => Next::After(self.own_wait()),
            (ClosedBy::Us, None) => {
                // A server that does not keep to the protocol is no reason to give up, but to be slow.
                self.failures += u32::from(closing.code.advice() != Advice::Reconnect);
                Next::After(self.own_wait())
            }
        }
    }

    fn told_to_go(&mut self, closing: &Closing) -> Next {
        self.failures += u32::from(closing.code.advice() == Advice::BackOff);
        self.advised(closing)
    }

    /// No connection came about.
    fn after_failure(&mut self, failed: &Failed) -> Next {
        self.failures = self.failures.saturating_add(1);
        match failed {
            Failed::Refused(closing) => self.advised(closing),
            Failed::Unreachable(_) => Next::After(self.own_wait()),
        }
    }

    /// What the server's last word means (spec section 8).
    fn advised(&mut self, closing: &Closing) -> Next {
        self.shared.memory().go(closing);
        let asked = asked_wait(closing);
        match closing.code.advice() {
            Advice::Reconnect if self.failures == 0 && asked > Duration::ZERO => Next::After(asked),
            Advice::Reconnect => Next::After(asked + self.own_wait()),
            Advice::BackOff => Next::After(asked + self.own_wait()),
            // Another address is a change.
            Advice::Change if !closing.alternates.is_empty() => {
                self.moves += 1;
                if self.moves > MOVES {
                    self.failures = self.failures.saturating_add(1);
                    return Next::After(asked + self.own_wait());
                }
                Next::After(asked)
            }
            Advice::Change | Advice::Stop => Next::Never(closing.code, closing.detail.to_string()),
        }
    }

    fn own_wait(&self) -> Duration {
        self.shared.options.backoff.wait(self.failures)
    }

    /// It works: calls go there from here on, and the one before finishes what it has.
    fn publish(&mut self, connection: &Connection, before: Option<&Connection>) {
        self.moves = 0;
        self.shared.memory().moved.clear();
        self.shared.offer(connection, false);
        if let Some(before) = before {
            before.tell(Command::Drain);
        }
        let standing = connection.standing();
        let standing = standing.borrow();
        let Some(welcome) = &standing.welcome else { return };
        tracing::debug!(serial = connection.serial(), address = %connection.address(), "connected");
        self.shared.state.send_replace(State::Connected(Connected {
            address: connection.address(),
            form: connection.form(),
            number: welcome.connection,
            serial: connection.serial(),
            user: welcome.user.as_ref().map(ToString::to_string),
            resumed: welcome.resumed,
            heartbeat: welcome.heartbeat,
            early_data: standing.early_data,
            timing: connection.timing(),
        }));
    }

    /// Waits until there is a reason to try again at once.
    async fn something_changed(&mut self) {
        // The sender lives as long as the shared part, which this has.
        let _ = self.changes.changed().await;
    }

    async fn is_closed(&mut self) {
        let _ = self.changes.clone().wait_for(|changes| changes.closed).await;
    }
}

/// AFTER, and a random part of JITTER.
pub(crate) fn asked_wait(closing: &Closing) -> Duration {
    let jitter = match closing.jitter {
        0 => 0,
        most => fastrand::u64(0..=u64::from(most)),
    };
    Duration::from_millis(u64::from(closing.after) + jitter)
}
