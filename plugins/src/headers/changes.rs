//! A list of header changes, compiled, and its way over a head.

use super::config::ChangesConfig;
use crate::{
    fields,
    template::{HeaderTemplate, RenderError, Rules, Values},
};
use http::{HeaderMap, HeaderName, HeaderValue, header::HOST};
use paifang_pipeline::{ConfigError, Exchange};
use smallvec::SmallVec;
use std::ops::Deref;

/// Which head is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Request,
    Response,
}

/// One change.
#[derive(Debug)]
enum Change {
    Remove(HeaderName),
    /// Every name that begins with this.
    RemovePrefix(String),
    Rename(HeaderName, HeaderName),
    Set(HeaderName, HeaderTemplate),
    Add(HeaderName, HeaderTemplate),
    Default(HeaderName, HeaderTemplate),
}

/// Changes, in the order in which they are made.
#[derive(Debug)]
pub(super) struct Changes(Vec<Change>);

/// A value that cannot be made, and the name that it was for.
pub(super) struct Refused<'a> {
    pub(super) name: &'a HeaderName,
    pub(super) error: RenderError,
}

impl Changes {
    /// Compiles the changes whose config stands at `at`.
    pub(super) fn new(config: &ChangesConfig, side: Side, at: &str) -> Result<Self, ConfigError> {
        let rules = Rules::header();
        let name = |text: &str, at: &str| own(fields::name(text, at)?, side, at);
        let mut changes = Vec::new();
        for (index, text) in config.remove.iter().enumerate() {
            let at = format!("{at}/remove/{index}");
            changes.push(match text.strip_suffix('*') {
                None => Change::Remove(name(text, &at)?),
                Some(prefix) => Change::RemovePrefix(removable_prefix(prefix, &at)?),
            });
        }
        for (old, new) in &config.rename {
            let at = fields::pointer(&format!("{at}/rename"), old);
            changes.push(Change::Rename(name(old, &at)?, name(new, &at)?));
        }
        for (text, value) in &config.set {
            let at = fields::pointer(&format!("{at}/set"), text);
            let (name, value) = fields::field(text, value, &at, rules)?;
            changes.push(Change::Set(own(name, side, &at)?, value));
        }
        for (text, values) in &config.add {
            let at = fields::pointer(&format!("{at}/add"), text);
            for value in &values.0 {
                let (name, value) = fields::field(text, value, &at, rules)?;
                changes.push(Change::Add(own(name, side, &at)?, value));
            }
        }
        for (text, value) in &config.default {
            let at = fields::pointer(&format!("{at}/default"), text);
            let (name, value) = fields::field(text, value, &at, rules)?;
            changes.push(Change::Default(own(name, side, &at)?, value));
        }
        Ok(Self(changes))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Makes the changes. `head` leads from the call to the head that is changed.
    pub(super) fn apply<C: Deref<Target = Exchange>>(
        &self,
        call: &mut C,
        head: fn(&mut C) -> &mut HeaderMap,
    ) -> Result<(), Refused<'_>> {
        for change in &self.0 {
            match change {
                Change::Remove(name) => drop(head(call).remove(name)),
                Change::RemovePrefix(prefix) => remove_prefix(head(call), prefix),
                Change::Rename(old, new) => rename(head(call), old, new),
                Change::Set(name, value) => {
                    let value = render(name, value, call)?;
                    head(call).insert(name, value);
                }
                Change::Add(name, value) => {
                    let value = render(name, value, call)?;
                    head(call).append(name, value);
                }
                Change::Default(name, value) => {
                    if !head(call).contains_key(name) {
                        let value = render(name, value, call)?;
                        head(call).insert(name, value);
                    }
                }
            }
        }
        Ok(())
    }
}

/// A request's host is more than a header.
fn own(name: HeaderName, side: Side, at: &str) -> Result<HeaderName, ConfigError> {
    if name == HOST && side == Side::Request {
        return Err(ConfigError::at(at, "the host is more than a header")
            .help("use `rewrite: { host: … }`, which changes it everywhere"));
    }
    Ok(name)
}

/// A prefix that names nothing the gateway manages by accident.
fn removable_prefix(prefix: &str, at: &str) -> Result<String, ConfigError> {
    if !prefix.contains('-') || HeaderName::from_bytes(prefix.as_bytes()).is_err() {
        let message = format!("`{prefix}*` is no prefix of header names");
        return Err(ConfigError::at(at, message)
            .help("a prefix reaches at least to the first dash, as in `x-internal-*`"));
    }
    let prefix = prefix.to_ascii_lowercase();
    // `content-*` would take the length, `proxy-*` and `transfer-*` the framing.
    if fields::manages_prefix(&prefix) {
        let message = format!("`{prefix}*` takes headers that belong to a connection");
        return Err(ConfigError::at(at, message).help("name the headers one by one"));
    }
    Ok(prefix)
}

fn render<'a>(
    name: &'a HeaderName,
    value: &HeaderTemplate,
    call: &Exchange,
) -> Result<HeaderValue, Refused<'a>> {
    value.render(&Values::of(call)).map_err(|error| Refused { name, error })
}

fn remove_prefix(headers: &mut HeaderMap, prefix: &str) {
    let names: SmallVec<[HeaderName; 4]> =
        headers.keys().filter(|name| name.as_str().starts_with(prefix)).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

fn rename(headers: &mut HeaderMap, old: &HeaderName, new: &HeaderName) {
    if old == new || !headers.contains_key(old) {
        return;
    }
    let values: SmallVec<[HeaderValue; 4]> = headers.get_all(old).iter().cloned().collect();
    headers.remove(old);
    headers.remove(new);
    for value in values {
        headers.append(new, value);
    }
}
