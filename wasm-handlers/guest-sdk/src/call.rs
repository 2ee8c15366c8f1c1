//! Reading a call, a response and an outcome.

use crate::{Call, Field, Identity, Named, Outcome, Response};

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
            params: Vec::new(),
            identity: None,
            headers: Vec::new(),
            slots: Vec::new(),
            kept: Vec::new(),
        }
    }
}

impl Call {
    /// The first value of a header as text; `None` where it is absent, not UTF-8, or not asked for.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        first(&self.headers, name).and_then(text)
    }

    /// All values of a header as text.
    pub fn header_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers
            .iter()
            .filter(move |field| field.name.eq_ignore_ascii_case(name))
            .filter_map(text)
    }

    /// All values of a header as they stand on the wire, text or not.
    pub fn header_bytes<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let same = move |field: &&Field| field.name.eq_ignore_ascii_case(name);
        self.headers.iter().filter(same).map(|field| &*field.value)
    }

    /// The value of a header that decides something and so must be clear: not there several times,
    /// and text.
    ///
    /// # Errors
    /// Where it is not.
    pub fn one_header<'a>(&'a self, name: &'a str) -> Result<Option<&'a str>, Repeated> {
        let mut values = self.header_bytes(name);
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => std::str::from_utf8(value).map(Some).map_err(|_| Repeated),
            (Some(_), Some(_)) => Err(Repeated),
        }
    }

    /// A path parameter.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        named(&self.params, name)
    }

    /// A slot that a step above has filled.
    #[must_use]
    pub fn slot(&self, name: &str) -> Option<&str> {
        named(&self.slots, name)
    }
}

impl Call {
    /// Adds a header; for tests.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push(Field::new(name, value));
        self
    }
}

impl Identity {
    /// An identity without app and claims.
    #[must_use]
    pub fn new(subject: impl Into<String>) -> Self {
        Self { subject: subject.into(), app: None, claims: Vec::new() }
    }

    /// Adds a claim.
    #[must_use]
    pub fn with_claim(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.claims.push(Named { name: name.into(), value: value.into() });
        self
    }

    /// A claim.
    #[must_use]
    pub fn claim(&self, name: &str) -> Option<&str> {
        named(&self.claims, name)
    }
}

impl Response {
    /// The first value of a header as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        first(&self.headers, name).and_then(text)
    }
}

impl Outcome {
    /// The first value of a response header as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        first(&self.headers, name).and_then(text)
    }
}

fn first<'a>(fields: &'a [Field], name: &str) -> Option<&'a Field> {
    fields.iter().find(|field| field.name.eq_ignore_ascii_case(name))
}

fn text(field: &Field) -> Option<&str> {
    std::str::from_utf8(&field.value).ok()
}

fn named<'a>(list: &'a [Named], name: &str) -> Option<&'a str> {
    list.iter().find(|named| named.name == name).map(|named| &*named.value)
}
