//! Which API a request belongs to, and why.

use http::{HeaderMap, Method, Version};

use super::{CandidateExplained, Outcome, RequestExplained, api};
use crate::route::{self, Request, Verdict, effective_host, normalize};
use crate::snapshot::Snapshot;

/// A request to be explained.
#[derive(Debug, Clone)]
pub struct Asked<'a> {
    /// The method.
    pub method: &'a Method,
    /// A path with or without query, or a whole URL.
    pub target: &'a str,
    /// The listener that it comes by; the first one of the config where nothing is said.
    pub listener: Option<&'a str>,
    /// Header fields, `Host` among them unless the target names one.
    pub headers: &'a HeaderMap,
}

/// Explains a request as it would be routed now.
#[must_use]
pub fn request(snapshot: &Snapshot, asked: &Asked<'_>) -> RequestExplained {
    let mut explained = RequestExplained {
        method: asked.method.to_string(),
        host: None,
        path: None,
        outcome: Outcome::NotFound,
        params: Vec::new(),
        candidates: Vec::new(),
        api: None,
    };
    let policy = snapshot.path_policy();
    let target = match normalize(asked.method, asked.target.as_bytes(), &policy) {
        Ok(target) => target,
        Err(error) => return refused(snapshot, explained, error.to_string()),
    };
    let fields = asked.headers.get_all(http::header::HOST).iter().map(|value| value.as_bytes());
    // Read as HTTP/1.0, which may leave the host out, as people do here.
    let host = match effective_host(Version::HTTP_10, target.authority().cloned(), fields) {
        Ok(host) => host,
        Err(error) => return refused(snapshot, explained, error.to_string()),
    };
    let host = host.as_ref().map(|host| host.name());
    explained.host = host.map(str::to_owned);
    explained.path = Some(target.path().to_owned());
    let first = snapshot.config().listeners.first().map(|listener| listener.name.as_arc());
    let seen = Request {
        host,
        method: asked.method,
        path: target.path(),
        listener: asked.listener.or(first.map(|name| &**name)),
        headers: asked.headers,
    };
    let table = snapshot.table();
    explained.candidates = table
        .explain(&seen)
        .into_iter()
        .map(|candidate| {
            let route = table.route(candidate.route);
            let id =
                snapshot.at(route.value).map_or_else(String::new, |api| api.api.id.to_string());
            CandidateExplained {
                api: id,
                place: snapshot.sources().brief(route.origin),
                host: candidate.host.as_ref().map(ToString::to_string),
                wins: candidate.verdict == Verdict::Wins,
                why: why(snapshot, &candidate.verdict),
            }
        })
        .collect();
    let id = match table.lookup(&seen) {
        route::Outcome::Match(found) => {
            explained.params = table
                .params(&found, target.path())
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect();
            let api = snapshot.at(*table.value(found.route()));
            let id = api.map_or(Snapshot::FALLBACK, |api| &*api.api.id);
            explained.outcome = Outcome::Api(id.to_owned());
            id.to_owned()
        }
        route::Outcome::MethodNotAllowed(methods) => {
            explained.outcome =
                Outcome::MethodNotAllowed(methods.iter().map(ToString::to_string).collect());
            Snapshot::FALLBACK.to_owned()
        }
        route::Outcome::NotFound => Snapshot::FALLBACK.to_owned(),
    };
    explained.api = api(snapshot, &id);
    explained
}

fn refused(snapshot: &Snapshot, mut explained: RequestExplained, why: String) -> RequestExplained {
    explained.outcome = Outcome::Refused(why);
    explained.api = api(snapshot, Snapshot::FALLBACK);
    explained
}

/// The verdict in words; who outranks is named.
fn why(snapshot: &Snapshot, verdict: &Verdict) -> String {
    if let Verdict::Outranked { by, .. } = verdict
        && let Some(winner) = snapshot.at(*snapshot.table().value(*by))
    {
        return format!("{verdict} (`{}`)", winner.api.id);
    }
    verdict.to_string()
}
