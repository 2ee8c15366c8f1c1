//! The stages that a new handler takes part in.

use clap::ValueEnum;

/// A stage besides `configure`, which every handler has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli::handler) enum Stage {
    /// On the way to the upstream.
    Request,
    /// The like, with the whole body in hand.
    RequestWithBody,
    /// On the way back to the client.
    Response,
    /// The like, with the whole body in hand.
    ResponseWithBody,
    /// At the end of each call.
    Log,
}

impl Stage {
    /// Its word in templates, as on the command line.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::RequestWithBody => "request-with-body",
            Self::Response => "response",
            Self::ResponseWithBody => "response-with-body",
            Self::Log => "log",
        }
    }
}
