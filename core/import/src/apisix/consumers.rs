//! Consumers: apps with keys, users with passwords. Secrets are not written down again: the config names
//! variables that must hold them.

use paifang_config::yaml::Node as Yaml;

use super::Import;
use super::source::{entries, items, text};
use crate::Fate;
use crate::out::Node;

/// A consumer.
#[derive(Debug, Clone)]
pub(super) struct Consumer {
    pub(super) name: String,
    /// Whether it has a key.
    pub(super) key: bool,
    /// Its user of `basic-auth`, and the variable with the password.
    pub(super) user: Option<(String, String)>,
}

impl Import {
    /// The apps that come of consumers.
    pub(super) fn consumers(&mut self, root: &Yaml) -> Node {
        let mut apps = Node::map();
        for consumer in items(root.get("consumers")) {
            let Some(name) = text(consumer, "username") else { continue };
            let name = crate::values::name(name);
            let mut made = Consumer { name: name.clone(), key: false, user: None };
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
