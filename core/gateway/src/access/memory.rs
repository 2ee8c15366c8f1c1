//! A call that begins and ends in this process: its body is there, of its answer the status counts.

use bytes::Bytes;
use paifang_pipeline::{BodySize, ErrorCode, Frame, Front, FrontError, Inbound, ResponseHead};

/// A door whose caller is the gateway itself.
#[derive(Debug, Default)]
pub(super) struct MemoryFront {
    body: Option<Bytes>,
    /// The status of the answer, once its head was sent.
    pub(super) status: Option<u16>,
    /// The fields of the answer.
    pub(super) headers: http::HeaderMap,
    /// The row of the error table, where the gateway made the answer.
    pub(super) error: Option<&'static ErrorCode>,
    /// Whether the answer came whole.
    pub(super) complete: bool,
}

impl MemoryFront {
    /// A call with this body.
    pub(super) fn new(body: Bytes) -> Self {
        let body = (!body.is_empty()).then_some(body);
        Self { body, ..Self::default() }
    }

    /// Whether the answer is whole and says yes.
    pub(super) fn is_success(&self) -> bool {
        self.complete && self.status.is_some_and(|status| (200..300).contains(&status))
    }
}

impl Front for MemoryFront {
    fn body_ended(&mut self) -> bool {
        self.body.is_none()
    }

    async fn begin_body(&mut self) -> Result<(), FrontError> {
        Ok(())
    }

    async fn recv(&mut self) -> Result<Inbound, FrontError> {
        match self.body.take() {
            Some(body) => Ok(Inbound::Frame(Frame::last(body))),
            None => std::future::pending().await,
        }
    }

    async fn closed(&mut self) {
        std::future::pending().await
    }

    async fn send_info(&mut self, _: ResponseHead) -> Result<(), FrontError> {
        Ok(())
    }

    async fn send_head(&mut self, head: ResponseHead, body: BodySize) -> Result<(), FrontError> {
        self.status = Some(head.status.as_u16());
        self.error = head.extensions.get::<&'static ErrorCode>().copied();
        self.headers = head.headers;
        self.complete = matches!(body, BodySize::Empty | BodySize::Exact(0));
        Ok(())
    }

    async fn send(&mut self, frame: Frame) -> Result<(), FrontError> {
        self.complete |= frame.end;
        Ok(())
    }

    async fn abort(&mut self) {
        self.complete = false;
    }
}
