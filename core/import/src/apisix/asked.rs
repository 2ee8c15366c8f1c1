//! Servers that are asked or told beside a call: `forward-auth`, `proxy-mirror`.

use super::Import;
use super::steps::{Ask, Done};
use crate::Fate;
use crate::out::Node;
use crate::source::{entries, flag, number, text, texts};
use crate::values;
use crate::vars::{Vars, literal};

impl Import {
    pub(super) fn forward_auth(&mut self, ask: &mut Ask<'_>) -> Done {
        let Some(uri) = text(ask.config, "uri") else { return Err("no `uri`".into()) };
        if uri.contains('$') {
            return Err("an address with variables".into());
        }
        let verify = flag(ask.config, "ssl_verify").unwrap_or(true);
        let timeout = number(ask.config, "timeout").unwrap_or(3000.0) as u64;
        let timeout = timeout.clamp(10, 30_000);
        let (address, path) = address(uri)?;
        let post = match text(ask.config, "request_method").unwrap_or("GET") {
            "GET" => false,
            "POST" => true,
            other => return Err(format!("`request_method: {other}`")),
        };
        let lower = |key: &str| -> Vec<String> {
            texts(ask.config.get(key)).iter().map(|name| name.to_ascii_lowercase()).collect()
        };
        let send: Vec<String> =
            lower("request_headers").into_iter().filter(|name| !own(name)).collect();
        let mut vars = Vars::default();
        vars.known.insert("request_uri".into(), "target".into());
        let mut set = Vec::new();
        for entry in ask.config.get("extra_headers").map(entries).unwrap_or_default() {
            let value = entry.value.as_text().ok_or("a header that is no text")?;
            if value.contains("$post_arg") {
                return Err("`extra_headers` with values of the body".into());
            }
            let filled = vars.fill(value)?;
            set.push((entry.key.text.to_ascii_lowercase(), Node::text(filled.text).into()));
        }
        if set.iter().any(|(name, _): &(String, _)| own(name)) {
            return Err("`extra_headers` that the question has by itself".into());
        }
        let upstream = self.upstream_at(&address, verify, timeout, ask);
        let mut config = Node::map()
            .with("upstream", Node::text(upstream))
            .with("path", Node::text(literal(path)))
            .with("timeout", Node::plain(values::duration(timeout)))
            .with("send", Node::texts(send));
        if !set.is_empty() {
            config.put("set", Node::Map(set));
        }
        if post {
            config.put("body", Node::plain("1MiB"));
        }
        let take = lower("upstream_headers");
        if !take.is_empty() {
            config.put("take", Node::texts(take));
        }
        let told = ["content-type".to_owned(), "content-encoding".to_owned()];
        let told = lower("client_headers").into_iter().chain(told);
        config.put("deny", Node::map().with("headers", Node::texts(unlike(told))));
        ask.step(("forward_auth", ""), config);
        let open = match flag(ask.config, "allow_degradation") {
            Some(true) => "; calls do not pass without an answer: `on_failure: open` lets them",
            _ => "",
        };
        let body = if post { "; bodies over 1MiB are refused" } else { "" };
        let note = format!(
            "forward_auth; answers but 2xx, 401, 403 and redirects are told as 503{body}{open}"
        );
        Ok((Fate::Approximated, note))
    }

    pub(super) fn proxy_mirror(&mut self, ask: &mut Ask<'_>) -> Done {
        let Some(host) = text(ask.config, "host") else { return Err("no `host`".into()) };
        if ask.config.get("path").is_some() {
            return Err("`path`: copies have the path of the call".into());
        }
        let (address, path) = address(host)?;
        if path != "/" {
            return Err("copies have the path of the call".into());
        }
        let mut config =
            Node::map().with("upstream", Node::text(self.upstream_at(&address, true, 60_000, ask)));
        let share = number(ask.config, "sample_ratio").unwrap_or(1.0);
        if share < 1.0 {
            let share = (share * 100_000.0).floor() / 1000.0;
            config.put("share", Node::plain(format!("{share}%")));
        }
        config.put("body_limit", Node::plain("16MiB"));
        config.put("remove", Node::List(Vec::new()));
        config.put("timeout", Node::plain("1m"));
        ask.step(("mirror", ""), config);
        let note = "mirror: copies say `x-mirrored: 1`, and there are a hundred at once at most; as in APISIX they carry credentials";
        Ok((Fate::Approximated, note.into()))
    }

    /// An upstream of one server, named in a plugin.
    fn upstream_at(&mut self, at: &Address, verify: bool, timeout: u64, ask: &Ask<'_>) -> String {
        let host = at.authority.rsplit_once(':').map_or("", |(host, _)| host);
        let endpoint = Node::map().with("address", Node::text(at.authority.clone()));
        let mut body = Node::map().with("endpoints", Node::List(vec![endpoint.into()]));
        if at.grpc {
            body.put("protocol", Node::text("h2"));
        }
        if at.tls {
            let mut tls = Node::map().with("sni", Node::text(host));
            if !verify {
                let why = "APISIX did not verify this server; better do";
                tls.put("verify", Node::plain("false").commented(why));
            }
            body.put("tls", tls);
        }
        body.put("host", Node::text(host));
        let time = || Node::plain(values::duration(timeout));
        let timeouts = Node::map().with("connect", time()).with("first_byte", time());
        body.put("timeouts", timeouts);
        let base = values::name(&at.authority.replace(':', "-"));
        self.keep(&base, body, ask.origin())
    }
}

/// A server that a plugin names.
struct Address {
    authority: String,
    tls: bool,
    grpc: bool,
}

/// An address, and the path behind it.
fn address(text: &str) -> Result<(Address, &str), String> {
    let (scheme, rest) = text.split_once("://").ok_or("an address without a scheme")?;
    let (tls, grpc, port) = match scheme {
        "http" => (false, false, 80),
        "https" => (true, false, 443),
        "grpc" => (false, true, 80),
        "grpcs" => (true, true, 443),
        other => return Err(format!("the scheme `{other}`")),
    };
    let cut = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(cut);
    if path.starts_with('?') || authority.contains('@') {
        return Err(format!("`{text}` is no address that is taken"));
    }
    let authority = crate::nginx::with_port(authority, port)?;
    Ok((Address { authority, tls, grpc }, if path.is_empty() { "/" } else { path }))
}

/// Whether the question has this header by itself.
fn own(name: &str) -> bool {
    name == "forwarded"
        || name
            .strip_prefix("x-forwarded-")
            .is_some_and(|rest| matches!(rest, "for" | "host" | "method" | "proto" | "uri"))
}

/// Each name once.
fn unlike(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut all = Vec::new();
    for name in names {
        if !all.contains(&name) {
            all.push(name);
        }
    }
    all
}
