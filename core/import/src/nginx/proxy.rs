//! `proxy_pass` and `grpc_pass`: which upstream, and which path it is asked for.

use super::Import;
use super::answer::replacement;
use super::draft::{Draft, Phase};
use super::headers::Host;
use super::location::{Kind, Location};
use super::rules::Rule;
use super::scope::Scope;
use super::tree::Directive;
use super::upstream::{Target, Wanted};
use crate::expression::escape;
use crate::out::Node;
use crate::values;
use crate::vars::Vars;

/// What a `proxy_pass` says.
pub(super) struct Pass {
    pub(super) tls: bool,
    /// Host or name of an `upstream`, with its port if there is one.
    pub(super) authority: String,
    /// The URI part, where there is one.
    pub(super) uri: Option<String>,
}

/// How an address is to be asked.
pub(super) struct Ask<'a> {
    pub(super) scope: &'a Scope<'a>,
    /// `proxy` or `grpc`.
    pub(super) prefix: &'a str,
    pub(super) vars: &'a Vars,
    pub(super) host: Host,
    pub(super) wanted: Wanted,
    pub(super) from: &'a Directive,
}

/// The upstream that was made of an address.
pub(super) struct Passed {
    pub(super) upstream: String,
    pub(super) attempts: u32,
}

impl Import<'_> {
    /// Everything about passing a request on. `by` is the rule that sent it to this location.
    pub(super) fn pass(
        &mut self,
        draft: &mut Draft,
        location: &Location<'_>,
        vars: &Vars,
        by: Option<&Rule<'_>>,
        directive: &Directive,
    ) {
        let scope = &location.scope;
        let grpc = directive.name == "grpc_pass";
        let shares = self.shares(directive, vars);
        let (pass, shares) = match shares {
            Ok(Some((rest, shares))) => (Ok(rest), Some(shares)),
            Ok(None) => (read(directive, vars), None),
            Err(why) => (Err(why), None),
        };
        let taken = pass.and_then(|pass| {
            if shares.is_some() && pass.uri.is_some() {
                return Err("a path beside a `split_clients`".into());
            }
            self.path_changes(draft, location, &pass, by, directive)?;
            Ok(pass)
        });
        let pass = match taken {
            Ok(pass) => pass,
            Err(why) => {
                self.notes.not(directive, &*why);
                return draft.refuse(format!("`{}` was not taken: {why}", directive.line()));
            }
        };
        let fields = if grpc { "grpc_set_header" } else { "proxy_set_header" };
        let (host, told) = self.request_headers(draft, scope, vars, fields);
        let prefix = if grpc { "grpc" } else { "proxy" };
        let mut wanted = Wanted { told, grpc, ..Wanted::default() };
        self.ways(scope, prefix, &mut wanted);
        let ask = Ask { scope, prefix, vars, host, wanted, from: directive };
        let made = self.passed(&ask, &pass).and_then(|made| match shares {
            Some(shares) => self.split(draft, &ask, shares).map(|()| made),
            None => Ok(made),
        });
        match made {
            Ok(Passed { upstream, attempts }) => {
                self.notes.taken(directive, format!("upstream {upstream}"));
                // nginx has no limit of its own for the whole.
                let all = ask.wanted.once().saturating_mul(u64::from(attempts));
                draft.timeout = Some(all.clamp(1, 3_600_000));
                draft.upstream = Some(upstream);
                if !grpc {
                    self.kept(draft, scope, vars);
                }
            }
            Err(why) => {
                self.notes.not(directive, &*why);
                draft.refuse(format!("`{}` was not taken: {why}", directive.line()));
            }
        }
    }

    /// The upstream that stands for an address.
    ///
    /// # Errors
    /// Why there can be none.
    pub(super) fn passed(&mut self, ask: &Ask<'_>, pass: &Pass) -> Result<Passed, String> {
        let mut wanted = ask.wanted.clone();
        wanted.host = match &ask.host {
            Host::Client => None,
            Host::Fixed(host) => Some(host.clone()),
            Host::Named => Some(pass.authority.clone()),
        };
        if pass.tls {
            let tls = self.upstream_tls(ask.scope, ask.prefix, &pass.authority, ask.vars);
            wanted.tls = Some(tls);
        }
        let target = Target { authority: pass.authority.clone(), tls: pass.tls };
        let (upstream, attempts) = self.upstream(&target, &wanted, ask.from)?;
        Ok(Passed { upstream, attempts })
    }

    /// Times and repetitions.
    pub(super) fn ways(&mut self, scope: &Scope<'_>, prefix: &str, wanted: &mut Wanted) {
        self.times(scope, prefix, wanted);
        self.again(scope, prefix, wanted);
    }

    fn times(&mut self, scope: &Scope<'_>, prefix: &str, wanted: &mut Wanted) {
        for (name, value) in [
            ("connect_timeout", &mut wanted.connect),
            ("send_timeout", &mut wanted.send),
            ("read_timeout", &mut wanted.read),
        ] {
            let Some(directive) = scope.last(&format!("{prefix}_{name}")) else { continue };
            match values::time(directive.arg(0)) {
                Some(ms) => {
                    *value = ms.clamp(1, 3_600_000);
                    self.notes.taken(directive, "upstream.timeouts, and the API's timeout");
                }
                None => self.notes.not(directive, "no time"),
            }
        }
    }

    /// `proxy_next_upstream` and its limits.
    fn again(&mut self, scope: &Scope<'_>, prefix: &str, wanted: &mut Wanted) {
        if let Some(directive) = scope.last(&format!("{prefix}_next_upstream")) {
            let mut left_out = Vec::new();
            for word in directive.words() {
                match word {
                    "off" => wanted.attempts = Some(1),
                    "error" | "timeout" => {}
                    "non_idempotent" => wanted.any_method = true,
                    word => match word.strip_prefix("http_").and_then(|s| s.parse::<u16>().ok()) {
                        Some(status) if (500..=599).contains(&status) || status == 429 => {
                            wanted.statuses.push(status);
                        }
                        _ => left_out.push(word),
                    },
                }
            }
            match left_out.is_empty() {
                true => self.notes.taken(directive, "upstream.retry"),
                false => self
                    .notes
                    .near(directive, format!("upstream.retry, without {}", left_out.join(", "))),
            }
        }
        if let Some(directive) = scope.last(&format!("{prefix}_next_upstream_tries")) {
            match directive.arg(0).parse::<u32>() {
                Ok(0) => self.notes.taken(directive, "as many attempts as servers"),
                Ok(tries) if wanted.attempts.is_none() => {
                    wanted.attempts = Some(tries.min(10));
                    self.notes.taken(directive, "upstream.retry.attempts");
                }
                _ => self.notes.taken(directive, "upstream.retry.attempts"),
            }
        }
    }

    /// TLS towards the servers. nginx verifies nothing unless it is told to, and names no host.
    fn upstream_tls(
        &mut self,
        scope: &Scope<'_>,
        prefix: &str,
        authority: &str,
        vars: &Vars,
    ) -> Node {
        let mut tls = Node::map();
        let named = |name: &str| format!("{prefix}_ssl_{name}");
        let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host).to_owned();
        let sni = match scope.last(&named("name")) {
            Some(name) => match vars.constant(name.arg(0)) {
                Some(constant) => {
                    self.notes.taken(name, "upstream.tls.sni");
                    constant
                }
                None => {
                    self.notes
                        .near(name, "upstream.tls.sni is a constant: the name in the address");
                    host
                }
            },
            None => host,
        };
        tls.put("sni", Node::text(sni));
        let verify = scope.last(&named("verify"));
        if verify.is_some_and(|d| d.arg(0) == "on") {
            if let Some(verify) = verify {
                self.notes.taken(verify, "upstream.tls.verify");
            }
        } else {
            tls.put(
                "verify",
                Node::plain("false").commented("nginx did not verify this server; better do"),
            );
        }
        if let Some(ca) = scope.last(&named("trusted_certificate")) {
            tls.put("ca", Node::text(self.path(ca.arg(0)).display().to_string()));
            self.notes.taken(ca, "upstream.tls.ca");
        }
        for (name, key) in [("certificate", "client_cert"), ("certificate_key", "client_key")] {
            if let Some(file) = scope.last(&named(name)) {
                tls.put(key, Node::text(self.path(file.arg(0)).display().to_string()));
                self.notes.taken(file, format!("upstream.tls.{key}"));
            }
        }
        if let Some(name) = scope.last(&named("server_name")) {
            self.notes.taken(name, "the name is always asked for");
        }
        tls
    }

    /// The steps that change the path, in nginx's order: rewrites first; an address with a URI replaces
    /// what the location matched, unless a rewrite has been there.
    fn path_changes(
        &mut self,
        draft: &mut Draft,
        location: &Location<'_>,
        pass: &Pass,
        by: Option<&Rule<'_>>,
        directive: &Directive,
    ) -> Result<(), String> {
        let mut rewritten = false;
        if let Some(rule) = by {
            self.rewrite(
                draft,
                rule.directive,
                &rule.expression.spanning(),
                &rule.replacement,
                rule.keep_query,
            )?;
        }
        for inner in
            location.scope.own().iter().filter(|d| d.name == "rewrite" && d.arg(2) == "break")
        {
            if super::rules::is_address(inner.arg(1)) {
                continue;
            }
            let expression = crate::expression::Expression::parse(inner.arg(0), false)?;
            let (to, keep) = match inner.arg(1).strip_suffix('?') {
                Some(cut) => (cut, false),
                None => (inner.arg(1), true),
            };
            if to.contains('?') {
                return Err("a query in the replacement of `rewrite`".into());
            }
            self.rewrite(draft, inner, &expression.spanning(), to, keep)?;
            self.notes.taken(inner, "rewrite");
            rewritten = true;
        }
        let Some(uri) = &pass.uri else { return Ok(()) };
        if rewritten {
            // nginx then ignores the URI.
            return Ok(());
        }
        let config = match &location.kind {
            Kind::Exact(_) => Node::map().with("path", Node::text(crate::vars::literal(uri))),
            Kind::Prefix { name, .. } => match prefix_rewrite(name, uri) {
                Some(config) => config,
                None => return Ok(()),
            },
            Kind::Regex(expression) => {
                let made = replacement(uri)?;
                let config = Node::map()
                    .with("pattern", Node::text(expression.spanning()))
                    .with("replace", Node::text(made.text));
                // With groups in it the URI is all that is passed on.
                match made.varies {
                    true => config.with("query", Node::map().with("remove", Node::texts(["*"]))),
                    false => config,
                }
            }
            Kind::Server => return Ok(()),
        };
        draft.step(Phase::Rewrite, ("rewrite", ""), config, None, directive);
        Ok(())
    }

    fn rewrite(
        &mut self,
        draft: &mut Draft,
        directive: &Directive,
        pattern: &str,
        to: &str,
        keep_query: bool,
    ) -> Result<(), String> {
        let made = replacement(to)?;
        let mut config =
            Node::map().with("pattern", Node::text(pattern)).with("replace", Node::text(made.text));
        if !keep_query {
            config.put("query", Node::map().with("remove", Node::texts(["*"])));
        }
        draft.step(Phase::Rewrite, ("rewrite", ""), config, None, directive);
        Ok(())
    }
}

/// What replaces the prefix of a location by a URI; nothing where they are the same.
fn prefix_rewrite(name: &str, uri: &str) -> Option<Node> {
    if name == uri {
        return None;
    }
    // On borders of segments it reads better without an expression.
    if let (Some(strip), Some(add)) = (name.strip_suffix('/'), uri.strip_suffix('/')) {
        let mut config = Node::map();
        if !strip.is_empty() {
            config.put("strip_prefix", Node::text(strip));
        }
        if !add.is_empty() {
            config.put("add_prefix", Node::text(add));
        }
        return Some(config);
    }
    // `location /a { proxy_pass http://b/; }` makes `//x` of `/a/x`; a path has no empty segments here.
    let slash = if uri.ends_with('/') { "/?" } else { "" };
    Some(
        Node::map()
            .with("pattern", Node::text(format!("^{}{slash}", escape(name))))
            .with("replace", Node::text(uri.replace('$', "$$"))),
    )
}

/// Reads a `proxy_pass` or `grpc_pass`.
///
/// # Errors
/// Why it cannot be told which upstream it is.
pub(super) fn read(directive: &Directive, vars: &Vars) -> Result<Pass, String> {
    let text = directive.arg(0);
    let (scheme, rest) = match text.split_once("://") {
        Some(parts) => parts,
        None if directive.name == "grpc_pass" => ("grpc", text),
        None => {
            return Err(
                "an address that is all variables: which upstream it is must be known at load"
                    .into(),
            );
        }
    };
    let tls = match scheme {
        "http" | "grpc" => false,
        "https" | "grpcs" => true,
        _ => return Err(format!("the scheme `{scheme}` cannot be passed to")),
    };
    if rest.starts_with("unix:") {
        return Err("upstreams are reached by TCP, not by sockets of the file system".into());
    }
    let (authority, uri) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    // `http://backend$request_uri` passes the request's own target.
    let (authority, uri) = match authority.strip_suffix("$request_uri") {
        Some(cut) => (cut, ""),
        None => (authority, uri),
    };
    let authority = vars
        .constant(authority)
        .ok_or("an upstream that depends on variables: make an API for each, or a step `split`")?;
    let uri = match uri {
        "" | "$request_uri" => None,
        uri if uri.contains('?') => return Err("a query in the address".into()),
        uri => Some(uri.to_owned()),
    };
    Ok(Pass { tls, authority, uri })
}
