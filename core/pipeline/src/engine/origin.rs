//! Attempts on the origin, until one has a response head or none may follow.

use super::{Run, Stop, Trouble, until, upload::Upload};
use crate::{
    error,
    exchange::{RequestHead, ResponseHead},
    front::Front,
    handler::UpstreamCall,
    origin::{Failed, Origin, OriginCall, OriginError, OriginEvent, Replay},
    recall::Recall,
    spans::CallSpan,
    stats::StepVerdict,
    verdict::Rejection,
    when::mix,
};
use http::StatusCode;
use std::{
    future::Future,
    pin::{Pin, pin},
};

/// Makes ids of attempts other than what else is made of a call's entropy.
const ATTEMPT_SALT: u64 = 0x6174_7465_6d70_7400;

/// A response head, and the attempt that its body comes from.
pub(super) struct Reply<C> {
    pub(super) call: C,
    pub(super) head: ResponseHead,
    pub(super) ended: bool,
}

impl<'a> Run<'a> {
    /// Everything from the last step of the chain to the end of the call.
    pub(super) async fn serve_from_origin<F: Front, O: Origin>(
        &mut self,
        front: &mut F,
        origin: &O,
    ) -> Result<(), Stop> {
        let mut upload = match self.ready_upload(front) {
            Ok(upload) => upload,
            Err(trouble) => return self.give_up(front, trouble).await,
        };
        let reply = loop {
            match self.attempt(front, origin, &mut upload).await {
                Ok(reply)
                    if self.repeats_status(reply.head.status, &upload)
                        && origin.spend_retry(self.exchange) =>
                {
                    reply.call.finish(false).await;
                    self.tick();
                }
                Ok(reply) if reply.head.status == StatusCode::SWITCHING_PROTOCOLS => {
                    let (recall, spread) = self.recall();
                    return unless_given(recall, spread, pin!(self.tunnel(front, reply))).await;
                }
                Ok(reply) => {
                    let failed = Failed::Status(reply.head.status);
                    let Some(kept) = self.stand_in(front, origin, &mut upload, failed).await else {
                        break reply;
                    };
                    reply.call.finish(false).await;
                    break kept;
                }
                Err(Trouble::Origin(failed))
                    if self.repeats(&failed, &upload) && origin.spend_retry(self.exchange) =>
                {
                    self.attempt_failed(&failed);
                    tracing::debug!(api = %self.api.id, attempt = self.exchange.outcome.attempts, error = %failed, "trying again");
                    self.tick();
                }
                Err(trouble) => {
                    let kept = match &trouble {
                        Trouble::Origin(failed) => {
                            self.stand_in(front, origin, &mut upload, Failed::Error(failed)).await
                        }
                        Trouble::Gone | Trouble::Reject(_) => None,
                    };
                    let Some(kept) = kept else { return self.give_up(front, trouble).await };
                    if let Trouble::Origin(failed) = &trouble {
                        self.attempt_failed(failed);
                    }
                    break kept;
                }
            }
        };
        let (recall, spread) = self.recall();
        let relay = pin!(self.deliver(front, reply, upload));
        unless_given(recall, spread, relay).await
    }

    /// What the origin has in place of an error, with its head.
    async fn stand_in<F: Front, O: Origin>(
        &mut self,
        front: &mut F,
        origin: &O,
        upload: &mut Upload,
        failed: Failed<'_>,
    ) -> Option<Reply<O::Call>> {
        let mut call = origin.stand_in(self.exchange, upload.size, failed)?;
        match self.next_event(front, &mut call, upload, true).await {
            Ok(OriginEvent::Head(head, ended)) => {
                self.tick();
                self.exchange.outcome.cache = call.found();
                Some(Reply { call, head, ended })
            }
            Ok(_) | Err(_) => None,
        }
    }

    /// What may end the call from here on, and a number that differs from call to call.
    fn recall(&self) -> (Option<&'a Recall>, u64) {
        (self.recall, self.exchange.facts.entropy)
    }

    /// Ends a call that cannot go on.
    pub(super) async fn give_up<F: Front>(
        &mut self,
        front: &mut F,
        trouble: Trouble,
    ) -> Result<(), Stop> {
        match trouble {
            Trouble::Gone => Err(Stop::Gone),
            Trouble::Reject(rejection) => self.refuse(front, &rejection).await,
            Trouble::Origin(failed) => {
                self.attempt_failed(&failed);
                tracing::info!(
                    api = %self.api.id, code = failed.code.label, endpoint = ?self.exchange.outcome.endpoint,
                    attempts = self.exchange.outcome.attempts, detail = %failed.detail, "no answer from the origin"
                );
                self.refuse(front, &Rejection::new(failed.code).internal(failed.detail)).await
            }
        }
    }

    /// One attempt: connect, `upstream` steps, request, response head.
    async fn attempt<F: Front, O: Origin>(
        &mut self,
        front: &mut F,
        origin: &O,
        upload: &mut Upload,
    ) -> Result<Reply<O::Call>, Trouble> {
        self.exchange.outcome.attempts += 1;
        let attempt = self.exchange.outcome.attempts;
        let opened = self.exchange.now;
        self.exchange.outcome.request_sent = None;
        self.exchange.head_due = self.exchange.facts.deadline.map(|_| self.deadline);
        if let Some(span) = &mut self.exchange.span {
            let bits = mix(self.exchange.facts.entropy, ATTEMPT_SALT + u64::from(attempt));
            span.begin_attempt(attempt, opened, bits);
        }
        let mut call = {
            let deadline = until(self.deadline);
            tokio::select! {
                biased;
                call = origin.open(self.exchange, attempt) => call.map_err(Trouble::Origin)?,
                () = front.closed() => return Err(Trouble::Gone),
                () = deadline => {
                    let code = match self.caller_is_overdue() {
                        true => error::UPSTREAM_TIMEOUT,
                        false => error::CONNECT_TIMEOUT,
                    };
                    let why = OriginError::new(code, Replay::Never, "the call's time is up");
                    return Err(Trouble::Origin(why));
                }
            }
        };
        self.exchange.outcome.endpoint = call.endpoint();
        if let Some(noted) = self.exchange.span.as_mut().and_then(CallSpan::attempt) {
            noted.endpoint = call.endpoint();
        }
        let head = match call.is_kept() {
            true => None,
            false => self.upstream_head(call.endpoint(), attempt).map_err(Trouble::Reject)?,
        };
        self.send_request(&mut call, head, upload).await.map_err(Trouble::Origin)?;
        if upload.complete {
            self.exchange.outcome.request_sent = Some(opened);
        }
        loop {
            match self.next_event(front, &mut call, upload, true).await? {
                // The client's 100 is the gateway's own affair: it was sent when the body was due.
                OriginEvent::Info(head) if head.status == StatusCode::CONTINUE => {}
                OriginEvent::Info(head) => front.send_info(head).await?,
                OriginEvent::Head(head, ended) => {
                    self.tick();
                    let now = self.exchange.now;
                    let outcome = &mut self.exchange.outcome;
                    outcome.origin_head_nanos = Some(now.since(opened));
                    let waited = outcome.request_sent.map_or(0, |sent| now.since(sent));
                    outcome.origin_wait_nanos = Some(waited);
                    outcome.cache = call.found();
                    if let Some(noted) = self.exchange.span.as_mut().and_then(CallSpan::attempt) {
                        noted.head = Some(now);
                        noted.status = Some(head.status);
                    }
                    return Ok(Reply { call, head, ended });
                }
                OriginEvent::Frame(_) => {
                    return Err(Trouble::Origin(OriginError::new(
                        error::UPSTREAM_MALFORMED,
                        Replay::Never,
                        "a body before the head",
                    )));
                }
            }
        }
    }

    /// The head for one attempt: a copy, where an `upstream` step wants to change it.
    fn upstream_head(
        &mut self,
        endpoint: Option<std::net::SocketAddr>,
        attempt: u32,
    ) -> Result<Option<RequestHead>, Rejection> {
        let api = self.api;
        if api.chain.upstream.is_empty() {
            return Ok(None);
        }
        let mut head = self.exchange.head.clone();
        self.tick();
        for &index in &api.chain.upstream {
            let index = usize::from(index);
            if !self.takes_part(index) {
                continue;
            }
            let before = self.exchange.trace.is_some().then(|| head.headers.clone());
            let result = self.run_step(index, |handler, exchange| {
                handler.upstream(
                    &mut UpstreamCall { exchange, step: index, endpoint, attempt },
                    &mut head,
                )
            });
            match result.and_then(|result| result) {
                Ok(()) => {
                    let began = self.exchange.now;
                    self.tick();
                    let changes = before.as_ref().map(|before| (before, &head.headers));
                    self.count_from(began, index, "upstream", StepVerdict::Continue, changes);
                }
                Err(failure) => {
                    if let Some(rejection) = self.judge(index, "upstream", &failure) {
                        return Err(rejection);
                    }
                }
            }
        }
        Ok(Some(head))
    }

    /// Notes why an attempt has failed, where the call is traced.
    fn attempt_failed(&mut self, failed: &OriginError) {
        if !self.exchange.span.as_ref().is_some_and(|span| span.sampled) {
            return;
        }
        self.tick();
        let now = self.exchange.now;
        if let Some(noted) = self.exchange.span.as_mut().and_then(CallSpan::attempt) {
            noted.error = Some(failed.code);
            noted.ended = Some(now);
        }
    }

    /// Whether a failed attempt is made again.
    fn repeats(&self, failed: &OriginError, upload: &Upload) -> bool {
        let harmless = match failed.replay {
            Replay::Safe => true,
            Replay::IfIdempotent => self.api.retry.idempotent(self.exchange.method()),
            Replay::Never => false,
        };
        harmless && self.another_attempt(upload)
    }

    /// Whether an attempt that answered with this status is made again.
    fn repeats_status(&self, status: StatusCode, upload: &Upload) -> bool {
        self.api.retry.statuses.contains(&status)
            && self.api.retry.idempotent(self.exchange.method())
            && self.another_attempt(upload)
    }

    fn another_attempt(&self, upload: &Upload) -> bool {
        upload.replayable
            && self.exchange.outcome.attempts < self.api.retry.attempts
            && !self.caller_is_overdue()
    }
}

/// Relays an answer, as long as the call is not recalled.
async fn unless_given(
    recall: Option<&Recall>,
    spread: u64,
    relay: Pin<&mut impl Future<Output = Result<(), Stop>>>,
) -> Result<(), Stop> {
    match recall {
        None => relay.await,
        Some(recall) => recall.unless_given(spread, relay).await.unwrap_or(Err(Stop::Superseded)),
    }
}
