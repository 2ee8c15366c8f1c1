//! Header fields that config names: which names are names, and which are not to be touched.

use crate::template::{HeaderTemplate, Rules, Text};
use http::{HeaderName, HeaderValue, header::HOST};
use paifang_pipeline::{
    ConfigError,
    rules::{MANAGED_FIELDS, is_managed_field},
};

/// A config error's place: a pointer with one more key.
pub(crate) fn pointer(base: &str, key: &str) -> String {
    format!("{base}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// The name of a field that a handler may change.
///
/// # Errors
/// It is no name, or the gateway's own.
pub(crate) fn name(text: &str, at: &str) -> Result<HeaderName, ConfigError> {
    let name = HeaderName::from_bytes(text.as_bytes())
        .map_err(|_| ConfigError::at(at, format!("`{text}` is no header's name")))?;
    if is_managed_field(name.as_str()) {
        let message = format!("`{name}` belongs to a connection, not to a message");
        return Err(ConfigError::at(at, message)
            .help("the gateway sets such headers itself, by what the body and the peers need"));
    }
    Ok(name)
}

/// A request field that upstreams are given, with its fixed value; `at` points to the map that it
/// stands in.
///
/// # Errors
/// See [`name`]; or it is the host, or the value cannot be one.
pub(crate) fn fixed(
    text: &str,
    value: &str,
    at: &str,
) -> Result<(HeaderName, HeaderValue), ConfigError> {
    let at = pointer(at, text);
    let name = name(text, &at)?;
    if name == HOST {
        return Err(ConfigError::at(at, "the host is more than a header")
            .help("give the upstream a `host`, or use `rewrite: { host: … }`"));
    }
    let value = HeaderValue::from_str(value)
        .map_err(|_| ConfigError::at(at, "this cannot be a header's value"))?;
    Ok((name, value))
}

/// A field with its value's template; `at` points to the value.
///
/// # Errors
/// See [`name`]; or the template is wrong.
pub(crate) fn field(
    text: &str,
    value: &Text,
    at: &str,
    rules: Rules,
) -> Result<(HeaderName, HeaderTemplate), ConfigError> {
    let name = name(text, at)?;
    let value = HeaderTemplate::compile(&value.0, rules).map_err(|error| error.at_pointer(at))?;
    Ok((name, value))
}

/// Whether names that begin with `prefix`, in lower case, can be the gateway's own.
pub(crate) fn manages_prefix(prefix: &str) -> bool {
    MANAGED_FIELDS.iter().any(|name| name.starts_with(prefix)) || prefix.starts_with("proxy-")
}
