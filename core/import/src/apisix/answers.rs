//! What is done with answers: `gzip`, `brotli`, `proxy-cache`, `api-breaker`.

use super::Import;
use super::steps::{Ask, Done};
use crate::Fate;
use crate::out::{Item, Node};
use crate::source::{items, number, text, texts};
use crate::values;

impl Import {
    /// One coding; `usual` is APISIX's own level, `most` our highest.
    pub(super) fn compression(
        &mut self,
        ask: &mut Ask<'_>,
        codec: &str,
        usual: u8,
        most: u8,
    ) -> Done {
        let level = number(ask.config, "comp_level").map_or(usual, |level| level as u8);
        let mut types: Vec<String> = texts(ask.config.get("types"));
        if types.is_empty() {
            types.push("text/html".into());
        }
        for kind in &mut types {
            if kind == "*" {
                *kind = "*/*".into();
            }
            kind.make_ascii_lowercase();
        }
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+/*".contains(&byte);
        if types.len() > 64
            || types.iter().any(|kind| !kind.contains('/') || !kind.bytes().all(fits))
        {
            return Err("`types` are one to 64 media types".into());
        }
        let least = number(ask.config, "min_length").unwrap_or(20.0).max(0.0) as u64;
        let step = Node::map()
            .with("codecs", Node::texts([codec]))
            .with("levels", Node::map().with(codec, Node::plain(level.clamp(1, most))))
            .with("types", Node::texts(types))
            .with("min_size", Node::plain(values::bytes(least)));
        ask.step(("compress", if codec == "gzip" { "" } else { "brotli" }), step);
        let note = "compress; whatever the status is, and `Vary` always says `Accept-Encoding`";
        Ok((Fate::Approximated, note.into()))
    }

    /// Answers that are kept. What cannot be said faithfully is not kept: slower, and never another answer.
    pub(super) fn proxy_cache(&mut self, ask: &mut Ask<'_>) -> Done {
        for key in ["cache_bypass", "no_cache"] {
            if !items(ask.config.get(key)).is_empty() {
                return Err(format!("`{key}`: answers are not kept"));
            }
        }
        let mut headers = Vec::new();
        let mut identity = false;
        for part in texts(ask.config.get("cache_key")) {
            match part.strip_prefix('$') {
                None => {}
                Some(
                    "host" | "request_uri" | "uri" | "args" | "request_method" | "scheme"
                    | "is_args",
                ) => {}
                Some("remote_user" | "consumer_name") => identity = true,
                Some(name) => match name.strip_prefix("http_") {
                    Some(header) if header != "cookie" && headers.len() < 16 => {
                        headers.push(header.replace('_', "-"));
                    }
                    _ if name.starts_with("arg_") => {}
                    _ => return Err(format!("its key counts `${name}`: answers are not kept")),
                },
            }
        }
        let mut key = Node::map();
        if !headers.is_empty() {
            key.put("headers", Node::texts(headers));
        }
        if identity {
            key.put("identity", Node::plain("true"));
        }
        let mut cache = Node::map();
        let memory = text(ask.config, "cache_strategy") == Some("memory");
        // On disk the zone in config.yaml says it: ten seconds where it has not been changed.
        let ttl = number(ask.config, "cache_ttl").unwrap_or(if memory { 300.0 } else { 10.0 });
        let ttl = ttl.clamp(1.0, 2_592_000.0) as u64;
        cache.put("ttl", Node::plain(values::duration(ttl * 1000)));
        if !key.is_empty() {
            cache.put("key", key);
        }
        ask.steps.cache = Some(cache);
        let note = "cache: by RFC 9111, what answers say of being kept always counts; calls with `Cookie` or `Authorization` get only what is for everybody";
        Ok((Fate::Approximated, note.into()))
    }

    pub(super) fn api_breaker(&mut self, ask: &mut Ask<'_>) -> Done {
        let (unhealthy, healthy) = (ask.config.get("unhealthy"), ask.config.get("healthy"));
        let of = |node: Option<&_>, key: &str| node.and_then(|node| number(node, key));
        let failures = of(unhealthy, "failures").unwrap_or(3.0).clamp(1.0, 10_000.0);
        let successes = of(healthy, "successes").unwrap_or(3.0).clamp(1.0, 100.0);
        let longest = number(ask.config, "max_breaker_sec").unwrap_or(300.0).clamp(3.0, 86_400.0);
        let listed = items(unhealthy.and_then(|node| node.get("http_statuses")));
        let mut statuses: Vec<Item> = listed
            .iter()
            .filter_map(|status| status.as_text()?.parse::<u16>().ok())
            .filter(|status| (400..=599).contains(status))
            .map(|status| Node::plain(status).into())
            .collect();
        if statuses.is_empty() {
            statuses.push(Node::plain(500).into());
        }
        if statuses.len() > 32 {
            return Err("more than 32 statuses".into());
        }
        let step = Node::map()
            .with("statuses", Node::List(statuses))
            .with("min_calls", Node::plain(failures as u32))
            .with("open_for", Node::plain("2s"))
            .with("open_max", Node::plain(format!("{}s", longest as u64)))
            .with("probes", Node::plain(successes as u32));
        ask.step(("circuit_breaker", ""), step);
        let note = "circuit_breaker: it opens when half of the calls of ten seconds have failed, so many at least; no answer is a failure too; it answers 503";
        Ok((Fate::Approximated, note.into()))
    }
}
