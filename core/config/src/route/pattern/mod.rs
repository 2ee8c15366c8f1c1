//! What a route asks of a request: host, methods, path, header conditions. All checked when parsed.

mod header;
mod host;
mod method;
mod path;
#[cfg(test)]
mod tests;

pub use header::{ConditionError, HeaderCondition, HeaderTest};
pub use host::{HostPattern, HostPatternError};
pub use method::MethodSet;
pub use path::{PathPattern, PathPatternError};

pub(super) use header::{HeaderRank, only};
pub(super) use method::{MethodKey, MethodRank};
pub(super) use path::{Segment, Tail};
