//! Compiling schemas: all documents are known by then, nothing is fetched, and patterns run in
//! linear time.

use jsonschema::{Draft, PatternOptions, Registry, Retrieve, Uri, Validator};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Where documents seem to be, so that a relative `$ref` leads from one to another.
const BASE: &str = "paifang://documents/";
/// The name of the document that everything begins with.
pub(super) const ROOT: &str = "-root-";
/// The most memory of one pattern's automaton, in bytes.
const PATTERN_BYTES: usize = 1 << 20;

/// What cannot stand in a fragment (RFC 3986 section 3.5).
const FRAGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Documents, ready for compiling.
pub(super) struct Schemas<'a> {
    registry: Registry<'a>,
    draft: Option<Draft>,
}

/// Refuses every document that was not listed.
struct Nothing;

impl Retrieve for Nothing {
    fn retrieve(
        &self,
        uri: &Uri<String>,
    ) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        let name = uri.as_str().strip_prefix(BASE).unwrap_or(uri.as_str());
        Err(format!("`{name}` is not under `documents`").into())
    }
}

impl<'a> Schemas<'a> {
    /// `draft` where the documents do not say themselves what they follow.
    ///
    /// # Errors
    /// A document is no document, or leads to one that is not there.
    pub(super) fn new(
        root: &'a Value,
        others: &'a BTreeMap<String, Value>,
        draft: Option<Draft>,
    ) -> Result<Self, String> {
        let mut builder = Registry::new().retriever(Nothing);
        if let Some(draft) = draft {
            builder = builder.draft(draft);
        }
        let uri = |name: &str| format!("{BASE}{name}");
        let mut builder = builder.add(uri(ROOT), root).map_err(|error| error.to_string())?;
        for (name, document) in others {
            builder = builder.add(uri(name), document).map_err(|error| error.to_string())?;
        }
        Ok(Self { registry: builder.prepare().map_err(|error| error.to_string())?, draft })
    }

    /// The schema at a JSON pointer of a document.
    ///
    /// # Errors
    /// What is wrong with it, and where beneath it.
    pub(super) fn compile(
        &self,
        document: &str,
        pointer: &str,
    ) -> Result<Validator, (String, String)> {
        let fragment = utf8_percent_encode(pointer, FRAGMENT);
        let schema = json!({ "$ref": format!("{BASE}{document}#{fragment}") });
        let mut options = jsonschema::options()
            .offline()
            .should_validate_formats(true)
            .should_ignore_unknown_formats(true)
            .with_pattern_options(linear())
            .with_registry(&self.registry);
        if let Some(draft) = self.draft {
            options = options.with_draft(draft);
        }
        options.build(&schema).map_err(|error| {
            (error.instance_path().to_string(), error.to_string().replace(BASE, ""))
        })
    }
}

/// How patterns run.
fn linear() -> PatternOptions<jsonschema::Regex> {
    PatternOptions::regex().size_limit(PATTERN_BYTES).dfa_size_limit(PATTERN_BYTES)
}

/// Whether a pattern can run in linear time.
pub(super) fn is_pattern(text: &str) -> bool {
    let options = jsonschema::options().offline().with_pattern_options(linear());
    options.build(&json!({ "pattern": text })).is_ok()
}
