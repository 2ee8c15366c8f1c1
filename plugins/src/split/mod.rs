//! `split`: sends shares of an API's calls to other upstreams, and keeps callers where they are.
//!
//! The upstreams are found when the config is loaded; a call is sent to one by its number. Page:
//! `docs/plugins/split.md`.

pub mod config;
mod point;
#[cfg(test)]
mod tests;
mod variant;

pub use variant::{VARIANT, Variant};

use crate::{caller::Subject, points::Points};
use config::{By, Config};
use http::{HeaderName, HeaderValue, header::SET_COOKIE};
use paifang_pipeline::{
    BuildContext, Built, ConfigError, Exchange, Handler, Plugin, PluginMetric, RequestCall,
    ResponseCall, ResponseVerdict, Route, Scheme, Stages, Verdict,
};
use point::Ranges;
use std::{sync::Arc, time::Duration};
use variant::{AllCounts, Chosen};

/// The most variants of one step.
const MAX_VARIANTS: usize = 16;
/// How long an issued cookie may be kept. Browsers keep none for longer (RFC 6265bis section 5.5).
const LONGEST_COOKIE: Duration = Duration::from_secs(400 * 86_400);
/// In a step's word: the call was given a cookie. Below it: the variant, counted from 1.
const ISSUED: u64 = 1 << 32;

/// The plugin.
#[derive(Debug, Default)]
pub struct Split(AllCounts);

impl Plugin for Split {
    type Config = Config;

    fn kind(&self) -> &'static str {
        "split"
    }

    fn metrics(&self) -> Vec<PluginMetric> {
        variant::metrics(&self.0)
    }

    fn protects(&self) -> bool {
        false
    }

    fn build(&self, config: Config, context: &BuildContext<'_>) -> Result<Built, ConfigError> {
        let count = config.to.len();
        if !(1..=MAX_VARIANTS).contains(&count) {
            let message = format!("expected 1 to {MAX_VARIANTS} variants, found {count}");
            return Err(ConfigError::at("/to", message));
        }
        for (index, to) in config.to.iter().enumerate() {
            context.known_upstream(&to.upstream, &format!("/to/{index}/upstream"))?;
        }
        let shares: Vec<_> = config.to.iter().map(|to| to.share).collect();
        let ranges = Ranges::new(&shares).map_err(|index| {
            ConfigError::at(format!("/to/{index}/share"), "the shares come to more than 100%")
        })?;
        let own_salt = || format!("{}/{}", context.api, context.step);
        let salt = config.salt.clone().unwrap_or_else(own_salt);
        if !(1..=256).contains(&salt.len()) {
            let message = format!("a salt has 1 to 256 bytes, not {}", salt.len());
            return Err(ConfigError::at("/salt", message));
        }
        let header = |name: &Option<String>, at: &str| {
            name.as_deref().map(|name| crate::fields::name(name, at)).transpose()
        };
        let variants = variant::all(&config, &self.0, context)?;
        let built = Built::new(Step {
            points: Points::new(&salt),
            subject: subject(&config.by)?,
            ranges,
            routes: (0..count).map(|nth| context.route(nth)).collect(),
            owned: variant::names(&variants),
            variants,
            pin: header(&config.pin, "/pin")?,
            tell: header(&config.tell, "/tell")?,
            issue: issue(&config)?,
        });
        let upstreams = config.to.iter().map(|to| Arc::from(to.upstream.as_str()));
        let built = built.routes(upstreams).writes(VARIANT.name());
        Ok(Built { overrides: config.overrides, ..built })
    }
}

fn subject(by: &By) -> Result<Subject, ConfigError> {
    Ok(match by {
        By::Random => Subject::Random,
        By::ClientIp => Subject::ClientIp,
        By::Identity => Subject::Identity,
        By::App => Subject::App,
        By::Header(name) => Subject::header(name)?,
        By::Cookie(name) => Subject::cookie(name)?,
    })
}

fn issue(config: &Config) -> Result<Option<Issue>, ConfigError> {
    let Some(kept) = config.issue else { return Ok(None) };
    let By::Cookie(name) = &config.by else {
        return Err(ConfigError::at("/issue", "a cookie is given only where one decides")
            .help("write `by: { cookie: … }` beside it"));
    };
    let kept = kept.get();
    if !(Duration::from_secs(1)..=LONGEST_COOKIE).contains(&kept) {
        return Err(ConfigError::at("/issue", "expected 1s to 400d"));
    }
    Ok(Some(Issue { name: name.clone(), seconds: kept.as_secs() }))
}

/// The handler.
struct Step {
    points: Points,
    subject: Subject,
    ranges: Ranges,
    /// Of each variant but the rest.
    routes: Box<[Route]>,
    /// The rest stands last.
    variants: Box<[Arc<Variant>]>,
    /// Headers that no client may send by itself.
    owned: Box<[HeaderName]>,
    pin: Option<HeaderName>,
    tell: Option<HeaderName>,
    issue: Option<Issue>,
}

/// The cookie that clients without one are given.
struct Issue {
    name: String,
    seconds: u64,
}

impl Handler for Step {
    fn stages(&self) -> Stages {
        if self.tell.is_some() || self.issue.is_some() {
            Stages::REQUEST.and(Stages::RESPONSE)
        } else {
            Stages::REQUEST
        }
    }

    fn request(&self, call: &mut RequestCall<'_>) -> Verdict {
        let (index, chosen, issued) = self.choose(call);
        let variant = &self.variants[index];
        variant.count(chosen);
        for name in &self.owned {
            call.head_mut().headers.remove(name);
        }
        variant.mark(&mut call.head_mut().headers);
        match self.routes.get(index) {
            Some(route) => {
                call.route_to(*route);
                call.slots_mut().set(&VARIANT, variant.clone());
            }
            // The rest goes where it would go without this step; what a step above chose stays.
            None if call.route().is_none() => call.slots_mut().set(&VARIANT, variant.clone()),
            None => {}
        }
        *call.word() = index as u64 + 1 + if issued { ISSUED } else { 0 };
        Verdict::Continue
    }

    fn response(&self, call: &mut ResponseCall<'_>) -> ResponseVerdict {
        let word = *call.word();
        let variant = (word & (ISSUED - 1)).checked_sub(1);
        let variant = variant.and_then(|index| self.variants.get(usize::try_from(index).ok()?));
        if let (Some(name), Some(variant)) = (&self.tell, variant) {
            call.response_mut().headers.insert(name, variant.told().clone());
        }
        if let Some(issue) = self.issue.as_ref().filter(|_| word & ISSUED != 0)
            && let Some(cookie) = issue.cookie(&self.points, call)
        {
            call.response_mut().headers.append(SET_COOKIE, cookie);
        }
        ResponseVerdict::Continue
    }
}

impl Step {
    /// The index of the call's variant, why it is that one, and whether the client gets a cookie.
    fn choose(&self, call: &Exchange) -> (usize, Chosen, bool) {
        let rest = self.routes.len();
        let point = self.subject.point(&self.points, call);
        let issued = point.is_none() && self.issue.is_some();
        if let Some(index) = self.pinned(call) {
            return (index, Chosen::Pin, issued);
        }
        let point = match (&self.issue, point) {
            // It will come back with this key, so it begins where it will be then.
            (Some(_), None) => Some(self.points.of(&[&Issue::key(&self.points, call)])),
            (_, point) => point,
        };
        match point {
            Some(point) => (self.ranges.find(point).unwrap_or(rest), Chosen::Share, issued),
            None => (rest, Chosen::Keyless, false),
        }
    }

    /// The variant that the caller asks for, where it may.
    fn pinned(&self, call: &Exchange) -> Option<usize> {
        let asked = call.header(self.pin.as_ref()?)?.as_bytes();
        self.variants.iter().position(|variant| variant.name().as_bytes() == asked)
    }
}

impl Issue {
    /// The value of the call's cookie: 16 hexadecimal digits that chance has chosen.
    fn key(points: &Points, call: &Exchange) -> [u8; 16] {
        let random = points.hash(&[b"issue", &call.facts().entropy.to_le_bytes()]);
        let digit = |place: usize| b"0123456789abcdef"[(random >> (4 * place)) as usize & 15];
        std::array::from_fn(digit)
    }

    /// `Set-Cookie` (RFC 6265 section 4.1), for scripts not to read and other sites not to send.
    fn cookie(&self, points: &Points, call: &Exchange) -> Option<HeaderValue> {
        let key = Self::key(points, call);
        let key = std::str::from_utf8(&key).ok()?;
        let secure = if call.facts().scheme == Scheme::Https { "; Secure" } else { "" };
        let Self { name, seconds } = self;
        let cookie =
            format!("{name}={key}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
        HeaderValue::from_str(&cookie).ok()
    }
}
