//! From the step's config as JSON to the handler's state.

use crate::{ConfigError, Manifest};
use serde::de::DeserializeOwned;

impl ConfigError {
    /// An error at a JSON pointer (RFC 6901), such as `/header`; empty for the whole.
    #[must_use]
    pub fn at(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), message: message.into(), help: None }
    }

    /// Adds how to mend it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// So that `configure` may fail with one error or with several, and `?` makes one the other.
impl From<ConfigError> for Vec<ConfigError> {
    fn from(error: ConfigError) -> Self {
        vec![error]
    }
}

/// Reads the config and hands it to the handler's own function.
#[doc(hidden)]
pub fn configured<C: DeserializeOwned, S, E: Into<Vec<ConfigError>>>(
    json: &str,
    configure: impl FnOnce(C) -> Result<(S, Manifest), E>,
) -> Result<(S, Manifest), Vec<ConfigError>> {
    let config =
        serde_json::from_str(json).map_err(|error| vec![ConfigError::at("", error.to_string())])?;
    configure(config).map_err(Into::into)
}
