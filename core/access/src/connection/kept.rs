//! What a connection keeps under its resume token, and the job that does so.

use std::{
    sync::Arc,
    task::{Poll, Waker},
    time::Duration,
};

use paifang_mmtp::greeting::Update;
use tokio::time::{Instant, sleep_until};

use super::Shared;
use crate::resume::{self, Cursor, Grant, Held, Tokens};

/// Between two times that cursors are written: a component that moves on with every message costs no more.
const PAUSE: Duration = Duration::from_secs(1);

/// A connection's part in its token's record.
#[derive(Debug)]
pub(crate) struct Kept {
    place: Place,
    /// Cursors that are not written.
    changed: Vec<Cursor>,
    waker: Option<Waker>,
}

/// Which record it is, and who keeps it.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) held: Held,
}

impl Kept {
    pub(crate) fn new(place: Place) -> Self {
        Self { place, changed: Vec::new(), waker: None }
    }

    /// Which record it is now.
    pub(crate) fn held(&self) -> Held {
        self.place.held
    }

    /// Sets a cursor; false when it is too long, or there are too many.
    pub(crate) fn set(&mut self, channel: u8, cursor: &[u8]) -> bool {
        let set = resume::set(&mut self.changed, channel, cursor);
        self.wake();
        set
    }

    /// Another user's record from here on.
    pub(crate) fn replace(&mut self, place: Place) {
        (self.place, self.changed) = (place, Vec::new());
    }

    /// The job has to look.
    pub(crate) fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// What there is to be written.
enum Due {
    /// These.
    Cursors(Place, Vec<Cursor>),
    /// The token grows old.
    Token(Place),
    /// The connection has ended.
    End,
}

/// Writes cursors as they change, and gives the next token when half of this one's time is over; until the connection has ended.
pub(super) async fn keep(shared: Arc<Shared>) {
    let mut renewal = None;
    loop {
        let place = {
            let mut state = shared.lock();
            let Some(kept) = &state.kept else {
                state.keeping = false;
                return;
            };
            kept.place.clone()
        };
        let at = *renewal.get_or_insert_with(|| Instant::now() + place.tokens.lifetime() / 2);
        let due = tokio::select! {
            biased;
            due = changed(&shared) => due,
            () = sleep_until(at) => Due::Token(place),
        };
        match due {
            Due::Cursors(Place { tokens, held }, cursors) => {
                // Boxed, like what renews: mostly it waits.
                if !Box::pin(tokens.keep(held, &cursors)).await {
                    tracing::debug!("cursors could not be kept");
                }
                pause(&shared).await;
            }
            Due::Token(place) => {
                renewal = None;
                Box::pin(renew(&shared, place)).await;
            }
            Due::End => return,
        }
    }
}

/// Gives the client its next token.
async fn renew(shared: &Shared, Place { tokens, held }: Place) {
    let Some(Grant { token, held: next }) = tokens.renew(held).await else { return };
    let mut state = shared.lock();
    // A change of the user may have been faster: it has given a token too.
    if let Some(kept) = state.kept.as_mut().filter(|kept| kept.place.held == held) {
        kept.place.held = next;
        state.session.update(&Update { token: Some(token), ..Update::default() });
        drop(state);
        shared.task.wake();
    }
}

/// Waits until there is something to write, or the connection has ended with nothing left.
async fn changed(shared: &Shared) -> Due {
    std::future::poll_fn(|cx| {
        let mut state = shared.lock();
        let closed = state.session.is_closed();
        let Some(kept) = state.kept.as_mut() else { return Poll::Ready(Due::End) };
        if !kept.changed.is_empty() {
            let cursors = std::mem::take(&mut kept.changed);
            return Poll::Ready(Due::Cursors(kept.place.clone(), cursors));
        }
        if closed {
            return Poll::Ready(Due::End);
        }
        kept.waker = Some(cx.waker().clone());
        Poll::Pending
    })
    .await
}

/// Waits a while, or until the connection has ended.
async fn pause(shared: &Shared) {
    let ended = std::future::poll_fn(|cx| {
        let mut state = shared.lock();
        let closed = state.session.is_closed();
        match state.kept.as_mut() {
            Some(kept) if !closed => {
                kept.waker = Some(cx.waker().clone());
                Poll::Pending
            }
            _ => Poll::Ready(()),
        }
    });
    // Either is well.
    let _ = tokio::time::timeout(PAUSE, ended).await;
}
