//! `acl`: which of the callers that steps above have made known may pass.
//!
//! Nobody is let in by default: a caller that nobody above knows is refused, whatever the rules
//! say. Page: `docs/plugins/acl.md`.

pub mod config;
pub mod errors;
mod rule;
#[cfg(test)]
mod tests;

use config::{Config, Require};
use http::{HeaderValue, header::WWW_AUTHENTICATE};
use paifang_pipeline::{
    BuildContext, Built, ConfigError, ErrorCode, Handler, Plugin, Rejection, RequestCall, Stages,
    Verdict,
};
use rule::{Caller, Rule};

/// The plugin.
#[derive(Debug, Default)]
pub struct Acl;

impl Plugin for Acl {
    type Config = Config;

    fn kind(&self) -> &'static str {
        "acl"
    }

    fn errors(&self) -> &'static [&'static ErrorCode] {
        errors::ROWS
    }

    fn build(&self, config: Config, context: &BuildContext<'_>) -> Result<Built, ConfigError> {
        let Config { allow, deny, require, challenge } = config;
        if allow.is_none() && deny.is_none() {
            return Err(ConfigError::at("", "neither `allow` nor `deny` is given")
                .help("write rules, such as `allow: [ { app: [ wallet ] } ]`"));
        }
        if allow.as_ref().is_some_and(Vec::is_empty) {
            return Err(ConfigError::at("/allow", "an empty list would let nobody in")
                .help("leave `allow` away to let in all who are known and not denied"));
        }
        if deny.as_ref().is_some_and(Vec::is_empty) {
            return Err(ConfigError::at("/deny", "an empty list denies nobody")
                .help("leave `deny` away, or add a rule"));
        }
        if allow.is_none() && require.is_some() {
            return Err(ConfigError::at("/require", "`require` is about the rules of `allow`")
                .help("of `deny` one rule is enough"));
        }
        let list = |name, rules: Option<Vec<_>>| {
            Rule::list(name, &rules.unwrap_or_default(), context.apps)
        };
        Ok(Built::new(Step {
            allow: list("allow", allow)?,
            deny: list("deny", deny)?,
            require: require.unwrap_or(Require::Any),
            challenge: scheme(&challenge)?,
        }))
    }
}

/// A challenge begins with its scheme, a token (RFC 9110 section 11.6.1).
fn scheme(challenge: &str) -> Result<HeaderValue, ConfigError> {
    let starts = challenge.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    HeaderValue::from_str(challenge).ok().filter(|_| starts).ok_or_else(|| {
        ConfigError::at("/challenge", format!("`{challenge}` is no challenge"))
            .help("write a scheme with its parameters, such as `Basic realm=\"orders\"`")
    })
}

/// The handler.
struct Step {
    /// Empty: all.
    allow: Box<[Rule]>,
    deny: Box<[Rule]>,
    require: Require,
    challenge: HeaderValue,
}

impl Handler for Step {
    fn stages(&self) -> Stages {
        Stages::REQUEST
    }

    fn request(&self, call: &mut RequestCall<'_>) -> Verdict {
        let Some(caller) = Caller::of(call) else {
            let rejection = Rejection::new(errors::IDENTITY_MISSING)
                .header(WWW_AUTHENTICATE, self.challenge.clone());
            return Verdict::Reject(rejection);
        };
        if let Some(index) = self.deny.iter().position(|rule| rule.holds(&caller)) {
            return refuse(format!("deny/{index} holds"));
        }
        match self.require {
            _ if self.allow.is_empty() => Verdict::Continue,
            Require::Any if self.allow.iter().any(|rule| rule.holds(&caller)) => Verdict::Continue,
            Require::Any => refuse("no rule of `allow` holds".to_owned()),
            Require::All => match self.allow.iter().position(|rule| !rule.holds(&caller)) {
                None => Verdict::Continue,
                Some(index) => refuse(format!("allow/{index} does not hold")),
            },
        }
    }
}

/// The reason is for the logs: a client learns no rules.
fn refuse(reason: String) -> Verdict {
    Verdict::Reject(Rejection::new(errors::CALLER_REFUSED).internal(reason))
}
