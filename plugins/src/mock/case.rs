//! One case of a mock, compiled.

use super::config::{CaseConfig, Latency, TurnConfig};
use crate::{
    answer::{Answer, AnswerParts, Status},
    fields::pointer,
    template::{JsonBody, Values},
};
use paifang_pipeline::{ConfigError, Exchange, Verdict, When, WhenConfig, mix};
use serde_json::Value;
use std::{
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

/// Conditions, and the answers that are given in turn where they hold.
pub(super) struct Case {
    when: Option<When>,
    when_body: Vec<(String, Value)>,
    /// Tells this case's dice from others'.
    salt: u64,
    /// At least one.
    turns: Vec<Turn>,
    next: AtomicUsize,
    needs_body: bool,
}

/// One answer.
pub(super) struct Turn {
    answer: Answer,
    latency: Latency,
}

impl Turn {
    fn new(config: &TurnConfig, at: &str) -> Result<Self, ConfigError> {
        let parts = AnswerParts {
            status: config.status,
            headers: &config.headers,
            body: config.body.as_deref(),
            json: config.json.as_ref(),
        };
        Ok(Self { answer: Answer::new(parts, at)?, latency: config.latency })
    }

    pub(super) fn respond(&self, values: &Values<'_>) -> Verdict {
        match self.answer.render(values) {
            Ok(response) => Verdict::Respond(response),
            Err(rejection) => Verdict::Reject(rejection),
        }
    }
}

impl Case {
    /// Compiles the case whose config stands at `at`.
    pub(super) fn new(config: &CaseConfig, at: &str, salt: u64) -> Result<Self, ConfigError> {
        let when = (config.when != WhenConfig::default()).then(|| When::compile(&config.when));
        let when = when
            .transpose()
            .map_err(|(key, message)| ConfigError::at(format!("{at}/when/{key}"), message))?;
        for json_pointer in config.when_body.keys() {
            if !json_pointer.is_empty() && !json_pointer.starts_with('/') {
                let at = pointer(&format!("{at}/when_body"), json_pointer);
                return Err(ConfigError::at(at, format!("`{json_pointer}` is no JSON pointer"))
                    .help("a pointer begins with `/`, as in `/user/name`"));
            }
        }
        let turns = match config.sequence.as_slice() {
            [] => vec![Turn::new(&own_turn(config), at)?],
            sequence => {
                refuse_beside_sequence(config, at)?;
                let turns = sequence.iter().enumerate();
                turns
                    .map(|(index, turn)| Turn::new(turn, &format!("{at}/sequence/{index}")))
                    .collect::<Result<_, _>>()?
            }
        };
        Ok(Self {
            when,
            when_body: config.when_body.clone().into_iter().collect(),
            salt,
            needs_body: turns.iter().any(|turn| turn.answer.needs_body()),
            turns,
            next: AtomicUsize::new(0),
        })
    }

    /// Whether it takes every call.
    pub(super) fn always(&self) -> bool {
        self.when.is_none() && self.when_body.is_empty()
    }

    /// Whether an answer of it is filled from the body.
    pub(super) fn needs_body(&self) -> bool {
        self.needs_body
    }

    /// Whether its conditions hold; `None` where that takes the body, which is not here.
    pub(super) fn matches(&self, call: &Exchange, body: Option<&JsonBody<'_>>) -> Option<bool> {
        if self.when.as_ref().is_some_and(|when| !when.holds(call, self.salt)) {
            return Some(false);
        }
        if self.when_body.is_empty() {
            return Some(true);
        }
        let body = body?;
        Some(self.when_body.iter().all(|(at, wanted)| body.pointer(at) == Some(wanted)))
    }

    /// Whose turn it is. Asking moves on.
    pub(super) fn next_turn(&self) -> usize {
        match self.turns.len() {
            1 => 0,
            turns => self.next.fetch_add(1, Relaxed) % turns,
        }
    }

    pub(super) fn turn(&self, index: usize) -> &Turn {
        &self.turns[index]
    }

    /// How long an answer of this call takes: the same for the same entropy.
    pub(super) fn latency(&self, turn: usize, entropy: u64) -> Duration {
        let Latency { from, to } = self.turns[turn].latency;
        let span = u64::try_from((to - from).as_micros()).unwrap_or(u64::MAX);
        // The high half of the product spreads the dice over 0..=span without a division.
        let dice = mix(entropy, !self.salt);
        let more = (u128::from(dice) * (u128::from(span) + 1)) >> 64;
        from + Duration::from_micros(u64::try_from(more).unwrap_or(span))
    }
}

/// The one answer that a case without a sequence has.
fn own_turn(config: &CaseConfig) -> TurnConfig {
    TurnConfig {
        status: config.status,
        headers: config.headers.clone(),
        body: config.body.clone(),
        json: config.json.clone(),
        latency: config.latency,
    }
}

fn refuse_beside_sequence(config: &CaseConfig, at: &str) -> Result<(), ConfigError> {
    let given = [
        ("status", config.status != Status::default()),
        ("headers", !config.headers.is_empty()),
        ("body", config.body.is_some()),
        ("json", config.json.is_some()),
        ("latency", config.latency != Latency::default()),
    ];
    match given.into_iter().find(|(_, given)| *given) {
        None => Ok(()),
        Some((key, _)) => {
            Err(ConfigError::at(format!("{at}/{key}"), format!("`{key}` beside `sequence`"))
                .help("give it in each answer of the sequence"))
        }
    }
}
