//! What becomes of a path, and what a path may be afterwards.

use super::config::RewriteConfig;
use crate::template::{RenderError, Rules, Template, Values};
use paifang_pipeline::rules::is_normal_path;
use paifang_pipeline::{ConfigError, Exchange};
use regex::Regex;
use std::borrow::Cow;

/// Changes to a path, in the order in which they are made.
#[derive(Debug, Default)]
pub(super) struct PathChange {
    strip: Option<String>,
    middle: Middle,
    add: Option<String>,
}

#[derive(Debug, Default)]
enum Middle {
    #[default]
    Same,
    Filled(Template),
    Replaced {
        pattern: Regex,
        with: String,
    },
}

/// The longest regular expression, in bytes.
const MAX_PATTERN: usize = 1 << 10;
/// The most memory that a compiled one may take, in bytes.
const MAX_COMPILED: usize = 256 << 10;

impl PathChange {
    /// Compiles the path's part of a config.
    pub(super) fn new(config: &RewriteConfig) -> Result<Self, ConfigError> {
        let prefix = |text: &Option<String>, at: &str| match text {
            None => Ok(None),
            Some(text) => fixed_prefix(text, at).map(Some),
        };
        Ok(Self {
            strip: prefix(&config.strip_prefix, "/strip_prefix")?,
            middle: middle(config)?,
            add: prefix(&config.add_prefix, "/add_prefix")?,
        })
    }

    /// Whether paths stay as they are.
    pub(super) fn is_empty(&self) -> bool {
        self.strip.is_none() && self.add.is_none() && matches!(self.middle, Middle::Same)
    }

    /// The call's new path; not yet checked.
    pub(super) fn apply<'a>(&self, call: &'a Exchange) -> Result<Cow<'a, str>, RenderError> {
        let stripped = match &self.strip {
            Some(prefix) => strip(call.path(), prefix),
            None => call.path(),
        };
        let path = match &self.middle {
            Middle::Same => Cow::Borrowed(stripped),
            Middle::Filled(template) => {
                let filled = template.render(&Values::of(call))?;
                Cow::Owned(String::from_utf8_lossy(&filled).into_owned())
            }
            Middle::Replaced { pattern, with } => pattern.replace(stripped, with.as_str()),
        };
        Ok(match &self.add {
            Some(prefix) => Cow::Owned(format!("{prefix}{path}")),
            None if path.is_empty() => Cow::Borrowed("/"),
            None => path,
        })
    }
}

fn middle(config: &RewriteConfig) -> Result<Middle, ConfigError> {
    match (&config.path, &config.pattern, &config.replace) {
        (None, None, None) => Ok(Middle::Same),
        (Some(_), Some(_), _) => Err(ConfigError::at("/pattern", "`pattern` beside `path`")
            .help("give one of them, or use two steps")),
        (None, Some(_), None) => Err(ConfigError::at("/pattern", "`pattern` without `replace`")),
        (_, None, Some(_)) => Err(ConfigError::at("/replace", "`replace` without `pattern`")),
        (Some(text), None, None) => {
            let template = Template::compile(text, Rules::url());
            let template = template.map_err(|error| error.at_pointer("/path"))?;
            if !template.prefix().starts_with('/') && !template.begins_with_path() {
                return Err(ConfigError::at("/path", format!("`{text}` must begin with `/`")));
            }
            match template.fixed().map(|path| String::from_utf8_lossy(path).into_owned()) {
                Some(path) if !is_normal_path(&path) => Err(no_path(&path, "/path")),
                _ => Ok(Middle::Filled(template)),
            }
        }
        (None, Some(pattern), Some(with)) => {
            let pattern = compile(pattern)?;
            check_groups(&pattern, with)?;
            Ok(Middle::Replaced { pattern, with: with.clone() })
        }
    }
}

fn compile(pattern: &str) -> Result<Regex, ConfigError> {
    if pattern.len() > MAX_PATTERN {
        let message = format!("the pattern is longer than {MAX_PATTERN} bytes");
        return Err(ConfigError::at("/pattern", message));
    }
    let built = regex::RegexBuilder::new(pattern).size_limit(MAX_COMPILED).build();
    built.map_err(|error| {
        // The last line says what is wrong; those before draw where.
        let text = error.to_string();
        let last = text.lines().last().unwrap_or_default();
        let message = last.trim().trim_start_matches("error: ");
        ConfigError::at("/pattern", format!("no regular expression: {message}"))
    })
}

/// A group that the pattern lacks would silently be nothing.
fn check_groups(pattern: &Regex, with: &str) -> Result<(), ConfigError> {
    let mut rest = with;
    while let Some(at) = rest.find('$') {
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            rest = after;
            continue;
        }
        let (name, after) = match rest.strip_prefix('{') {
            Some(inner) => inner.split_once('}').unwrap_or((inner, "")),
            None => {
                let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
                rest.split_at(rest.find(|c| !word(c)).unwrap_or(rest.len()))
            }
        };
        rest = after;
        let known = match name.parse::<usize>() {
            Ok(index) => index < pattern.captures_len(),
            Err(_) => pattern.capture_names().flatten().any(|known| known == name),
        };
        if !known {
            let message = format!("the pattern has no group `{name}`");
            return Err(ConfigError::at("/replace", message)
                .help("a name reaches as far as letters, digits and `_`; a dollar is `$$`"));
        }
    }
    Ok(())
}

/// A prefix without its last slash.
fn fixed_prefix(text: &str, at: &str) -> Result<String, ConfigError> {
    let prefix = text.trim_end_matches('/');
    if prefix.is_empty() || !is_normal_path(prefix) {
        return Err(no_path(text, at));
    }
    Ok(prefix.to_owned())
}

fn no_path(text: &str, at: &str) -> ConfigError {
    ConfigError::at(at, format!("`{text}` is no normalised path")).help(
        "a path begins with `/`, has no empty, `.` or `..` segments, and percent-encodes what is \
         not allowed in paths",
    )
}

/// `path` without `prefix`, where it stands there up to a segment's border.
fn strip<'a>(path: &'a str, prefix: &str) -> &'a str {
    match path.strip_prefix(prefix) {
        Some("") => "/",
        Some(rest) if rest.starts_with('/') => rest,
        _ => path,
    }
}
