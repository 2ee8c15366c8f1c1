//! Which host a request is for, and whether all places that say so agree.

use super::refusal::Refusal;
use http::{HeaderMap, HeaderValue, Uri, Version, header::HOST};
use paifang_config::route::{Host, HostError, effective_host};
use paifang_pipeline::{HostName, error};

/// The host in normal form; empty where HTTP/1.0 names none. Refuses a request whose host is missing,
/// repeated, malformed, or said in two ways.
///
/// The rules are those of `docs/specs/paths.md`, with one more: in HTTP/1 an absolute target and
/// `Host` must name the same host. RFC 9112 section 3.2.2 lets the target rule; a recipient that
/// looks at the other one would be talking about another site than we are.
pub(super) fn check(version: Version, uri: &Uri, headers: &HeaderMap) -> Result<HostName, Refusal> {
    let refused = |bad: HostError| Refusal::new(error::BAD_HOST, bad.to_string());
    let authority = match uri.authority() {
        None => None,
        Some(authority) => Some(Host::parse(authority.as_str().as_bytes()).map_err(refused)?),
    };
    let differs = match &authority {
        Some(authority) if version <= Version::HTTP_11 => match headers.get(HOST) {
            Some(host) => {
                let host = Host::parse(host.as_bytes()).map_err(refused)?;
                host.name() != authority.name() || host.port() != authority.port()
            }
            None => false,
        },
        _ => false,
    };
    let fields = headers.get_all(HOST).iter().map(HeaderValue::as_bytes);
    let host = effective_host(version, authority, fields).map_err(refused)?;
    if differs {
        let detail = "Host and the authority of the request target differ";
        return Err(Refusal::new(error::BAD_HOST, detail));
    }
    Ok(HostName::new(host.as_ref().map(Host::name).unwrap_or_default()))
}
