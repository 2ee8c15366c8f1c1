//! Which host a request is for, out of the places that may say so.

use http::Version;

use super::{Host, HostError};

/// The one host a request is for.
///
/// `authority` is that of an absolute request-target (HTTP/1) or `:authority` (HTTP/2 and 3);
/// `fields` are the values of all `Host` fields, in order.
///
/// - HTTP/1.1: exactly one valid `Host` field, also beside an absolute target, whose authority then
///   rules (RFC 9112 sections 3.2 and 3.2.2).
/// - HTTP/1.0 and before: at most one `Host`; none or an empty one gives `None`, which only routes
///   for any host match.
/// - HTTP/2 and 3: `:authority`, `Host`, or both when they agree (RFC 9113 section 8.3.1); ports
///   are compared when both give one.
///
/// # Errors
/// Each way to be refused is a variant of [`HostError`].
pub fn effective_host<'a>(
    version: Version,
    authority: Option<Host<'a>>,
    mut fields: impl Iterator<Item = &'a [u8]>,
) -> Result<Option<Host<'a>>, HostError> {
    let field = fields.next();
    if fields.next().is_some() {
        return Err(HostError::Several);
    }
    let field = match field {
        Some([]) if version < Version::HTTP_11 => None,
        Some(value) => Some(Host::parse(value)?),
        None => None,
    };
    if version < Version::HTTP_11 {
        return Ok(authority.or(field));
    }
    if version == Version::HTTP_11 {
        let field = field.ok_or(HostError::Missing)?;
        return Ok(Some(authority.unwrap_or(field)));
    }
    match (authority, field) {
        (Some(authority), Some(field)) if !agree(&authority, &field) => Err(HostError::Differ),
        (Some(host), _) | (None, Some(host)) => Ok(Some(host)),
        (None, None) => Err(HostError::Missing),
    }
}

fn agree(a: &Host<'_>, b: &Host<'_>) -> bool {
    a.name() == b.name() && (a.port() == b.port() || a.port().is_none() || b.port().is_none())
}
