//! Why a command failed, and whom that concerns: the whole lane, or this one key.

use paifang_pipeline::ports::StoreError;
use redis::{ErrorKind, RedisError, ServerErrorKind};

/// Why a command has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// The lane is known to be down; nothing was sent.
    Down,
    /// Too many commands wait already; nothing was sent.
    Busy,
    /// The server, or the way there, does not do its work: nobody will get an answer just now.
    Away(String),
    /// What lies under this key is not ours, or the server refuses this command alone.
    Key(String),
}

impl Failure {
    /// Whether others will fail as well.
    pub(super) const fn is_away(&self) -> bool {
        matches!(self, Self::Away(_))
    }

    /// Its word in metrics.
    pub(super) const fn word(&self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Busy => "busy",
            Self::Away(_) => "failed",
            Self::Key(_) => "refused",
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Down => f.write_str("the store is away"),
            Self::Busy => f.write_str("too many commands wait for the store"),
            Self::Away(why) => write!(f, "the store gives no answer: {why}"),
            Self::Key(why) => write!(f, "the store refuses: {why}"),
        }
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        Self(failure.to_string())
    }
}

impl From<&RedisError> for Failure {
    fn from(error: &RedisError) -> Self {
        let text = told(error);
        // Servers before 7.0 wrap the error of a command that a script ran into one of their own.
        let inner = ["OOM", "READONLY", "MISCONF", "NOREPLICAS"].iter();
        if inner.clone().any(|code| text.contains(code)) {
            return Self::Away(text);
        }
        match (error.kind(), error.code()) {
            (ErrorKind::Server(ServerErrorKind::ResponseError), _)
            | (ErrorKind::Extension, Some("WRONGTYPE")) => Self::Key(text),
            (ErrorKind::UnexpectedReturnType | ErrorKind::Parse, _) => Self::Key(text),
            _ => Self::Away(text),
        }
    }
}

/// The error in a line of bounded length. The client's errors hold no password.
fn told(error: &RedisError) -> String {
    let mut text = error.to_string().replace(['\r', '\n'], " ");
    if let Some((end, _)) = text.char_indices().nth(200) {
        text.truncate(end);
    }
    text
}
