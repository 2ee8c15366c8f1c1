//! `server` blocks: where they listen, and which hosts are theirs.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::notes::Notes;
use super::scope::Scope;
use super::tree::Directive;
use crate::values;

/// A server.
#[derive(Debug)]
pub(super) struct Server<'t> {
    pub(super) directive: &'t Directive,
    pub(super) scope: Scope<'t>,
    /// Hosts, as our patterns write them.
    pub(super) names: Vec<String>,
    pub(super) listens: Vec<SocketAddr>,
    /// Whether it has names, but none that a pattern can hold.
    pub(super) unreachable: bool,
}

/// A listening socket with the servers behind it.
#[derive(Debug, Default)]
pub(super) struct Socket {
    pub(super) name: String,
    pub(super) tls: bool,
    pub(super) http2: bool,
    pub(super) proxy_protocol: bool,
    pub(super) servers: Vec<usize>,
    pub(super) default: Option<usize>,
}

/// A server's hosts on some of its listeners.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Face {
    /// None for every host.
    pub(super) hosts: Vec<String>,
    /// None for every listener of the config.
    pub(super) listeners: Vec<String>,
}

/// All servers with their sockets.
#[derive(Debug, Default)]
pub(super) struct Servers<'t> {
    pub(super) list: Vec<Server<'t>>,
    pub(super) sockets: BTreeMap<SocketAddr, Socket>,
}

impl<'t> Servers<'t> {
    /// Reads a `server` block.
    pub(super) fn add(&mut self, directive: &'t Directive, http: &Scope<'t>, notes: &mut Notes) {
        let scope = http.inside(directive.inner());
        let index = self.list.len();
        let mut server =
            Server { directive, scope, names: Vec::new(), listens: Vec::new(), unreachable: false };
        let (mut listens, mut named) = (false, false);
        for inner in directive.inner() {
            match inner.name.as_str() {
                "listen" => {
                    listens = true;
                    self.listen(index, &mut server, inner, notes);
                }
                "server_name" => {
                    named = true;
                    names(&mut server, inner, notes);
                }
                _ => {}
            }
        }
        if !listens {
            // nginx's default.
            let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 80);
            self.bind(index, &mut server, address).name = "http-80".into();
        }
        let http2 = directive.inner().iter().any(|d| d.name == "http2" && d.arg(0) == "on");
        for address in &server.listens {
            if let Some(socket) = self.sockets.get_mut(address) {
                socket.http2 |= http2;
            }
        }
        server.unreachable = named && server.names.is_empty();
        self.list.push(server);
    }

    fn bind(&mut self, index: usize, server: &mut Server<'t>, address: SocketAddr) -> &mut Socket {
        server.listens.push(address);
        let socket = self.sockets.entry(address).or_default();
        if socket.servers.last() != Some(&index) {
            socket.servers.push(index);
        }
        socket
    }

    fn listen(
        &mut self,
        index: usize,
        server: &mut Server<'t>,
        directive: &Directive,
        notes: &mut Notes,
    ) {
        let Some(address) = address(directive.arg(0)) else {
            notes.not(directive, "a listener is an IP address and a port");
            return;
        };
        let mut left_out = Vec::new();
        let socket = self.bind(index, server, address);
        for option in directive.words().skip(1) {
            match option {
                "ssl" => socket.tls = true,
                "http2" => socket.http2 = true,
                "proxy_protocol" => socket.proxy_protocol = true,
                "default_server" | "default" => socket.default = Some(index),
                "reuseport" | "deferred" | "bind" | "ipv6only=on" => {}
                option if option.starts_with("backlog=") || option.starts_with("so_keepalive") => {}
                option => left_out.push(option.to_owned()),
            }
        }
        let scheme = if socket.tls { "https" } else { "http" };
        socket.name = match address.ip() {
            ip if ip == IpAddr::V4(Ipv4Addr::UNSPECIFIED) => format!("{scheme}-{}", address.port()),
            ip if ip == IpAddr::V6(Ipv6Addr::UNSPECIFIED) => {
                format!("{scheme}6-{}", address.port())
            }
            ip => format!(
                "{scheme}-{}",
                values::name(&format!("{ip}-{}", address.port()).replace(':', "."))
            ),
        };
        let name = socket.name.clone();
        if left_out.is_empty() {
            notes.taken(directive, format!("listener {name}"));
        } else {
            notes.near(directive, format!("listener {name}, without {}", left_out.join(" ")));
        }
    }

    /// The server that answers where no name fits.
    fn default_of(socket: &Socket) -> Option<usize> {
        socket.default.or(socket.servers.first().copied())
    }

    /// A server's hosts and listeners. nginx takes the first server of several with one name on one
    /// socket; where no name fits, its default server.
    pub(super) fn faces(&self, index: usize, notes: &mut Notes) -> Vec<Face> {
        let server = &self.list[index];
        let mut faces: Vec<Face> = Vec::new();
        for address in server.listens.iter().collect::<BTreeSet<_>>() {
            let Some(socket) = self.sockets.get(address) else { continue };
            let default = Self::default_of(socket) == Some(index);
            let before = socket.servers.iter().take_while(|other| **other != index);
            let taken: BTreeSet<&String> =
                before.flat_map(|other| &self.list[*other].names).collect();
            let (lost, mut hosts): (Vec<_>, Vec<_>) =
                server.names.iter().cloned().partition(|name| taken.contains(name));
            if !lost.is_empty() {
                let others = format!(
                    "{} on {} is another server's already, as nginx has it",
                    lost.join(", "),
                    socket.name
                );
                notes.near(server.directive, others);
            }
            if default && socket.servers.len() == 1 {
                hosts.clear();
            } else if default && !hosts.is_empty() {
                hosts.push("*".into());
            } else if !default && hosts.is_empty() {
                continue;
            }
            match faces.iter_mut().find(|face| face.hosts == hosts) {
                Some(face) => face.listeners.push(socket.name.clone()),
                None => faces.push(Face { hosts, listeners: vec![socket.name.clone()] }),
            }
        }
        for face in &mut faces {
            if face.listeners.len() == self.sockets.len() {
                face.listeners.clear();
            }
        }
        faces
    }
}

fn names(server: &mut Server<'_>, directive: &Directive, notes: &mut Notes) {
    let mut lost = Vec::new();
    for name in directive.words() {
        let name = name.to_ascii_lowercase();
        let plain = |name: &str| {
            let fine = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            !name.is_empty()
                && name.chars().all(fine)
                && !name.starts_with('.')
                && !name.contains("..")
        };
        if name.is_empty() || name == "_" {
            // Names that no request has: the server is there as a default.
        } else if let Some(rest) = name.strip_prefix("*.").filter(|rest| plain(rest)) {
            server.names.push(format!("*.{rest}"));
        } else if let Some(rest) = name.strip_prefix('.').filter(|rest| plain(rest)) {
            server.names.extend([rest.to_owned(), format!("*.{rest}")]);
        } else if plain(&name) && !name.starts_with('$') {
            server.names.push(name);
        } else {
            lost.push(name);
        }
    }
    let mut seen = BTreeSet::new();
    server.names.retain(|name| seen.insert(name.clone()));
    if lost.is_empty() {
        notes.taken(directive, "match.host of its APIs");
    } else {
        let help = "hosts are names, or `*.` before one";
        notes.not(
            directive,
            format!(
                "{} cannot be a host pattern ({help}): requests for it go to the default server",
                lost.join(", ")
            ),
        );
    }
}

/// `80`, `*:80`, `127.0.0.1`, `127.0.0.1:80`, `[::]:80`, `localhost:80`.
fn address(text: &str) -> Option<SocketAddr> {
    if let Ok(port) = text.parse::<u16>() {
        return Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port));
    }
    if let Some(port) = text.strip_prefix("*:") {
        return Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port.parse().ok()?));
    }
    if let Some(port) = text.strip_prefix("localhost:") {
        return Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port.parse().ok()?));
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(address);
    }
    let ip = text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok()?;
    Some(SocketAddr::new(ip, 80))
}
