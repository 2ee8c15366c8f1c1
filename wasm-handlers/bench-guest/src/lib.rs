//! A handler for measures: it does as little as its config says.

use paifang_guest::prelude::*;
use std::{collections::BTreeMap, hint::spin_loop};

const KEY: &str = "x-api-key";
const RUNAWAY: &str = "x-runaway";

#[derive(Deserialize)]
struct Config {
    /// Request headers that are read.
    #[serde(default)]
    reads: Vec<String>,
    /// How many headers are set.
    #[serde(default)]
    sets: usize,
    /// Apps by their API keys; where there are any, a call must show one of them.
    #[serde(default)]
    keys: BTreeMap<String, String>,
    /// Calls with the header `x-runaway` never end by themselves.
    #[serde(default)]
    runaway: bool,
    /// Whether the stages after the request are called.
    #[serde(default)]
    to_the_end: bool,
}

fn configure(config: Config) -> Result<(Config, Manifest), ConfigError> {
    let mut reads = config.reads.iter().fold(Reads::new(), |reads, name| reads.header(name));
    if config.runaway {
        reads = reads.header(RUNAWAY);
    }
    let mut manifest = Manifest::new();
    if !config.to_the_end {
        manifest = manifest.without_response().without_log();
    }
    if !config.keys.is_empty() {
        reads = reads.header(KEY);
        manifest = manifest.writes_identity();
    }
    Ok((config, manifest.on_request(reads)))
}

fn request(config: &Config, call: &Call) -> RequestVerdict {
    if config.runaway && call.header(RUNAWAY).is_some() {
        loop {
            spin_loop();
        }
    }
    let mut verdict = next();
    if !config.keys.is_empty() {
        match call.header(KEY).and_then(|key| config.keys.get(key)) {
            Some(app) => verdict = verdict.identity(Identity::new(app)),
            None => return reject(Refusal::Unauthenticated).into(),
        }
    }
    for n in 0..config.sets {
        let value = call.fields().next().map_or(&b"none"[..], |(_, value)| value);
        verdict = verdict.set_header(format!("x-set-{n}"), value);
    }
    verdict.into()
}

fn response(_: &Config, _: &Call, _: &Response) -> ResponseVerdict {
    next_response().set_header("x-seen", "yes").into()
}

fn log(_: &Config, _: &Call, _: &Outcome) {}

paifang_guest::handler! {
    state: Config,
    configure: configure,
    request: request,
    response: response,
    log: log,
}
