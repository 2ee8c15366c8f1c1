//! Header values: fixed ones cost a reference count, others are rendered and checked.

use super::{RenderError, Rules, Template, TemplateError, Values};
use http::HeaderValue;

/// A header's value, fixed or filled from the call.
#[derive(Debug, Clone)]
pub enum HeaderTemplate {
    /// The same for every call.
    Fixed(HeaderValue),
    /// Rendered for each call.
    Rendered(Template),
}

impl HeaderTemplate {
    /// Compiles a value's text.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn compile(text: &str, rules: Rules) -> Result<Self, TemplateError> {
        // Control characters of the text itself are found here, not by the first call.
        if let Some(at) = text.chars().position(|c| c.is_ascii_control()) {
            let message = "a header's value holds no control characters".to_owned();
            return Err(TemplateError { at, message, help: None });
        }
        let template = Template::compile(text, rules)?;
        let Some(fixed) = template.fixed() else { return Ok(Self::Rendered(template)) };
        HeaderValue::from_maybe_shared(fixed.clone()).map(Self::Fixed).map_err(|_| TemplateError {
            at: 0,
            message: "this is no header value".to_owned(),
            help: None,
        })
    }

    /// Whether it reads the request's body.
    #[must_use]
    pub fn needs_body(&self) -> bool {
        matches!(self, Self::Rendered(template) if template.needs_body())
    }

    /// The value for a call.
    ///
    /// # Errors
    /// See [`RenderError`].
    pub fn render(&self, values: &Values<'_>) -> Result<HeaderValue, RenderError> {
        match self {
            Self::Fixed(value) => Ok(value.clone()),
            Self::Rendered(template) => {
                let bytes = template.render(values)?;
                HeaderValue::from_maybe_shared(bytes).map_err(|_| RenderError::Unsafe(0))
            }
        }
    }
}
