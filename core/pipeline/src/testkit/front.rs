//! A front in memory: scripted frames in, everything sent recorded.

use crate::{
    body::Frame,
    exchange::ResponseHead,
    front::{BodySize, Front, FrontError, Inbound},
};
use std::collections::VecDeque;

/// What the engine has sent to the client.
#[derive(Debug)]
pub enum Sent {
    /// `100 Continue` was due.
    Continue,
    /// An interim response.
    Info(ResponseHead),
    /// The final head.
    Head(ResponseHead, BodySize),
    /// A piece of the body.
    Frame(Frame),
    /// The response was broken off.
    Abort,
}

/// A client in memory.
#[derive(Debug, Default)]
pub struct TestFront {
    /// What it sends, in order. When the list is empty before the body's end, it stalls.
    pub inbound: VecDeque<Result<Inbound, FrontError>>,
    /// What it was sent.
    pub sent: Vec<Sent>,
    /// Whether its body has ended.
    pub ended: bool,
    /// It goes away as soon as it is known to wait for nothing but the answer.
    pub gone: bool,
    /// It goes away after so many things were sent to it.
    pub gone_after_sends: Option<usize>,
}

impl TestFront {
    /// A client whose request has no body.
    #[must_use]
    pub fn without_body() -> Self {
        Self { ended: true, ..Self::default() }
    }

    /// A client that sends these frames; the last one should end the body.
    pub fn sending(frames: impl IntoIterator<Item = Frame>) -> Self {
        Self {
            inbound: frames.into_iter().map(|frame| Ok(Inbound::Frame(frame))).collect(),
            ..Self::default()
        }
    }

    fn push(&mut self, sent: Sent) -> Result<(), FrontError> {
        if self.gone_after_sends.is_some_and(|limit| self.sent.len() >= limit) {
            return Err(FrontError::Gone("test".to_owned()));
        }
        self.sent.push(sent);
        Ok(())
    }
}

impl Front for TestFront {
    fn body_ended(&mut self) -> bool {
        self.ended
    }

    async fn begin_body(&mut self) -> Result<(), FrontError> {
        self.push(Sent::Continue)
    }

    async fn recv(&mut self) -> Result<Inbound, FrontError> {
        // Other tasks first, as with a real socket.
        tokio::task::yield_now().await;
        match self.inbound.pop_front() {
            Some(Ok(Inbound::Frame(frame))) => {
                self.ended |= frame.end;
                Ok(Inbound::Frame(frame))
            }
            Some(other) => other,
            None if self.gone => Ok(Inbound::Gone),
            None => std::future::pending().await,
        }
    }

    async fn closed(&mut self) {
        if !self.gone {
            std::future::pending::<()>().await;
        }
    }

    async fn send_info(&mut self, head: ResponseHead) -> Result<(), FrontError> {
        self.push(Sent::Info(head))
    }

    async fn send_head(&mut self, head: ResponseHead, body: BodySize) -> Result<(), FrontError> {
        self.push(Sent::Head(head, body))
    }

    async fn send(&mut self, frame: Frame) -> Result<(), FrontError> {
        self.push(Sent::Frame(frame))
    }

    async fn abort(&mut self) {
        self.sent.push(Sent::Abort);
    }
}
