//! From a request to the API that answers it: normalised paths, hosts, and the route table.
//!
//! The order of use, once per request:
//!
//! 1. [`normalize`] turns the request-target into one spelling. What it returns is matched, signed
//!    and forwarded, so no two of these can see different paths (docs/specs/paths.md).
//! 2. [`effective_host`] finds the one host the request is for.
//! 3. [`RouteTable::lookup`] answers with a route, with the methods that would have been allowed,
//!    or with nothing (docs/specs/routing.md says who wins).
//!
//! Everything costly is done in [`TableBuilder::build`]; a lookup hashes each path segment once,
//! takes no lock and allocates nothing for routes of up to four parameters.
//! Nothing here does I/O or knows a transport.

mod host;
mod path;
mod pattern;
mod table;

pub use host::{Host, HostError, HostKind, effective_host};
pub use path::{EncodedSlash, Form, PathError, PathPolicy, Target, normalize, normalize_path};
pub use pattern::{
    ConditionError, FillError, Filled, HeaderCondition, HeaderTest, HostPattern, HostPatternError,
    MethodSet, Narrow, PathPattern, PathPatternError, PathRegex, PathRegexError,
};
pub use table::{
    BuildError, Candidate, Criterion, Match, Outcome, Request, Route, RouteId, RouteTable, Span,
    TableBuilder, Verdict,
};
