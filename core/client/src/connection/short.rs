//! What is another way in a conversation of the short form: its request ends when all is sent, and it ends when all is answered.

use std::{io, pin::Pin};

use paifang_mmtp::session;
use tokio::{io::AsyncReadExt, time::timeout};

use super::driver::{Driver, PARTING};
use crate::{
    connect::{Wire, http::NotMmtp},
    forms::SHORT_WINDOW,
    kept::Origin,
};

/// Longer than any deadline of a call, which is what bounds such a conversation: a year, in milliseconds.
const NEVER_MS: u64 = 365 * 24 * 3600 * 1000;

/// The most bytes behind the last answer: CLOSE, and what a server likes to say before.
const BEHIND: usize = 16 * 1024;

/// How a conversation came to its connection.
#[derive(Debug)]
pub(crate) struct Way {
    pub(crate) origin: Origin,
    /// There was another conversation on it before.
    pub(crate) kept: bool,
}

/// How far a conversation is.
#[derive(Debug)]
pub(super) struct Short {
    way: Way,
    /// It has got its first call.
    pub(super) begun: bool,
    /// The request has ended.
    ended: bool,
    /// The server has said by HTTP's status that it looked at nothing.
    pub(super) refused: bool,
    /// It has not come to its end: something was given up, or lost.
    spoiled: bool,
}

impl Short {
    pub(super) fn new(way: Way) -> Self {
        Self { way, begun: false, ended: false, refused: false, spoiled: false }
    }
}

/// The session's times and windows: no heartbeat, and no silence says anything, for whoever stands between may keep an answer back until
/// it is whole.
pub(super) fn config(config: session::Config) -> session::Config {
    let mut config = session::Config {
        greeting_ms: NEVER_MS,
        heartbeat_ms: NEVER_MS,
        probe_ms: NEVER_MS,
        suspect_ms: NEVER_MS,
        dead_ms: NEVER_MS,
        ..config
    };
    config.settings.connection_window = SHORT_WINDOW;
    config.settings.channel_window = SHORT_WINDOW;
    config
}

/// Reads the answer to its end; nothing in it is for anybody.
async fn read_behind(wire: &mut dyn Wire) -> io::Result<()> {
    let mut left = [0; BEHIND];
    let mut read = 0;
    while read < BEHIND {
        match Pin::new(&mut *wire).read(&mut left[read..]).await? {
            0 => return Ok(()),
            more => read += more,
        }
    }
    Err(io::ErrorKind::InvalidData.into())
}

impl Driver {
    /// Whether the request's end is due.
    pub(super) fn ends_request(&self) -> bool {
        let open = self.short.as_ref().is_some_and(|short| short.begun && !short.ended);
        open && self.out.is_empty() && self.waiting.is_empty() && !self.session.has_unsent()
    }

    /// The request's end is out.
    pub(super) fn request_ended(&mut self) {
        if let Some(short) = &mut self.short {
            short.ended = true;
        }
    }

    /// A call has begun.
    pub(super) fn call_begun(&mut self) {
        if let Some(short) = &mut self.short {
            short.begun = true;
        }
    }

    /// Ends what nobody waits for any more. There is no CLOSE to be said: the request has ended, or is given up.
    pub(super) fn end_answered(&mut self) {
        let begun = self.short.as_ref().is_some_and(|short| short.begun);
        if begun && self.calls.is_empty() && self.waiting.is_empty() {
            self.session.lost();
        }
    }

    /// A call was given up: what ends the connection is what tells the server.
    pub(super) fn spoil(&mut self) {
        if let Some(short) = &mut self.short {
            short.spoiled = true;
        }
    }

    /// All is answered, or lost. The connection is kept for another conversation when this one has come to its end on it.
    pub(super) async fn part(self) {
        let Self { short, mut wire, shared, .. } = self;
        let Some(Short { way, ended, spoiled, .. }) = short else { return };
        let whole = ended && !spoiled && {
            let end = timeout(PARTING, read_behind(&mut *wire));
            end.await.is_ok_and(|read| read.is_ok())
        };
        match wire.again().filter(|_| whole) {
            Some(wire) => shared.keep(way.origin, wire),
            // Those that are as old may be as stale.
            None if way.kept => shared.kept.clear(),
            None => {}
        }
    }

    /// Reading has failed: perhaps because nobody speaks MMTP there.
    pub(super) fn note_refusal(&mut self, cause: &io::Error) {
        let (Some(short), Some(answer)) = (&mut self.short, NotMmtp::of(cause)) else { return };
        short.refused = answer.is_refused();
        self.shared.failed(answer.to_string());
        // 425 is about this moment, and what servers say of themselves as well.
        if matches!(answer.status, 404 | 405 | 415) {
            self.shared.memory().found.set_no_short();
        }
    }
}
