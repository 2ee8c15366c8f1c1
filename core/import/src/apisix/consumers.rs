//! Consumers: apps with keys, users with passwords. Secrets are not written down again: the config names
//! variables that must hold them.

use paifang_config::yaml::Node as Yaml;

use super::Import;
use crate::Fate;
use crate::out::Node;
use crate::source::{entries, flag, items, number, text};

/// A consumer.
#[derive(Debug, Clone)]
pub(super) struct Consumer {
    pub(super) name: String,
    /// Whether it has a key.
    pub(super) key: bool,
    /// Its user of `basic-auth`, and the variable with the password.
    pub(super) user: Option<(String, String)>,
    /// Its tokens of `jwt-auth`.
    pub(super) token: Option<Token>,
}

/// How a consumer's tokens are known.
#[derive(Debug, Clone)]
pub(super) struct Token {
    /// What the claim that names the consumer says.
    pub(super) name: String,
    /// The key, or why there can be none here.
    pub(super) key: Result<TokenKey, String>,
    /// By how many seconds clocks may differ.
    pub(super) leeway: u64,
}

/// A variable with a key, and its algorithm.
#[derive(Debug, Clone)]
pub(super) enum TokenKey {
    Secret(String, String),
    Public(String, String),
}

impl Import {
    /// The apps that come of consumers.
    pub(super) fn consumers(&mut self, root: &Yaml) -> Node {
        let mut apps = Node::map();
        for consumer in items(root.get("consumers")) {
            let Some(name) = text(consumer, "username") else { continue };
            let name = crate::values::name(name);
            let mut made = Consumer { name: name.clone(), key: false, user: None, token: None };
            let plugins = consumer.get("plugins").map(entries).unwrap_or_default();
            for entry in plugins {
                match &*entry.key.text {
                    "key-auth" => {
                        let variable = variable(&name, "KEY", text(&entry.value, "key"));
                        let note = format!("apps.{name}: put the key into the variable {variable}");
                        self.source.say(entry, Fate::Approximated, note);
                        self.source.say_within(&entry.value, Fate::Taken);
                        let key = Node::map()
                            .with("id", Node::text(name.clone()))
                            .with("secret", Node::map().with("env", Node::text(variable)));
                        let app = Node::map().with("keys", Node::List(vec![key.into()]));
                        apps.put(&name, app.commented(self.source.origin(entry.key.span)));
                        made.key = true;
                    }
                    "basic-auth" => {
                        let variable = variable(&name, "PASSWORD", text(&entry.value, "password"));
                        let note =
                            format!("a user of basic_auth: put the password into {variable}");
                        self.source.say(entry, Fate::Approximated, note);
                        self.source.say_within(&entry.value, Fate::Taken);
                        let user = text(&entry.value, "username").unwrap_or(&name).to_owned();
                        made.user = Some((user, variable));
                    }
                    "jwt-auth" => {
                        let token = token(&name, &entry.value);
                        let note = match &token.key {
                            Ok(TokenKey::Secret(variable, _)) => {
                                format!("keys of jwt_auth: put the secret into {variable}")
                            }
                            Ok(TokenKey::Public(variable, _)) => {
                                format!("keys of jwt_auth: put the public key into {variable}")
                            }
                            Err(why) => why.clone(),
                        };
                        let fate = match token.key {
                            Ok(_) => Fate::Approximated,
                            Err(_) => Fate::NotTaken,
                        };
                        self.source.say(entry, fate, note);
                        self.source.say_within(&entry.value, Fate::Taken);
                        made.token = Some(token);
                    }
                    other => {
                        let why =
                            format!("{other} of a consumer: `when: {{ app: {name} }}` on a step");
                        self.source.say_all(entry, Fate::NotTaken, &why);
                    }
                }
            }
            self.consumers.push(made);
        }
        apps
    }
}

/// What a consumer's `jwt-auth` says.
fn token(consumer: &str, config: &Yaml) -> Token {
    let algorithm = text(config, "algorithm").unwrap_or("HS256").to_owned();
    let secret = text(config, "secret");
    let least = match algorithm.as_str() {
        "HS256" => Some(32),
        "HS384" => Some(48),
        "HS512" => Some(64),
        _ => None,
    };
    let named = |value: &str| value.starts_with('$');
    let key = match (least, algorithm.as_str()) {
        (Some(_), _) if flag(config, "base64_secret") == Some(true) => {
            Err("`base64_secret`: the variable would have to hold bytes".to_owned())
        }
        (Some(_), _) if secret.is_none() => {
            Err("APISIX made its secret up, and nobody here knows it".to_owned())
        }
        (Some(least), _) if secret.is_some_and(|s| !named(s) && s.len() < least) => {
            Err(format!("its secret has fewer than {least} bytes, which {algorithm} asks for"))
        }
        (Some(_), _) => Ok(TokenKey::Secret(variable(consumer, "JWT_SECRET", secret), algorithm)),
        (
            None,
            "RS256" | "RS384" | "RS512" | "PS256" | "PS384" | "PS512" | "ES256" | "ES384" | "EdDSA",
        ) => {
            let variable = variable(consumer, "JWT_PUBLIC_KEY", text(config, "public_key"));
            Ok(TokenKey::Public(variable, algorithm))
        }
        (None, other) => Err(format!("`algorithm: {other}`")),
    };
    let leeway = number(config, "lifetime_grace_period").unwrap_or(0.0) as u64;
    // Where no `key` stands, APISIX takes the name.
    let name = text(config, "key").unwrap_or(consumer).to_owned();
    Token { name, key, leeway: leeway.min(600) }
}

/// The variable for a secret: the one that the config names already, or one of its own.
fn variable(consumer: &str, what: &str, value: Option<&str>) -> String {
    match value.and_then(|value| value.strip_prefix("$env://").or(value.strip_prefix("$ENV://"))) {
        Some(name) => name.to_owned(),
        None => {
            let name = consumer.replace(['-', '.'], "_").to_ascii_uppercase();
            format!("APISIX_{name}_{what}")
        }
    }
}
