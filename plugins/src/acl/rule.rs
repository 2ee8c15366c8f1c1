//! Rules, ready to be held against a caller without an allocation.

use super::config;
use crate::fields::pointer;
use paifang_pipeline::{Apps, ConfigError, Exchange, Identity};
use std::collections::HashSet;

const MAX_RULES: usize = 64;
const MAX_CLAIMS: usize = 16;
const MAX_VALUES: usize = 1_000;
const MAX_VALUE_BYTES: usize = 1_024;

/// The claim that is a list parted by spaces (RFC 6749 section 3.3, RFC 8693 section 4.2).
const SCOPE: &str = "scope";

/// Who calls.
pub(super) struct Caller<'a> {
    identity: &'a Identity,
    app: Option<&'a str>,
}

impl<'a> Caller<'a> {
    /// The caller that steps above have established.
    pub(super) fn of(call: &'a Exchange) -> Option<Self> {
        let slots = call.slots();
        let identity = &**slots.identity()?;
        // Not every step that says who calls can hand the app itself on.
        let app = slots.app().map(|app| &*app.id).or(identity.app.as_deref());
        Some(Self { identity, app })
    }
}

/// What must hold together.
#[derive(Debug)]
pub(super) struct Rule(Box<[Condition]>);

#[derive(Debug)]
enum Condition {
    Identity(Values),
    App(Values),
    Method(Values),
    Claim(Box<str>, Values),
    Scope(Values),
}

/// Any of these.
type Values = HashSet<Box<str>>;

impl Rule {
    /// Reads the option `allow` or `deny`; `name` says which.
    pub(super) fn list(
        name: &str,
        rules: &[config::Rule],
        apps: &Apps,
    ) -> Result<Box<[Self]>, ConfigError> {
        if rules.len() > MAX_RULES {
            let message = format!("expected at most {MAX_RULES} rules, found {}", rules.len());
            return Err(ConfigError::at(format!("/{name}"), message));
        }
        let compile = |(index, rule)| Self::compile(&format!("/{name}/{index}"), rule, apps);
        rules.iter().enumerate().map(compile).collect()
    }

    fn compile(at: &str, rule: &config::Rule, apps: &Apps) -> Result<Self, ConfigError> {
        let config::Rule { identity, app, method, claims } = rule;
        let mut conditions = Vec::new();
        if let Some(list) = identity {
            conditions.push(Condition::Identity(values(&format!("{at}/identity"), list)?));
        }
        if let Some(list) = app {
            let at = format!("{at}/app");
            let values = values(&at, list)?;
            // A misspelt app would never be denied.
            if let Some(index) = list.iter().position(|id| apps.get(id).is_none()) {
                let message = format!("there is no app `{}`", list[index]);
                return Err(ConfigError::at(format!("{at}/{index}"), message)
                    .help("apps stand under `apps:` at the top of the config"));
            }
            conditions.push(Condition::App(values));
        }
        if let Some(list) = method {
            conditions.push(Condition::Method(values(&format!("{at}/method"), list)?));
        }
        if claims.len() > MAX_CLAIMS {
            let message = format!("expected at most {MAX_CLAIMS} claims, found {}", claims.len());
            return Err(ConfigError::at(format!("{at}/claims"), message));
        }
        for (name, list) in claims {
            let at = pointer(&format!("{at}/claims"), name);
            if !(1..=MAX_VALUE_BYTES).contains(&name.len()) {
                return Err(wrong_length(at, name));
            }
            let values = values(&at, list)?;
            conditions.push(if name == SCOPE {
                no_spaces(&at, list)?;
                Condition::Scope(values)
            } else {
                Condition::Claim(name.as_str().into(), values)
            });
        }
        if conditions.is_empty() {
            return Err(ConfigError::at(at, "a rule needs a condition")
                .help("write one or more of `identity`, `app`, `method` and `claims`"));
        }
        Ok(Self(conditions.into()))
    }

    /// Whether every condition holds for the caller.
    pub(super) fn holds(&self, caller: &Caller<'_>) -> bool {
        self.0.iter().all(|condition| condition.holds(caller))
    }
}

impl Condition {
    fn holds(&self, caller: &Caller<'_>) -> bool {
        let identity = caller.identity;
        match self {
            Self::Identity(values) => values.contains(&*identity.subject),
            Self::App(values) => caller.app.is_some_and(|app| values.contains(app)),
            Self::Method(values) => values.contains(identity.method),
            Self::Claim(name, values) => {
                identity.claims.get(&**name).is_some_and(|claim| values.contains(claim.as_str()))
            }
            Self::Scope(values) => identity
                .claims
                .get(SCOPE)
                .is_some_and(|claim| claim.split(' ').any(|entry| values.contains(entry))),
        }
    }
}

fn values(at: &str, list: &[String]) -> Result<Values, ConfigError> {
    if !(1..=MAX_VALUES).contains(&list.len()) {
        let message = format!("expected 1 to {MAX_VALUES} values, found {}", list.len());
        return Err(ConfigError::at(at, message));
    }
    let mut values = Values::with_capacity(list.len());
    for (index, value) in list.iter().enumerate() {
        let at = format!("{at}/{index}");
        if !(1..=MAX_VALUE_BYTES).contains(&value.len()) {
            return Err(wrong_length(at, value));
        }
        if !values.insert(value.as_str().into()) {
            return Err(ConfigError::at(at, format!("`{value}` stands here twice")));
        }
    }
    Ok(values)
}

fn wrong_length(at: String, text: &str) -> ConfigError {
    let message = format!("expected 1 to {MAX_VALUE_BYTES} bytes, found {}", text.len());
    ConfigError::at(at, message)
}

/// An entry of a scope has no spaces, so such a value would never be met.
fn no_spaces(at: &str, list: &[String]) -> Result<(), ConfigError> {
    let Some(index) = list.iter().position(|value| value.contains(' ')) else { return Ok(()) };
    let message = format!("`{}` is no single entry of a scope", list[index]);
    Err(ConfigError::at(format!("{at}/{index}"), message)
        .help("list entries of which any is enough; for several at once write a rule each and `require: all`"))
}
