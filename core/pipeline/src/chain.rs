//! Chains: an API's steps, compiled at load into exact lists per stage.
//!
//! A chain is a list. Requests pass it top to bottom, responses bottom to top, in the order of the
//! YAML. A stage that no step declares costs one look at an empty list.

use crate::{
    handler::{Handler, Stages},
    ports::StateKey,
    stats::StepStats,
    when::When,
};
use std::{fmt, sync::Arc};

/// What the client sees when a step fails.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    Default,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// The call fails. The default: protection never fails open by itself.
    #[default]
    Closed,
    /// The call goes on as if the step were not there.
    Open,
}

/// One place in a chain.
pub struct Step {
    /// Unique in the chain; the kind unless the config says other.
    pub id: Arc<str>,
    /// The handler's name.
    pub kind: Arc<str>,
    /// What runs.
    pub handler: Arc<dyn Handler>,
    /// Whether it takes part in a call; always where `None`.
    pub when: Option<When>,
    /// What happens when it fails.
    pub on_failure: OnFailure,
    /// Its counters.
    pub stats: Arc<StepStats>,
    /// The state it keeps between calls, with a fingerprint of how it is laid out.
    pub states: Vec<StateUse>,
    /// The upstreams that it may send calls to, beside the API's own.
    pub routes: Vec<Arc<str>>,
}

/// A piece of state that a step keeps between calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateUse {
    /// Its name in the store.
    pub key: StateKey,
    /// Differs when a change of config resets the state.
    pub fingerprint: String,
}

/// More steps than this in one chain are refused.
pub const MAX_STEPS: usize = 64;
/// More routes than these in one chain, those of all its steps together, are refused.
pub const MAX_ROUTES: usize = 256;

/// Why steps do not make a chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// Too many steps.
    #[error("a chain has at most {MAX_STEPS} steps, this one has {0}")]
    TooLong(usize),
    /// Too many routes.
    #[error("the steps of a chain name at most {MAX_ROUTES} other upstreams, these {0}")]
    TooManyRoutes(usize),
    /// Two steps have the same id.
    #[error("two steps have the id `{0}`; give one of them another `id:`")]
    DuplicateId(Arc<str>),
}

/// An API's steps with their lists per stage.
pub struct Chain {
    steps: Box<[Step]>,
    /// The stages of each step, asked once.
    pub(crate) stages: Box<[Stages]>,
    /// Steps that the walk down must stop at: with a `request` stage, or a `when` to decide.
    pub(crate) request: Box<[u8]>,
    pub(crate) request_body: Box<[u8]>,
    pub(crate) upstream: Box<[u8]>,
    /// A bit for each step that only looks at request bodies.
    watching: u64,
    routes: Box<[Arc<str>]>,
    /// Bottom to top.
    pub(crate) response: Box<[u8]>,
    /// Bottom to top.
    pub(crate) response_body: Box<[u8]>,
    pub(crate) log: Box<[u8]>,
}

impl Chain {
    /// Compiles steps, given top to bottom.
    ///
    /// # Errors
    /// See [`ChainError`].
    pub fn new(steps: Vec<Step>) -> Result<Self, ChainError> {
        if steps.len() > MAX_STEPS {
            return Err(ChainError::TooLong(steps.len()));
        }
        for (index, step) in steps.iter().enumerate() {
            if steps[..index].iter().any(|earlier| earlier.id == step.id) {
                return Err(ChainError::DuplicateId(step.id.clone()));
            }
        }
        let routes: Box<[Arc<str>]> =
            steps.iter().flat_map(|step| step.routes.iter().cloned()).collect();
        if routes.len() > MAX_ROUTES {
            return Err(ChainError::TooManyRoutes(routes.len()));
        }
        let watching = (0..).zip(&steps).filter(|(_, step)| step.handler.only_watches());
        let watching = watching.fold(0, |bits, (index, _)| bits | 1 << index);
        let list = |wanted: &dyn Fn(&Step) -> bool| -> Vec<u8> {
            (0u8..).zip(&steps).filter(|(_, step)| wanted(step)).map(|(index, _)| index).collect()
        };
        let at = |stage: Stages| list(&|step: &Step| step.handler.stages().has(stage));
        let upward = |stage: Stages| {
            let mut all = at(stage);
            all.reverse();
            all.into_boxed_slice()
        };
        Ok(Self {
            request: list(&|step| {
                step.when.is_some() || step.handler.stages().has(Stages::REQUEST)
            })
            .into(),
            request_body: at(Stages::REQUEST_BODY).into(),
            upstream: at(Stages::UPSTREAM).into(),
            response: upward(Stages::RESPONSE),
            response_body: upward(Stages::RESPONSE_BODY),
            log: at(Stages::LOG).into(),
            stages: steps.iter().map(|step| step.handler.stages()).collect(),
            watching,
            routes,
            steps: steps.into(),
        })
    }

    /// A chain that lets everything pass.
    #[must_use]
    pub fn empty() -> Self {
        let none = || Box::<[u8]>::default();
        Self {
            steps: Box::default(),
            stages: Box::default(),
            request: none(),
            request_body: none(),
            upstream: none(),
            watching: 0,
            routes: Box::default(),
            response: none(),
            response_body: none(),
            log: none(),
        }
    }

    /// The upstreams that its steps may send calls to, beside the API's own: those of each step in its
    /// order, step after step. A [`Route`](crate::Route) is a place in here.
    #[must_use]
    pub fn routes(&self) -> &[Arc<str>] {
        &self.routes
    }

    /// Whether the step only looks at frames of request bodies.
    pub(crate) fn watches(&self, step: usize) -> bool {
        self.watching & (1 << step) != 0
    }

    /// Whether the step may change how long a request body is.
    pub(crate) fn may_change_length(&self, step: usize) -> bool {
        !self.watches(step) && !self.steps[step].handler.keeps_length()
    }

    /// The steps, top to bottom.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.id, self.kind)
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.steps).finish()
    }
}
