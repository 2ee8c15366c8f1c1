//! Ending kept answers before their time: by operators, and by calls that change what they tell.

use super::Cache;
use http::{
    HeaderMap, HeaderName, Uri,
    header::{CONTENT_LOCATION, LOCATION},
};
use paifang_pipeline::Exchange;
use serde::Deserialize;

/// So many tags of one answer count; it is not kept where it has more.
pub(super) const MOST_TAGS: usize = 64;
/// So much may be purged by one order.
const MOST_AT_ONCE: usize = 1000;

/// What is to go. Everything that is named goes; each by itself.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Purge {
    /// Everything there is.
    all: bool,
    /// All answers of these APIs.
    apis: Vec<String>,
    /// `https://host/path`: all answers of that host and path, with whatever query, of every API.
    urls: Vec<String>,
    /// Answers to which the upstream gave one of these tags.
    tags: Vec<String>,
}

/// Why nothing was purged.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PurgeError {
    /// The order names nothing.
    #[error("nothing to purge: name `all`, `apis`, `urls` or `tags`")]
    Nothing,
    /// The order names too much.
    #[error("one order names at most {MOST_AT_ONCE} APIs, URLs and tags, this one {0}")]
    TooMuch(usize),
    /// No URL with a host and a path.
    #[error("`{0}` is no URL with a host and a path, such as https://api.example.com/v1/items")]
    NoUrl(String),
}

impl Cache {
    /// Ends what the order names; all of it or, where something in it is wrong, nothing.
    pub(crate) fn purge(&self, order: &Purge) -> Result<(), PurgeError> {
        let count = order.apis.len() + order.urls.len() + order.tags.len();
        if count == 0 && !order.all {
            return Err(PurgeError::Nothing);
        }
        if count > MOST_AT_ONCE {
            return Err(PurgeError::TooMuch(count));
        }
        let places = order.urls.iter().map(|url| {
            let known = place(url).map(|(host, path)| self.marks.place(&host, &path));
            known.ok_or_else(|| PurgeError::NoUrl(url.clone()))
        });
        let places = places.collect::<Result<Vec<_>, _>>()?;
        let now = self.clock.now();
        let apis = order.apis.iter().map(|id| self.marks.api(id));
        let tags = order.tags.iter().map(|tag| self.marks.tag(tag));
        for what in places.into_iter().chain(apis).chain(tags) {
            self.marks.set(what, now);
        }
        if order.all {
            self.marks.set_all(now);
            self.shelf.clear();
        }
        tracing::info!(
            all = order.all, apis = ?order.apis, urls = ?order.urls, tags = ?order.tags, "purged kept answers"
        );
        Ok(())
    }

    /// A call has changed what it was for, as its answer says: what was kept of that, and of the
    /// places on the same host that the answer names, is true no more (RFC 9111, section 4.4).
    pub(super) fn changed(&self, call: &Changing, headers: &HeaderMap) {
        let now = self.clock.now();
        self.marks.set(self.marks.place(&call.host, &call.path), now);
        for name in [LOCATION, CONTENT_LOCATION] {
            if let Some(path) = same_host(headers, &name, &call.host) {
                self.marks.set(self.marks.place(&call.host, &path), now);
            }
        }
    }
}

/// What a call is for that may change it.
pub(crate) struct Changing {
    host: String,
    path: String,
}

impl Changing {
    /// What `call` is for, where its method is none of those that change nothing.
    pub(super) fn of(call: &Exchange) -> Option<Self> {
        let changes = !call.method().is_safe();
        changes.then(|| Self { host: call.facts().host().to_owned(), path: call.path().to_owned() })
    }
}

fn place(url: &str) -> Option<(String, String)> {
    let uri: Uri = url.parse().ok()?;
    uri.scheme()?;
    Some((uri.host()?.to_ascii_lowercase(), uri.path().to_owned()))
}

fn same_host(headers: &HeaderMap, name: &HeaderName, host: &str) -> Option<String> {
    let uri: Uri = headers.get(name)?.to_str().ok()?.parse().ok()?;
    let same = uri.host().is_none_or(|named| named.eq_ignore_ascii_case(host));
    (same && uri.path().starts_with('/')).then(|| uri.path().to_owned())
}
