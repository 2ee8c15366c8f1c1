//! Scores requests by what their JSON body says: each rule that holds adds points, the sum goes on
//! with the request, and from a threshold on the request does not.

mod rules;
mod scalar;
mod score;
#[cfg(test)]
mod tests;

use paifang_guest::prelude::*;
use rules::{RuleConfig, Rules};

/// The header with the score.
const HEADER: &str = "x-risk-score";
/// The slot with the score.
const SLOT: &str = "risk.score";

/// As it is written; schema.json says what each field means.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    rules: Vec<RuleConfig>,
    threshold: Option<i64>,
    #[serde(default)]
    unreadable: Unreadable,
}

/// What becomes of a request whose body is no JSON.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Unreadable {
    /// It is refused.
    #[default]
    Refuse,
    /// It goes on without a score.
    Pass,
}

/// What all instances begin with.
#[derive(Debug)]
struct Settings {
    rules: Rules,
    threshold: Option<i64>,
    unreadable: Unreadable,
}

fn configure(config: Config) -> Result<(Settings, Manifest), Vec<ConfigError>> {
    if config.threshold.is_some_and(|threshold| threshold < 1) {
        let message = "at least 1, else nothing would pass";
        return Err(ConfigError::at("/threshold", message).into());
    }
    let rules = Rules::new(config.rules)?;
    let Config { threshold, unreadable, .. } = config;
    Ok((Settings { rules, threshold, unreadable }, Manifest::new().writes_slot(SLOT)))
}

fn request(_: &Settings, _: &Call) -> RequestVerdict {
    need_body([])
}

fn request_with_body(settings: &Settings, _: &Call, body: Vec<u8>) -> RequestVerdict {
    let Some(score) = score::score(&settings.rules, &body) else {
        return match settings.unreadable {
            Unreadable::Refuse => reject(Refusal::BadRequest).detail("The body is no JSON.").into(),
            // A score that the client sends is none.
            Unreadable::Pass => next().remove_header(HEADER).into(),
        };
    };
    let text = score.points.to_string();
    if settings.threshold.is_some_and(|threshold| score.points >= threshold) {
        // Which rules they are would help to get around them.
        return reject(Refusal::Forbidden)
            .detail("The request is held to be too risky.")
            .internal(format!("risk score {text}: {}", score.names.join(", ")))
            .into();
    }
    next().set_header(HEADER, &*text).slot(SLOT, text.clone()).into()
}

paifang_guest::handler! {
    state: Settings,
    configure: configure,
    request: request,
    request_with_body: request_with_body,
    schema: "../schema.json",
    probes: "../probes.yaml",
}
