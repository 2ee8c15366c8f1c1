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

/// One error or several: what `configure` may fail with.
pub trait ConfigErrors {
    /// All of them.
    fn all(self) -> Vec<ConfigError>;
}

impl ConfigErrors for ConfigError {
    fn all(self) -> Vec<ConfigError> {
        vec![self]
    }
}

impl ConfigErrors for Vec<ConfigError> {
    fn all(self) -> Vec<ConfigError> {
        self
    }
}

/// Reads the config and hands it to the handler's own function.
#[doc(hidden)]
pub fn configured<C: DeserializeOwned, S, E: ConfigErrors>(
    json: &str,
    configure: impl FnOnce(C) -> Result<(S, Manifest), E>,
) -> Result<(S, Manifest), Vec<ConfigError>> {
    let config =
        serde_json::from_str(json).map_err(|error| vec![ConfigError::at("", error.to_string())])?;
    configure(config).map_err(ConfigErrors::all)
}
