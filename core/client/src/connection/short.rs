//! What is another way in a conversation of the short form: its request ends when all is sent, and it ends when all is answered.

use std::io;

use paifang_mmtp::session;

use super::driver::Driver;
use crate::{connect::http::NotMmtp, forms::SHORT_WINDOW};

/// Longer than any deadline of a call, which is what bounds such a conversation: a year, in milliseconds.
const NEVER_MS: u64 = 365 * 24 * 3600 * 1000;

/// How far a conversation is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Short {
    /// It has got its first call.
    pub(super) begun: bool,
    /// The request has ended.
    ended: bool,
    /// The server has said by HTTP's status that it looked at nothing.
    pub(super) refused: bool,
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

impl Driver {
    /// Whether the request's end is due.
    pub(super) fn ends_request(&self) -> bool {
        let open = self.short.is_some_and(|short| short.begun && !short.ended);
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
        let begun = self.short.is_some_and(|short| short.begun);
        if begun && self.calls.is_empty() && self.waiting.is_empty() {
            self.session.lost();
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
