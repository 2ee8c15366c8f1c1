//! Compression: `gzip`, and `brotli` of the module of that name.

use super::Import;
use super::draft::{Draft, Phase};
use super::scope::Scope;
use crate::out::Node;
use crate::values;

/// The most media types of a step.
const TYPES: usize = 64;

/// How a coding is called there and here, and its levels.
struct Coding {
    directive: &'static str,
    codec: &'static str,
    /// nginx's own level, and our highest.
    level: (u8, u8),
}

/// Answers pass steps from below: where a client takes both, brotli comes first, as in nginx.
const CODINGS: &[Coding] = &[
    Coding { directive: "gzip", codec: "gzip", level: (1, 9) },
    Coding { directive: "brotli", codec: "br", level: (6, 6) },
];

impl Import<'_> {
    /// A step for each coding that is on.
    pub(super) fn coding(&mut self, draft: &mut Draft, scope: &Scope<'_>) {
        for coding in CODINGS {
            let Some(directive) = scope.last(coding.directive) else { continue };
            if directive.arg(0) != "on" {
                self.notes.taken(directive, "no step");
                continue;
            }
            let mut config = Node::map().with("codecs", Node::texts([coding.codec]));
            let level = self.level(scope, coding);
            config.put("levels", Node::map().with(coding.codec, Node::plain(level)));
            config.put("types", Node::texts(self.types(scope, coding.directive)));
            let least = self.least(scope, coding.directive);
            config.put("min_size", Node::plain(values::bytes(least)));
            self.rest(scope, coding.directive);
            let id = if coding.codec == "gzip" { "" } else { "brotli" };
            draft.step(Phase::Coding, ("compress", id), config, None, directive);
            let note = "compress; whatever the status is, and for requests of proxies too";
            self.notes.near(directive, note);
        }
    }

    fn level(&mut self, scope: &Scope<'_>, coding: &Coding) -> u8 {
        let (usual, most) = coding.level;
        let Some(directive) = scope.last(&format!("{}_comp_level", coding.directive)) else {
            return usual.min(most);
        };
        let level = directive.arg(0).parse().unwrap_or(usual);
        let ours = level.clamp(1, most);
        match level == ours {
            true => self.notes.taken(directive, "compress.levels"),
            false => self.notes.near(directive, format!("compress.levels: {ours}")),
        }
        ours
    }

    /// `text/html` is always one of them.
    fn types(&mut self, scope: &Scope<'_>, name: &str) -> Vec<String> {
        let mut types = vec!["text/html".to_owned()];
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte);
        let token = |text: &str| !text.is_empty() && text.bytes().all(fits);
        for directive in scope.all(&[&*format!("{name}_types")]) {
            let mut lost = Vec::new();
            for word in directive.words() {
                match word.split_once('/') {
                    _ if word == "*" => types = vec!["*/*".to_owned()],
                    _ if types.iter().any(|known| known == "*/*" || known == word) => {}
                    Some((kind, subtype))
                        if token(kind) && token(subtype) && types.len() < TYPES =>
                    {
                        types.push(word.to_ascii_lowercase());
                    }
                    _ => lost.push(word),
                }
            }
            match &*lost {
                [] => self.notes.taken(directive, "compress.types"),
                lost => {
                    let note = format!("compress.types, without {}", lost.join(", "));
                    self.notes.near(directive, note);
                }
            }
        }
        types
    }

    fn least(&mut self, scope: &Scope<'_>, name: &str) -> u64 {
        let Some(directive) = scope.last(&format!("{name}_min_length")) else { return 20 };
        match values::size(directive.arg(0)) {
            Some(bytes) => {
                self.notes.taken(directive, "compress.min_size");
                bytes
            }
            None => {
                self.notes.not(directive, "no size");
                20
            }
        }
    }

    /// What is said beside and needs no word here, or has none.
    fn rest(&mut self, scope: &Scope<'_>, name: &str) {
        for (ending, as_ours, note) in [
            ("vary", "on", "`Vary` always says `Accept-Encoding`"),
            ("proxied", "any", "requests of proxies get compressed answers too"),
            ("disable", "", "no browser is left out"),
        ] {
            if let Some(directive) = scope.last(&format!("{name}_{ending}")) {
                match directive.arg(0) == as_ours {
                    true => self.notes.taken(directive, note),
                    false => self.notes.near(directive, note),
                }
            }
        }
        for ending in ["buffers", "http_version", "window"] {
            if let Some(directive) = scope.last(&format!("{name}_{ending}")) {
                self.notes.none(directive, "the gateway's own affair");
            }
        }
    }
}
