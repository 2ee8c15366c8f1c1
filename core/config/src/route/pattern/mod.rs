//! What a route asks of a request: host, methods, path, listeners, header conditions. All checked when parsed.

mod fill;
mod header;
mod host;
mod method;
mod narrow;
mod path;
#[cfg(test)]
mod tests;

pub use fill::{FillError, Filled};
pub use header::{ConditionError, HeaderCondition, HeaderTest};
pub use host::{HostPattern, HostPatternError};
pub use method::MethodSet;
pub use narrow::{Narrow, PathRegex, PathRegexError};
pub use path::{PathPattern, PathPatternError};

pub(super) use header::{HeaderRank, only};
pub(super) use method::{MethodKey, MethodRank};
pub(super) use narrow::NarrowRank;
pub(super) use path::{Segment, Tail};
