//! Templates: text with placeholders that are filled from a call.
//!
//! ```text
//! {"order": "{{ param.order }}", "page": "{{ query.page | default "1" }}", "n": {{ body./n | json }}}
//! ```
//!
//! A placeholder is `{{ source }}`, with filters after `|`. There are no conditions, no loops and no
//! expressions: which answer is given is the matchers' business, so a template's cost is known when
//! it is loaded. That is also why this is no template engine: a mistake is found at load with its
//! place, a value is escaped for where it stands without being asked for, what comes out is bounded,
//! and rendering allocates its output and nothing else (except where it parses a JSON body).
//!
//! `docs/plugins/README.md` describes the syntax for those who write configs.

mod escape;
mod header;
mod json;
mod parse;
mod source;
mod text;
mod values;

#[cfg(test)]
mod tests;

pub(crate) use escape::COMPONENT;
pub use header::HeaderTemplate;
pub use text::{Text, Texts};
pub use values::{JsonBody, Values};

use bytes::Bytes;
use escape::Output;
use paifang_pipeline::{ConfigError, ErrorCode, Rejection};
use parse::{Form, Part};

use crate::errors;

/// Where the rendered text will stand: this decides how values are escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Plain text: values stand as they are.
    Text,
    /// Inside a JSON string (RFC 8259 section 7).
    Json,
    /// HTML or XML text, or a quoted attribute.
    Html,
    /// A header field's value: control characters are refused (RFC 9110 section 5.5).
    Header,
    /// A URL: every value becomes one component, percent-encoded but for RFC 3986's unreserved
    /// characters. `path` and `query` are URL text already and stand as they are.
    Url,
}

/// What a template is for.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Where it stands.
    pub target: Target,
    /// The most bytes that it may render to.
    pub limit: usize,
    /// Whether it may read the request's body.
    pub body: bool,
}

/// The most bytes that a rendered body may have.
pub const BODY_LIMIT: usize = 1 << 20;
/// The most bytes that a rendered header value, path or URL may have.
pub const LINE_LIMIT: usize = 8 << 10;

impl Rules {
    /// For a body. `target` is one of `Text`, `Json`, `Html`.
    #[must_use]
    pub const fn body(target: Target) -> Self {
        Self { target, limit: BODY_LIMIT, body: true }
    }

    /// For a URL or a part of one.
    #[must_use]
    pub const fn url() -> Self {
        Self { target: Target::Url, limit: LINE_LIMIT, body: false }
    }

    /// For a header's value.
    #[must_use]
    pub const fn header() -> Self {
        Self { target: Target::Header, limit: LINE_LIMIT, body: false }
    }

    /// The same, with the request's body to read from.
    #[must_use]
    pub const fn with_body(self) -> Self {
        Self { body: true, ..self }
    }
}

/// A compiled template.
#[derive(Debug, Clone)]
pub struct Template {
    parts: Box<[Part]>,
    /// The whole text, where it has no placeholder.
    fixed: Option<Bytes>,
    rules: Rules,
    /// How much to reserve: literals, and a guess for each value.
    expected: usize,
}

/// What is wrong with a template's text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}, at character {}", at + 1)]
pub struct TemplateError {
    /// Where, in characters from the text's beginning.
    pub at: usize,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub help: Option<String>,
}

impl TemplateError {
    /// The error of the config value at `pointer`.
    #[must_use]
    pub fn at_pointer(self, pointer: &str) -> ConfigError {
        let error = ConfigError::at(pointer, self.to_string());
        match self.help {
            Some(help) => error.help(help),
            None => error,
        }
    }
}

/// Why a template cannot be filled from a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// A value holds a control character, which must not get into a header.
    #[error("the value of `{{{{ … }}}}` number {0} holds a control character")]
    Unsafe(usize),
    /// The output is larger than its limit.
    #[error("more than {0} bytes")]
    TooLarge(usize),
}

impl RenderError {
    /// The row of the error table.
    #[must_use]
    pub const fn code(self) -> &'static ErrorCode {
        match self {
            Self::Unsafe(_) => errors::VALUE_REFUSED,
            Self::TooLarge(_) => errors::TOO_LARGE,
        }
    }

    /// The answer to the call, with a note for the log of what was being rendered.
    #[must_use]
    pub fn rejection(self, what: &str) -> Rejection {
        Rejection::new(self.code()).internal(format!("{what}: {self}"))
    }
}

impl Template {
    /// Compiles a text.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn compile(text: &str, rules: Rules) -> Result<Self, TemplateError> {
        let parts = parse::parse(text, rules)?;
        Self::from_parts(parts, rules)
    }

    /// Compiles a JSON value whose strings are templates. A string that is nothing but one
    /// placeholder with the filter `json` becomes the value itself, without quotes.
    ///
    /// # Errors
    /// What is wrong, and where: a JSON pointer below the value, and the error in that string.
    pub fn compile_json(value: &serde_json::Value) -> Result<Self, (String, TemplateError)> {
        let rules = Rules::body(Target::Json);
        let parts = json::parts(value, rules)?;
        Self::from_parts(parts, rules).map_err(|error| (String::new(), error))
    }

    fn from_parts(parts: Vec<Part>, rules: Rules) -> Result<Self, TemplateError> {
        let expected = parts.iter().map(Part::expected).sum();
        let fixed = match parts.as_slice() {
            [] => Some(Bytes::new()),
            [Part::Literal(text)] => Some(Bytes::copy_from_slice(text.as_bytes())),
            _ => None,
        };
        if fixed.as_ref().is_some_and(|text| text.len() > rules.limit) {
            let message = format!("the text is longer than {} bytes", rules.limit);
            return Err(TemplateError { at: 0, message, help: None });
        }
        Ok(Self { parts: parts.into(), fixed, rules, expected })
    }

    /// The whole text, where it has no placeholder.
    #[must_use]
    pub fn fixed(&self) -> Option<&Bytes> {
        self.fixed.as_ref()
    }

    /// The text before the first placeholder.
    #[must_use]
    pub fn prefix(&self) -> &str {
        match self.parts.first() {
            Some(Part::Literal(text)) => text,
            _ => "",
        }
    }

    /// The texts between the placeholders.
    pub fn literals(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Literal(text) => Some(text.as_str()),
            Part::Value { .. } => None,
        })
    }

    /// Whether its first part is `{{ path }}`, which always begins with `/`.
    #[must_use]
    pub fn begins_with_path(&self) -> bool {
        matches!(self.parts.first(), Some(Part::Value { source: source::Source::Path, .. }))
    }

    /// Whether it reads the request's body.
    #[must_use]
    pub fn needs_body(&self) -> bool {
        self.parts
            .iter()
            .any(|part| matches!(part, Part::Value { source, .. } if source.needs_body()))
    }

    /// Fills the template from a call.
    ///
    /// # Errors
    /// See [`RenderError`].
    pub fn render(&self, values: &Values<'_>) -> Result<Bytes, RenderError> {
        if let Some(fixed) = &self.fixed {
            return Ok(fixed.clone());
        }
        let mut out = Output::new(self.expected, self.rules.limit);
        let mut number = 0;
        for part in &self.parts {
            match part {
                Part::Literal(text) => out.push(text.as_bytes())?,
                Part::Value { source, form, default } => {
                    number += 1;
                    let found = source.find(values);
                    let target = self.rules.target;
                    let written = match (form, default) {
                        (Form::Json, default) => found.write_json(&mut out, default.as_deref()),
                        (Form::Raw, default) => {
                            found.write_raw(&mut out, target, default.as_deref())
                        }
                        (Form::Escaped, default) => {
                            found.write(&mut out, target, default.as_deref())
                        }
                    };
                    written.map_err(|error| match error {
                        RenderError::Unsafe(_) => RenderError::Unsafe(number),
                        other => other,
                    })?;
                }
            }
        }
        Ok(out.finish())
    }
}
