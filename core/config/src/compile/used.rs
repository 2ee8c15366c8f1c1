//! What something was built with beside its config. Where that has changed, it is built anew.

use super::SecretUse;
use super::upstreams::UpstreamUse;

/// See the module.
#[derive(Debug, Default, Clone)]
pub(crate) struct Used {
    pub(crate) secrets: Vec<SecretUse>,
    pub(crate) upstreams: Vec<UpstreamUse>,
}
