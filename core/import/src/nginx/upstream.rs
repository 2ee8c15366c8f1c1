//! Upstreams: `upstream` blocks and the addresses in `proxy_pass`, once for each way they are asked.

use super::Import;
use super::draft::origin;
use super::tree::Directive;
use crate::out::{Item, Node, unique};
use crate::values;

/// Where requests are passed to.
pub(super) struct Target {
    /// A name with or without port, or an address.
    pub(super) authority: String,
    pub(super) tls: bool,
}

/// How an upstream is to be asked. Locations that want the same share one of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The `Host`; the client's where there is none.
    pub(super) host: Option<String>,
    /// Whether servers are told of the client.
    pub(super) told: bool,
    pub(super) grpc: bool,
    pub(super) tls: Option<Node>,
    /// Milliseconds, as the next two.
    pub(super) connect: u64,
    pub(super) send: u64,
    pub(super) read: u64,
    /// As many as there are servers where nothing is said.
    pub(super) attempts: Option<u32>,
    pub(super) statuses: Vec<u16>,
    pub(super) any_method: bool,
}

impl Default for Wanted {
    /// nginx's defaults.
    fn default() -> Self {
        Self {
            host: None,
            told: false,
            grpc: false,
            tls: None,
            connect: 60_000,
            send: 60_000,
            read: 60_000,
            attempts: None,
            statuses: Vec::new(),
            any_method: false,
        }
    }
}

impl Wanted {
    /// How long one attempt may take, in milliseconds.
    pub(super) fn once(&self) -> u64 {
        self.connect.saturating_add(self.send).saturating_add(self.read)
    }
}

/// An upstream of ours.
pub(super) struct Made {
    pub(super) name: String,
    of: String,
    wanted: Wanted,
    attempts: u32,
    pub(super) item: Item,
}

impl Import<'_> {
    /// The name of the upstream for a target that is asked so, and how many attempts it makes.
    ///
    /// # Errors
    /// Why there can be none.
    pub(super) fn upstream(
        &mut self,
        target: &Target,
        wanted: &Wanted,
        from: &Directive,
    ) -> Result<(String, u32), String> {
        let key = format!("{}{}", if target.tls { "https://" } else { "" }, target.authority);
        if let Some(made) =
            self.upstreams.iter().find(|made| made.of == key && made.wanted == *wanted)
        {
            return Ok((made.name.clone(), made.attempts));
        }
        let block = self.blocks.get(target.authority.as_str()).copied();
        let mut body = Node::map();
        let count = match block {
            Some(block) => self.servers_of(block, target.tls, wanted, &mut body)?,
            None => {
                let port = if target.tls { 443 } else { 80 };
                let address = with_port(&target.authority, port)?;
                let endpoint = Node::map().with("address", Node::text(address));
                body.put("endpoints", Node::List(vec![endpoint.into()]));
                1
            }
        };
        let attempts = wanted.attempts.unwrap_or(count).clamp(1, 10);
        if wanted.grpc {
            body.put("protocol", Node::text("h2"));
        } else if target.tls {
            body.put("protocol", Node::text("h1"));
        }
        if let Some(tls) = &wanted.tls {
            body.put("tls", tls.clone());
        }
        if let Some(host) = &wanted.host {
            body.put("host", Node::text(host.clone()));
        }
        if !wanted.told {
            body.put("forward", Node::map().with("x_forwarded", Node::plain("false")));
        }
        let time = |ms| Node::plain(values::duration(ms));
        let timeouts = Node::map()
            .with("connect", time(wanted.connect))
            .with("first_byte", time(wanted.read))
            .with("idle", time(wanted.read))
            .with("write", time(wanted.send));
        body.put("timeouts", timeouts);
        let mut retry = Node::map().with("attempts", Node::plain(attempts));
        if !wanted.statuses.is_empty() {
            let statuses = wanted.statuses.iter().map(|status| Node::plain(status).into());
            retry.put("statuses", Node::List(statuses.collect()));
        }
        if wanted.any_method {
            retry.put("any_method", Node::plain("true"));
        }
        body.put("retry", retry);
        let wanted_name = values::name(&target.authority.replace(':', "-"));
        let name = unique(&wanted_name, |name| self.upstreams.iter().any(|made| made.name == name));
        let item = body.commented(origin(block.unwrap_or(from)));
        let made = Made { name: name.clone(), of: key, wanted: wanted.clone(), attempts, item };
        self.upstreams.push(made);
        Ok((name, attempts))
    }
}

/// An address with a port.
pub(crate) fn with_port(authority: &str, port: u16) -> Result<String, String> {
    let bare = authority.starts_with('[') && authority.ends_with(']');
    let with = match authority.rsplit_once(':') {
        Some((host, digits)) if !bare && !host.is_empty() => match digits.parse::<u16>() {
            Ok(1..) => authority.to_owned(),
            _ => return Err(format!("`{authority}` has no port that can be read")),
        },
        _ => format!("{authority}:{port}"),
    };
    let host = with.rsplit_once(':').map_or("", |(host, _)| host);
    let fine = |c: char| c.is_ascii_alphanumeric() || "-._[]:".contains(c);
    if host.is_empty() || !host.chars().all(fine) {
        return Err(format!("`{authority}` is no host"));
    }
    Ok(with)
}
