//! What a handler reads and writes under its config, checked and ready to be followed.

use crate::{
    contract::{Facts, Headers, Manifest, Reads},
    settings::Grants,
};
use http::HeaderName;
use paifang_pipeline::ConfigError;
use std::sync::Arc;

/// The most names in one list of a manifest.
const MOST_NAMES: usize = 64;

/// A checked manifest.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    pub(crate) request: StageReads,
    pub(crate) response: StageReads,
    pub(crate) log: StageReads,
    /// The stages that are called.
    pub(crate) called: Called,
    pub(crate) writes_identity: bool,
    pub(crate) writes_slots: Vec<Arc<str>>,
}

/// Which stages are called, as far as they are exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Called {
    pub(crate) request: bool,
    pub(crate) response: bool,
    pub(crate) log: bool,
}

/// What one stage is given.
#[derive(Debug, Clone, Default)]
pub(crate) struct StageReads {
    pub(crate) facts: Facts,
    pub(crate) request: Selection,
    pub(crate) response: Selection,
    pub(crate) slots: Vec<Arc<str>>,
}

/// Header fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Selection {
    #[default]
    None,
    Named(Box<[HeaderName]>),
    All,
}

impl Access {
    /// What a handler without `configure` is given: everything that needs no grant.
    pub(crate) fn everything() -> Self {
        let stage = || StageReads {
            facts: Facts::METHOD
                | Facts::PATH
                | Facts::QUERY
                | Facts::HOST
                | Facts::CLIENT_IP
                | Facts::API
                | Facts::APP
                | Facts::REQUEST_ID
                | Facts::PARAMS,
            request: Selection::All,
            response: Selection::All,
            slots: Vec::new(),
        };
        Self {
            request: stage(),
            response: stage(),
            log: stage(),
            called: Called { request: true, response: true, log: true },
            writes_identity: false,
            writes_slots: Vec::new(),
        }
    }

    /// Checks a manifest against what is granted.
    pub(crate) fn of(manifest: Manifest, grants: &Grants) -> Result<Self, ConfigError> {
        let stages = [&manifest.request, &manifest.response, &manifest.log];
        let any = |wants: fn(&Reads) -> bool| {
            stages.iter().any(|reads| reads.as_ref().is_some_and(wants))
        };
        let identity = any(|reads| reads.facts & Facts::IDENTITY == Facts::IDENTITY);
        if (identity || manifest.writes_identity) && !grants.identity {
            return Err(missing("identity", "reads or sets who the caller is"));
        }
        let slots = !manifest.writes_slots.is_empty() || any(|reads| !reads.slots.is_empty());
        if slots && !grants.slots {
            return Err(missing("slots", "reads or fills slots"));
        }
        let called = Called {
            request: manifest.request.is_some(),
            response: manifest.response.is_some(),
            log: manifest.log.is_some(),
        };
        Ok(Self {
            called,
            request: stage(manifest.request)?,
            response: stage(manifest.response)?,
            log: stage(manifest.log)?,
            writes_identity: manifest.writes_identity,
            writes_slots: names(manifest.writes_slots)?,
        })
    }
}

fn missing(grant: &str, does: &str) -> ConfigError {
    ConfigError::at("", format!("the handler {does}, and `{grant}` is not granted"))
        .help(format!("add `{grant}` to the `grants` of its entry in `wasm`"))
}

fn stage(reads: Option<Reads>) -> Result<StageReads, ConfigError> {
    let Some(reads) = reads else { return Ok(StageReads::default()) };
    Ok(StageReads {
        facts: reads.facts,
        request: selection(reads.request_headers)?,
        response: selection(reads.response_headers)?,
        slots: names(reads.slots)?,
    })
}

fn selection(headers: Headers) -> Result<Selection, ConfigError> {
    let named = match headers {
        Headers::None => return Ok(Selection::None),
        Headers::All => return Ok(Selection::All),
        Headers::Named(named) => named,
    };
    let too_many = (named.len() > MOST_NAMES).then(|| too_many("headers"));
    if let Some(error) = too_many {
        return Err(error);
    }
    let name = |name: String| {
        HeaderName::from_lowercase(name.as_bytes()).map_err(|_| {
            ConfigError::at("", format!("the handler asks for `{name}`, which is no header name"))
                .help("header names are in lower case")
        })
    };
    let mut names: Vec<HeaderName> = Vec::with_capacity(named.len());
    for named in named {
        let name = name(named)?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(Selection::Named(names.into()))
}

fn names(names: Vec<String>) -> Result<Vec<Arc<str>>, ConfigError> {
    if names.len() > MOST_NAMES {
        return Err(too_many("slots"));
    }
    Ok(names.into_iter().map(Arc::from).collect())
}

fn too_many(what: &str) -> ConfigError {
    ConfigError::at("", format!("the handler asks for more than {MOST_NAMES} {what}"))
        .help("let it ask for all of them")
}
