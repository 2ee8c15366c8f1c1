//! Reading a call, a response and an outcome.

use crate::{
    Call, Field, Identity, Named, Outcome, Response,
    lines::{self, Fields},
};

impl Field {
    /// A header field.
    #[must_use]
    pub fn new(name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}

/// A header is there several times, or is no text: which value counts is anyone's guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repeated;

impl Default for Call {
    /// A call of which nothing is known; tests fill in what they need.
    fn default() -> Self {
        Self {
            method: None,
            path: None,
            query: None,
            host: None,
            client_ip: None,
            api: None,
            app: None,
            request_id: None,
            params: None,
            identity: None,
            headers: None,
            slots: None,
            kept: None,
        }
    }
}

impl Call {
    /// The first value of a header as text; `None` where it is absent, not UTF-8, or not asked for.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        lines::first(self.headers.as_deref(), name)
    }

    /// The header fields that were asked for, in their order.
    #[must_use]
    pub fn fields(&self) -> Fields<'_> {
        Fields::of(self.headers.as_deref())
    }

    /// All values of a header as text.
    pub fn header_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.header_bytes(name).filter_map(|value| std::str::from_utf8(value).ok())
    }

    /// All values of a header as they stand on the wire, text or not.
    pub fn header_bytes<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        lines::values(self.headers.as_deref(), name)
    }

    /// The value of a header that decides something and so must be clear: not there several times,
    /// and text.
    ///
    /// # Errors
    /// Where it is not.
    pub fn one_header(&self, name: &str) -> Result<Option<&str>, Repeated> {
        let mut values = lines::values(self.headers.as_deref(), name);
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => std::str::from_utf8(value).map(Some).map_err(|_| Repeated),
            (Some(_), Some(_)) => Err(Repeated),
        }
    }

    /// A path parameter.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        named(self.params.as_ref(), name)
    }

    /// The path parameters, in the order of the path.
    #[must_use]
    pub fn params(&self) -> &[Named] {
        self.params.as_deref().unwrap_or_default()
    }

    /// A slot that a step above has filled.
    #[must_use]
    pub fn slot(&self, name: &str) -> Option<&str> {
        named(self.slots.as_ref(), name)
    }

    /// The slots that were asked for, as far as they are filled.
    #[must_use]
    pub fn slots(&self) -> &[Named] {
        self.slots.as_deref().unwrap_or_default()
    }

    /// What this handler kept for this call at an earlier stage; empty where it kept nothing.
    #[must_use]
    pub fn kept(&self) -> &[u8] {
        self.kept.as_deref().unwrap_or_default()
    }
}

impl Call {
    /// Adds a header; for tests.
    #[must_use]
    pub fn with_header(mut self, name: impl AsRef<str>, value: impl AsRef<[u8]>) -> Self {
        lines::add(&mut self.headers, name.as_ref(), value.as_ref());
        self
    }

    /// Adds a path parameter; for tests.
    #[must_use]
    pub fn with_param(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let param = Named { name: name.into(), value: value.into() };
        self.params.get_or_insert_default().push(param);
        self
    }
}

impl Identity {
    /// An identity without app and claims.
    #[must_use]
    pub fn new(subject: impl Into<String>) -> Self {
        Self { subject: subject.into(), app: None, claims: None }
    }

    /// Adds a claim.
    #[must_use]
    pub fn with_claim(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let claim = Named { name: name.into(), value: value.into() };
        self.claims.get_or_insert_default().push(claim);
        self
    }

    /// A claim.
    #[must_use]
    pub fn claim(&self, name: &str) -> Option<&str> {
        named(self.claims.as_ref(), name)
    }

    /// All claims.
    #[must_use]
    pub fn claims(&self) -> &[Named] {
        self.claims.as_deref().unwrap_or_default()
    }
}

impl Response {
    /// A head without fields; tests add what they need.
    #[must_use]
    pub fn new(status: u16) -> Self {
        Self { status, headers: None }
    }

    /// The first value of a header as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        lines::first(self.headers.as_deref(), name)
    }

    /// The header fields that were asked for, in their order.
    #[must_use]
    pub fn fields(&self) -> Fields<'_> {
        Fields::of(self.headers.as_deref())
    }

    /// Adds a header; for tests.
    #[must_use]
    pub fn with_header(mut self, name: impl AsRef<str>, value: impl AsRef<[u8]>) -> Self {
        lines::add(&mut self.headers, name.as_ref(), value.as_ref());
        self
    }
}

impl Outcome {
    /// The first value of a response header as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        lines::first(self.headers.as_deref(), name)
    }

    /// The response's header fields that were asked for, in their order.
    #[must_use]
    pub fn fields(&self) -> Fields<'_> {
        Fields::of(self.headers.as_deref())
    }
}

fn named<'a>(list: Option<&'a Vec<Named>>, name: &str) -> Option<&'a str> {
    list?.iter().find(|named| named.name == name).map(|named| &*named.value)
}
