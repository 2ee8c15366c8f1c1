//! Who may pass, remembered for a while. Only that is: who may not asks again.

use super::{answer::Pass, config, question::Question, question::names};
use crate::known::{Cache, Digest};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Request, uri::PathAndQuery};
use paifang_pipeline::{ConfigError, Exchange, ports::Nanos};
use ring::digest::{Context, SHA256};
use std::{sync::Arc, time::Duration};

const TTL: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));
const MAX_SIZE: u32 = 1_000_000;

/// What is remembered of a step's questions.
pub(super) struct Memory {
    passes: Cache<Arc<Pass>>,
    /// Absent: by all that is asked.
    by: Option<By>,
    ttl: Duration,
}

struct By {
    headers: Box<[HeaderName]>,
    target: bool,
}

impl Memory {
    pub(super) fn new(config: &config::Cache, question: &Question) -> Result<Self, ConfigError> {
        let (least, most) = TTL;
        let ttl = config.ttl.get();
        if !(least..=most).contains(&ttl) {
            let message = format!("expected 1s to 5m, found `{}`", config.ttl);
            return Err(ConfigError::at("/cache/ttl", message));
        }
        if !(1..=MAX_SIZE).contains(&config.size) {
            let message = format!("expected 1 to {MAX_SIZE}, found `{}`", config.size);
            return Err(ConfigError::at("/cache/size", message));
        }
        let by = match &config.by {
            None if !config.target => {
                let message = "what tells callers apart must be said";
                return Err(ConfigError::at("/cache/target", message)
                    .help("write `by` with it: without both, all that is asked counts"));
            }
            None => None,
            Some(list) => Some(By { headers: headers(list, question)?, target: config.target }),
        };
        Ok(Self { passes: Cache::new(config.size), by, ttl })
    }

    /// What stands for a call, where a part of it is enough.
    pub(super) fn of_call(&self, call: &Exchange) -> Option<Digest> {
        let By { headers, target } = self.by.as_ref()?;
        let mut parts = Parts::default();
        headers.iter().for_each(|name| parts.header(name, call.headers()));
        if *target {
            parts.part(call.method().as_str().as_bytes());
            parts.part(call.facts().host().as_bytes());
            let target = call.head().uri.path_and_query();
            parts.part(target.map_or("", PathAndQuery::as_str).as_bytes());
        }
        Some(parts.digest())
    }

    /// What stands for a whole question; those of one step have their headers in one order.
    pub(super) fn of_question(question: &Request<Bytes>) -> Digest {
        let mut parts = Parts::default();
        let target = question.uri().path_and_query();
        parts.part(target.map_or("", PathAndQuery::as_str).as_bytes());
        question.headers().keys().for_each(|name| parts.header(name, question.headers()));
        parts.digest()
    }

    pub(super) fn get(&self, key: &Digest, now: Nanos) -> Option<Arc<Pass>> {
        self.passes.get(key, 0, now.0)
    }

    /// Remembers a pass for as long as the answer's headers allow.
    pub(super) fn put(&self, key: Digest, now: Nanos, pass: &Arc<Pass>, answer: Option<Duration>) {
        let span = answer.unwrap_or(self.ttl).min(self.ttl);
        let until = now.0.saturating_add(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX));
        if span > Duration::ZERO {
            self.passes.put(key, 0, until, pass.clone());
        }
    }
}

fn headers(list: &[String], question: &Question) -> Result<Box<[HeaderName]>, ConfigError> {
    let names = names("/cache/by", list)?;
    if names.is_empty() {
        let message = "no header tells callers apart, so all would be taken for one";
        return Err(ConfigError::at("/cache/by", message));
    }
    if let Some(index) = names.iter().position(|name| !question.sends(name)) {
        let message =
            format!("`{}` is not sent, so the answer does not depend on it", names[index]);
        return Err(
            ConfigError::at(format!("/cache/by/{index}"), message).help("list it under `send`")
        );
    }
    Ok(names)
}

/// Parts with their lengths, and headers with the number of their values, so that no two lists that
/// differ have the same bytes.
struct Parts(Context);

impl Default for Parts {
    fn default() -> Self {
        Self(Context::new(&SHA256))
    }
}

impl Parts {
    fn part(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }

    fn header(&mut self, name: &HeaderName, headers: &HeaderMap) {
        let values = headers.get_all(name);
        self.part(name.as_str().as_bytes());
        self.0.update(&(values.iter().count() as u64).to_be_bytes());
        values.iter().for_each(|value| self.part(value.as_bytes()));
    }

    fn digest(self) -> Digest {
        Digest::from(self.0)
    }
}
