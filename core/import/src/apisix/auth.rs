//! Who calls, and who may: `key-auth`, `basic-auth`, `ip-restriction`, `consumer-restriction`.

use super::Import;
use super::steps::{Ask, Done};
use crate::Fate;
use crate::out::Node;
use crate::source::{flag, number, text, texts};

impl Import {
    pub(super) fn key_auth(&mut self, ask: &mut Ask<'_>) -> Done {
        if ask.config.get("anonymous_consumer").is_some() {
            return Err("`anonymous_consumer`: an API of its own lets strangers in".into());
        }
        if !self.consumers.iter().any(|consumer| consumer.key) {
            return Err("no consumer has a key".into());
        }
        let header = text(ask.config, "header").unwrap_or("apikey").to_ascii_lowercase();
        let query = text(ask.config, "query").unwrap_or("apikey");
        let places = vec![
            Node::map().with("header", Node::text(header)).into(),
            Node::map().with("query", Node::text(query)).into(),
        ];
        let hide = flag(ask.config, "hide_credentials").unwrap_or(false);
        let step = Node::map().with("from", Node::List(places)).with("hide", Node::plain(hide));
        ask.step(("key_auth", ""), step);
        tell_name(ask, "{{ app }}");
        Ok((Fate::Approximated, "key_auth; a request with two keys is refused".into()))
    }

    pub(super) fn basic_auth(&mut self, ask: &mut Ask<'_>) -> Done {
        if ask.config.get("anonymous_consumer").is_some() {
            return Err("`anonymous_consumer`: an API of its own lets strangers in".into());
        }
        let mut users = Vec::new();
        let mut alike = true;
        for consumer in &self.consumers {
            let Some((name, variable)) = &consumer.user else { continue };
            alike &= *name == consumer.name;
            let mut user = Node::map()
                .with("name", Node::text(name.clone()))
                .with("password", Node::map().with("env", Node::text(variable.clone())));
            if consumer.key {
                user.put("app", Node::text(consumer.name.clone()));
            }
            users.push(user.into());
        }
        if users.is_empty() {
            return Err("no consumer has a password".into());
        }
        let hide = flag(ask.config, "hide_credentials").unwrap_or(false);
        let step = Node::map()
            .with("users", Node::List(users))
            .with("realm", Node::text(text(ask.config, "realm").unwrap_or("basic")))
            .with("forward", Node::plain(!hide));
        ask.step(("basic_auth", ""), step);
        tell_name(ask, "{{ identity }}");
        match alike {
            true => Ok((Fate::Taken, "basic_auth".into())),
            false => Ok((
                Fate::Approximated,
                "basic_auth; X-Consumer-Username is the user's name".into(),
            )),
        }
    }

    pub(super) fn ip_restriction(&mut self, ask: &mut Ask<'_>) -> Done {
        let (allow, deny) =
            (texts(ask.config.get("whitelist")), texts(ask.config.get("blacklist")));
        let valid = |net: &String| {
            net.parse::<ipnet::IpNet>().is_ok() || net.parse::<std::net::IpAddr>().is_ok()
        };
        if let Some(bad) = allow.iter().chain(&deny).find(|net| !valid(net)) {
            return Err(format!("`{bad}` is no address or network"));
        }
        let truncated = |nets: Vec<String>| {
            Node::texts(nets.into_iter().map(|net| match net.parse::<ipnet::IpNet>() {
                Ok(net) => net.trunc().to_string(),
                Err(_) => net,
            }))
        };
        // Where both stand, APISIX looks at the whitelist alone.
        let step = match (allow.is_empty(), deny.is_empty()) {
            (false, _) => Node::map().with("allow", truncated(allow)),
            (true, false) => Node::map().with("deny", truncated(deny)),
            (true, true) => return Err("neither a whitelist nor a blacklist".into()),
        };
        ask.step(("ip_filter", ""), step);
        match number(ask.config, "response_code").unwrap_or(403.0) as u16 {
            403 => Ok((Fate::Taken, "ip_filter".into())),
            _ => Ok((Fate::Approximated, "ip_filter; it answers 403".into())),
        }
    }

    pub(super) fn consumer_restriction(&mut self, ask: &mut Ask<'_>) -> Done {
        if text(ask.config, "type").unwrap_or("consumer_name") != "consumer_name" {
            return Err("only consumers by name are taken".into());
        }
        if ask.config.get("allowed_by_methods").is_some() {
            return Err("`allowed_by_methods`: an API for each method, with an `acl`".into());
        }
        let rule = |names: Vec<String>| -> Result<Node, String> {
            let names: Vec<String> = names.iter().map(|name| crate::values::name(name)).collect();
            let apps: Vec<String> = names.iter().filter(|n| self.is_app(n)).cloned().collect();
            let users: Vec<String> = self
                .consumers
                .iter()
                .filter(|c| !c.key && names.contains(&c.name))
                .flat_map(|c| {
                    let user = c.user.iter().map(|(user, _)| user.clone());
                    user.chain(c.token.iter().map(|token| token.name.clone()))
                })
                .collect();
            let mut rules = Vec::new();
            if !apps.is_empty() {
                rules.push(Node::map().with("app", Node::texts(apps)).into());
            }
            if !users.is_empty() {
                rules.push(Node::map().with("identity", Node::texts(users)).into());
            }
            match rules.is_empty() {
                true => Err("none of its names is a consumer's".into()),
                false => Ok(Node::List(rules)),
            }
        };
        let mut step = Node::map();
        for (key, list) in [("allow", "whitelist"), ("deny", "blacklist")] {
            let names = texts(ask.config.get(list));
            if !names.is_empty() {
                step.put(key, rule(names)?);
            }
        }
        ask.step(("acl", ""), step);
        match number(ask.config, "rejected_code").unwrap_or(403.0) as u16 {
            403 => Ok((Fate::Taken, "acl".into())),
            _ => Ok((Fate::Approximated, "acl; it answers 403".into())),
        }
    }

    fn is_app(&self, name: &str) -> bool {
        self.consumers.iter().any(|consumer| consumer.key && consumer.name == name)
    }
}

/// APISIX tells upstreams who the consumer is.
pub(super) fn tell_name(ask: &mut Ask<'_>, template: &str) {
    let set = Node::map().with("x-consumer-username", Node::text(template));
    let config = Node::map().with("request", Node::map().with("set", set));
    ask.step(("headers", "consumer"), config);
}
