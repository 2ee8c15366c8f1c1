//! `jwt-auth`, where one consumer has a key: with several, a token of one could name another here.

use super::Import;
use super::consumers::{Token, TokenKey};
use super::steps::{Ask, Done};
use crate::Fate;
use crate::out::Node;
use crate::source::{flag, text};

impl Import {
    pub(super) fn jwt_auth(&mut self, ask: &mut Ask<'_>) -> Done {
        if ask.config.get("anonymous_consumer").is_some() {
            return Err("`anonymous_consumer`: an API of its own lets strangers in".into());
        }
        for key in ["store_in_ctx", "claims_to_verify"] {
            if ask.config.get(key).is_some_and(|value| value.as_text() != Some("false")) {
                return Err(format!("`{key}`"));
            }
        }
        let having: Vec<(String, Token)> = self
            .consumers
            .iter()
            .filter_map(|consumer| Some((consumer.name.clone(), consumer.token.clone()?)))
            .collect();
        let [(name, token)] = &*having else {
            return Err(match having.len() {
                0 => "no consumer has a `jwt-auth`".into(),
                _ => "several consumers have keys, and a token of one could name another: a step `jwt_auth` whose `keys` have an `issuer` each, or an API for each".into(),
            });
        };
        let key = match &token.key {
            Ok(TokenKey::Secret(variable, algorithm)) => Node::map()
                .with("secret", Node::map().with("env", Node::text(variable.clone())))
                .with("algorithm", Node::text(algorithm.clone())),
            Ok(TokenKey::Public(variable, algorithm)) => Node::map()
                .with("pem", Node::map().with("env", Node::text(variable.clone())))
                .with("algorithm", Node::text(algorithm.clone())),
            Err(why) => return Err(why.clone()),
        };
        let header = text(ask.config, "header").unwrap_or("authorization").to_ascii_lowercase();
        let first = match header.as_str() {
            "authorization" => Node::map().with("scheme", Node::text("Bearer")),
            header => Node::map().with("header", Node::text(header)),
        };
        let query = text(ask.config, "query").unwrap_or("jwt");
        let cookie = text(ask.config, "cookie").unwrap_or("jwt");
        let places = vec![
            first.into(),
            Node::map().with("query", Node::text(query)).into(),
            Node::map().with("cookie", Node::text(cookie)).into(),
        ];
        let claim = text(ask.config, "key_claim_name").unwrap_or("key");
        let named = Node::map().with(claim, Node::texts([token.name.clone()]));
        let require = Node::map()
            .with(
                "exp",
                Node::plain("false").commented("APISIX takes tokens without an end; better do not"),
            )
            .with("claims", named);
        let hide = flag(ask.config, "hide_credentials").unwrap_or(false);
        let mut step = Node::map()
            .with("keys", Node::List(vec![key.into()]))
            .with("any_audience", Node::plain("true"))
            .with("leeway", Node::plain(format!("{}s", token.leeway)))
            .with("from", Node::List(places))
            .with("claims", Node::map().with("subject", Node::text(claim)))
            .with("require", require)
            .with("forward", Node::plain(!hide));
        if let Some(realm) = text(ask.config, "realm") {
            step.put("realm", Node::text(realm));
        }
        ask.step(("jwt_auth", ""), step);
        let name = name.clone();
        super::auth::tell_name(ask, &name);
        let note = "jwt_auth; a token in `Authorization` stands behind `Bearer`, and a request with two tokens is refused";
        Ok((Fate::Approximated, note.into()))
    }
}
