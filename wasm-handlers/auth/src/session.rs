//! What is known of a token: what the session service answers, and how long that holds.

use crate::config::{Claims, Times};
use paifang_guest::Identity;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The longest text that is taken for one claim.
const MAX_CLAIM_BYTES: usize = 4096;

/// Somebody who is logged in. Times are seconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Session {
    pub(crate) sub: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) app: Option<String>,
    /// When it ends, where it does by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) exp: Option<u64>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) claims: BTreeMap<String, String>,
}

impl Session {
    pub(crate) fn identity(self) -> Identity {
        let mut identity = Identity::new(self.sub);
        identity.app = self.app;
        self.claims
            .into_iter()
            .fold(identity, |identity, (name, value)| identity.with_claim(name, value))
    }

    fn over(&self, now: u64) -> bool {
        self.exp.is_some_and(|exp| exp <= now)
    }
}

/// An answer's members. They stay as they stand in it, so that no depth of it is walked.
type Fields<'a> = BTreeMap<String, &'a RawValue>;

/// An answer of the session service.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Active(Session),
    /// The token is nobody's, or nobody's any more.
    Inactive,
    /// It says nothing about the token; with a reason for the log.
    Unusable(String),
}

/// Reads an answer (RFC 7662 section 2.2). `missing_is_404`: the token was asked for by a path, so
/// that 404 says that it is unknown.
pub(crate) fn read(
    status: u16,
    body: &[u8],
    missing_is_404: bool,
    claims: &Claims,
    now: u64,
) -> Answer {
    if status == 404 && missing_is_404 {
        return Answer::Inactive;
    }
    if status != 200 {
        return Answer::Unusable(format!("the session service answered {status}"));
    }
    let Ok(fields) = serde_json::from_slice::<Fields<'_>>(body) else {
        return Answer::Unusable("the session service answered no JSON object".to_owned());
    };
    match fields.get("active").map(|active| active.get()) {
        Some("true") => {}
        Some("false") => return Answer::Inactive,
        _ => return Answer::Unusable("the answer does not say whether it is `active`".to_owned()),
    }
    active(&fields, claims, now).unwrap_or_else(Answer::Unusable)
}

fn active(fields: &Fields<'_>, wanted: &Claims, now: u64) -> Result<Answer, String> {
    let Some(sub) = text(fields, &wanted.subject)?.filter(|sub| !sub.is_empty()) else {
        return Err(format!("the answer has no `{}`", wanted.subject));
    };
    let app = match &wanted.app {
        Some(name) => text(fields, name)?,
        None => None,
    };
    let exp = time(fields, "exp")?;
    if time(fields, "nbf")?.is_some_and(|begin| begin > now) {
        return Ok(Answer::Inactive);
    }
    let mut claims = BTreeMap::new();
    for name in &wanted.others {
        if let Some(value) = text(fields, name)? {
            claims.insert(name.clone(), value);
        }
    }
    let session = Session { sub, app, exp, claims };
    Ok(if session.over(now) { Answer::Inactive } else { Answer::Active(session) })
}

/// A member as text: a list of texts with spaces between them, as `scope` is; anything else that
/// is no text as its JSON.
fn text(fields: &Fields<'_>, name: &str) -> Result<Option<String>, String> {
    let Some(json) = there(fields, name) else { return Ok(None) };
    let unread = |_| format!("`{name}` cannot be read");
    let text = match json.as_bytes() {
        [b'"', ..] => serde_json::from_str(json).map_err(unread)?,
        [b'[', ..] => serde_json::from_str::<Vec<String>>(json)
            .map_or_else(|_| json.to_owned(), |items| items.join(" ")),
        _ => json.to_owned(),
    };
    if text.len() > MAX_CLAIM_BYTES {
        return Err(format!("`{name}` is longer than {MAX_CLAIM_BYTES} bytes"));
    }
    Ok(Some(text))
}

/// A time; a fraction of a second is dropped, what lies before the epoch is the epoch.
fn time(fields: &Fields<'_>, name: &str) -> Result<Option<u64>, String> {
    let Some(json) = there(fields, name) else { return Ok(None) };
    match serde_json::from_str::<f64>(json) {
        Ok(seconds) => Ok(Some(seconds as u64)),
        Err(_) => Err(format!("`{name}` is no number")),
    }
}

/// A member's JSON; `null` is as good as absent.
fn there<'a>(fields: &Fields<'a>, name: &str) -> Option<&'a str> {
    fields.get(name).map(|value| value.get()).filter(|json| *json != "null")
}

/// A remembered answer, as it stands in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stored {
    /// Until when nobody is asked again.
    pub(crate) fresh: u64,
    /// Until when it serves where nobody can be asked.
    pub(crate) until: u64,
    /// None: the token is nobody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) session: Option<Session>,
}

/// What a remembered answer is good for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// This is how it is.
    Fresh(Option<Session>),
    /// Ask; this serves where nobody answers.
    Stale(Stored, Session),
    /// Ask.
    Nothing,
}

impl Stored {
    /// Remembers an answer.
    pub(crate) fn new(session: Option<Session>, times: Times, now: u64) -> Self {
        let Some(session) = session else {
            let fresh = now.saturating_add(times.negative);
            return Self { fresh, until: fresh, session: None };
        };
        let end = session.exp.unwrap_or(u64::MAX);
        let fresh = now.saturating_add(times.positive).min(end);
        let until = fresh.saturating_add(times.stale).min(end);
        Self { fresh, until, session: Some(session) }
    }

    /// Puts the next question off: while nobody answers, not every call has to wait to learn so.
    pub(crate) fn put_off(mut self, times: Times, now: u64) -> Self {
        self.fresh = now.saturating_add(times.negative).min(self.until);
        self
    }

    /// How long the store keeps it, in milliseconds.
    pub(crate) fn ttl_millis(&self, now: u64) -> u64 {
        self.until.saturating_sub(now).saturating_mul(1000)
    }

    /// Reads what the store holds. What cannot be read was written by nobody of this version, and
    /// is as good as nothing.
    pub(crate) fn read(bytes: &[u8], now: u64) -> Known {
        let Ok(stored) = serde_json::from_slice::<Self>(bytes) else { return Known::Nothing };
        let over = stored.session.as_ref().is_some_and(|session| session.over(now));
        if over || now >= stored.until {
            return Known::Nothing;
        }
        match &stored.session {
            _ if now < stored.fresh => Known::Fresh(stored.session),
            Some(session) => Known::Stale(stored.clone(), session.clone()),
            None => Known::Nothing,
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}
