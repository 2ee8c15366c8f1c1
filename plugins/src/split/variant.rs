//! Variants: what a call gets that belongs to one, and how many did.

use super::config::{Config, Rest};
use crate::{fields, kept::Kept};
use http::{HeaderMap, HeaderName, HeaderValue};
use paifang_pipeline::{BuildContext, ConfigError, MetricKind, PluginMetric, Slot};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// The slot that says which variant a call belongs to.
pub const VARIANT: Slot<Variant> = Slot::new("split.variant");

/// The most headers that a variant gives.
const MAX_HEADERS: usize = 16;

/// Why a call belongs to a variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum Chosen {
    Share,
    Pin,
    Keyless,
}

impl Chosen {
    const ALL: [(Self, &'static str); 3] =
        [(Self::Share, "share"), (Self::Pin, "pin"), (Self::Keyless, "keyless")];
}

/// Calls of one variant, by why they are its own.
pub(super) type Counts = [AtomicU64; Chosen::ALL.len()];

/// Counters by API, step and variant.
pub(super) type AllCounts = Kept<[String; 3], Counts>;

/// A variant, or the rest.
#[derive(Debug)]
pub struct Variant {
    name: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    counts: Arc<Counts>,
    told: HeaderValue,
}

impl Variant {
    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn told(&self) -> &HeaderValue {
        &self.told
    }

    pub(super) fn count(&self, chosen: Chosen) {
        self.counts[chosen as usize].fetch_add(1, Relaxed);
    }

    /// Gives a call the variant's headers.
    pub(super) fn mark(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.headers {
            headers.insert(name, value.clone());
        }
    }

    fn new(
        name: &str,
        at: (&str, &str),
        headers: &BTreeMap<String, String>,
        counts: &AllCounts,
        context: &BuildContext<'_>,
    ) -> Result<Self, ConfigError> {
        let (at, name_at) = at;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let told = HeaderValue::from_str(name)
            .ok()
            .filter(|_| (1..=64).contains(&name.len()) && name.bytes().all(plain));
        let told = told.ok_or_else(|| {
            ConfigError::at(format!("{at}/{name_at}"), format!("`{name}` is no variant's name"))
                .help("give it a `name` of 1 to 64 letters, digits, `.`, `_` and `-`")
        })?;
        let at = format!("{at}/headers");
        if headers.len() > MAX_HEADERS {
            let message = format!("expected up to {MAX_HEADERS} headers, found {}", headers.len());
            return Err(ConfigError::at(at, message));
        }
        let headers = headers
            .iter()
            .map(|(name, value)| fields::fixed(name, value, &at))
            .collect::<Result<_, _>>()?;
        let key = [context.api, context.step, name].map(str::to_owned);
        let counts = counts.get_or(key, Counts::default);
        Ok(Self { name: name.to_owned(), headers, counts, told })
    }
}

/// The variants in the order of the config, and behind them the rest.
pub(super) fn all(
    config: &Config,
    counts: &AllCounts,
    context: &BuildContext<'_>,
) -> Result<Box<[Arc<Variant>]>, ConfigError> {
    let mut all: Vec<Arc<Variant>> = Vec::with_capacity(config.to.len() + 1);
    for (index, to) in config.to.iter().enumerate() {
        let at = format!("/to/{index}");
        let (name, place) = match &to.name {
            Some(name) => (name, "name"),
            None => (&to.upstream, "upstream"),
        };
        let variant = Variant::new(name, (&at, place), &to.headers, counts, context)?;
        if all.iter().any(|other| other.name == variant.name) {
            let message = format!("two variants are called `{name}`");
            return Err(ConfigError::at(format!("{at}/{place}"), message)
                .help("give one of them another `name`"));
        }
        all.push(Arc::new(variant));
    }
    let Rest { name, headers } = &config.rest;
    if all.iter().any(|other| other.name == *name) {
        let message = format!("a variant is called `{name}` too");
        return Err(ConfigError::at("/rest/name", message));
    }
    all.push(Arc::new(Variant::new(name, ("/rest", "name"), headers, counts, context)?));
    Ok(all.into())
}

/// Names of all headers that variants give, each once.
pub(super) fn names(all: &[Arc<Variant>]) -> Box<[HeaderName]> {
    let mut names: Vec<HeaderName> =
        all.iter().flat_map(|one| &one.headers).map(|(name, _)| name.clone()).collect();
    names.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
    names.dedup();
    names.into()
}

/// The counters as metrics.
pub(super) fn metrics(counts: &AllCounts) -> Vec<PluginMetric> {
    let metrics = counts.all().into_iter().flat_map(|([api, step, variant], counts)| {
        Chosen::ALL.map(|(chosen, word)| PluginMetric {
            name: "paifang_split_calls_total",
            help: "Calls by the variant that a split has chosen for them.",
            kind: MetricKind::Counter,
            labels: vec![
                ("api", api.clone()),
                ("chosen", word.to_owned()),
                ("step", step.clone()),
                ("variant", variant.clone()),
            ],
            value: counts[chosen as usize].load(Relaxed),
        })
    });
    metrics.collect()
}
