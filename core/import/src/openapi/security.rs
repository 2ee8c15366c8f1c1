//! Who may call an operation.

use std::sync::Arc;

use paifang_config::yaml::{Entry, Node as Yaml};

use super::Import;
use super::operations::{Draft, Operation, Phase};
use super::schemes::{self, Made};
use crate::out::Node;
use crate::source::{entries, items, texts};
use crate::{Fate, Fault};

/// A scheme that an operation asks for.
struct Asked<'n> {
    entry: &'n Entry,
    scopes: Vec<String>,
    made: Result<Made, String>,
}

impl Import {
    /// The steps for what an operation asks of callers. It stays offline until they are complete.
    ///
    /// # Errors
    /// A scheme that is not there.
    pub(super) fn security(
        &mut self,
        draft: &mut Draft,
        operation: &Operation<'_>,
    ) -> Result<(), Fault> {
        let root = Arc::clone(&self.root);
        let own = operation.node().as_map().and_then(|map| map.entry("security"));
        let whole = root.as_map().and_then(|map| map.entry("security"));
        let Some(security) = own.or(whole) else {
            self.source.say(operation.entry, Fate::Taken, "nobody is asked who they are");
            return Ok(());
        };
        let alternatives = items(Some(&security.value));
        if alternatives.is_empty() || alternatives.iter().any(|all| entries(all).is_empty()) {
            let note = match alternatives.len() {
                0 => "nobody is asked who they are",
                _ => "strangers may call: nobody is asked who they are",
            };
            let fate = if alternatives.len() > 1 { Fate::Approximated } else { Fate::Taken };
            self.source.say(security, fate, note);
            return Ok(());
        }
        let mut choices = Vec::new();
        for all in alternatives {
            choices.push(self.schemes(&root, all)?);
        }
        // Steps must all be passed, so one alternative must do; one that can be told whole goes first.
        let count = choices.len();
        let whole = |choice: &Vec<Asked<'_>>| choice.iter().all(|asked| asked.made.is_ok());
        let at = choices.iter().position(whole).unwrap_or(0);
        let mut notes = Vec::new();
        let mut fate = Fate::Approximated;
        for (index, asked) in choices.swap_remove(at).into_iter().enumerate() {
            let (its, note) = self.scheme(draft, asked, index > 0);
            fate = fate.max(its);
            notes.push(note);
        }
        if count > 1 {
            notes.push(format!("one of {count} ways: steps must all be passed"));
        }
        self.source.say(security, fate, notes.join("; "));
        self.source.protects(security);
        Ok(())
    }

    /// The schemes of one alternative, which are all asked for.
    fn schemes<'n>(&self, root: &'n Yaml, all: &'n Yaml) -> Result<Vec<Asked<'n>>, Fault> {
        let known = root.get("components").and_then(|parts| parts.get("securitySchemes"));
        let one = |requirement: &'n Entry| {
            let name = &*requirement.key.text;
            let entry = known.and_then(Yaml::as_map).and_then(|map| map.entry(name));
            let entry = entry.ok_or_else(|| {
                let place = self.source.place(requirement.key.span);
                Fault::new(place, format!("there is no security scheme `{name}`"))
                    .help("schemes stand under `components.securitySchemes`")
            })?;
            let made = schemes::made(name, super::refs::follow(root, &entry.value));
            Ok(Asked { entry, scopes: texts(Some(&requirement.value)), made })
        };
        entries(all).iter().map(one).collect()
    }

    /// The steps of one scheme, and what is said of it.
    fn scheme(&mut self, draft: &mut Draft, asked: Asked<'_>, again: bool) -> (Fate, String) {
        let name = asked.entry.key.text.to_string();
        let from = format!("{}: {name}", self.source.origin(asked.entry.key.span));
        let told = |import: &mut Self, fate: Fate, note: &str| {
            import.source.say(asked.entry, fate, note);
            for entry in entries(&asked.entry.value) {
                match entry.key.text.starts_with("x-") {
                    true => import.extension(entry),
                    false => import.source.say(entry, fate, ""),
                }
            }
        };
        let made = match asked.made {
            Ok(made) => made,
            Err(why) => {
                told(self, Fate::NotTaken, &why);
                draft.refuse(format!("`{name}` was not taken: {why}"));
                let comment = format!("{from}: put a step that does it in the place of this one");
                let guard = schemes::guard();
                draft.step(Phase::Identity, ("respond", "guard"), guard, None, comment);
                return (Fate::NotTaken, why);
            }
        };
        let note = format!("{}; {}", made.kind, made.missing);
        told(self, Fate::Approximated, &note);
        if made.app && self.apps.is_empty() {
            let key = Node::map()
                .with("id", Node::text("client"))
                .with("secret", Node::map().with("env", Node::text(schemes::CLIENT_KEY)));
            let app = Node::map().with("keys", Node::List(vec![key.into()]));
            self.apps.push(("client".into(), app.commented(from.clone())));
        }
        let mut config = made.config;
        if again {
            config.put("override", Node::plain("true"));
        }
        draft.step(Phase::Identity, (made.kind, ""), config, None, from.clone());
        if made.kind == "jwt_auth" && !asked.scopes.is_empty() {
            draft.step(Phase::Rights, ("acl", ""), schemes::scopes(&asked.scopes), None, from);
        }
        draft.refuse(made.missing);
        (Fate::Approximated, made.kind.to_owned())
    }
}
