//! Servers: the upstream and the base path of an operation.

use paifang_config::yaml::{Entry, Node as Yaml};

use super::Import;
use crate::Fate;
use crate::out::{Node, unique};
use crate::source::{entries, items, text};
use crate::values;

/// Where an operation is served.
pub(super) struct Server {
    /// The upstream, or why there is none.
    pub(super) upstream: Result<String, String>,
    /// What its paths begin with, without a slash at the end.
    pub(super) base: String,
}

impl Import {
    /// The server of an operation: its own, that of its path, that of the whole. The first of each list.
    pub(super) fn server(&mut self, places: &[&Yaml]) -> Server {
        let found = places.iter().find_map(|place| {
            let entry = place.as_map()?.entry("servers")?;
            Some((entry, items(Some(&entry.value)).first()?))
        });
        let Some((entry, server)) = found else {
            let why = "the description has no `servers`: give the API an `upstream`";
            return Server { upstream: Err(why.into()), base: String::new() };
        };
        let all = items(Some(&entry.value)).len();
        let url = match url(server) {
            Ok(url) => url,
            Err(why) => {
                self.source.say(entry, Fate::NotTaken, why.clone());
                return Server { upstream: Err(why), base: String::new() };
            }
        };
        let (origin, base) = match url.split_once("://") {
            Some((scheme, rest)) => {
                let cut = rest.find('/').unwrap_or(rest.len());
                (Some((scheme.to_ascii_lowercase(), &rest[..cut])), &rest[cut..])
            }
            None => (None, url.as_str()),
        };
        let base = base.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
        let base = match base.is_empty() || base.starts_with('/') {
            true => base.to_owned(),
            false => format!("/{base}"),
        };
        let upstream = match origin {
            None => Err(format!("`{url}` names no host: give the API an `upstream`")),
            Some((scheme, authority)) => self.upstream(&scheme, authority, entry),
        };
        match &upstream {
            Ok(name) if all == 1 => {
                self.source.say(entry, Fate::Taken, format!("upstream {name}, and base path"));
            }
            Ok(name) => {
                let note = format!("upstream {name}: the first of {all} servers");
                self.source.say(entry, Fate::Approximated, note);
            }
            Err(why) => self.source.say(entry, Fate::NotTaken, why.clone()),
        }
        Server { upstream, base }
    }

    fn upstream(&mut self, scheme: &str, authority: &str, from: &Entry) -> Result<String, String> {
        let tls = match scheme {
            "http" => false,
            "https" => true,
            other => return Err(format!("the scheme `{other}` cannot be passed to")),
        };
        let address = crate::nginx::with_port(authority, if tls { 443 } else { 80 })?;
        let host = address.rsplit_once(':').map_or("", |(host, _)| host).to_owned();
        let endpoint = Node::map().with("address", Node::text(address.clone()));
        let mut body = Node::map().with("endpoints", Node::List(vec![endpoint.into()]));
        if tls {
            body.put("tls", Node::map().with("sni", Node::text(host)));
        }
        // Servers may look at the name that they are called by.
        body.put("host", Node::text(authority));
        if let Some((known, _)) = self.upstreams.iter().find(|(_, item)| item.node == body) {
            return Ok(known.clone());
        }
        let base = values::name(&authority.replace(':', "-"));
        let name = unique(&base, |name| self.upstreams.iter().any(|(known, _)| known == name));
        let comment = format!("{}: servers", self.source.origin(from.key.span));
        self.upstreams.push((name.clone(), body.commented(comment)));
        Ok(name)
    }
}

/// A server's URL with the defaults of its variables.
fn url(server: &Yaml) -> Result<String, String> {
    let mut url = text(server, "url").ok_or("a server without a `url`")?.trim().to_owned();
    for variable in server.get("variables").map(entries).unwrap_or_default() {
        let name = format!("{{{}}}", variable.key.text);
        if url.contains(&name) {
            let value = text(&variable.value, "default");
            let value = value.ok_or(format!("the variable `{name}` has no default"))?;
            url = url.replace(&name, value);
        }
    }
    match url.len() > 2048 || url.contains(['{', '}']) {
        true => Err("a URL with variables that have no default".into()),
        false => Ok(url),
    }
}
