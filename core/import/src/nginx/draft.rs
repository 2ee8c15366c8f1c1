//! The order of steps, and where they come from.

use super::tree::Directive;

/// Where in a chain a step stands: nginx's phases in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Log,
    /// Above all that answers: what they answer is compressed too.
    Coding,
    RequestId,
    ResponseHeaders,
    Condition,
    Return,
    Connections,
    Rate,
    Address,
    Identity,
    Copies,
    Shares,
    Rewrite,
    RequestHeaders,
    Content,
}

/// An API in the making.
pub(super) type Draft = crate::draft::Draft<Phase>;

/// The comment above what comes of it.
impl From<&Directive> for String {
    fn from(directive: &Directive) -> Self {
        origin(directive)
    }
}

/// Where a directive stands, short: `shop.conf:12`, with what it is.
pub(super) fn origin(directive: &Directive) -> String {
    let file = directive.place.file.rsplit('/').next().unwrap_or_default();
    let line = directive.line();
    let cut: String = line.chars().take(70).collect();
    format!("{file}:{}: {cut}", directive.place.line)
}
