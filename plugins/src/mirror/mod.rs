//! `mirror`: copies of calls for another upstream, whose answers nobody sees.
//!
//! A call is never delayed: its frames are watched on their way, and a task of its own sends the copy
//! once the call has gone to its upstream. Page: `docs/plugins/mirror.md`.

pub mod config;
mod counts;
#[cfg(test)]
mod tests;
mod twin;

use crate::fields;
use config::Config;
use counts::{AllCounts, Fate};
use http::{HeaderName, HeaderValue, Method, header::UPGRADE};
use paifang_pipeline::{
    BodyVerdict, BuildContext, Built, ConfigError, Exchange, Frame, Handler, LogCall, Plugin,
    PluginMetric, RequestBodyCall, RequestCall, ResponseCall, ResponseVerdict, Stages, Verdict,
    mix,
    ports::{HttpOutLimits, Spawn},
    units::Percent,
};
use ring::digest::{SHA256, digest};
use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};
use twin::{Settings, Twin};

/// The largest body that a copy may have.
const MAX_BODY: usize = 16 << 20;
/// So much of an answer is read, so that its connection can be used again.
const ANSWER_BYTES: usize = 64 << 10;

/// The plugin.
#[derive(Debug, Default)]
pub struct Mirror(AllCounts);

impl Plugin for Mirror {
    type Config = Config;

    fn kind(&self) -> &'static str {
        "mirror"
    }

    fn metrics(&self) -> Vec<PluginMetric> {
        counts::metrics(&self.0)
    }

    fn protects(&self) -> bool {
        false
    }

    fn build(&self, config: Config, context: &BuildContext<'_>) -> Result<Built, ConfigError> {
        context.known_upstream(&config.upstream, "/upstream")?;
        let body_limit = config.body_limit.as_usize();
        if !(1..=MAX_BODY).contains(&body_limit) {
            return Err(ConfigError::at("/body_limit", "expected 1B to 16MiB"));
        }
        if !(1..=10_000).contains(&config.max_pending) {
            let message = format!("expected 1 to 10000, found `{}`", config.max_pending);
            return Err(ConfigError::at("/max_pending", message));
        }
        let timeout = config.timeout.get();
        if !(Duration::from_millis(10)..=Duration::from_secs(300)).contains(&timeout) {
            return Err(ConfigError::at("/timeout", "expected 10ms to 5m"));
        }
        let mark = fields::name(&config.mark, "/mark")?;
        let mut set = headers(&config)?;
        set.push((mark.clone(), HeaderValue::from_static("1")));
        let key = [context.api, context.step].map(str::to_owned);
        let salt = digest(&SHA256, format!("{}/{}", context.api, context.step).as_bytes());
        let salt = salt.as_ref().iter().take(8).fold(0, |salt, byte| salt << 8 | u64::from(*byte));
        let mirror = Settings {
            body_limit: config.body.then_some(body_limit),
            too_large: config.too_large,
            remove: removed(&config)?,
            set: set.into(),
            limits: HttpOutLimits { timeout, response_bytes: ANSWER_BYTES },
            counts: self.0.get_or(key, counts::Counts::default),
            http: context.http.clone(),
            spawn: OnceLock::new(),
            upstream: config.upstream,
        };
        Ok(Built::new(Step {
            share: config.share,
            methods: methods(config.methods.as_deref())?,
            most: config.max_pending,
            mirror: Arc::new(mirror),
            mark,
            salt,
        }))
    }
}

fn methods(methods: Option<&[String]>) -> Result<Box<[Method]>, ConfigError> {
    let Some(methods) = methods else { return Ok(Box::default()) };
    if !(1..=16).contains(&methods.len()) {
        let message = format!("expected 1 to 16 methods, found {}", methods.len());
        return Err(ConfigError::at("/methods", message)
            .help("leave `methods` away to copy calls with any"));
    }
    let method = |(index, text): (usize, &String)| {
        Method::from_bytes(text.as_bytes()).map_err(|_| {
            ConfigError::at(format!("/methods/{index}"), format!("`{text}` is no method"))
        })
    };
    methods.iter().enumerate().map(method).collect()
}

fn removed(config: &Config) -> Result<Box<[HeaderName]>, ConfigError> {
    if config.remove.len() > 32 {
        let message = format!("expected up to 32 headers, found {}", config.remove.len());
        return Err(ConfigError::at("/remove", message));
    }
    let names = config.remove.iter().enumerate();
    names.map(|(index, name)| fields::name(name, &format!("/remove/{index}"))).collect()
}

fn headers(config: &Config) -> Result<Vec<(HeaderName, HeaderValue)>, ConfigError> {
    if config.headers.len() > 16 {
        let message = format!("expected up to 16 headers, found {}", config.headers.len());
        return Err(ConfigError::at("/headers", message));
    }
    let all = config.headers.iter();
    all.map(|(name, value)| fields::fixed(name, value, "/headers")).collect()
}

/// The handler.
struct Step {
    share: Percent,
    /// Empty: all.
    methods: Box<[Method]>,
    most: u32,
    mirror: Arc<Settings>,
    mark: HeaderName,
    /// Tells steps apart, so that each copies other calls.
    salt: u64,
}

impl Handler for Step {
    fn stages(&self) -> Stages {
        Stages::REQUEST.and(Stages::REQUEST_BODY).and(Stages::RESPONSE).and(Stages::LOG)
    }

    fn only_watches(&self) -> bool {
        true
    }

    fn request(&self, call: &mut RequestCall<'_>) -> Verdict {
        if self.is_wanted(call) {
            match self.mirror.counts.enter(self.most) {
                Some(place) => {
                    let copy = Twin::of(&self.mirror, call.head(), place);
                    call.keep(copy);
                    *call.word() = 1;
                }
                None => self.mirror.counts.count(Fate::Full),
            }
        }
        Verdict::Continue
    }

    fn request_body(&self, call: &mut RequestBodyCall<'_>, frame: &mut Frame) -> BodyVerdict {
        if *call.word() == 0 {
            return BodyVerdict::Continue;
        }
        // While it streams the call is at its upstream; collected, it may never come there.
        let asked = call.outcome().attempts > 0;
        if let Some(copy) = call.kept::<Twin>() {
            copy.take(&self.mirror, frame);
            if copy.ended
                && asked
                && let Some(copy) = call.take_kept::<Twin>()
            {
                copy.send(&self.mirror);
            }
        }
        BodyVerdict::Continue
    }

    fn response(&self, call: &mut ResponseCall<'_>) -> ResponseVerdict {
        if *call.word() == 0 || call.outcome().attempts == 0 {
            return ResponseVerdict::Continue;
        }
        // An answer may come before the body has ended; then its last frame sends the copy.
        if call.kept::<Twin>().is_some_and(|copy| copy.ended)
            && let Some(copy) = call.take_kept::<Twin>()
        {
            copy.send(&self.mirror);
        }
        ResponseVerdict::Continue
    }

    fn log(&self, call: &mut LogCall<'_>) {
        if *call.word() == 0 {
            return;
        }
        let asked = call.outcome().attempts > 0;
        let Some(copy) = call.take_kept::<Twin>() else { return };
        match (asked, copy.ended) {
            (true, true) => copy.send(&self.mirror),
            (true, false) => self.mirror.counts.count(Fate::Incomplete),
            (false, _) => self.mirror.counts.count(Fate::Unsent),
        }
    }

    fn start(&self, spawn: &Arc<dyn Spawn>) -> Result<(), String> {
        // A handler is started once; should it be twice, the first one does.
        let _ = self.mirror.spawn.set(spawn.clone());
        Ok(())
    }
}

impl Step {
    /// Whether a copy of this call is wanted.
    fn is_wanted(&self, call: &Exchange) -> bool {
        (self.methods.is_empty() || self.methods.contains(call.method()))
            && self.share.includes(mix(call.facts().entropy, self.salt))
            // A connection that becomes another protocol's has no second end to give it.
            && call.header(UPGRADE).is_none()
            && call.header(&self.mark).is_none()
    }
}
