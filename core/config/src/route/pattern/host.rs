//! Host patterns: `api.example.com`, `*.example.com`, `*`.

use std::fmt;

use thiserror::Error;

use crate::route::host::{Host, HostError, HostKind};

/// Which hosts a route is for. Ordered from the most to the least specific, among patterns that
/// match the same host.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// This host, in normal form.
    Exact(Box<str>),
    /// One or more labels before `.` and this name: `example.com` here is `*.example.com` in config.
    /// It does not match the name itself.
    Wildcard(Box<str>),
    /// Any host, also none.
    Any,
}

/// Why a text is no host pattern.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HostPatternError {
    /// Routes are matched without port.
    #[error("a host pattern has no port")]
    Port,
    /// A `*` elsewhere than alone or as the first label.
    #[error("`*` stands only for the first labels of a host, as in `*.example.com`")]
    Wildcard,
    /// `*.0.0.1` or the like.
    #[error("a wildcard stands before names, not before addresses")]
    Address,
    /// Letters outside of ASCII.
    #[error("write an internationalised host as A-labels (`xn--…`)")]
    Unicode,
    /// The host itself is bad.
    #[error(transparent)]
    Host(#[from] HostError),
}

impl HostPattern {
    /// Parses a pattern. The host is brought into normal form: case and trailing dot don't matter.
    ///
    /// # Errors
    /// Each way to be wrong is a variant of [`HostPatternError`].
    pub fn parse(text: &str) -> Result<Self, HostPatternError> {
        if text == "*" {
            return Ok(HostPattern::Any);
        }
        let (wildcard, text) = match text.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        if text.contains('*') {
            return Err(HostPatternError::Wildcard);
        }
        if !text.is_ascii() {
            return Err(HostPatternError::Unicode);
        }
        // A bare number, as in `*.1`, is the tail of an address.
        if wildcard && text.trim_end_matches('.').rsplit('.').next().is_some_and(is_number) {
            return Err(HostPatternError::Address);
        }
        let host = Host::parse(text.as_bytes())?;
        if host.port().is_some() || text.ends_with(':') {
            return Err(HostPatternError::Port);
        }
        match (wildcard, host.kind()) {
            (false, _) => Ok(HostPattern::Exact(host.name().into())),
            (true, HostKind::Name) => Ok(HostPattern::Wildcard(host.name().into())),
            (true, _) => Err(HostPatternError::Address),
        }
    }

    /// Whether a host in normal form ([`Host::name`]) matches; `None` is a request without host.
    pub fn matches(&self, host: Option<&str>) -> bool {
        match (self, host) {
            (HostPattern::Any, _) => true,
            (_, None) => false,
            (HostPattern::Exact(name), Some(host)) => **name == *host,
            (HostPattern::Wildcard(name), Some(host)) => host
                .strip_suffix(&**name)
                .is_some_and(|labels| labels.len() > 1 && labels.ends_with('.')),
        }
    }

    /// Among patterns that match the same host, the greater wins: exact, then the longest wildcard.
    pub(in crate::route) fn rank(&self) -> usize {
        match self {
            HostPattern::Exact(_) => usize::MAX,
            HostPattern::Wildcard(name) => name.len(),
            HostPattern::Any => 0,
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HostPattern::Exact(name) => f.write_str(name),
            HostPattern::Wildcard(name) => write!(f, "*.{name}"),
            HostPattern::Any => f.write_str("*"),
        }
    }
}

fn is_number(label: &str) -> bool {
    !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_digit())
}
