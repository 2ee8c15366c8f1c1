//! MMTP within HTTP/1.1, over any stream: the short form over one POST, and WebSocket. For a [`Connect`](super::Connect) of one's own.

mod chunks;
mod head;
mod post;
#[cfg(test)]
mod tests;
mod websocket;

pub use post::Post;
pub use websocket::WebSocket;

/// The answer is HTTP's and not MMTP's: nobody speaks MMTP there, or somebody on the way has answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer is no MMTP: HTTP status {status}")]
pub struct NotMmtp {
    /// The HTTP status.
    pub status: u16,
}

impl NotMmtp {
    /// Whether the status says that nothing of the request was looked at (RFC 9110 section 15.5).
    pub(crate) fn is_refused(self) -> bool {
        (400..500).contains(&self.status)
    }

    /// Of an error that came from reading, if it is one.
    pub(crate) fn of(error: &std::io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref::<Self>().copied()
    }
}

impl From<NotMmtp> for std::io::Error {
    fn from(answer: NotMmtp) -> Self {
        Self::new(std::io::ErrorKind::Unsupported, answer)
    }
}

/// An error of what the other side sends.
fn malformed(why: &'static str) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, why)
}
