//! `validate`: requests held against JSON Schemas or an OpenAPI description, before anything below
//! sees them.
//!
//! Parameters are looked at before the body is read, the body once it is whole. Page:
//! `docs/plugins/validate.md`.

mod body;
mod config;
mod documents;
pub mod errors;
mod inline;
mod openapi;
mod params;
mod query;
mod report;
mod schemas;
mod shape;
mod source;
#[cfg(test)]
mod tests;
mod work;

pub use config::{Config, OpenApiConfig, Unknown};

use crate::strict::Bounds;
use body::Announced;
use openapi::{Operation, Operations, without_base};
use paifang_pipeline::{
    BuildContext, Built, ConfigError, ErrorCode, Handler, Plugin, PluginCounter, Rejection,
    RequestCall, Stages, Verdict,
};
use params::escaped;
use report::Report;
use source::{Place, Sources};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// The most documents beside the first.
const MAX_DOCUMENTS: usize = 64;
/// The most faults that are told.
const MAX_ERRORS: u32 = 100;
/// The deepest nesting that can be allowed.
const MAX_DEPTH: u32 = 100;
/// The most values that can be allowed.
const MAX_VALUES: u32 = 10_000_000;

/// The plugin.
#[derive(Debug, Default)]
pub struct Validate {
    counts: Arc<Counts>,
}

/// What became of requests that are not what they should be.
#[derive(Debug, Default)]
struct Counts {
    refused: AtomicU64,
    reported: AtomicU64,
}

impl Plugin for Validate {
    type Config = Config;

    fn kind(&self) -> &'static str {
        "validate"
    }

    fn errors(&self) -> &'static [&'static ErrorCode] {
        errors::ROWS
    }

    fn counters(&self) -> Vec<PluginCounter> {
        let counter = |name, help, value: &AtomicU64| PluginCounter {
            name,
            help,
            label: None,
            value: value.load(Relaxed),
        };
        let Counts { refused, reported } = &*self.counts;
        vec![
            counter(
                "paifang_validate_refused_total",
                "Requests that did not conform and were refused.",
                refused,
            ),
            counter(
                "paifang_validate_reported_total",
                "Requests that did not conform and passed, since the step only reports.",
                reported,
            ),
        ]
    }

    fn build(&self, config: Config, _: &BuildContext<'_>) -> Result<Built, ConfigError> {
        limits(&config)?;
        let rules = match &config.openapi {
            Some(openapi) => {
                inline::none_beside_openapi(&config)?;
                if !(openapi.base_path.is_empty() || openapi.base_path.starts_with('/'))
                    || openapi.base_path.ends_with('/')
                {
                    let message = format!("`{}` is no beginning of a path", openapi.base_path);
                    return Err(ConfigError::at("/openapi/base_path", message)
                        .help("write it as `/v1`, without a slash at its end"));
                }
                Rules::Operations {
                    all: openapi::operations(&config, openapi)?,
                    base: openapi.base_path.as_str().into(),
                    unknown: openapi.unknown,
                    strict_query: openapi.strict_query,
                }
            }
            None => Rules::Inline(inline::Rules::new(&config)?),
        };
        Ok(Built::new(Step {
            rules,
            report_only: config.report_only,
            max_errors: config.max_errors,
            bounds: Bounds { depth: config.max_depth, values: config.max_values },
            counts: Arc::clone(&self.counts),
        }))
    }
}

fn limits(config: &Config) -> Result<(), ConfigError> {
    for (name, value, most) in [
        ("max_errors", config.max_errors, MAX_ERRORS),
        ("max_depth", config.max_depth, MAX_DEPTH),
        ("max_values", config.max_values, MAX_VALUES),
    ] {
        if !(1..=most).contains(&value) {
            let message = format!("{value} is outside 1 to {most}");
            return Err(ConfigError::at(format!("/{name}"), message));
        }
    }
    if config.documents.len() > MAX_DOCUMENTS {
        let message = format!("more than {MAX_DOCUMENTS} documents");
        return Err(ConfigError::at("/documents", message));
    }
    Ok(())
}

/// The handler.
struct Step {
    rules: Rules,
    report_only: bool,
    max_errors: u32,
    bounds: Bounds,
    counts: Arc<Counts>,
}

/// What requests are held against.
enum Rules {
    Inline(inline::Rules),
    Operations { all: Operations, base: Box<str>, unknown: Unknown, strict_query: bool },
}

impl Handler for Step {
    fn stages(&self) -> Stages {
        Stages::REQUEST
    }

    fn request(&self, call: &mut RequestCall<'_>) -> Verdict {
        match self.judge(call) {
            Ok(true) => Verdict::NeedBody,
            Ok(false) => Verdict::Continue,
            Err(rejection) => self.refuse(call, *rejection),
        }
    }
}

impl Step {
    /// Whether the body must be here to decide; it is asked for once, at the end of what can be
    /// decided without.
    fn judge(&self, call: &RequestCall<'_>) -> Result<bool, Box<Rejection>> {
        let mut report = Report::new(self.max_errors);
        let body = match &self.rules {
            Rules::Inline(rules) => {
                if call.body().is_none() {
                    rules.check(&mut Sources::new(call, &[]), &mut report);
                }
                rules.body.as_ref()
            }
            Rules::Operations { all, base, unknown, strict_query } => {
                let path = without_base(call.path(), base).unwrap_or_default();

                let found = all.find(call.method(), path);
                let Some((operation, captures)) = found else {
                    return match unknown {
                        Unknown::Pass => Ok(false),
                        Unknown::Refuse => Err(Box::new(Rejection::new(errors::OPERATION_UNKNOWN))),
                    };
                };
                if call.body().is_none() {
                    let mut sources = Sources::new(call, &captures);
                    for parameter in &operation.parameters {
                        parameter.check(&mut sources, self.bounds, &mut report);
                    }
                    if *strict_query {
                        only_known(operation, &mut sources, &mut report);
                    }
                }
                Some(&operation.body)
            }
        };
        if !report.is_empty() {
            return Err(Box::new(report.rejection()));
        }
        let Some(rules) = body else { return Ok(false) };
        match call.body() {
            None => match rules.announced(call.headers())? {
                Announced::Form(form) => Ok(rules.is_read(form)),
                Announced::Nothing => Ok(true),
            },
            Some(body) => {
                rules.check(call.headers(), body, self.bounds, &mut report)?;
                if report.is_empty() { Ok(false) } else { Err(Box::new(report.rejection())) }
            }
        }
    }

    fn refuse(&self, call: &RequestCall<'_>, rejection: Rejection) -> Verdict {
        if !self.report_only {
            self.counts.refused.fetch_add(1, Relaxed);
            return Verdict::Reject(rejection);
        }
        self.counts.reported.fetch_add(1, Relaxed);
        let detail = rejection.detail.as_deref().unwrap_or(rejection.code.title);
        tracing::info!(
            path = call.path(),
            error = rejection.code.label,
            detail,
            "a request does not conform"
        );
        Verdict::Continue
    }
}

/// Query parameters that the operation does not name.
fn only_known(operation: &Operation, sources: &mut Sources<'_>, report: &mut Report) {
    let known = |name: &str| {
        let mut parameters = operation.parameters.iter();
        parameters.any(|known| known.place == Place::Query && &*known.name == name)
    };
    let Ok(pairs) = sources.query() else {
        report.add("query", "", "is no text in UTF-8, or has too many parameters");
        return;
    };
    for (name, _) in pairs {
        if !known(name) && !report.add("query", format!("/{}", escaped(name)), "is not known here")
        {
            return;
        }
    }
}
