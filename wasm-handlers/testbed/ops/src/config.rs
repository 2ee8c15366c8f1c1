//! The config: what the handler reads and writes, and what it does at each stage.

use crate::Op;
use paifang_guest::{ConfigError, Facts, Manifest, Reads};
use serde::Deserialize;

/// What the handler does. Every key may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What the manifest asks for.
    reads: Stages,
    /// What the manifest says that it writes.
    writes: Writes,
    /// What `configure` finds wrong with the config.
    errors: Vec<Wrong>,
    /// At `configure`.
    pub(crate) configure: Vec<Op>,
    /// At `request`.
    pub(crate) request: Vec<Op>,
    /// At `request-with-body`.
    pub(crate) request_with_body: Vec<Op>,
    /// At `response`.
    pub(crate) response: Vec<Op>,
    /// At `response-with-body`.
    pub(crate) response_with_body: Vec<Op>,
    /// At `log`.
    pub(crate) log: Vec<Op>,
}

/// `null` for a stage that is not called.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Stages {
    request: Option<Wanted>,
    response: Option<Wanted>,
    log: Option<Wanted>,
}

impl Default for Stages {
    fn default() -> Self {
        let wanted = || Some(Wanted::default());
        Self { request: wanted(), response: wanted(), log: wanted() }
    }
}

/// What one stage reads. Names are handed on as they are, right or wrong.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Wanted {
    /// As in the contract, such as `client-ip`; `["all"]` for all of them.
    facts: Vec<String>,
    headers: Names,
    response_headers: Names,
    slots: Vec<String>,
}

/// `["x-a"]`, or `"all"`.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Names {
    Named(Vec<String>),
    All(All),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum All {
    All,
}

impl Default for Names {
    fn default() -> Self {
        Self::Named(Vec::new())
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Writes {
    identity: bool,
    slots: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wrong {
    pointer: String,
    message: String,
    help: Option<String>,
}

impl Config {
    /// What `configure` complains about.
    pub(crate) fn errors(&self) -> Vec<ConfigError> {
        let error = |wrong: &Wrong| ConfigError {
            pointer: wrong.pointer.clone(),
            message: wrong.message.clone(),
            help: wrong.help.clone(),
        };
        self.errors.iter().map(error).collect()
    }

    /// The manifest.
    pub(crate) fn manifest(&self) -> Result<Manifest, ConfigError> {
        let reads = |wanted: &Option<Wanted>| wanted.as_ref().map(Wanted::reads).transpose();
        Ok(Manifest {
            request: reads(&self.reads.request)?,
            response: reads(&self.reads.response)?,
            log: reads(&self.reads.log)?,
            writes_identity: self.writes.identity,
            writes_slots: self.writes.slots.clone(),
        })
    }
}

impl Wanted {
    fn reads(&self) -> Result<Reads, ConfigError> {
        Ok(Reads {
            facts: facts(&self.facts)?,
            request_headers: self.headers.headers(),
            response_headers: self.response_headers.headers(),
            slots: self.slots.clone(),
        })
    }
}

impl Names {
    fn headers(&self) -> paifang_guest::Headers {
        match self {
            Self::All(All::All) => paifang_guest::Headers::All,
            Self::Named(names) if names.is_empty() => paifang_guest::Headers::None,
            Self::Named(names) => paifang_guest::Headers::Named(names.clone()),
        }
    }
}

/// The names of the contract.
const FACTS: [(&str, Facts); 11] = [
    ("all", Facts::all()),
    ("method", Facts::METHOD),
    ("path", Facts::PATH),
    ("query", Facts::QUERY),
    ("host", Facts::HOST),
    ("client-ip", Facts::CLIENT_IP),
    ("api", Facts::API),
    ("app", Facts::APP),
    ("request-id", Facts::REQUEST_ID),
    ("params", Facts::PARAMS),
    ("identity", Facts::IDENTITY),
];

fn facts(names: &[String]) -> Result<Facts, ConfigError> {
    names.iter().try_fold(Facts::empty(), |facts, name| {
        let known = FACTS.iter().find(|(known, _)| known == name);
        let unknown = || ConfigError::at("/reads", format!("`{name}` is no fact"));
        known.map(|(_, fact)| facts | *fact).ok_or_else(unknown)
    })
}
