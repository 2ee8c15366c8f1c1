//! From a template's text to its parts.

use super::{Rules, Target, TemplateError, source::Source};

/// A piece of a compiled template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// Text as written.
    Literal(String),
    /// A placeholder.
    Value {
        /// What it stands for.
        source: Source,
        /// How it is written.
        form: Form,
        /// What is written where the source has no value; JSON where the form is that.
        default: Option<Box<str>>,
    },
}

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Form {
    /// Escaped for where it stands.
    #[default]
    Escaped,
    /// As it came.
    Raw,
    /// As a JSON value: texts quoted, what comes from a JSON body as it stands there.
    Json,
}

/// How many bytes a value is expected to need.
const GUESS: usize = 32;

impl Part {
    pub(super) fn expected(&self) -> usize {
        match self {
            Self::Literal(text) => text.len(),
            Self::Value { .. } => GUESS,
        }
    }
}

/// More placeholders than this in one template are refused.
const MAX_VALUES: usize = 256;

const HELP_FILTERS: &str = "filters are `raw`, `json` and `default \"text\"`";

/// Splits a text into literals and placeholders.
pub(super) fn parse(text: &str, rules: Rules) -> Result<Vec<Part>, TemplateError> {
    let mut parts = Vec::new();
    let mut values = 0;
    let mut cursor = Cursor { text, at: 0 };
    loop {
        let rest = cursor.rest();
        let Some(open) = rest.find("{{") else {
            push_literal(&mut parts, rest);
            return Ok(parts);
        };
        push_literal(&mut parts, &rest[..open]);
        cursor.at += open;
        values += 1;
        if values > MAX_VALUES {
            return Err(cursor.error(cursor.at, format!("more than {MAX_VALUES} placeholders")));
        }
        match placeholder(&mut cursor, rules)? {
            Part::Literal(text) => push_literal(&mut parts, &text),
            value => parts.push(value),
        }
    }
}

/// Adds text, to the last part where that is text too.
pub(super) fn push_literal(parts: &mut Vec<Part>, text: &str) {
    if text.is_empty() {
        return;
    }
    match parts.last_mut() {
        Some(Part::Literal(last)) => last.push_str(text),
        _ => parts.push(Part::Literal(text.to_owned())),
    }
}

/// Reads from `{{` to behind `}}`. A quoted text as the source is that text.
fn placeholder(cursor: &mut Cursor<'_>, rules: Rules) -> Result<Part, TemplateError> {
    let open = cursor.at;
    cursor.at += 2;
    cursor.skip_blanks();
    if let Some(text) = cursor.quoted()? {
        cursor.skip_blanks();
        return cursor.close(open).map(|()| Part::Literal(text.to_owned()));
    }
    let (at, word) = cursor.word();
    if word.is_empty() {
        return Err(cursor.error(at, "a placeholder without a name"));
    }
    let source = Source::parse(word).map_err(|(message, help)| TemplateError {
        help: Some(help),
        ..cursor.error(at, message)
    })?;
    if source.needs_body() && !rules.body {
        return Err(cursor.error(at, "the request's body cannot be read here"));
    }
    let (mut form, mut default) = (None, None);
    loop {
        cursor.skip_blanks();
        if !cursor.take("|") {
            cursor.close(open)?;
            break;
        }
        cursor.skip_blanks();
        let (at, filter) = cursor.word();
        let again = |cursor: &Cursor<'_>| Err(cursor.error(at, format!("`{filter}` comes twice")));
        match filter {
            "raw" | "json" if form.is_some() => return again(cursor),
            "raw" => form = Some(Form::Raw),
            "json" if matches!(rules.target, Target::Json | Target::Text) => {
                form = Some(Form::Json);
            }
            "json" => return Err(cursor.error(at, "`json` makes sense in bodies only")),
            "default" if default.is_some() => return again(cursor),
            "default" => {
                cursor.skip_blanks();
                let at = cursor.at;
                let Some(text) = cursor.quoted()? else {
                    return Err(cursor.error(at, "`default` needs a text in quotes"));
                };
                default = Some((at, text));
            }
            other => {
                let error = cursor.error(at, format!("`{other}` is no filter"));
                return Err(TemplateError { help: Some(HELP_FILTERS.to_owned()), ..error });
            }
        }
    }
    let form = form.unwrap_or_default();
    let default = match default {
        Some((at, text)) if form == Form::Json => Some(json_default(cursor, at, text)?),
        other => other.map(|(_, text)| text.into()),
    };
    Ok(Part::Value { source, form, default })
}

/// Beside `json`, a default is JSON itself.
fn json_default(cursor: &Cursor<'_>, at: usize, text: &str) -> Result<Box<str>, TemplateError> {
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(value) => Ok(value.to_string().into()),
        Err(_) => Err(TemplateError {
            help: Some("write `default '1'` for a number, `default '\"a\"'` for a text".to_owned()),
            ..cursor.error(at, "beside `json`, the default must be JSON")
        }),
    }
}

/// A place in the text.
struct Cursor<'a> {
    text: &'a str,
    /// In bytes.
    at: usize,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip_blanks(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    fn take(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    /// Everything up to a blank, a `|`, a `}}` or the end, and where it begins.
    fn word(&mut self) -> (usize, &'a str) {
        let (at, rest) = (self.at, self.rest());
        let end = rest
            .char_indices()
            .find(|(i, c)| c.is_whitespace() || *c == '|' || rest[*i..].starts_with("}}"))
            .map_or(rest.len(), |(i, _)| i);
        self.at += end;
        (at, &rest[..end])
    }

    /// A text in `"` or `'`, which holds no such quote itself.
    fn quoted(&mut self) -> Result<Option<&'a str>, TemplateError> {
        let rest = self.rest();
        let Some(quote) = rest.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
            return Ok(None);
        };
        let Some(end) = rest[1..].find(quote) else {
            return Err(self.error(self.at, "a quote that is not closed"));
        };
        self.at += end + 2;
        Ok(Some(&rest[1..=end]))
    }

    fn close(&mut self, open: usize) -> Result<(), TemplateError> {
        if self.take("}}") {
            return Ok(());
        }
        let error = if self.rest().contains("}}") {
            self.error(self.at, "expected `|` or `}}`")
        } else {
            self.error(open, "`{{` without `}}`")
        };
        let help = "write `{{ \"{{\" }}` where two braces are meant as text".to_owned();
        Err(TemplateError { help: Some(help), ..error })
    }

    fn error(&self, at: usize, message: impl Into<String>) -> TemplateError {
        let at = self.text[..at].chars().count();
        TemplateError { at, message: message.into(), help: None }
    }
}
