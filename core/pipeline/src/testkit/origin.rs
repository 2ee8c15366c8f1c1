//! An origin in memory: one script an attempt, everything received recorded.

use crate::{
    body::Frame,
    exchange::{Exchange, RequestHead, ResponseHead},
    front::BodySize,
    origin::{Origin, OriginCall, OriginError, OriginEvent},
};
use bytes::Bytes;
use http::StatusCode;
use std::{
    borrow::Cow,
    collections::VecDeque,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

/// What one attempt does.
#[derive(Debug)]
pub enum Script {
    /// Connecting fails.
    Refuse(OriginError),
    /// Connecting never ends.
    Hang,
    /// The events, in order; an error ends them. When they are used up, the origin stalls.
    Events(Vec<Result<OriginEvent, OriginError>>),
    /// The like, but only once the whole request body is there.
    AfterBody(Vec<Result<OriginEvent, OriginError>>),
    /// The request's body comes back frame by frame as it arrives, after a 200.
    Echo,
}

/// What one attempt received.
#[derive(Debug, Clone)]
pub struct OriginRequest {
    /// The head.
    pub head: RequestHead,
    /// How the body's length was announced.
    pub size: BodySize,
    /// The body so far.
    pub frames: Vec<Frame>,
    /// Whether the attempt ended as it should; `None` while it runs or when it was dropped.
    pub complete: Option<bool>,
}

impl OriginRequest {
    /// The body in one piece.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        self.frames.iter().flat_map(|frame| frame.data.to_vec()).collect()
    }
}

/// An origin in memory.
#[derive(Debug, Clone, Default)]
pub struct TestOrigin {
    scripts: Arc<Mutex<VecDeque<Script>>>,
    requests: Arc<Mutex<Vec<OriginRequest>>>,
    /// How many retries the budget allows.
    pub retries: Arc<AtomicUsize>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl TestOrigin {
    /// One script an attempt, in order; the last one is not repeated.
    pub fn scripted(scripts: impl IntoIterator<Item = Script>) -> Self {
        let origin = Self::default();
        lock(&origin.scripts).extend(scripts);
        origin.retries.store(usize::MAX, SeqCst);
        origin
    }

    /// Answers one call with this status and body.
    pub fn answering(status: u16, body: impl Into<Bytes>) -> Self {
        Self::scripted([Script::AfterBody(vec![
            Ok(OriginEvent::Head(Self::head(status), false)),
            Ok(OriginEvent::Frame(Frame::last(body.into()))),
        ])])
    }

    /// A response head without headers.
    ///
    /// # Panics
    /// When `status` is none.
    #[must_use]
    pub fn head(status: u16) -> ResponseHead {
        let mut response = http::Response::new(());
        match StatusCode::from_u16(status) {
            Ok(status) => *response.status_mut() = status,
            Err(_) => panic!("{status} is no status"),
        }
        response.into_parts().0
    }

    /// What attempt number `index` (from 0) received.
    ///
    /// # Panics
    /// When there was no such attempt.
    #[must_use]
    pub fn request(&self, index: usize) -> OriginRequest {
        lock(&self.requests)[index].clone()
    }

    /// How many attempts got as far as a head.
    #[must_use]
    pub fn requests(&self) -> usize {
        lock(&self.requests).len()
    }
}

/// One attempt in memory.
#[derive(Debug)]
pub struct Attempt {
    origin: TestOrigin,
    index: usize,
    events: VecDeque<Result<OriginEvent, OriginError>>,
    after_body: bool,
    echo: bool,
    body_ended: bool,
}

impl Origin for TestOrigin {
    type Call = Attempt;

    async fn open(&self, _: &Exchange, _: u32) -> Result<Attempt, OriginError> {
        let script = lock(&self.scripts).pop_front();
        let (events, after_body, echo) = match script {
            Some(Script::Refuse(error)) => return Err(error),
            Some(Script::Hang) | None => return std::future::pending().await,
            Some(Script::Events(events)) => (events, false, false),
            Some(Script::AfterBody(events)) => (events, true, false),
            Some(Script::Echo) => {
                (vec![Ok(OriginEvent::Head(Self::head(200), false))], false, true)
            }
        };
        Ok(Attempt {
            origin: self.clone(),
            index: 0,
            events: events.into(),
            after_body,
            echo,
            body_ended: false,
        })
    }

    fn spend_retry(&self, _: &Exchange) -> bool {
        self.retries.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok()
    }
}

impl OriginCall for Attempt {
    fn endpoint(&self) -> Option<SocketAddr> {
        Some(SocketAddr::from(([127, 0, 0, 1], 80)))
    }

    async fn send_head(
        &mut self,
        _: &Exchange,
        head: Cow<'_, RequestHead>,
        size: BodySize,
    ) -> Result<(), OriginError> {
        let mut requests = lock(&self.origin.requests);
        self.index = requests.len();
        // No frame follows either of them.
        self.body_ended = matches!(size, BodySize::Empty | BodySize::Exact(0));
        let head = head.into_owned();
        requests.push(OriginRequest { head, size, frames: Vec::new(), complete: None });
        Ok(())
    }

    async fn send(&mut self, frame: Frame) -> Result<(), OriginError> {
        self.body_ended |= frame.end;
        if self.echo {
            self.events.push_back(Ok(OriginEvent::Frame(frame.clone())));
        }
        lock(&self.origin.requests)[self.index].frames.push(frame);
        Ok(())
    }

    async fn recv(&mut self) -> Result<OriginEvent, OriginError> {
        tokio::task::yield_now().await;
        if self.after_body && !self.body_ended {
            return std::future::pending().await;
        }
        match self.events.pop_front() {
            Some(event) => event,
            None => std::future::pending().await,
        }
    }

    async fn finish(self, complete: bool) {
        lock(&self.origin.requests)[self.index].complete = Some(complete);
    }
}

#[cfg(test)]
mod tests {
    //! When a request is complete.
    use super::TestOrigin;
    use crate::testkit::TestCall;
    use http::Method;

    #[tokio::test]
    async fn a_request_that_declares_an_empty_body_is_complete_with_its_head() {
        let origin = TestOrigin::answering(200, "ok");
        let call = TestCall::new(Method::POST, "/").header("content-length", "0");
        assert_eq!(call.run(&origin).await.body(), "ok");
    }
}
