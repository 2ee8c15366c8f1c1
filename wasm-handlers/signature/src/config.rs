//! The step's config, and what is made of it once.

use crate::{
    encoding::Encoding,
    form::{Form, Part},
    keys::{Key, KeyConfig, Keys},
};
use paifang_guest::{ConfigError, HeaderName, prelude::*, units::Span};

/// As it is written; schema.json says what each means.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    keys: Vec<KeyConfig>,
    key_header: Option<HeaderName>,
    #[serde(default)]
    signature: Signature,
    form: Vec<Part>,
    #[serde(default = "newline")]
    separator: String,
    #[serde(default)]
    digest_encoding: Encoding,
    timestamp: Option<Timestamp>,
    nonce: Option<Nonce>,
    #[serde(default)]
    hide: bool,
}

fn newline() -> String {
    "\n".to_owned()
}

/// Where the signature stands, and how it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Signature {
    pub(crate) header: HeaderName,
    pub(crate) encoding: Encoding,
    pub(crate) prefix: String,
}

impl Default for Signature {
    fn default() -> Self {
        let header = HeaderName::known("x-signature");
        Self { header, encoding: Encoding::Hex, prefix: String::new() }
    }
}

/// When the request was signed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Timestamp {
    pub(crate) header: HeaderName,
    #[serde(default)]
    pub(crate) unit: Unit,
    #[serde(default = "five_minutes")]
    pub(crate) max_skew: Span,
}

fn five_minutes() -> Span {
    Span::seconds(300)
}

/// What a timestamp counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub(crate) enum Unit {
    /// Seconds since the Unix epoch.
    #[default]
    #[serde(rename = "s")]
    Seconds,
    /// Milliseconds since the Unix epoch.
    #[serde(rename = "ms")]
    Millis,
}

/// What makes a request one of its kind.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nonce {
    pub(crate) header: HeaderName,
}

/// What all instances begin with.
pub(crate) struct Settings {
    pub(crate) keys: Keys,
    pub(crate) key_header: Option<HeaderName>,
    pub(crate) signature: Signature,
    pub(crate) form: Form,
    pub(crate) timestamp: Option<Timestamp>,
    pub(crate) nonce: Option<Nonce>,
    pub(crate) hide: bool,
}

impl Config {
    pub(crate) fn settings(self) -> Result<Settings, Vec<ConfigError>> {
        let mut errors = Vec::new();
        let keys: Vec<Key> = self
            .keys
            .into_iter()
            .enumerate()
            .filter_map(|(at, key)| key.ready(at).map_err(|error| errors.push(error)).ok())
            .collect();
        if !errors.is_empty() {
            return Err(errors);
        }
        let keys = Keys::new(keys, self.key_header.is_some())?;
        let form = Form::new(self.form, self.separator, self.digest_encoding)?;
        let signed = |name: &HeaderName| form.headers().any(|header| header == name);
        if signed(&self.signature.header) {
            errors.push(ConfigError::at("/form", "the signature cannot sign its own header"));
        }
        if let Some(timestamp) = &self.timestamp {
            let (least, most) = (Span::seconds(1), Span::hours(1));
            if let Err(error) = timestamp.max_skew.between(least, most, "/timestamp/max_skew") {
                errors.push(error);
            }
            if !signed(&timestamp.header) {
                errors.push(unsigned("/timestamp/header", &timestamp.header));
            }
        }
        if let Some(nonce) = &self.nonce {
            if !signed(&nonce.header) {
                errors.push(unsigned("/nonce/header", &nonce.header));
            }
            if self.timestamp.is_none() {
                let message = "without a timestamp a nonce would have to be remembered forever";
                errors.push(ConfigError::at("/nonce", message).help("give `timestamp` as well"));
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Settings {
            keys,
            key_header: self.key_header,
            signature: self.signature,
            form,
            timestamp: self.timestamp,
            nonce: self.nonce,
            hide: self.hide,
        })
    }
}

fn unsigned(pointer: &str, name: &str) -> ConfigError {
    ConfigError::at(pointer, format!("`{name}` is not signed, so anyone could change it"))
        .help(format!("add {{ header: {name} }} to `form`"))
}

impl Settings {
    /// What is read of a request.
    pub(crate) fn reads(&self) -> Reads {
        let reads = self.form.reads().header(&self.signature.header);
        let others = [
            self.key_header.as_ref(),
            self.timestamp.as_ref().map(|timestamp| &timestamp.header),
            self.nonce.as_ref().map(|nonce| &nonce.header),
        ];
        others.into_iter().flatten().fold(reads, |reads, name| reads.header(name))
    }
}
