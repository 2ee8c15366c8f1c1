//! What becomes of a query.

use super::config::QueryConfig;
use crate::{
    fields::pointer,
    template::{COMPONENT, RenderError, Rules, Template, Values},
};
use paifang_pipeline::{ConfigError, Exchange};
use percent_encoding::{percent_decode, utf8_percent_encode};

/// Changes to a query.
#[derive(Debug, Default)]
pub(super) struct QueryChange {
    /// Everything goes.
    clear: bool,
    /// Names whose parameters go, those that are set included.
    drop: Vec<String>,
    /// What is appended: the encoded name with its `=`, and the value.
    set: Vec<(String, Template)>,
}

impl QueryChange {
    pub(super) fn new(config: &QueryConfig) -> Result<Self, ConfigError> {
        let mut change = Self::default();
        for (index, name) in config.remove.iter().enumerate() {
            match name.as_str() {
                "" => {
                    let at = format!("/query/remove/{index}");
                    return Err(ConfigError::at(at, "a parameter without a name"));
                }
                "*" => change.clear = true,
                name => change.drop.push(name.to_owned()),
            }
        }
        for (name, text) in &config.set {
            let at = pointer("/query/set", name);
            if name.is_empty() {
                return Err(ConfigError::at(at, "a parameter without a name"));
            }
            let value = Template::compile(&text.0, Rules::url());
            let value = value.map_err(|error| error.at_pointer(&at))?;
            if !value.literals().all(is_query_text) {
                let message = format!("`{}` is not percent-encoded", text.0);
                return Err(
                    ConfigError::at(at, message).help("only values of the request are encoded")
                );
            }
            change.drop.push(name.clone());
            change.set.push((format!("{}=", utf8_percent_encode(name, COMPONENT)), value));
        }
        Ok(change)
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.clear && self.drop.is_empty()
    }

    /// The call's new query; empty for none.
    pub(super) fn apply(&self, call: &Exchange) -> Result<String, RenderError> {
        let old = call.query().filter(|_| !self.clear).unwrap_or_default();
        let mut query = String::with_capacity(old.len() + 64 * self.set.len());
        for pair in old.split('&').filter(|pair| !pair.is_empty() && !self.drops(pair)) {
            append(&mut query, pair);
        }
        for (name, value) in &self.set {
            let value = value.render(&Values::of(call))?;
            append(&mut query, name);
            query.push_str(&String::from_utf8_lossy(&value));
        }
        Ok(query)
    }

    fn drops(&self, pair: &str) -> bool {
        let key = pair.split('=').next().unwrap_or_default();
        let same = |name: &String| percent_decode(key.as_bytes()).eq(name.bytes());
        self.drop.iter().any(same)
    }
}

/// What may stand in a parameter's value as it is (RFC 3986 section 3.4).
fn is_query_text(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~!$'()*+,;:@/?%=".contains(&b))
}

fn append(query: &mut String, pair: &str) {
    if !query.is_empty() {
        query.push('&');
    }
    query.push_str(pair);
}
