//! Listeners with TLS and trusted proxies, from the sockets of all servers.

use super::Import;
use super::server::{Server, Servers, Socket};
use super::tree::Directive;
use crate::out::{Item, Node};

impl Import<'_> {
    pub(super) fn listeners(&mut self, servers: &Servers<'_>) -> Vec<Item> {
        let sockets: Vec<_> = servers.sockets.iter().collect();
        let mut all = Vec::new();
        for (address, socket) in sockets {
            let mut behind: Vec<&Server<'_>> =
                socket.servers.iter().map(|id| &servers.list[*id]).collect();
            if let Some(default) = socket.default {
                // The first certificate serves clients that ask for no name.
                behind.sort_by_key(|server| !std::ptr::eq(*server, &servers.list[default]));
            }
            let mut listener = Node::map()
                .with("name", Node::text(socket.name.clone()))
                .with("address", Node::text(address.to_string()));
            if socket.tls {
                listener.put("tls", self.tls(socket, &behind));
            }
            self.client(socket, &behind, &mut listener);
            let limits = self.connection_times(&behind);
            if !limits.is_empty() {
                listener.put("limits", limits);
            }
            all.push(listener.into());
        }
        all
    }

    fn tls(&mut self, socket: &Socket, servers: &[&Server<'_>]) -> Node {
        let mut certificates: Vec<Item> = Vec::new();
        let mut oldest = None;
        let mut client_ca = None;
        for server in servers {
            let scope = &server.scope;
            let (certs, keys) =
                (scope.all(&["ssl_certificate"]), scope.all(&["ssl_certificate_key"]));
            for (cert, key) in certs.iter().zip(&keys) {
                let entry = Node::map()
                    .with("cert", Node::text(self.path(cert.arg(0)).display().to_string()))
                    .with("key", Node::text(self.path(key.arg(0)).display().to_string()));
                if !certificates.iter().any(|item| item.node == entry) {
                    certificates.push(entry.into());
                }
                self.notes.taken(cert, "listeners.tls.certificates");
                self.notes.taken(key, "listeners.tls.certificates");
            }
            if let Some(versions) = scope.last("ssl_protocols") {
                let old =
                    versions.words().any(|v| matches!(v, "TLSv1" | "TLSv1.1" | "SSLv3" | "SSLv2"));
                let only = versions.words().all(|version| version == "TLSv1.3");
                match old {
                    true => {
                        self.notes.near(versions, "listeners.tls.min_version 1.2 is the oldest")
                    }
                    false => self.notes.taken(versions, "listeners.tls.min_version"),
                }
                oldest = Some(oldest.unwrap_or(true) && only);
            } else {
                oldest = Some(false);
            }
            self.client_ca(server, &mut client_ca);
        }
        let mut tls = Node::map().with("certificates", Node::List(certificates));
        if !socket.http2 {
            tls.put("alpn", Node::texts(["http/1.1"]));
        }
        if oldest == Some(true) {
            tls.put("min_version", Node::text("1.3"));
        }
        if let Some(ca) = client_ca {
            tls.put("client_ca", ca);
        }
        tls
    }

    /// Client certificates belong to listeners here: where one server asks for them, all do.
    fn client_ca(&mut self, server: &Server<'_>, all: &mut Option<Node>) {
        let Some(verify) = server.scope.last("ssl_verify_client") else { return };
        let required = match verify.arg(0) {
            "on" => true,
            "optional" => false,
            "off" => return self.notes.taken(verify, "no client_ca"),
            _ => return self.notes.not(verify, "certificates that nobody verifies prove nothing"),
        };
        let Some(file) = server.scope.last("ssl_client_certificate") else {
            return self.notes.not(verify, "there is no `ssl_client_certificate`");
        };
        self.notes.near(verify, "listeners.tls.client_ca, for every server of the listener");
        self.notes.taken(file, "listeners.tls.client_ca");
        if all.is_none() {
            let mut ca =
                Node::map().with("file", Node::text(self.path(file.arg(0)).display().to_string()));
            if !required {
                ca.put("required", Node::plain("false"));
            }
            *all = Some(ca);
        }
    }

    /// Whom the listener believes who the client is.
    fn client(&mut self, socket: &Socket, servers: &[&Server<'_>], listener: &mut Node) {
        let mut trusted: Vec<String> = Vec::new();
        let mut header = None;
        for server in servers {
            for from in server.scope.all(&["set_real_ip_from"]) {
                match from
                    .arg(0)
                    .parse::<ipnet::IpNet>()
                    .map(|net| net.trunc().to_string())
                    .or_else(|_| from.arg(0).parse::<std::net::IpAddr>().map(|ip| ip.to_string()))
                {
                    Ok(net) => {
                        if !trusted.contains(&net) {
                            trusted.push(net);
                        }
                        self.notes.taken(from, "listeners.trusted_proxies");
                    }
                    Err(_) => self.notes.not(from, "trusted proxies are networks"),
                }
            }
            if let Some(name) = server.scope.last("real_ip_header") {
                header = Some(name);
            }
            if let Some(recursive) = server.scope.last("real_ip_recursive") {
                match recursive.arg(0) {
                    "on" => self.notes.taken(recursive, "proxies that are trusted are passed over"),
                    _ => self.notes.near(recursive, "proxies that are trusted are passed over"),
                }
            }
        }
        if socket.proxy_protocol {
            listener.put("proxy_protocol", Node::text("required"));
            if trusted.is_empty() {
                // nginx believes anyone's PROXY header as the address of the connection's other end.
                trusted = vec!["0.0.0.0/0".into(), "::/0".into()];
            }
        }
        if !trusted.is_empty() {
            listener.put("trusted_proxies", Node::texts(trusted));
            self.client_header(header, listener);
        }
    }

    fn client_header(&mut self, header: Option<&Directive>, listener: &mut Node) {
        let name = header.map_or("x-real-ip".into(), |d| d.arg(0).to_ascii_lowercase());
        let note = match (name.as_str(), header) {
            ("x-forwarded-for", Some(header)) => {
                return self.notes.taken(header, "listeners.client_header");
            }
            ("proxy_protocol", Some(header)) => {
                listener.put("client_header", Node::text("none"));
                return self.notes.taken(header, "listeners.proxy_protocol");
            }
            (_, header) => header,
        };
        listener.put("client_header", Node::text("none"));
        if let Some(header) = note {
            let why = "only X-Forwarded-For and Forwarded are read: the client is the other end of the connection";
            self.notes.not(header, why);
        }
    }

    /// Times of connections.
    fn connection_times(&mut self, servers: &[&Server<'_>]) -> Node {
        let mut limits = Node::map();
        let Some(server) = servers.first() else { return limits };
        for (name, key) in [
            ("client_header_timeout", "header"),
            ("keepalive_timeout", "idle"),
            ("client_body_timeout", "body"),
        ] {
            let Some(directive) = server.scope.last(name) else { continue };
            match crate::values::time(directive.arg(0)) {
                Some(0) => self.notes.near(directive, "connections are kept for a while"),
                Some(ms) => {
                    limits.put(key, Node::plain(crate::values::duration(ms.min(3_600_000))));
                    self.notes.taken(directive, format!("listeners.limits.{key}"));
                }
                None => self.notes.not(directive, "no time"),
            }
        }
        limits
    }
}
