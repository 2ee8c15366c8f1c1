//! Which host a request is for, and whether all places that say so agree.

use super::refusal::Refusal;
use http::{HeaderMap, HeaderValue, Uri, Version, header::HOST};
use paifang_config::route::{Host, HostError, effective_host};
use paifang_pipeline::error;

/// Refuses a request whose host is missing, repeated, malformed, or said in two ways.
///
/// The rules are those of `docs/specs/paths.md`, with one more: in HTTP/1 an absolute target and
/// `Host` must name the same host. RFC 9112 section 3.2.2 lets the target rule; a recipient that
/// looks at the other one would be talking about another site than we are.
pub(super) fn check(version: Version, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
    let refused = |bad: HostError| Refusal::new(error::BAD_HOST, bad.to_string());
    let parse = |text: &'_ [u8]| Host::parse(text).map(Host::into_owned).map_err(refused);
    let authority = match uri.authority() {
        None => None,
        Some(authority) => Some(Host::parse(authority.as_str().as_bytes()).map_err(refused)?),
    };
    let differs = match (&authority, headers.get(HOST)) {
        (Some(authority), Some(host)) if version <= Version::HTTP_11 => {
            let host = parse(host.as_bytes())?;
            host.name() != authority.name() || host.port() != authority.port()
        }
        _ => false,
    };
    let fields = headers.get_all(HOST).iter().map(HeaderValue::as_bytes);
    effective_host(version, authority, fields).map_err(refused)?;
    if differs {
        let detail = "Host and the authority of the request target differ";
        return Err(Refusal::new(error::BAD_HOST, detail));
    }
    Ok(())
}
