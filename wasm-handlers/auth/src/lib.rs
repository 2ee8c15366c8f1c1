//! Who calls: looks an opaque token up at a session service (token introspection, RFC 7662),
//! remembers the answer, and hands the identity on.

mod config;
mod session;
#[cfg(test)]
mod tests;
mod token;

use config::{Config, Lookup, PLACEHOLDER, Settings};
use paifang_guest::{Field, prelude::*};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use session::{Answer, Known, Session, Stored};
use token::Presented;

/// All but unreserved characters (RFC 3986 section 2.3): fit for a path, a query and a form.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

fn configure(config: Config) -> Result<(Settings, Manifest), ConfigError> {
    let settings = config.settings()?;
    let manifest = Manifest::new().on_request(settings.place.reads()).writes_identity();
    Ok((settings, manifest))
}

fn request(settings: &Settings, call: &Call) -> RequestVerdict {
    let token = match settings.place.find(call) {
        Presented::Token(token) => token,
        Presented::None => return refuse(settings, "A token is needed.", ""),
        Presented::Unfit => return invalid(settings),
        Presented::Several => {
            return reject(Refusal::BadRequest)
                .detail("The request carries more than one token.")
                .into();
        }
    };
    match find_out(settings, token) {
        Ok(Some(session)) => admit(settings, call, session),
        Ok(None) => invalid(settings),
        Err(why) => fail(why),
    }
}

/// Whose the token is: as remembered, else as the session service says.
fn find_out(settings: &Settings, token: &str) -> Result<Option<Session>, String> {
    let now = host::unix_seconds();
    // The store never learns the token itself.
    let digest = host::crypto::hash(host::crypto::HashAlgorithm::Sha256, token.as_bytes());
    let key = format!("session:{}", hex::encode(digest));
    // A store that is away costs time, no correctness: the service is asked.
    let known = match host::kv::get(&key) {
        Ok(Some(bytes)) => Stored::read(&bytes, now),
        Ok(None) | Err(_) => Known::Nothing,
    };
    let stale = match known {
        Known::Fresh(session) => return Ok(session),
        Known::Stale(stored, session) => Some((stored, session)),
        Known::Nothing => None,
    };
    let session = match ask(settings, token, now) {
        Answer::Active(session) => Some(session),
        Answer::Inactive => None,
        Answer::Unusable(why) => {
            let (stored, session) = stale.ok_or(why)?;
            remember(&key, &stored.put_off(settings.times, now), now);
            return Ok(Some(session));
        }
    };
    remember(&key, &Stored::new(session.clone(), settings.times, now), now);
    Ok(session)
}

fn remember(key: &str, stored: &Stored, now: u64) {
    // Where there is no room the service is asked again next time.
    let _ = host::kv::set(key, &stored.bytes(), Some(stored.ttl_millis(now)));
}

/// Asks the session service.
fn ask(settings: &Settings, token: &str, now: u64) -> Answer {
    let by_path = settings.lookup.path.contains(PLACEHOLDER);
    match host::http::send(&question(&settings.lookup, by_path, token)) {
        Ok(answer) => session::read(answer.status, &answer.body, by_path, &settings.claims, now),
        Err(error) => Answer::Unusable(format!("the session service cannot be asked: {error}")),
    }
}

/// A GET of the path that holds the token, else a form as RFC 7662 section 2.1 has it.
fn question(lookup: &Lookup, by_path: bool, token: &str) -> host::http::Request {
    let escaped = utf8_percent_encode(token, ESCAPED).to_string();
    let mut headers = vec![Field::new("accept", "application/json")];
    headers.extend(lookup.headers.iter().map(|(name, value)| Field::new(&**name, &**value)));
    let mut request = host::http::Request {
        upstream: lookup.upstream.clone(),
        method: "GET".to_owned(),
        path_and_query: lookup.path.replace(PLACEHOLDER, &escaped),
        headers,
        body: Vec::new(),
        timeout_millis: Some(lookup.timeout_millis),
    };
    if !by_path {
        request.method = "POST".to_owned();
        request.headers.push(Field::new("content-type", "application/x-www-form-urlencoded"));
        request.body = format!("token={escaped}").into_bytes();
    }
    request
}

fn admit(settings: &Settings, call: &Call, session: Session) -> RequestVerdict {
    let verdict = next().identity(session.identity());
    if !settings.hide {
        return verdict.into();
    }
    match settings.place.without(call) {
        (name, Some(left)) => verdict.set_header(name, left).into(),
        (name, None) => verdict.remove_header(name).into(),
    }
}

fn invalid(settings: &Settings) -> RequestVerdict {
    refuse(settings, "The token is not valid.", ", error=\"invalid_token\"")
}

fn refuse(settings: &Settings, detail: &str, error: &str) -> RequestVerdict {
    let challenge = format!("{}{error}", settings.challenge);
    reject(Refusal::Unauthenticated).detail(detail).header("www-authenticate", challenge).into()
}

paifang_guest::handler! {
    state: Settings,
    configure: configure,
    request: request,
    schema: "../schema.json",
    probes: "../probes.yaml",
}
