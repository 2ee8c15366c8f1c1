//! Request-targets in their four forms (RFC 9112 section 3.2).

use std::borrow::Cow;

use http::Method;

use super::{PathError, PathPolicy, check_len, prefix};
use crate::route::host::{Host, HostError};

/// The form in which a request-target came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `/path?query`.
    Origin,
    /// `http://authority/path?query`; its authority rules over `Host`.
    Absolute,
    /// `*`, for OPTIONS about the server itself. No route matches it.
    Asterisk,
}

/// A request-target in normal form. Borrows from what was received wherever nothing changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target<'a> {
    form: Form,
    path: Cow<'a, str>,
    query: Option<&'a str>,
    /// Path and query as received, when they are in normal form already.
    unchanged: Option<&'a str>,
    authority: Option<Host<'a>>,
}

impl<'a> Target<'a> {
    /// The form in which it came.
    pub fn form(&self) -> Form {
        self.form
    }

    /// The path in normal form; `*` for [`Form::Asterisk`], otherwise it begins with `/`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The query as received, without its `?`.
    pub fn query(&self) -> Option<&'a str> {
        self.query
    }

    /// The authority of the absolute form.
    pub fn authority(&self) -> Option<&Host<'a>> {
        self.authority.as_ref()
    }

    /// Whether path and query were received as they must be sent, so that nobody need rewrite them.
    /// True for all of origin form that is normal, and for the path part of absolute form.
    pub fn is_unchanged(&self) -> bool {
        self.unchanged.is_some()
    }

    /// What to send on: normal path and untouched query (origin form), or `*`.
    /// Allocates only when normalisation changed something and there is a query.
    pub fn path_and_query(&self) -> Cow<'_, str> {
        match (self.unchanged, self.query) {
            (Some(unchanged), _) => Cow::Borrowed(unchanged),
            (None, None) => Cow::Borrowed(&self.path),
            (None, Some(query)) => Cow::Owned(format!("{}?{query}", self.path)),
        }
    }

    /// Takes the path out.
    pub fn into_path(self) -> Cow<'a, str> {
        self.path
    }

    fn asterisk(authority: Option<Host<'a>>) -> Self {
        let path = Cow::Borrowed("*");
        Target { form: Form::Asterisk, path, query: None, unchanged: Some("*"), authority }
    }
}

/// Brings a request-target into normal form (docs/specs/paths.md).
///
/// `target` is the request-target as received: the second word of an HTTP/1 request line, or
/// `:path` of HTTP/2 and 3. The method decides which forms are allowed. A target that is in normal
/// form costs a scan and no allocation.
///
/// # Errors
/// Each way to be refused is a variant of [`PathError`].
pub fn normalize<'a>(
    method: &Method,
    target: &'a [u8],
    policy: &PathPolicy,
) -> Result<Target<'a>, PathError> {
    check_len(target.len(), policy)?;
    let target =
        std::str::from_utf8(target).map_err(|bad| PathError::NonAscii { at: bad.valid_up_to() })?;
    if target.starts_with('/') {
        return with_path(Form::Origin, target, None, policy);
    }
    if target == "*" {
        let options = method == Method::OPTIONS;
        return if options { Ok(Target::asterisk(None)) } else { Err(PathError::Asterisk) };
    }
    if method == Method::CONNECT {
        return Err(PathError::AuthorityForm);
    }
    absolute(method, target, policy)
}

/// `http://authority[/path][?query]` (RFC 9112 section 3.2.2).
fn absolute<'a>(
    method: &Method,
    target: &'a str,
    policy: &PathPolicy,
) -> Result<Target<'a>, PathError> {
    let (scheme, rest) = target.split_once("://").ok_or(PathError::NotAbsolute)?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Err(PathError::Scheme);
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if authority.is_empty() {
        return Err(PathError::Authority(HostError::Empty));
    }
    let authority = Host::parse(authority.as_bytes()).map_err(PathError::Authority)?;
    match path.as_bytes() {
        // RFC 9112 section 3.2.4: OPTIONS of a URI without path and query is about the server.
        [] if method == Method::OPTIONS => Ok(Target::asterisk(Some(authority))),
        [] => with_path(Form::Absolute, "/", Some(authority), policy),
        [b'?', ..] => Ok(Target {
            form: Form::Absolute,
            path: Cow::Borrowed("/"),
            query: query(path)?,
            unchanged: None,
            authority: Some(authority),
        }),
        _ => with_path(Form::Absolute, path, Some(authority), policy),
    }
}

/// The rest, where `text` is a path that begins with `/` (or a fragment) and its query.
fn with_path<'a>(
    form: Form,
    text: &'a str,
    authority: Option<Host<'a>>,
    policy: &PathPolicy,
) -> Result<Target<'a>, PathError> {
    if text.starts_with('#') {
        return Err(PathError::Fragment { at: 0 });
    }
    let (path, end) = prefix(text, policy)?;
    let query = query(&text[end..]).map_err(|bad| match bad {
        PathError::Control { at, byte } => PathError::Control { at: at + end, byte },
        PathError::Fragment { at } => PathError::Fragment { at: at + end },
        other => other,
    })?;
    let unchanged = matches!(path, Cow::Borrowed(_)).then_some(text);
    Ok(Target { form, path, query, unchanged, authority })
}

/// Checks `text`, which is empty or begins with `?`; a query is otherwise nobody's business here.
fn query(text: &str) -> Result<Option<&str>, PathError> {
    let Some(query) = text.strip_prefix('?') else { return Ok(None) };
    match query.bytes().position(|byte| byte <= b' ' || byte == 0x7F || byte == b'#') {
        None => Ok(Some(query)),
        Some(at) => Err(match query.as_bytes()[at] {
            b'#' => PathError::Fragment { at: at + 1 },
            byte => PathError::Control { at: at + 1, byte },
        }),
    }
}
