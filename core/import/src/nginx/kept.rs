//! `proxy_cache`: the API's `cache`.

use super::Import;
use super::draft::Draft;
use super::scope::Scope;
use super::tree::Directive;
use crate::out::Node;
use crate::values;
use crate::vars::{Piece, Vars, pieces};

/// The longest time that answers are kept here: thirty days.
const LONGEST: u64 = 30 * 86_400_000;
/// How long nginx keeps what nobody asks for, where nothing is said: ten minutes.
const INACTIVE: u64 = 600_000;

/// Variables that a key here always counts, or that are the same for all answers of an API.
const COUNTED: &[&str] = &[
    "scheme",
    "host",
    "http_host",
    "proxy_host",
    "server_name",
    "server_port",
    "request_method",
    "request_uri",
    "uri",
    "document_uri",
    "args",
    "query_string",
    "is_args",
];

impl Import<'_> {
    /// Keeps answers as `proxy_cache` did. Where that cannot be said faithfully they are not kept: that is
    /// slower, and never another answer.
    pub(super) fn kept(&mut self, draft: &mut Draft, scope: &Scope<'_>, vars: &Vars) {
        let Some(directive) = scope.last("proxy_cache") else { return };
        if directive.arg(0) == "off" {
            return self.notes.taken(directive, "no cache");
        }
        match self.cache(scope, vars, directive) {
            Ok(cache) => {
                let note = "cache: by RFC 9111, so answers to calls with `Cookie` or `Authorization` are kept where they say that they are for everybody";
                self.notes.near(directive, note);
                draft.cache = Some(cache);
            }
            Err(why) => self.notes.not(directive, format!("answers are not kept: {why}")),
        }
    }

    fn cache(
        &mut self,
        scope: &Scope<'_>,
        vars: &Vars,
        directive: &Directive,
    ) -> Result<Node, String> {
        for name in ["proxy_cache_bypass", "proxy_no_cache"] {
            for condition in scope.all(&[name]) {
                if condition.words().any(|word| word != "$http_upgrade") {
                    let why = "some calls passed by the cache, which depends on the call";
                    self.notes.not(condition, why);
                    return Err(format!("`{}`: {why}", condition.line()));
                }
                self.notes.taken(condition, "upgraded connections pass by the cache");
            }
        }
        let key = match scope.last("proxy_cache_key") {
            None => Node::map(),
            Some(directive) => match key(directive.arg(0), vars) {
                Ok(key) => {
                    self.notes.near(directive, "cache.key, beside API, host, path and query");
                    key
                }
                Err(why) => {
                    self.notes.not(directive, &*why);
                    return Err(why);
                }
            },
        };
        let zone = self.caches.get(directive.arg(0)).copied();
        let inactive = zone
            .and_then(|zone| zone.words().find_map(|word| word.strip_prefix("inactive=")))
            .and_then(values::time)
            .unwrap_or(INACTIVE)
            .clamp(1000, LONGEST);
        if let Some(zone) = zone {
            self.notes.near(zone, "cache.memory: answers are kept in memory, 64MiB of it");
        }
        let mut cache = Node::map();
        if let Some(ttl) = self.valid(scope) {
            cache.put("ttl", Node::plain(values::duration(ttl)));
        }
        self.stale(scope, inactive, &mut cache);
        if !key.is_empty() {
            cache.put("key", key);
        }
        self.ways_of_caching(scope);
        Ok(cache)
    }

    /// How long answers are fresh that do not say so.
    fn valid(&mut self, scope: &Scope<'_>) -> Option<u64> {
        let mut ttl = None;
        for directive in scope.all(&["proxy_cache_valid"]) {
            let words: Vec<&str> = directive.words().collect();
            let Some((time, statuses)) = words.split_last() else { continue };
            let time = values::time(time).filter(|ms| *ms >= 1000).map(|ms| ms.min(LONGEST));
            let meant =
                statuses.is_empty() || statuses.contains(&"200") || statuses.contains(&"any");
            match time {
                Some(ms) if meant => {
                    ttl = Some(ms);
                    let note = "cache.ttl; 404 and 410 are kept as long where they say nothing, 302 and other errors only by their own word";
                    self.notes.near(directive, note);
                }
                _ => self.notes.near(
                    directive,
                    "answers of these statuses are kept by their own word, or as those of 200 are",
                ),
            }
        }
        ttl
    }

    /// What is given when it is fresh no more.
    fn stale(&mut self, scope: &Scope<'_>, inactive: u64, cache: &mut Node) {
        let time = || Node::plain(values::duration(inactive));
        let background = scope.last("proxy_cache_background_update");
        if let Some(directive) = scope.last("proxy_cache_use_stale") {
            let words: Vec<&str> = directive.words().collect();
            if words.contains(&"updating") {
                cache.put("stale_while_revalidate", time());
            }
            if words
                .iter()
                .any(|word| matches!(*word, "error" | "timeout") || word.starts_with("http_5"))
            {
                cache.put("stale_if_error", time());
            }
            let note = "cache.stale_if_error, for 500 to 504 alike, and stale_while_revalidate; as long as unused answers were kept";
            match words.as_slice() {
                ["off"] => self.notes.taken(directive, "nothing stale is given"),
                _ => self.notes.near(directive, note),
            }
        }
        if let Some(directive) = background {
            self.notes.near(directive, "cache.stale_while_revalidate");
        }
    }

    /// What is always so here, or of no consequence to answers.
    fn ways_of_caching(&mut self, scope: &Scope<'_>) {
        for (name, note) in [
            ("proxy_cache_lock", "of calls that want the same, one asks"),
            ("proxy_cache_lock_timeout", "cache.collapse: 5s"),
            ("proxy_cache_lock_age", "cache.collapse: 5s"),
            ("proxy_cache_revalidate", "what is stale is asked about, with conditions"),
            ("proxy_cache_min_uses", "answers are kept from the first call on"),
            ("proxy_cache_methods", "answers to GET are kept"),
            ("proxy_cache_convert_head", "HEAD is answered from what GET has left"),
            ("proxy_cache_max_range_offset", "ranges are answered from what is kept"),
            ("proxy_ignore_headers", "what answers say of being kept always counts"),
        ] {
            for directive in scope.all(&[name]) {
                self.notes.near(directive, note);
            }
        }
    }
}

/// What a key counts beside what ours always does.
fn key(text: &str, vars: &Vars) -> Result<Node, String> {
    let mut headers: Vec<String> = Vec::new();
    let mut identity = false;
    for piece in pieces(text) {
        let Piece::Variable(name) = piece else { continue };
        if COUNTED.contains(&name) || vars.fixed.contains_key(name) || name.starts_with("arg_") {
            continue;
        }
        match name.strip_prefix("http_") {
            Some(header) if headers.len() < 16 && !name.ends_with("cookie") => {
                headers.push(header.replace('_', "-"));
            }
            _ if name == "remote_user" => identity = true,
            _ => return Err(format!("its key counts `${name}`")),
        }
    }
    let mut key = Node::map();
    if !headers.is_empty() {
        headers.sort();
        headers.dedup();
        key.put("headers", Node::texts(headers));
    }
    if identity {
        key.put("identity", Node::plain("true"));
    }
    Ok(key)
}
