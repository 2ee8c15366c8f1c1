//! Bodies: by their media types, JSON and forms against schemas.

use super::{errors, params::Fields, report::Report};
use crate::strict::{self, Bounds};
use http::{
    HeaderMap,
    header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE},
};
use jsonschema::Validator;
use paifang_pipeline::Rejection;

/// What a body may be.
pub(super) struct Body {
    pub(super) required: bool,
    /// The first that fits counts; those without wildcards stand first. None: there may be no body.
    pub(super) forms: Vec<(Media, Form)>,
}

/// What a body of one media type must be.
pub(super) enum Form {
    Json(Validator),
    Fields(Fields),
    /// Something else, which is not looked at.
    Any,
}

/// A media type, or a range of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Media {
    All,
    /// `text/`, with its slash.
    Kind(Box<str>),
    /// `+json`, with its plus.
    Suffix(Box<str>),
    Exact(Box<str>),
}

impl Media {
    /// `application/json`, `text/*`, `*+json`, `*/*`; parameters are left away.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let token = |text: &str| {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte);
            !text.is_empty() && text.bytes().all(fits)
        };
        if text == "*/*" {
            return Some(Self::All);
        }
        if let Some(suffix) = text.strip_prefix('*') {
            let named = suffix.strip_prefix('+').is_some_and(token);
            return named.then(|| Self::Suffix(suffix.into()));
        }
        let (kind, subtype) = text.split_once('/')?;
        match subtype {
            "*" if token(kind) => Some(Self::Kind(format!("{kind}/").into())),
            _ if token(kind) && token(subtype) => Some(Self::Exact(text.into())),
            _ => None,
        }
    }

    /// How narrow it is: the widest last.
    pub(super) const fn rank(&self) -> u8 {
        match self {
            Self::Exact(_) => 0,
            Self::Suffix(_) => 1,
            Self::Kind(_) => 2,
            Self::All => 3,
        }
    }

    /// Whether all that it names is JSON.
    pub(super) fn is_json(&self) -> bool {
        match self {
            Self::Exact(name) => &**name == "application/json" || name.ends_with("+json"),
            Self::Suffix(suffix) => &**suffix == "+json",
            Self::Kind(_) | Self::All => false,
        }
    }

    /// Whether it is a form as browsers send it.
    pub(super) fn is_form(&self) -> bool {
        matches!(self, Self::Exact(name) if &**name == "application/x-www-form-urlencoded")
    }

    fn has(&self, essence: &str) -> bool {
        match self {
            Self::All => true,
            Self::Kind(kind) => essence.starts_with(&**kind),
            Self::Suffix(suffix) => essence.ends_with(&**suffix),
            Self::Exact(name) => essence == &**name,
        }
    }
}

/// What the head says of the body.
pub(super) enum Announced {
    /// Nothing that counts: whether there is one is seen when it is here.
    Nothing,
    /// This form.
    Form(usize),
}

impl Body {
    /// What an operation takes whose description has no body.
    pub(super) const fn none() -> Self {
        Self { required: false, forms: Vec::new() }
    }

    /// Looks at the head, before a byte of the body is read.
    ///
    /// # Errors
    /// The media type is none of those, or the body is not in plain UTF-8.
    pub(super) fn announced(&self, headers: &HeaderMap) -> Result<Announced, Box<Rejection>> {
        let empty = headers.get(CONTENT_LENGTH).is_some_and(|length| length.as_bytes() == b"0");
        if self.forms.is_empty() || empty {
            return Ok(Announced::Nothing);
        }
        self.form(headers).map(|form| form.map_or(Announced::Nothing, Announced::Form))
    }

    /// The form that the body has by its head; `None` where there is no content type.
    fn form(&self, headers: &HeaderMap) -> Result<Option<usize>, Box<Rejection>> {
        let mut types = headers.get_all(CONTENT_TYPE).iter();
        let Some(value) = types.next() else { return Ok(None) };
        if types.next().is_some() {
            return Err(refused("There are several content types."));
        }
        let malformed = || refused("The content type is malformed.");
        let text = value.to_str().map_err(|_| malformed())?;
        let (essence, parameters) = text.split_once(';').unwrap_or((text, ""));
        let essence = essence.trim().to_ascii_lowercase();
        if !matches!(Media::parse(&essence), Some(Media::Exact(_))) {
            return Err(malformed());
        }
        let form = self.forms.iter().position(|(media, _)| media.has(&essence));
        let form = form.ok_or_else(|| refused("This media type is not taken here."))?;
        if !matches!(self.forms[form].1, Form::Any) {
            readable(headers, parameters)?;
        }
        Ok(Some(form))
    }

    /// Whether a form must be seen to be judged.
    pub(super) fn is_read(&self, form: usize) -> bool {
        !matches!(self.forms.get(form), Some((_, Form::Any)))
    }

    /// Holds the whole body against its schema.
    ///
    /// # Errors
    /// Its media type is none that is taken.
    pub(super) fn check(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        bounds: Bounds,
        report: &mut Report,
    ) -> Result<(), Box<Rejection>> {
        if body.is_empty() {
            if self.required {
                report.add("body", "", "is missing");
            }
            return Ok(());
        }
        if self.forms.is_empty() {
            report.add("body", "", "must not be there");
            return Ok(());
        }
        let Some(form) = self.form(headers)? else {
            return Err(refused("The body has no content type."));
        };
        let (validator, value) = match &self.forms[form].1 {
            Form::Any => return Ok(()),
            Form::Json(schema) => (schema, strict::read(body, bounds)),
            Form::Fields(fields) => {
                let text = std::str::from_utf8(body).map_err(|_| "is no text in UTF-8".to_owned());
                (&fields.schema, text.and_then(|text| fields.of_form(text)))
            }
        };
        match value {
            Ok(value) => report.check("body", "", validator, &value),
            Err(wrong) => drop(report.add("body", "", wrong)),
        }
        Ok(())
    }
}

/// Whether the origin reads the same text as we do: no coding, and no charset that gives the bytes
/// another meaning.
fn readable(headers: &HeaderMap, parameters: &str) -> Result<(), Box<Rejection>> {
    let mut codings = headers.get_all(CONTENT_ENCODING).iter();
    if codings.any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(refused("A body with a content coding cannot be checked here."));
    }
    for parameter in parameters.split(';') {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let value = value.trim().trim_matches('"').to_ascii_lowercase();
        if name.trim().eq_ignore_ascii_case("charset")
            && !["utf-8", "utf8", "us-ascii"].contains(&&*value)
        {
            return Err(refused("Only bodies in UTF-8 are taken here."));
        }
    }
    Ok(())
}

fn refused(detail: &'static str) -> Box<Rejection> {
    Box::new(Rejection::new(errors::MEDIA_TYPE_REFUSED).detail(detail))
}
