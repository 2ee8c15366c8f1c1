//! Reading a call, a response and an outcome.

use crate::{Call, Field, Identity, Named, Outcome, Response};

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
        self.headers.iter().filter(move |field| field.name.eq_ignore_ascii_case(name)).filter_map(text)
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
