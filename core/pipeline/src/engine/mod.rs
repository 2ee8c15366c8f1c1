//! The engine: walks one call down its chain, to an origin, and back up.
//!
//! A call's whole order of events is in [`Engine::serve`]; each module here is one leg of it:
//! `request` the walk down, `origin` the attempts, `upload` the request body's way, `response` the
//! walk back up, `deliver` the response's way out, `tunnel` what follows a 101, `finish` the log.

mod deliver;
mod finish;
mod origin;
mod request;
mod response;
mod slow;
mod step;
mod tunnel;
mod upload;

use crate::{
    api::Api,
    exchange::{Exchange, Response, StepState, Termination},
    front::{BodySize, Front, FrontError},
    origin::{Origin, OriginError},
    ports::Clock,
    recall::Recall,
    verdict::Rejection,
};
use http::{HeaderMap, header::CONTENT_LENGTH};
pub use slow::SlowLog;
use std::sync::Arc;
use tokio::time::Instant;

/// Runs calls. One value serves a whole gateway.
#[derive(Clone)]
pub struct Engine {
    clock: Arc<dyn Clock>,
    slow: Arc<SlowLog>,
}

/// How a served call ended, for its front.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Served {
    /// Whether the whole response went out; otherwise the front has been told to abort.
    pub termination: Termination,
}

impl Engine {
    /// An engine that measures with `clock`.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, slow: Arc::default() }
    }

    /// The engine's clock.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// From when on this engine tells of steps and calls as slow.
    #[must_use]
    pub fn slow(&self) -> &Arc<SlowLog> {
        &self.slow
    }

    /// Serves one call. Dropping the future aborts it; the `log` stage runs all the same.
    ///
    /// `exchange` is used up by it: what is left there is the call's account, no second call.
    pub async fn serve<F: Front, O: Origin>(
        &self,
        api: &Api,
        origin: &O,
        exchange: &mut Exchange,
        front: &mut F,
    ) -> Served {
        self.serve_until(None, api, origin, exchange, front).await
    }

    /// The like, for a call that ends when `recall` is given while an origin's answer is relayed.
    pub async fn serve_until<F: Front, O: Origin>(
        &self,
        recall: Option<&Recall>,
        api: &Api,
        origin: &O,
        exchange: &mut Exchange,
        front: &mut F,
    ) -> Served {
        let mut run = Run::new(self, api, exchange);
        run.recall = recall;
        let end = run.drive(front, origin).await;
        run.end(front, end).await
    }

    /// Serves a call that has no origin to go to: it walks down the chain, and where no step
    /// answers, `rejection` does. For requests that match no API, and for APIs that are offline.
    pub async fn refuse<F: Front>(
        &self,
        api: &Api,
        rejection: &Rejection,
        exchange: &mut Exchange,
        front: &mut F,
    ) -> Served {
        let mut run = Run::new(self, api, exchange);
        let end = run.drive_to(front, rejection).await;
        run.end(front, end).await
    }
}

/// One call on its way. Its drop is the end of the call: see `finish`.
struct Run<'a> {
    clock: &'a dyn Clock,
    api: &'a Api,
    /// Borrowed: it is some kilobyte, and a call is moved several times.
    exchange: &'a mut Exchange,
    /// How many steps from the top the walk down has passed.
    passed: usize,
    /// When the gateway stops waiting for a response head.
    deadline: Instant,
    /// How the client told the request body's length, before any step could say otherwise.
    declared: BodySize,
    /// What may end the call once its origin answers.
    recall: Option<&'a Recall>,
    slow: &'a SlowLog,
    /// Steps that take so many nanoseconds are noted; see `slow`.
    notable: u64,
}

/// Why a call ended before its response was out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// The client is gone.
    Gone,
    /// The origin failed after the response head had gone out.
    OriginBrokeOff,
    /// A step failed or aborted after the response head had gone out.
    HandlerBrokeOff,
    /// The call was recalled.
    Superseded,
}

/// What can go wrong while a response may still be made.
#[derive(Debug)]
enum Trouble {
    /// The client is gone.
    Gone,
    /// The origin failed; perhaps another attempt helps.
    Origin(OriginError),
    /// The gateway answers with this error.
    Reject(Rejection),
}

impl From<FrontError> for Trouble {
    fn from(error: FrontError) -> Self {
        match error.code() {
            Some(code) => Self::Reject(Rejection::new(code).internal(error.to_string())),
            None => Self::Gone,
        }
    }
}

/// The length that a head tells, kept apart from it: steps may change the head, and what frames a
/// body must stay true.
fn told_length(headers: &HeaderMap) -> BodySize {
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    length.map_or(BodySize::Unknown, BodySize::Exact)
}

/// Waits until `deadline`. A timer is made only once something has to be waited for, which most of
/// what a call does has not.
async fn until(deadline: Instant) {
    tokio::time::sleep_until(deadline).await;
}

impl<'a> Run<'a> {
    fn new(engine: &'a Engine, api: &'a Api, exchange: &'a mut Exchange) -> Self {
        exchange.states.resize_with(api.chain.steps().len(), StepState::default);
        api.stats.enter();
        let deadline = due(api, exchange);
        let declared = match api.chain.request.is_empty() && api.chain.upstream.is_empty() {
            true => BodySize::Declared,
            false => told_length(&exchange.head.headers),
        };
        let mut run = Self {
            clock: &*engine.clock,
            api,
            exchange,
            passed: 0,
            deadline,
            declared,
            recall: None,
            slow: &engine.slow,
            notable: 0,
        };
        run.notable = run.notable();
        run.tick();
        run
    }

    /// The whole way of a call.
    async fn drive<F: Front, O: Origin>(&mut self, front: &mut F, origin: &O) -> Result<(), Stop> {
        match self.walk_down(front).await {
            Ok(None) => {
                self.passed = self.api.chain.steps().len();
                self.serve_from_origin(front, origin).await
            }
            Ok(Some(response)) => self.answer(front, response).await,
            Err(trouble) => self.give_up(front, trouble).await,
        }
    }

    /// The like, where an error stands in the origin's place.
    async fn drive_to<F: Front>(
        &mut self,
        front: &mut F,
        rejection: &Rejection,
    ) -> Result<(), Stop> {
        match self.walk_down(front).await {
            Ok(None) => {
                self.passed = self.api.chain.steps().len();
                self.refuse(front, rejection).await
            }
            Ok(Some(response)) => self.answer(front, response).await,
            Err(trouble) => self.give_up(front, trouble).await,
        }
    }

    /// Writes down how the call ended; a response that is not whole is broken off.
    async fn end<F: Front>(&mut self, front: &mut F, end: Result<(), Stop>) -> Served {
        let termination = match end {
            Ok(()) => Termination::Completed,
            Err(Stop::Gone) => Termination::ClientGone,
            Err(Stop::OriginBrokeOff) => Termination::OriginBrokeOff,
            Err(Stop::HandlerBrokeOff) => Termination::HandlerBrokeOff,
            Err(Stop::Superseded) => Termination::Superseded,
        };
        self.exchange.outcome.termination = termination;
        if termination != Termination::Completed {
            front.abort().await;
        }
        Served { termination }
    }

    /// Answers with an error of the table; the steps that the call has passed see it.
    async fn refuse<F: Front>(&mut self, front: &mut F, rejection: &Rejection) -> Result<(), Stop> {
        let response = self.render(rejection);
        self.answer(front, response).await
    }

    /// The answer for an error, and its entry in the call's account.
    fn render(&mut self, rejection: &Rejection) -> Response {
        let outcome = &mut self.exchange.outcome;
        outcome.error = Some(rejection.code);
        outcome.error_detail = rejection
            .internal
            .clone()
            .or_else(|| rejection.detail.as_ref().map(|detail| detail.clone().into_owned()));
        self.api.error_pages.render(self.exchange, rejection)
    }

    /// Reads the clock after something was waited for.
    fn tick(&mut self) {
        self.exchange.now = self.clock.now();
    }

    /// Begins the time for a response head anew.
    fn extend_deadline(&mut self) {
        self.deadline = due(self.api, self.exchange);
    }

    /// Whether it is the caller who waits no longer, and not only the API's timeout that has ended.
    fn caller_is_overdue(&self) -> bool {
        self.exchange.facts.deadline.is_some_and(|deadline| deadline <= Instant::now())
    }
}

/// Until when a call waits that goes on now: as long as its API says, but no longer than its caller.
fn due(api: &Api, exchange: &Exchange) -> Instant {
    let own = Instant::now() + api.limits.timeout;
    exchange.facts.deadline.map_or(own, |caller| caller.min(own))
}
