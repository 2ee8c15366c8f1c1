//! Which methods are relayed.

use super::refusal::Refusal;
use http::Method;
use paifang_pipeline::error;

/// The method, unless it is one that is not relayed. Methods have case: what is lower case here, some
/// server behind may take for upper case, and so let pass what was checked as another method.
pub(crate) fn check(method: &[u8]) -> Result<Method, Refusal> {
    match Method::from_bytes(method) {
        Ok(Method::CONNECT) => Err(Refusal::new(error::METHOD_REFUSED, "CONNECT is not relayed")),
        Ok(method) if !method.as_str().bytes().any(|byte| byte.is_ascii_lowercase()) => Ok(method),
        _ => Err(Refusal::malformed("the method is not in upper case")),
    }
}
