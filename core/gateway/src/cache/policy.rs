//! What may be kept, and for how long: RFC 9111 by a library, RFC 5861 (stale answers), and our rules
//! on the safe side.

use super::rules::Rules;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
    header::{CACHE_CONTROL, EXPIRES, PRAGMA, SET_COOKIE, VARY},
};
use http_cache_semantics::{CacheOptions, CachePolicy};
use paifang_pipeline::{RequestHead, ResponseHead};
use std::time::{Duration, UNIX_EPOCH};

/// An answer that differs by more request headers than this is not kept.
const MOST_VARYING: usize = 16;

/// Ends of an answer's times, since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Times {
    /// Given without a question.
    pub(super) fresh: Duration,
    /// Given at once while a newer one is fetched behind it.
    pub(super) revalidate: Duration,
    /// Given where the upstream has nothing but an error.
    pub(super) error: Duration,
}

/// What may be kept of an answer.
pub(super) struct Keeping {
    pub(super) policy: CachePolicy,
    pub(super) times: Times,
    /// Whether the answer says that it is for everybody.
    pub(super) public: bool,
    /// The names in its `Vary`.
    pub(super) varies: Vec<HeaderName>,
}

/// Judges an answer that came at `now`. `None`: it is not kept. `credentials` says that the request
/// told who asks by something that the key does not count.
pub(super) fn judge(
    rules: &Rules,
    request: &RequestHead,
    response: &ResponseHead,
    credentials: bool,
    now: Duration,
) -> Option<Keeping> {
    if request.method != Method::GET || response.headers.contains_key(SET_COOKIE) {
        return None;
    }
    let varies = varies(&response.headers)?;
    let (mut asked, mut answer) =
        (Plain::of(request.headers.clone()), Plain::of(response.headers.clone()));
    if let Some(ttl) = rules.ttl
        && says_nothing(response.status, &answer)
    {
        answer.append(&format!("max-age={}", ttl.as_secs()));
    }
    let public = ["public", "s-maxage", "must-revalidate"].iter().any(|name| answer.has(name));
    if credentials && !public {
        return None;
    }
    let request = Message { uri: &request.uri, method: &request.method, headers: asked.finish() };
    let times_of = answer.clone();
    let response = Reply { status: response.status, headers: answer.finish() };
    let options = CacheOptions { shared: true, cache_heuristic: 0.0, ..CacheOptions::default() };
    let policy = CachePolicy::new_options(&request, &response, UNIX_EPOCH + now, options);
    if !policy.is_storable() {
        return None;
    }
    let times = times(rules, &times_of, policy.time_to_live(UNIX_EPOCH + now), now);
    let of_use = times.revalidate > now || times.error > now;
    of_use.then_some(Keeping { policy, times, public, varies })
}

/// Whether a client asks for something fresher than an answer of that age, which stays fresh for
/// `ttl` (RFC 9111, section 5.2.1).
pub(super) fn wants_fresher(asked: &HeaderMap, age: Duration, ttl: Duration) -> bool {
    if !asked.contains_key(CACHE_CONTROL) {
        return asked
            .get(PRAGMA)
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"no-cache"));
    }
    let asked = Plain::of(asked.clone());
    asked.has("no-cache")
        || asked.seconds("max-age").is_some_and(|most| age > most)
        || asked.seconds("min-fresh").is_some_and(|least| ttl < least)
}

fn times(rules: &Rules, answer: &Plain, ttl: Duration, now: Duration) -> Times {
    let fresh = now + ttl;
    // What must be asked again is never given stale; what names an age for shared caches only so
    // where it says so itself (RFC 9111, section 5.2.2.10).
    let never =
        ["must-revalidate", "proxy-revalidate", "no-cache"].iter().any(|name| answer.has(name));
    let own_only = answer.has("s-maxage");
    let stale = |name: &str, usual: Duration| match answer.seconds(name) {
        _ if never => Duration::ZERO,
        Some(seconds) => seconds,
        None if own_only => Duration::ZERO,
        None => usual,
    };
    Times {
        fresh,
        revalidate: fresh + stale("stale-while-revalidate", rules.stale_while_revalidate),
        error: fresh + stale("stale-if-error", rules.stale_if_error),
    }
}

/// Whether the answer leaves its freshness to us, and is of a kind that may be kept so (RFC 9110,
/// section 15.1).
fn says_nothing(status: StatusCode, answer: &Plain) -> bool {
    const KINDS: [u16; 7] = [200, 203, 300, 301, 308, 404, 410];
    const SAYS: [&str; 6] =
        ["max-age", "s-maxage", "no-cache", "no-store", "private", "must-revalidate"];
    KINDS.contains(&status.as_u16())
        && !answer.headers.contains_key(EXPIRES)
        && !answer.headers.contains_key(PRAGMA)
        && !SAYS.iter().any(|name| answer.has(name))
}

/// The names in `Vary`; `None` where the answer suits no other request.
fn varies(headers: &HeaderMap) -> Option<Vec<HeaderName>> {
    let mut names = Vec::new();
    for value in headers.get_all(VARY) {
        for name in value.to_str().ok()?.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            if name == "*" || names.len() == MOST_VARYING {
                return None;
            }
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
    Some(names)
}

/// Headers whose `Cache-Control` is in one piece and in lower case: names of directives are to be
/// read in any case (RFC 9111, section 5.2), and the library reads the lower one.
#[derive(Clone)]
struct Plain {
    headers: HeaderMap,
    control: String,
}

impl Plain {
    fn of(headers: HeaderMap) -> Self {
        let values = headers.get_all(CACHE_CONTROL).iter();
        // What is no text cannot be read; so the answer is not kept.
        let texts = values.map(|value| value.to_str().unwrap_or("no-store"));
        let control = texts.collect::<Vec<_>>().join(", ").to_ascii_lowercase();
        Self { headers, control }
    }

    fn append(&mut self, directive: &str) {
        if !self.control.is_empty() {
            self.control.push_str(", ");
        }
        self.control.push_str(directive);
    }

    fn directives(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.control.split(',').map(|part| match part.split_once('=') {
            Some((name, value)) => (name.trim(), Some(value.trim().trim_matches('"'))),
            None => (part.trim(), None),
        })
    }

    fn has(&self, name: &str) -> bool {
        self.directives().any(|(known, _)| known == name)
    }

    /// A number of seconds, at most 30 days.
    fn seconds(&self, name: &str) -> Option<Duration> {
        const MOST: u64 = 30 * 24 * 3600;
        let (_, value) = self.directives().find(|(known, _)| *known == name)?;
        let seconds = value.and_then(|value| value.parse::<u64>().ok()).unwrap_or(0);
        Some(Duration::from_secs(seconds.min(MOST)))
    }

    fn finish(&mut self) -> HeaderMap {
        let mut headers = std::mem::take(&mut self.headers);
        if !self.control.is_empty() {
            let value = HeaderValue::from_str(&self.control);
            headers.insert(CACHE_CONTROL, value.unwrap_or(HeaderValue::from_static("no-store")));
        }
        headers
    }
}

/// A request as the library sees it.
struct Message<'a> {
    uri: &'a http::Uri,
    method: &'a Method,
    headers: HeaderMap,
}

impl http_cache_semantics::RequestLike for Message<'_> {
    fn uri(&self) -> http::Uri {
        self.uri.clone()
    }
    fn is_same_uri(&self, other: &http::Uri) -> bool {
        self.uri == other
    }
    fn method(&self) -> &Method {
        self.method
    }
    fn headers(&self) -> &HeaderMap {
        &self.headers
    }
}

/// A response as the library sees it.
struct Reply {
    status: StatusCode,
    headers: HeaderMap,
}

impl http_cache_semantics::ResponseLike for Reply {
    fn status(&self) -> StatusCode {
        self.status
    }
    fn headers(&self) -> &HeaderMap {
        &self.headers
    }
}
