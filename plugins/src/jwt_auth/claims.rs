//! What the claims of a verified token must say (RFC 7519 section 4.1), and who the caller then is.

use super::config::{self, Config};
use crate::fields::pointer;
use paifang_pipeline::{App, Apps, ConfigError, Identity, units::HumanDuration};
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// The most issuers, audiences, types, claims.
const MAX_LIST: usize = 16;
const MAX_NAME_BYTES: usize = 1_024;
const MAX_SUBJECT_BYTES: usize = 1_024;
const MAX_LEEWAY: Duration = Duration::from_secs(600);
/// No date is later: the year 33658.
const MAX_DATE: f64 = 1e12;

/// Lists and texts of the config, ready to be compared.
pub(super) struct Rules {
    issuers: Option<Names>,
    audience: Audience,
    leeway: u64,
    needs_exp: bool,
    max_age: Option<u64>,
    kinds: Names,
    required: Box<[(Path, Names)]>,
    subject: Path,
    app: Option<Path>,
    into: Into,
    apps: Arc<Apps>,
}

pub(super) type Names = Box<[Box<str>]>;

/// Claims that the identity gets, by their names there.
type Into = Box<[(Box<str>, Path)]>;

enum Audience {
    Any,
    /// The token must not say.
    None,
    OneOf(Names),
}

/// Where a claim is.
enum Path {
    Name(Box<str>),
    Pointer(Box<str>),
}

/// Who calls, and until when that is so.
pub(super) struct Caller {
    pub(super) identity: Identity,
    pub(super) app: Option<Arc<App>>,
    /// Seconds since the Unix epoch, not included.
    pub(super) until: u64,
}

/// What is wrong with a token that is signed as it should be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Wrong {
    #[error("the claim `{0}` is not as it should be")]
    Claim(Box<str>),
    #[error("its type is not taken here")]
    Kind,
    #[error("it has expired")]
    Expired,
    #[error("it lacks what is required of `{0}`")]
    Lacks(Box<str>),
    #[error("it names no app that there is")]
    App,
}

fn claim(name: &str) -> Wrong {
    Wrong::Claim(name.into())
}

impl Rules {
    pub(super) fn new(config: &Config, apps: &Arc<Apps>) -> Result<Self, ConfigError> {
        let Config { issuer, audience, any_audience, claims, require, .. } = config;
        let leeway = config.leeway.get();
        if leeway > MAX_LEEWAY {
            let message = format!("expected 0s to 10m, found `{}`", config.leeway);
            return Err(ConfigError::at("/leeway", message));
        }
        let audience = match (audience, any_audience) {
            (Some(_), true) => {
                return Err(ConfigError::at("/any_audience", "there is an `audience`")
                    .help("leave one of the two away"));
            }
            (Some(list), false) => Audience::OneOf(names("/audience", list.as_slice(), 1)?),
            (None, true) => Audience::Any,
            (None, false) => Audience::None,
        };
        let mut required = Vec::new();
        for (name, values) in bounded("/require/claims", &require.claims)? {
            let at = pointer("/require/claims", name);
            required.push((Path::new(&at, name)?, names(&at, values, 0)?));
        }
        let kinds = names("/require/typ", &require.typ, 0)?;
        let kinds = kinds.iter().map(|kind| super::token::kind(kind)).collect();
        let app = claims.app.as_ref().map(|name| Path::new("/claims/app", name)).transpose()?;
        Ok(Self {
            issuers: issuer
                .as_ref()
                .map(|list| names("/issuer", list.as_slice(), 1))
                .transpose()?,
            audience,
            leeway: leeway.as_secs(),
            needs_exp: require.exp,
            max_age: require.max_age.as_ref().map(max_age).transpose()?,
            kinds,
            required: required.into(),
            subject: Path::new("/claims/subject", &claims.subject)?,
            app,
            into: into(claims)?,
            apps: apps.clone(),
        })
    }

    /// Who calls by a token of this kind, with keys of these issuers.
    pub(super) fn caller(
        &self,
        kind: Option<&str>,
        claims: &Value,
        keys_of: Option<&Names>,
        now: u64,
    ) -> Result<Caller, Wrong> {
        if !self.kinds.is_empty() && !kind.is_some_and(|kind| has(&self.kinds, kind)) {
            return Err(Wrong::Kind);
        }
        let issuer = claims.get("iss").map(|name| name.as_str().ok_or_else(|| claim("iss")));
        let issuer = issuer.transpose()?;
        for names in [self.issuers.as_ref(), keys_of].into_iter().flatten() {
            if !issuer.is_some_and(|issuer| has(names, issuer)) {
                return Err(claim("iss"));
            }
        }
        self.audience(claims.get("aud"))?;
        let until = self.time(claims, now)?;
        for (path, values) in &self.required {
            let text = path.find(claims).and_then(text);
            let holds = |text: &String| values.is_empty() || path.holds(text, values);
            if !text.as_ref().is_some_and(holds) {
                return Err(Wrong::Lacks(path.name().into()));
            }
        }
        self.identity(claims, until)
    }

    fn audience(&self, said: Option<&Value>) -> Result<(), Wrong> {
        let ours = match &self.audience {
            Audience::Any => return Ok(()),
            Audience::None => &Names::default(),
            Audience::OneOf(names) => names,
        };
        let right = match said {
            None => matches!(self.audience, Audience::None),
            Some(Value::String(one)) => has(ours, one),
            Some(Value::Array(list)) => {
                list.iter().all(Value::is_string)
                    && list.iter().filter_map(Value::as_str).any(|one| has(ours, one))
            }
            Some(_) => false,
        };
        if right { Ok(()) } else { Err(claim("aud")) }
    }

    /// Until when the token is good.
    fn time(&self, claims: &Value, now: u64) -> Result<u64, Wrong> {
        let (exp, nbf, iat) = (date(claims, "exp")?, date(claims, "nbf")?, date(claims, "iat")?);
        let Self { leeway, max_age, .. } = self;
        let mut until = match exp {
            Some(exp) => exp.saturating_add(*leeway),
            None if self.needs_exp => return Err(claim("exp")),
            None => u64::MAX,
        };
        let latest = now.saturating_add(*leeway);
        if nbf.is_some_and(|nbf| nbf > latest) {
            return Err(claim("nbf"));
        }
        if iat.is_some_and(|iat| iat > latest) {
            return Err(claim("iat"));
        }
        if let Some(max_age) = max_age {
            let iat = iat.ok_or_else(|| claim("iat"))?;
            until = until.min(iat.saturating_add(*max_age).saturating_add(*leeway));
        }
        if now >= until { Err(Wrong::Expired) } else { Ok(until) }
    }

    fn identity(&self, claims: &Value, until: u64) -> Result<Caller, Wrong> {
        let subject = self.subject.find(claims).and_then(Value::as_str).filter(|subject| {
            (1..=MAX_SUBJECT_BYTES).contains(&subject.len()) && !subject.contains(char::is_control)
        });
        let subject = subject.ok_or_else(|| claim(self.subject.name()))?;
        let app = match &self.app {
            None => None,
            Some(path) => {
                let id = path.find(claims).and_then(Value::as_str);
                Some(id.and_then(|id| self.apps.get(id)).ok_or(Wrong::App)?.clone())
            }
        };
        let app_id = app.as_ref().map(|app| app.id.clone());
        let mut identity = Identity::new(subject.into(), app_id, "jwt_auth");
        for (name, path) in &self.into {
            // One without a text must not pass for one that is not there: rules may deny by it.
            let text = path.find(claims).map(|value| text(value).ok_or_else(|| claim(name)));
            if let Some(text) = text.transpose()? {
                identity.claims.insert(String::from(&**name), text);
            }
        }
        Ok(Caller { identity, app, until })
    }
}

impl Path {
    fn new(at: &str, name: &str) -> Result<Self, ConfigError> {
        if !(1..=MAX_NAME_BYTES).contains(&name.len()) {
            let message = format!("expected 1 to {MAX_NAME_BYTES} bytes, found {}", name.len());
            return Err(ConfigError::at(at, message));
        }
        Ok(if name.starts_with('/') { Self::Pointer(name.into()) } else { Self::Name(name.into()) })
    }

    fn name(&self) -> &str {
        match self {
            Self::Name(name) | Self::Pointer(name) => name,
        }
    }

    fn find<'a>(&self, claims: &'a Value) -> Option<&'a Value> {
        match self {
            Self::Name(name) => claims.get(&**name),
            Self::Pointer(pointer) => claims.pointer(pointer),
        }
    }

    /// `scope` is a list parted by spaces (RFC 8693 section 4.2), as `acl` has it too.
    fn holds(&self, text: &str, values: &Names) -> bool {
        match self.name() {
            "scope" => text.split(' ').any(|entry| has(values, entry)),
            _ => has(values, text),
        }
    }
}

fn has(names: &Names, name: &str) -> bool {
    names.iter().any(|known| **known == *name)
}

/// What a claim is as text: a list of words is the words, parted by spaces.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Array(list) => {
            let words: Option<Vec<&str>> = list
                .iter()
                .map(|word| word.as_str().filter(|word| !word.is_empty() && !word.contains(' ')))
                .collect();
            words.map(|words| words.join(" "))
        }
        Value::Null | Value::Object(_) => None,
    }
}

/// A date (RFC 7519 section 2): seconds since the Unix epoch, parts of them cut off.
fn date(claims: &Value, name: &str) -> Result<Option<u64>, Wrong> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let date = value.as_f64().filter(|date| (0.0..=MAX_DATE).contains(date));
    // Within the range of both types.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    date.map(|date| Some(date as u64)).ok_or_else(|| claim(name))
}

pub(super) fn names(at: &str, list: &[String], least: usize) -> Result<Names, ConfigError> {
    if !(least..=MAX_LIST).contains(&list.len()) {
        let message = format!("expected {least} to {MAX_LIST} texts, found {}", list.len());
        return Err(ConfigError::at(at, message));
    }
    for (index, name) in list.iter().enumerate() {
        if !(1..=MAX_NAME_BYTES).contains(&name.len()) {
            let message = format!("expected 1 to {MAX_NAME_BYTES} bytes, found {}", name.len());
            return Err(ConfigError::at(format!("{at}/{index}"), message));
        }
    }
    Ok(list.iter().map(|name| name.as_str().into()).collect())
}

fn bounded<'a, T>(
    at: &str,
    map: &'a BTreeMap<String, T>,
) -> Result<&'a BTreeMap<String, T>, ConfigError> {
    if map.len() > MAX_LIST {
        let message = format!("expected at most {MAX_LIST} claims, found {}", map.len());
        return Err(ConfigError::at(at, message));
    }
    Ok(map)
}

fn max_age(span: &HumanDuration) -> Result<u64, ConfigError> {
    match span.get().as_secs() {
        0 => {
            let message = format!("expected 1s at least, found `{span}`");
            Err(ConfigError::at("/require/max_age", message))
        }
        seconds => Ok(seconds),
    }
}

fn into(claims: &config::Claims) -> Result<Into, ConfigError> {
    if claims.into.len() > MAX_LIST {
        let message = format!("expected at most {MAX_LIST} claims, found {}", claims.into.len());
        return Err(ConfigError::at("/claims/into", message));
    }
    let mut into: Vec<(Box<str>, Path)> = Vec::new();
    for (index, name) in claims.into.iter().enumerate() {
        let at = format!("/claims/into/{index}");
        let path = Path::new(&at, name)?;
        let last = match &path {
            Path::Name(name) => name.to_string(),
            Path::Pointer(pointer) => {
                let last = pointer.rsplit('/').next().unwrap_or_default();
                last.replace("~1", "/").replace("~0", "~")
            }
        };
        if last.is_empty() || into.iter().any(|(known, _)| **known == *last) {
            let message = format!("`{last}` is empty or stands here twice");
            return Err(
                ConfigError::at(at, message).help("a pointer's claim is called by its last part")
            );
        }
        into.push((last.into(), path));
    }
    Ok(into.into())
}
