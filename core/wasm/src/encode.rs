//! From a core module to a component, by the metadata that wit-bindgen left in it.

use crate::{component::ModuleError, packages};
use wit_component::ComponentEncoder;

/// Encodes a core module as a component.
pub(crate) fn encode(core: &[u8]) -> Result<Vec<u8>, ModuleError> {
    packages::in_order(core)?;
    let failed = |error: String| ModuleError::Core(error);
    let mut encoder =
        ComponentEncoder::default().module(core).map_err(|error| failed(format!("{error:#}")))?;
    encoder.encode().map_err(|error| failed(format!("{error:#}")))
}
