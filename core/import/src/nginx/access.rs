//! Who may pass: `allow`, `deny`, `auth_basic`, `limit_except`, and what has no counterpart.

use std::net::IpAddr;
use std::path::Path;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::Import;
use super::draft::{Draft, Phase};
use super::scope::Scope;
use super::tree::Directive;
use crate::out::Node;

/// The largest htpasswd file that is looked at.
const HTPASSWD_BYTES: u64 = 4 << 20;

impl Import<'_> {
    /// The steps that keep people out.
    pub(super) fn access(&mut self, draft: &mut Draft, scope: &Scope<'_>) {
        if let Some(satisfy) = scope.last("satisfy") {
            if satisfy.arg(0) == "any" {
                self.notes.not(satisfy, "steps must all be passed: one of several is not enough");
                draft.refuse("`satisfy any` was not taken");
            } else {
                self.notes.taken(satisfy, "steps must all be passed");
            }
        }
        self.addresses(draft, &scope.all(&["allow", "deny"]), None);
        self.basic(draft, scope);
        for inner in scope.own().iter().filter(|d| d.name == "limit_except") {
            self.limit_except(draft, inner);
        }
        self.unknown_guards(draft, scope);
    }

    /// `allow` and `deny` in their order: the first that fits decides. Ours know no order, so what each
    /// lets in is computed.
    fn addresses(&mut self, draft: &mut Draft, rules: &[&Directive], when: Option<Node>) {
        let Some(first) = rules.first() else { return };
        let mut left = everything();
        let mut allowed: Vec<IpNet> = Vec::new();
        for rule in rules {
            let nets = match networks(rule.arg(0)) {
                Ok(nets) => nets,
                Err(why) => {
                    self.notes.not(rule, &*why);
                    draft.refuse(format!("`{}` was not taken", rule.line()));
                    continue;
                }
            };
            for net in nets {
                if rule.name == "allow" {
                    allowed.extend(left.iter().filter_map(|open| intersection(open, &net)));
                }
                left = left.iter().flat_map(|open| subtract(open, &net)).collect();
            }
            self.notes.taken(rule, "ip_filter");
        }
        // Whom no rule names passes.
        let open = left.clone();
        allowed.extend(left);
        let allowed = IpNet::aggregate(&allowed);
        if allowed.len() == 2 && everything().iter().all(|net| allowed.contains(net)) {
            return;
        }
        let refused: Vec<IpNet> = allowed
            .iter()
            .fold(everything(), |left, net| left.iter().flat_map(|l| subtract(l, net)).collect());
        let refused = IpNet::aggregate(&refused);
        let texts = |nets: &[IpNet]| {
            Node::texts(nets.iter().map(|net| {
                if net.prefix_len() == net.max_prefix_len() {
                    net.addr().to_string()
                } else {
                    net.to_string()
                }
            }))
        };
        // Whichever list is the shorter says the same.
        let config = if open.is_empty() && allowed.len() <= refused.len() && !allowed.is_empty() {
            Node::map().with("allow", texts(&allowed))
        } else {
            Node::map().with("deny", texts(&refused))
        };
        draft.step(
            Phase::Address,
            ("ip_filter", ""),
            config,
            when.map(|when| ("when", when)),
            *first,
        );
    }

    fn basic(&mut self, draft: &mut Draft, scope: &Scope<'_>) {
        let Some(realm) = scope.last("auth_basic") else { return };
        if realm.arg(0) == "off" {
            self.notes.taken(realm, "no step");
            return;
        }
        let Some(file) = scope.last("auth_basic_user_file") else {
            self.notes.not(realm, "there is no `auth_basic_user_file`");
            draft.refuse("`auth_basic` without users was not taken");
            return;
        };
        let path = self.path(file.arg(0));
        match self.weak_user(&path) {
            Ok(None) => self.notes.taken(file, "basic_auth.htpasswd"),
            Ok(Some(user)) => {
                let help = "make them anew with `htpasswd -B`, then import again";
                self.notes
                    .not(file, format!("the hash of `{user}` is not bcrypt or Argon2id; {help}"));
                self.notes.not(realm, "see `auth_basic_user_file`");
                draft.refuse("`auth_basic` was not taken: its file has hashes that are too weak");
                return;
            }
            Err(why) => {
                let what = "basic_auth.htpasswd; its hashes must be bcrypt or Argon2id";
                self.notes.near(file, format!("{what}, which could not be looked at: {why}"));
            }
        }
        let plain = |c: char| c.is_ascii_graphic() && c != '"' && c != '\\' || c == ' ';
        let name: String = realm.arg(0).chars().filter(|c| plain(*c)).take(128).collect();
        if name == realm.arg(0) {
            self.notes.taken(realm, "basic_auth.realm");
        } else {
            self.notes.near(realm, "basic_auth.realm, without what a realm cannot hold");
        }
        let config = Node::map()
            .with("htpasswd", Node::map().with("file", Node::text(path.display().to_string())))
            .with("realm", Node::text(if name.is_empty() { "api".into() } else { name }))
            // nginx passes the header on.
            .with("forward", Node::plain("true"));
        draft.step(Phase::Identity, ("basic_auth", ""), config, None, realm);
    }

    /// The first user whose hash ours would refuse.
    fn weak_user(&self, path: &Path) -> Result<Option<String>, String> {
        let bytes = self.files.read(path, HTPASSWD_BYTES).map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(&bytes);
        let weak =
            text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).find(|line| {
                let hash = line.split(':').nth(1).unwrap_or_default();
                !["$2y$", "$2b$", "$2a$", "$argon2id$"].iter().any(|kind| hash.starts_with(kind))
            });
        Ok(weak.map(|line| line.split(':').next().unwrap_or_default().to_owned()))
    }

    /// What holds for all methods but those named; GET includes HEAD.
    fn limit_except(&mut self, draft: &mut Draft, directive: &Directive) {
        let mut methods: Vec<String> = directive.words().map(str::to_ascii_uppercase).collect();
        if methods.iter().any(|method| method == "GET") && !methods.iter().any(|m| m == "HEAD") {
            methods.push("HEAD".into());
        }
        let when = Node::map().with("not", Node::map().with("method", Node::texts(methods)));
        let rules: Vec<&Directive> = directive
            .inner()
            .iter()
            .filter(|d| matches!(d.name.as_str(), "allow" | "deny"))
            .collect();
        let others: Vec<&Directive> = directive
            .inner()
            .iter()
            .filter(|d| !matches!(d.name.as_str(), "allow" | "deny"))
            .collect();
        if let Some(other) = others.first() {
            self.notes.not_within(directive, "only `allow` and `deny` are taken in it");
            draft.refuse(format!("`{}` in `limit_except` was not taken", other.name));
            return;
        }
        self.addresses(draft, &rules, Some(when));
        self.notes.taken(directive, "ip_filter with `when`");
    }

    /// Directives that protect and that nothing here knows: the API stays offline.
    fn unknown_guards(&mut self, draft: &mut Draft, scope: &Scope<'_>) {
        const ALONE: &[&str] = &["valid_referers", "auth_jwt", "limit_rate"];
        let found: Vec<&Directive> = scope
            .every()
            .filter(|d| {
                let known = ["auth_basic", "auth_request"].iter().any(|k| d.name.starts_with(k))
                    || d.name == "auth_delay";
                (super::notes::protects(&d.name) && !known && !TAKEN.contains(&d.name.as_str()))
                    || ALONE.contains(&d.name.as_str())
            })
            .collect();
        for directive in found {
            if directive.arg(0) == "off" || directive.name == "limit_rate" {
                self.notes.none(directive, "nothing to protect by");
                continue;
            }
            self.notes.not(
                directive,
                "nothing here does it; add a step that does before the API goes online",
            );
            draft.refuse(format!("`{}` was not taken", directive.line()));
        }
    }
}

/// Directives that protect and are looked at elsewhere.
const TAKEN: &[&str] = &[
    "allow",
    "deny",
    "satisfy",
    "internal",
    "limit_except",
    "limit_req",
    "limit_conn",
    "client_max_body_size",
    "ssl_verify_client",
    "ssl_client_certificate",
    "ssl_crl",
    "limit_req_zone",
    "limit_conn_zone",
];

fn everything() -> Vec<IpNet> {
    vec![IpNet::V4(Ipv4Net::default()), IpNet::V6(Ipv6Net::default())]
}

fn networks(text: &str) -> Result<Vec<IpNet>, String> {
    if text == "all" {
        return Ok(everything());
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(vec![address.into()]);
    }
    // nginx ignores bits beyond the prefix, with a warning.
    let net = text.parse::<IpNet>().map(|net| net.trunc());
    net.map(|net| vec![net]).map_err(|_| format!("`{text}` is no address or network"))
}

/// The network that both have; one of two that overlap contains the other.
fn intersection(a: &IpNet, b: &IpNet) -> Option<IpNet> {
    if a.contains(b) {
        Some(*b)
    } else if b.contains(a) {
        Some(*a)
    } else {
        None
    }
}

/// `from` without `hole`.
fn subtract(from: &IpNet, hole: &IpNet) -> Vec<IpNet> {
    if hole.contains(from) {
        return Vec::new();
    }
    if !from.contains(hole) {
        return vec![*from];
    }
    // Halve until the hole is all of a half.
    let mut rest = Vec::new();
    let mut at = *from;
    while at != *hole {
        let Ok(halves) = at.subnets(at.prefix_len() + 1) else { break };
        let mut next = None;
        for half in halves {
            if half.contains(hole) {
                next = Some(half);
            } else {
                rest.push(half);
            }
        }
        match next {
            Some(half) => at = half,
            None => break,
        }
    }
    rest
}
