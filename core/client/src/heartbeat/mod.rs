//! The smart heartbeat: how long a connection may be silent in each network before something on the way forgets it.
//!
//! A NAT forgets a connection that nothing moves on, and tells nobody. A short heartbeat wakes the radio for nothing, a long one loses
//! push. So the longest interval that works is learnt, network by network: [`Learner`] is the rule, without a clock; the table holds one
//! for each network and tells losses that a NAT made from others. `docs/client.md` has the rules in words.

mod learner;
mod table;
#[cfg(test)]
mod tests;
mod text;

pub use learner::Learner;
pub(crate) use table::Table;
