//! `shed`: refuses a share of the calls, so that the rest is served well.
//!
//! With callers that decide, the same ones are refused again and again, and others see nothing of it;
//! without, every so many calls are. Page: `docs/plugins/shed.md`.

pub mod config;
mod counts;
pub mod errors;
#[cfg(test)]
mod tests;

use crate::{
    caller::Subject,
    points::{POINTS, Points},
};
use config::{By, Config};
use counts::{AllCounts, Counts};
use http::{HeaderValue, header::RETRY_AFTER};
use paifang_pipeline::{
    BuildContext, Built, ConfigError, ErrorCode, Handler, Plugin, PluginMetric, Rejection,
    RequestCall, Stages, Verdict, units::Percent,
};
use std::{sync::Arc, time::Duration};

/// The plugin.
#[derive(Debug, Default)]
pub struct Shed(AllCounts);

impl Plugin for Shed {
    type Config = Config;

    fn kind(&self) -> &'static str {
        "shed"
    }

    fn errors(&self) -> &'static [&'static ErrorCode] {
        errors::ROWS
    }

    fn metrics(&self) -> Vec<PluginMetric> {
        counts::metrics(&self.0)
    }

    fn build(&self, config: Config, context: &BuildContext<'_>) -> Result<Built, ConfigError> {
        let Config { share, by, salt, retry_after } = config;
        if by == By::Call && salt.is_some() {
            return Err(ConfigError::at("/salt", "a salt is for choosing callers, not calls")
                .help("say `by`, or remove it"));
        }
        let salt = salt.unwrap_or_else(|| context.step.to_owned());
        if !(1..=256).contains(&salt.len()) {
            let message = format!("a salt has 1 to 256 bytes, not {}", salt.len());
            return Err(ConfigError::at("/salt", message));
        }
        let retry = retry_after.get();
        if !(Duration::from_secs(1)..=Duration::from_secs(3600)).contains(&retry) {
            let message = format!("expected 1s to 1h, found `{retry_after}`");
            return Err(ConfigError::at("/retry_after", message));
        }
        // Part of a second is a whole one: earlier would be too early.
        let seconds = retry.as_secs() + u64::from(retry.subsec_nanos() > 0);
        let key = [context.api.to_owned(), context.step.to_owned()];
        Ok(Built::new(Step {
            share,
            callers: callers(&by)?.map(|subject| (subject, Points::new(&salt))),
            retry_after: HeaderValue::from(seconds),
            counts: self.0.get_or(key, Counts::default),
        }))
    }
}

fn callers(by: &By) -> Result<Option<Subject>, ConfigError> {
    Ok(Some(match by {
        By::Call => return Ok(None),
        By::ClientIp => Subject::ClientIp,
        By::Identity => Subject::Identity,
        By::App => Subject::App,
        By::Header(name) => Subject::header(name)?,
        By::Cookie(name) => Subject::cookie(name)?,
    }))
}

/// The handler.
struct Step {
    share: Percent,
    /// What callers are known by, and where they stand; `None` where calls take turns.
    callers: Option<(Subject, Points)>,
    retry_after: HeaderValue,
    counts: Arc<Counts>,
}

impl Handler for Step {
    fn stages(&self) -> Stages {
        Stages::REQUEST
    }

    fn request(&self, call: &mut RequestCall<'_>) -> Verdict {
        let point = self.callers.as_ref().and_then(|(by, points)| by.point(points, call));
        // A share that grows keeps whom it has.
        let shed = match point {
            Some(point) => point < self.share.thousandths(),
            None => self.counts.turn(self.share),
        };
        self.counts.count(shed);
        if !shed {
            return Verdict::Continue;
        }
        let rejection = Rejection::new(errors::LOAD_SHED);
        Verdict::Reject(rejection.header(RETRY_AFTER, self.retry_after.clone()))
    }
}

/// Every share is a number of points.
const _: () = assert!(POINTS == Percent::ALL.thousandths());
