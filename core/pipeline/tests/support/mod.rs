//! A handler whose every stage a test can script, and what the cases share.
#![allow(unreachable_pub)]

use paifang_pipeline::{
    BodyVerdict, Failure, Frame, Handler, LogCall, RequestBodyCall, RequestCall, RequestHead,
    ResponseBodyCall, ResponseCall, ResponseVerdict, Stages, UpstreamCall, Verdict,
    testkit::{Reply, TestOrigin},
};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

type OnRequest = Box<dyn Fn(&mut RequestCall<'_>) -> Verdict + Send + Sync>;
type OnResponse = Box<dyn Fn(&mut ResponseCall<'_>) -> ResponseVerdict + Send + Sync>;
type OnFrame = Box<dyn Fn(&mut Frame) -> BodyVerdict + Send + Sync>;
type OnUpstream =
    Box<dyn Fn(&mut UpstreamCall<'_>, &mut RequestHead) -> Result<(), Failure> + Send + Sync>;

pub struct Probe {
    stages: Stages,
    panics: bool,
    keeps_length: bool,
    only_watches: bool,
    request: OnRequest,
    response: OnResponse,
    request_body: OnFrame,
    response_body: OnFrame,
    upstream: OnUpstream,
    logs: AtomicUsize,
}

impl Probe {
    /// Lets everything pass at these stages.
    pub fn at(stages: Stages) -> Self {
        Self {
            stages,
            panics: false,
            keeps_length: false,
            only_watches: false,
            request: Box::new(|_| Verdict::Continue),
            response: Box::new(|_| ResponseVerdict::Continue),
            request_body: Box::new(|_| BodyVerdict::Continue),
            response_body: Box::new(|_| BodyVerdict::Continue),
            upstream: Box::new(|_, _| Ok(())),
            logs: AtomicUsize::new(0),
        }
    }

    pub fn panicking(stages: Stages) -> Self {
        Self { panics: true, ..Self::at(stages) }
    }

    pub fn responding(stages: Stages, status: u16) -> Self {
        Self::at(stages).on_request(move |_| {
            let mut response = http::Response::new("answer".into());
            *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
            Verdict::Respond(response)
        })
    }

    pub fn needing_body() -> Self {
        Self::at(Stages::REQUEST).on_request(|call| match call.body() {
            None => Verdict::NeedBody,
            Some(_) => Verdict::Continue,
        })
    }

    pub fn keeping_length(mut self, keeps: bool) -> Self {
        self.keeps_length = keeps;
        self
    }

    pub fn only_watching(mut self) -> Self {
        self.only_watches = true;
        self
    }

    pub fn on_request(
        mut self,
        f: impl Fn(&mut RequestCall<'_>) -> Verdict + Send + Sync + 'static,
    ) -> Self {
        self.request = Box::new(f);
        self
    }

    pub fn on_response(
        mut self,
        f: impl Fn(&mut ResponseCall<'_>) -> ResponseVerdict + Send + Sync + 'static,
    ) -> Self {
        self.response = Box::new(f);
        self
    }

    pub fn on_request_body(
        mut self,
        f: impl Fn(&mut Frame) -> BodyVerdict + Send + Sync + 'static,
    ) -> Self {
        self.request_body = Box::new(f);
        self
    }

    pub fn on_response_body(
        mut self,
        f: impl Fn(&mut Frame) -> BodyVerdict + Send + Sync + 'static,
    ) -> Self {
        self.response_body = Box::new(f);
        self
    }

    pub fn on_upstream(
        mut self,
        f: impl Fn(&mut UpstreamCall<'_>, &mut RequestHead) -> Result<(), Failure>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        self.upstream = Box::new(f);
        self
    }

    pub fn logs(&self) -> usize {
        self.logs.load(SeqCst)
    }

    fn maybe_panic(&self) {
        assert!(!self.panics, "this handler panics");
    }
}

impl Handler for Probe {
    fn stages(&self) -> Stages {
        self.stages
    }

    fn keeps_length(&self) -> bool {
        self.keeps_length
    }

    fn only_watches(&self) -> bool {
        self.only_watches
    }

    fn request(&self, call: &mut RequestCall<'_>) -> Verdict {
        self.maybe_panic();
        (self.request)(call)
    }

    fn request_body(&self, _: &mut RequestBodyCall<'_>, frame: &mut Frame) -> BodyVerdict {
        self.maybe_panic();
        (self.request_body)(frame)
    }

    fn upstream(&self, call: &mut UpstreamCall<'_>, head: &mut RequestHead) -> Result<(), Failure> {
        self.maybe_panic();
        (self.upstream)(call, head)
    }

    fn response(&self, call: &mut ResponseCall<'_>) -> ResponseVerdict {
        self.maybe_panic();
        (self.response)(call)
    }

    fn response_body(&self, _: &mut ResponseBodyCall<'_>, frame: &mut Frame) -> BodyVerdict {
        self.maybe_panic();
        (self.response_body)(frame)
    }

    fn log(&self, _: &mut LogCall<'_>) {
        self.logs.fetch_add(1, SeqCst);
        self.maybe_panic();
    }
}

/// An origin that answers one call.
pub fn ok() -> TestOrigin {
    TestOrigin::answering(200, "origin")
}

/// `step:stage:verdict` of every event.
pub fn trace(reply: &Reply) -> Vec<String> {
    let events = reply.trace.events.iter();
    events.map(|event| format!("{}:{}:{}", event.step, event.stage, event.verdict)).collect()
}

pub fn all_but_accept() -> Stages {
    Stages::REQUEST
        .and(Stages::REQUEST_BODY)
        .and(Stages::UPSTREAM)
        .and(Stages::RESPONSE)
        .and(Stages::RESPONSE_BODY)
        .and(Stages::LOG)
}
