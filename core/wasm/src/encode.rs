//! From a core module to a component, by the metadata that wit-bindgen left in it.

use crate::{component::ModuleError, host::wasi::adapter, packages};
use wit_component::ComponentEncoder;

/// Encodes a core module as a component.
pub(crate) fn encode(core: &[u8]) -> Result<Vec<u8>, ModuleError> {
    packages::in_order(core)?;
    let failed = |error: String| ModuleError::Core(error);
    let encoder =
        ComponentEncoder::default().module(core).map_err(|error| failed(format!("{error:#}")))?;
    // It is there whether it is wanted or not: the encoder drops what nobody imports.
    encoder
        .adapter(adapter::NAME, &adapter::adapter()?)
        .and_then(|mut encoder| encoder.encode())
        .map_err(|error| failed(format!("{error:#}")))
}
