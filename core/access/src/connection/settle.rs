//! What waits until it is sure that HELLO was its client's own: the resume token, and the end of the device's older connections.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use paifang_mmtp::greeting::{Resumed, Update};

use super::{
    drive::Driver,
    job,
    kept::{Kept, Place},
};
use crate::{
    Client, Host,
    resume::{Grant, Resumption},
};

/// What came of a connection's resume token.
#[derive(Debug, Default)]
pub(super) struct Settled {
    /// Where it was given the next one.
    place: Option<Place>,
}

/// What a connection settles by.
pub(super) type Settling = Pin<Box<dyn Future<Output = (Update, Settled)> + Send>>;

/// Looks at HELLO's token, and gives the next one. The client is told by WELCOME, or by UPDATE where that is out.
pub(super) async fn resume<H: Host>(
    host: &H,
    client: &Client<H::Transport>,
    shown: Option<&[u8]>,
) -> (Update, Settled) {
    let tokens = host.tokens(&client.transport);
    let owner = client.owner(client.epoch(), client.user().as_deref());
    let (said, cursors, grant) = match (tokens.as_ref(), owner) {
        (Some(tokens), Some(owner)) => {
            let Resumption { said, cursors, grant } =
                tokens.resume(shown, client.proven, &owner).await;
            (said, cursors, grant)
        }
        // Where none are given, none are known; without a key it is nobody's.
        (tokens, _) => {
            let why = if tokens.is_some() { Resumed::Foreign } else { Resumed::Unknown };
            (shown.map(|_| why), Vec::new(), None)
        }
    };
    let (token, held) = grant.map(|Grant { token, held }| (token, held)).unzip();
    let update = Update { cursors, token, resumed: said, ..Update::default() };
    let place = tokens.zip(held).map(|(tokens, held)| Place { tokens, held });
    (update, Settled { place })
}

impl<H: Host> Driver<'_, H> {
    /// The client is in, and what it has shown was decided with HELLO, or is once the handshake is over.
    pub(super) fn settle(
        &mut self,
        client: &Arc<Client<H::Transport>>,
        shown: Option<Box<[u8]>>,
        settled: Option<Settled>,
    ) {
        match settled {
            Some(settled) => self.settled(settled),
            None => {
                let (host, client) = (self.server.host().clone(), client.clone());
                self.settling = Some(Box::pin(async move {
                    if !host.confirmed(&client.transport).await {
                        // The connection's end is on its way.
                        std::future::pending::<()>().await;
                    }
                    resume(&*host, &client, shown.as_deref()).await
                }));
            }
        }
    }

    /// Goes on settling; true when that is over.
    pub(super) fn poll_settling(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(settling) = &mut self.settling else { return false };
        let Poll::Ready((update, settled)) = settling.as_mut().poll(cx) else { return false };
        self.settling = None;
        if update != Update::default() {
            self.shared.lock().session.update(&update);
        }
        self.settled(settled);
        true
    }

    fn settled(&mut self, Settled { place }: Settled) {
        if let Some(place) = place {
            self.keep_at(place);
        }
        self.replace_others();
    }

    /// What is kept is kept there from here on. Its job may still run: it has not seen yet that there was nothing to keep.
    fn keep_at(&mut self, place: Place) {
        let mut state = self.shared.lock();
        state.kept = Some(Box::new(Kept::new(place)));
        if !std::mem::replace(&mut state.keeping, true) {
            self.begun = Some(job::keep(&self.shared));
        }
    }

    /// The user is another one: so is what is kept.
    pub(super) fn keep_for_user(&mut self, place: Option<Place>) {
        let mut state = self.shared.lock();
        match (state.kept.as_mut(), place) {
            (Some(kept), Some(place)) => kept.replace(place),
            (None, Some(place)) => {
                drop(state);
                self.keep_at(place);
            }
            // Nothing can be kept for this user; the job ends.
            (Some(kept), None) => {
                kept.wake();
                state.kept = None;
            }
            (None, None) => {}
        }
    }
}
