//! A connection that works, until there is none: another is opened beside it when it goes, seems dead, or the network is another.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use paifang_mmtp::{
    code::{Advice, CloseCode},
    greeting::Closing,
    session::{Closed, ClosedBy},
};
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{
    Keeper, SETTLED, asked_wait,
    race::{self, Failed},
};
use crate::{
    client::State,
    connect::Form,
    connection::{Command, Connection, Phase, Standing},
    forms::{Forms, MEMORY},
};

/// How long a connection may take to say CLOSE when the client is closed.
const FAREWELL: Duration = Duration::from_secs(1);

/// Another connection on its way.
type Successor = Pin<Box<dyn Future<Output = Result<Connection, Failed>> + Send>>;

/// The connection that is kept.
struct Kept {
    connection: Connection,
    standing: watch::Receiver<Standing>,
    since: Instant,
}

impl Kept {
    fn new(connection: Connection) -> Self {
        let standing = connection.standing();
        Self { connection, standing, since: Instant::now() }
    }
}

/// How the last of several connections ended.
pub(super) struct Ended {
    pub(super) closed: Closed,
    /// What the server had said before, in GOAWAY.
    pub(super) goaway: Option<Closing>,
    /// Another connection of this very client has been the reason.
    pub(super) by_own: bool,
}

impl Keeper {
    /// Keeps `connection`, and those that follow it without a break.
    pub(super) async fn keep(&mut self, connection: Connection) -> Ended {
        let mut kept = Kept::new(connection);
        self.publish(&kept.connection, None);
        let mut network = self.changes.borrow().network;
        let (mut successor, mut moving, mut tries) = (None::<Successor>, false, 0);
        // Beside one within HTTP the long form is tried again now and then.
        let mut returning = None::<Successor>;
        let mut heard = None::<Arc<Closing>>;
        let mut again = Instant::now() + MEMORY;
        loop {
            let within_http = kept.connection.form() == Form::WebSocket
                && self.shared.options.forms == Forms::Auto;
            if !within_http {
                returning = None;
            }
            let now = kept.standing.borrow_and_update().clone();
            if let Some(closed) = &now.closed {
                if kept.since.elapsed() >= SETTLED {
                    self.failures = 0;
                }
                let Some(coming) = successor.take() else {
                    return self.ended(&kept.connection, closed, &now);
                };
                self.shared.state.send_replace(State::Connecting);
                let raced = tokio::select! {
                    raced = coming => raced,
                    () = self.is_closed() => return self.ended(&kept.connection, closed, &now),
                };
                let Ok(next) = raced else {
                    return self.ended(&kept.connection, closed, &now);
                };
                self.publish(&next, None);
                kept = Kept::new(next);
                (moving, tries) = (false, 0);
                continue;
            }
            if !moving && now.goaway != heard {
                // A further one says when and where to go anew.
                (successor, heard) = (None, now.goaway.clone());
            }
            let wanted = moving || self.is_leaving(&kept.connection, &now);
            if wanted && successor.is_none() {
                successor = Some(self.succeed(&now, tries));
            } else if !wanted {
                // It has come back to life.
                successor = None;
            }
            tokio::select! {
                // The driver says how it ended before it goes.
                _ = kept.standing.changed() => {}
                raced = arrival(&mut successor) => {
                    successor = None;
                    tries += 1;
                    match raced {
                        Ok(next) => {
                            self.publish(&next, Some(&kept.connection));
                            kept = Kept::new(next);
                            (moving, tries) = (false, 0);
                        }
                        Err(failed) => tracing::debug!(%failed, tries, "no other connection"),
                    }
                }
                () = sleep_until(again), if within_http && returning.is_none() => {
                    let shared = self.shared.clone();
                    returning = Some(Box::pin(async move { race::race_long(&shared).await }));
                }
                raced = arrival(&mut returning) => {
                    returning = None;
                    again = Instant::now() + MEMORY;
                    match raced {
                        Ok(next) => {
                            self.publish(&next, Some(&kept.connection));
                            kept = Kept::new(next);
                            (successor, moving, tries) = (None, false, 0);
                        }
                        Err(failed) => tracing::debug!(%failed, "the long form does not come through"),
                    }
                }
                () = self.something_changed() => {
                    let changes = *self.changes.borrow();
                    if changes.closed {
                        let closed = Closed { by: ClosedBy::Us, closing: Closing::new(CloseCode::DONE) };
                        let ended = self.ended(&kept.connection, &closed, &now);
                        self.shared.current.send_replace(None);
                        farewell(kept).await;
                        return ended;
                    }
                    if changes.network != network {
                        network = changes.network;
                        (successor, moving, tries) = (None, true, 0);
                    }
                }
            }
        }
    }

    /// Whether another connection is wanted in place of this one.
    fn is_leaving(&self, connection: &Connection, now: &Standing) -> bool {
        match (&now.goaway, now.phase) {
            // Where the server does not want the client back, the end is waited for.
            (Some(goaway), _) => {
                self.is_own(connection, goaway.code)
                    || !goaway.alternates.is_empty()
                    || matches!(goaway.code.advice(), Advice::Reconnect | Advice::BackOff)
            }
            (None, phase) => phase == Phase::Suspect,
        }
    }

    /// Whether the connection was replaced by another of this client: one that lost a race, or is to follow it.
    fn is_own(&self, connection: &Connection, code: CloseCode) -> bool {
        code == CloseCode::REPLACED && self.shared.newest() > connection.serial()
    }

    /// Opens another connection, when it is time.
    fn succeed(&self, now: &Standing, tries: u32) -> Successor {
        let mut wait = Duration::ZERO;
        if let Some(goaway) = &now.goaway {
            self.shared.memory().go(goaway);
            wait += asked_wait(goaway);
        }
        if tries > 0 {
            wait += self.shared.options.backoff.wait(tries);
        }
        let shared = self.shared.clone();
        Box::pin(async move {
            sleep(wait).await;
            race::race(&shared).await
        })
    }

    fn ended(&self, connection: &Connection, closed: &Closed, now: &Standing) -> Ended {
        let goaway = now.goaway.as_ref().map(|goaway| (**goaway).clone());
        let said = |code| self.is_own(connection, code);
        let by_own =
            said(closed.closing.code) || goaway.as_ref().is_some_and(|goaway| said(goaway.code));
        Ended { closed: closed.clone(), goaway, by_own }
    }
}

/// Lets the connection say CLOSE, so that the server need not take it for lost. A peer that takes nothing is not waited for.
async fn farewell(kept: Kept) {
    let Kept { connection, mut standing, .. } = kept;
    connection.tell(Command::Close);
    let gone = async { while standing.changed().await.is_ok() {} };
    let _ = timeout(FAREWELL, gone).await;
}

/// Waits for the successor; for ever without one.
async fn arrival(successor: &mut Option<Successor>) -> Result<Connection, Failed> {
    match successor {
        Some(successor) => successor.await,
        None => std::future::pending().await,
    }
}
