//! A plugin whose steps a test scripts, and which writes down what they were called for.

use paifang_pipeline::{
    BodyVerdict, BuildContext, Built, ConfigError, Failure, Frame, Handler, LogCall, Outcome,
    Plugin, RequestBodyCall, RequestCall, RequestHead, ResponseBodyCall, ResponseCall,
    ResponseVerdict, Stages, UpstreamCall, Verdict,
};
use schemars::JsonSchema;
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

type OnRequest = Box<dyn Fn(&mut RequestCall<'_>) -> Verdict + Send + Sync>;
type OnResponse = Box<dyn Fn(&mut ResponseCall<'_>) -> ResponseVerdict + Send + Sync>;
type OnFrame = Box<dyn Fn(&mut Frame) -> BodyVerdict + Send + Sync>;
type OnUpstream =
    Box<dyn Fn(&mut UpstreamCall<'_>, &mut RequestHead) -> Result<(), Failure> + Send + Sync>;

/// What the steps of one gateway were called for.
#[derive(Debug, Clone, Default)]
pub struct Recorded(Arc<Mutex<Events>>);

#[derive(Debug, Default)]
struct Events {
    trace: Vec<String>,
    outcomes: Vec<Outcome>,
}

impl Recorded {
    /// `step:stage` in the order in which it was called. Bodies come in as many frames as the
    /// network likes: a step is named once for all frames of one body.
    ///
    /// # Panics
    /// Never before another panic.
    #[must_use]
    pub fn trace(&self) -> Vec<String> {
        self.0.lock().expect("a panic before").trace.clone()
    }

    /// How often this `step:stage` was called.
    #[must_use]
    pub fn count(&self, event: &str) -> usize {
        self.trace().iter().filter(|known| *known == event).count()
    }

    /// What the first step with a `log` stage saw there, a call each.
    ///
    /// # Panics
    /// Never before another panic.
    #[must_use]
    pub fn outcomes(&self) -> Vec<Outcome> {
        self.0.lock().expect("a panic before").outcomes.clone()
    }

    fn note(&self, step: &str, stage: &str) {
        let event = format!("{step}:{stage}");
        let mut events = self.0.lock().expect("a panic before");
        if !(stage.ends_with("_body") && events.trace.contains(&event)) {
            events.trace.push(event);
        }
    }

    fn ended(&self, outcome: &Outcome) {
        self.0.lock().expect("a panic before").outcomes.push(outcome.clone());
    }
}

/// One step's script: it lets everything pass unless it is told otherwise.
pub struct Probe {
    stages: Stages,
    panics: bool,
    keeps_length: bool,
    request: OnRequest,
    response: OnResponse,
    request_body: OnFrame,
    response_body: OnFrame,
    upstream: OnUpstream,
}

impl Probe {
    /// Runs at these stages.
    #[must_use]
    pub fn at(stages: Stages) -> Self {
        Self {
            stages,
            panics: false,
            keeps_length: false,
            request: Box::new(|_| Verdict::Continue),
            response: Box::new(|_| ResponseVerdict::Continue),
            request_body: Box::new(|_| BodyVerdict::Continue),
            response_body: Box::new(|_| BodyVerdict::Continue),
            upstream: Box::new(|_, _| Ok(())),
        }
    }

    /// Runs at every stage of a call.
    #[must_use]
    pub fn everywhere() -> Self {
        let head = Stages::REQUEST.and(Stages::UPSTREAM).and(Stages::RESPONSE);
        Self::at(head.and(Stages::REQUEST_BODY).and(Stages::RESPONSE_BODY).and(Stages::LOG))
    }

    /// Panics at these stages.
    #[must_use]
    pub fn panicking(stages: Stages) -> Self {
        Self { panics: true, ..Self::at(stages) }
    }

    /// Needs the whole request body and lets it pass.
    #[must_use]
    pub fn needing_body() -> Self {
        Self::at(Stages::REQUEST).on_request(|call| match call.body() {
            None => Verdict::NeedBody,
            Some(_) => Verdict::Continue,
        })
    }

    /// Declares that bodies keep their length.
    #[must_use]
    pub fn keeping_length(mut self) -> Self {
        self.keeps_length = true;
        self
    }

    /// What it does on the way down.
    #[must_use]
    pub fn on_request(
        mut self,
        f: impl Fn(&mut RequestCall<'_>) -> Verdict + Send + Sync + 'static,
    ) -> Self {
        self.request = Box::new(f);
        self
    }

    /// What it does on the way back.
    #[must_use]
    pub fn on_response(
        mut self,
        f: impl Fn(&mut ResponseCall<'_>) -> ResponseVerdict + Send + Sync + 'static,
    ) -> Self {
        self.response = Box::new(f);
        self
    }

    /// What it does with frames on the way down.
    #[must_use]
    pub fn on_request_body(
        mut self,
        f: impl Fn(&mut Frame) -> BodyVerdict + Send + Sync + 'static,
    ) -> Self {
        self.request_body = Box::new(f);
        self
    }

    /// What it does with frames on the way back.
    #[must_use]
    pub fn on_response_body(
        mut self,
        f: impl Fn(&mut Frame) -> BodyVerdict + Send + Sync + 'static,
    ) -> Self {
        self.response_body = Box::new(f);
        self
    }

    /// What it does with an attempt's head.
    #[must_use]
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
}

/// The plugin `probe`: `probe: { name: a }` is the script that was added as `a`.
#[derive(Default)]
pub struct Probes {
    scripts: BTreeMap<&'static str, Arc<Probe>>,
    recorded: Recorded,
}

impl Probes {
    /// With one more script.
    #[must_use]
    pub fn with(mut self, name: &'static str, probe: Probe) -> Self {
        self.scripts.insert(name, Arc::new(probe));
        self
    }

    /// What all steps will have been called for.
    #[must_use]
    pub fn recorded(&self) -> Recorded {
        self.recorded.clone()
    }

    /// All scripts as steps of a chain, by name, in YAML's flow style.
    #[must_use]
    pub fn steps(&self) -> String {
        let step = |name: &&str| format!("{{ id: {name}, probe: {{ name: {name} }} }}");
        format!("[ {} ]", self.scripts.keys().map(step).collect::<Vec<_>>().join(", "))
    }
}

/// The config of a step.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProbeConfig {
    /// The script's name.
    pub name: String,
}

impl Plugin for Probes {
    type Config = ProbeConfig;

    fn kind(&self) -> &'static str {
        "probe"
    }

    fn build(&self, config: ProbeConfig, _: &BuildContext<'_>) -> Result<Built, ConfigError> {
        let Some(probe) = self.scripts.get(&*config.name) else {
            return Err(ConfigError::at("/name", "there is no such script"));
        };
        let (name, recorded) = (config.name, self.recorded.clone());
        Ok(Built::new(Running { name, probe: Arc::clone(probe), recorded }))
    }
}

struct Running {
    name: String,
    probe: Arc<Probe>,
    recorded: Recorded,
}

impl Running {
    fn enter(&self, stage: &str) {
        self.recorded.note(&self.name, stage);
        assert!(!self.probe.panics, "this handler panics");
    }
}

impl Handler for Running {
    fn stages(&self) -> Stages {
        self.probe.stages
    }

    fn keeps_length(&self) -> bool {
        self.probe.keeps_length
    }

    fn request(&self, call: &mut RequestCall<'_>) -> Verdict {
        self.enter("request");
        (self.probe.request)(call)
    }

    fn request_body(&self, _: &mut RequestBodyCall<'_>, frame: &mut Frame) -> BodyVerdict {
        self.enter("request_body");
        (self.probe.request_body)(frame)
    }

    fn upstream(&self, call: &mut UpstreamCall<'_>, head: &mut RequestHead) -> Result<(), Failure> {
        self.enter("upstream");
        (self.probe.upstream)(call, head)
    }

    fn response(&self, call: &mut ResponseCall<'_>) -> ResponseVerdict {
        self.enter("response");
        (self.probe.response)(call)
    }

    fn response_body(&self, _: &mut ResponseBodyCall<'_>, frame: &mut Frame) -> BodyVerdict {
        self.enter("response_body");
        (self.probe.response_body)(frame)
    }

    fn log(&self, call: &mut LogCall<'_>) {
        self.recorded.ended(call.outcome());
        self.enter("log");
    }
}
