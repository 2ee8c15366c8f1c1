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

/// Why steps do not make a chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// Too many steps.
    #[error("a chain has at most {MAX_STEPS} steps, this one has {0}")]
    TooLong(usize),
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
            response: none(),
            response_body: none(),
            log: none(),
        }
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
