//! A case: a chain of probes, an upstream, a call; and what must be seen of it, whatever the front.

use paifang_pipeline::{Outcome, Termination};
use paifang_tests::harness::{
    Ask, Message, Probe, Probes, Recorded, Recorder, Reply, Running, Setup, one_upstream, until,
};
use std::net::SocketAddr;

/// A version of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    Http1,
    Http2,
}

impl Door {
    pub(crate) const ALL: [Self; 2] = [Self::Http1, Self::Http2];

    pub(crate) async fn ask(self, address: SocketAddr, ask: &Ask) -> Reply {
        match self {
            Self::Http1 => ask.over_http1(address).await,
            Self::Http2 => ask.over_http2(address).await,
        }
    }
}

type Answers = fn(&Message) -> Vec<u8>;

/// What a case is made of. Steps stand in the order in which they are added.
pub(crate) struct Case {
    steps: Vec<(&'static str, &'static str, Make)>,
    api: &'static str,
    answers: Answers,
    ask: Ask,
}

/// Probes are made anew for every run.
type Make = Box<dyn Fn() -> Probe>;

/// What was seen of a run.
pub(crate) struct Seen {
    pub(crate) door: Door,
    pub(crate) reply: Reply,
    pub(crate) trace: Vec<String>,
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) upstream: Recorder,
}

impl Case {
    pub(crate) fn new(ask: Ask) -> Self {
        Self { steps: Vec::new(), api: "", answers: origin, ask }
    }

    pub(crate) fn get() -> Self {
        Self::new(Ask::new("GET", "/"))
    }

    pub(crate) fn post(body: &'static str) -> Self {
        Self::new(Ask::new("POST", "/").body(body))
    }

    /// With one more step below those before.
    pub(crate) fn step(self, name: &'static str, make: impl Fn() -> Probe + 'static) -> Self {
        self.step_with(name, "", make)
    }

    /// The like, with more keys in its YAML.
    pub(crate) fn step_with(
        mut self,
        name: &'static str,
        keys: &'static str,
        make: impl Fn() -> Probe + 'static,
    ) -> Self {
        self.steps.push((name, keys, Box::new(make)));
        self
    }

    /// With more keys in the API's YAML.
    pub(crate) fn api(mut self, keys: &'static str) -> Self {
        self.api = keys;
        self
    }

    /// With an upstream that answers so.
    pub(crate) fn answers(mut self, answers: Answers) -> Self {
        self.answers = answers;
        self
    }

    pub(crate) fn config(&self, upstream: SocketAddr) -> String {
        let step = |(name, keys, _): &(&str, &str, Make)| {
            format!("{{ id: {name}, probe: {{ name: {name} }}, {keys} }}")
        };
        let steps = self.steps.iter().map(step).collect::<Vec<_>>().join(", ");
        let api = format!(
            "apis:\n  - {{ id: all, match: {{ path_prefix: / }}, upstream: up, {} handlers: [ {steps} ] }}",
            self.api
        );
        one_upstream(upstream, &api)
    }

    /// A gateway for this case, with this upstream behind it.
    pub(crate) async fn gateway(&self, upstream: SocketAddr) -> (Running, Recorded) {
        self.gateway_with(upstream, "").await
    }

    /// The like, with more keys in the upstream's YAML.
    pub(crate) async fn gateway_with(
        &self,
        upstream: SocketAddr,
        keys: &str,
    ) -> (Running, Recorded) {
        let probes = self.steps.iter();
        let probes = probes.fold(Probes::default(), |all, (name, _, make)| all.with(name, make()));
        let recorded = probes.recorded();
        let config = self.config(upstream).replace("endpoints:", &format!("{keys}endpoints:"));
        let running = Setup::new(config).plugin(probes).start().await;
        (running, recorded)
    }

    /// Makes the call through every door; `look` holds what was seen to what must be.
    ///
    /// Every step with a `log` stage must have been logged exactly once when the gateway has stopped.
    pub(crate) async fn run(self, look: impl Fn(&Seen)) {
        for door in Door::ALL {
            look(&self.through(door).await);
        }
    }

    pub(crate) async fn through(&self, door: Door) -> Seen {
        let upstream = Recorder::replying(self.answers).await;
        let (running, recorded) = self.gateway(upstream.address()).await;
        let reply = door.ask(running.address(), &self.ask).await;
        running.stop().await;
        let trace = recorded.trace();
        for event in trace.iter().filter(|event| event.ends_with(":log")) {
            assert_eq!(recorded.count(event), 1, "{door:?}: {event}");
        }
        Seen { door, reply, trace, outcomes: recorded.outcomes(), upstream }
    }
}

impl Seen {
    /// Status and body, and that the answer was whole.
    #[track_caller]
    pub(crate) fn answered(&self, status: u16, body: &str) -> &Self {
        let Reply { status: got, whole, .. } = self.reply;
        assert_eq!((got, self.reply.text(), whole), (status, body, true), "{:?}", self.door);
        self
    }

    /// An error of the gateway's table.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str) -> &Self {
        let seen = (self.reply.status, self.reply.code());
        assert_eq!(seen, (status, code.to_owned()), "{:?}: {:?}", self.door, self.reply);
        assert!(self.reply.whole, "{:?}", self.door);
        self
    }

    /// The steps and stages, in their order.
    #[track_caller]
    pub(crate) fn passed(&self, trace: &[&str]) -> &Self {
        assert_eq!(self.trace, trace, "{:?}", self.door);
        self
    }

    /// How many requests the upstream has seen whole.
    #[track_caller]
    pub(crate) fn upstream_saw(&self, requests: usize) -> &Self {
        assert_eq!(self.upstream.count(), requests, "{:?}", self.door);
        self
    }

    /// How `log` saw the call end.
    #[track_caller]
    pub(crate) fn ended(&self, termination: Termination) -> &Self {
        let ends: Vec<Termination> = self.outcomes.iter().map(|one| one.termination).collect();
        assert!(!ends.is_empty(), "{:?}: no step logs", self.door);
        assert!(ends.iter().all(|end| *end == termination), "{:?}: {ends:?}", self.door);
        self
    }
}

/// Waits until a step has logged so many calls.
pub(crate) async fn logged(recorded: &Recorded, event: &str, calls: usize) {
    until(|| recorded.count(event) >= calls).await;
}

/// 200 with the body `origin`.
pub(crate) fn origin(_: &Message) -> Vec<u8> {
    b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\norigin".to_vec()
}
