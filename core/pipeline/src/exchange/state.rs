//! What one step keeps for one call, between its stages.

use crate::{handler::Stages, ports::Permit};
use std::any::Any;

/// A step's memory of one call. Dropped after the `log` stage, whatever became of the call.
#[derive(Default)]
pub(crate) struct StepState {
    /// A number that costs no allocation.
    pub(crate) word: u64,
    /// A place among the calls in flight.
    pub(crate) permit: Option<Permit>,
    /// Anything else.
    pub(crate) kept: Option<Box<dyn Any + Send + Sync>>,
    /// Whether the step's `when` held: decided once, when the walk comes to the step.
    pub(crate) gate: Gate,
    /// Stages of a body that the step leaves alone in this call, though it declares them.
    pub(crate) left: Stages,
}

/// The state of a step's `when` for one call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Gate {
    /// The walk has not come to the step.
    #[default]
    Unreached,
    /// The step takes part.
    Open,
    /// Its `when` did not hold.
    Shut,
}
