//! Saying what a handler reads and writes.

use crate::{Facts, Headers, Manifest, Reads};

impl Default for Reads {
    fn default() -> Self {
        Self {
            facts: Facts::empty(),
            request_headers: Headers::None,
            response_headers: Headers::None,
            slots: Vec::new(),
        }
    }
}

impl Reads {
    /// Nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// These facts: `Facts::METHOD | Facts::PATH`.
    #[must_use]
    pub fn facts(mut self, facts: Facts) -> Self {
        self.facts |= facts;
        self
    }

    /// A request header. Beyond 64 of them all are asked for.
    #[must_use]
    pub fn header(mut self, name: impl AsRef<str>) -> Self {
        add(&mut self.request_headers, name.as_ref());
        self
    }

    /// All request headers; each costs a copy.
    #[must_use]
    pub fn all_headers(mut self) -> Self {
        self.request_headers = Headers::All;
        self
    }

    /// A response header, the like.
    #[must_use]
    pub fn response_header(mut self, name: impl AsRef<str>) -> Self {
        add(&mut self.response_headers, name.as_ref());
        self
    }

    /// All response headers; each costs a copy.
    #[must_use]
    pub fn all_response_headers(mut self) -> Self {
        self.response_headers = Headers::All;
        self
    }

    /// A slot.
    #[must_use]
    pub fn slot(mut self, name: impl Into<String>) -> Self {
        self.slots.push(name.into());
        self
    }
}

/// The most names that a stage may ask for one by one.
const MOST_NAMES: usize = 64;

fn add(headers: &mut Headers, name: &str) {
    let name = name.to_ascii_lowercase();
    match headers {
        Headers::All => {}
        Headers::None => *headers = Headers::Named(vec![name]),
        Headers::Named(names) if names.contains(&name) => {}
        Headers::Named(names) if names.len() == MOST_NAMES => *headers = Headers::All,
        Headers::Named(names) => names.push(name),
    }
}

// The record comes from the contract; nothing can be derived beside it.
#[allow(clippy::derivable_impls)]
impl Default for Manifest {
    fn default() -> Self {
        Self {
            request: Some(Reads::default()),
            response: Some(Reads::default()),
            log: Some(Reads::default()),
            writes_identity: false,
            writes_slots: Vec::new(),
        }
    }
}

impl Manifest {
    /// Reads and writes nothing; each stage that is exported is called.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What it reads of a request.
    #[must_use]
    pub fn on_request(mut self, reads: Reads) -> Self {
        self.request = Some(reads);
        self
    }

    /// Under this config the request stage has nothing to do, and is not called.
    #[must_use]
    pub fn without_request(mut self) -> Self {
        self.request = None;
        self
    }

    /// What it reads when the response is there.
    #[must_use]
    pub fn on_response(mut self, reads: Reads) -> Self {
        self.response = Some(reads);
        self
    }

    /// Under this config the response stage has nothing to do, and is not called.
    #[must_use]
    pub fn without_response(mut self) -> Self {
        self.response = None;
        self
    }

    /// What it reads at the end.
    #[must_use]
    pub fn on_log(mut self, reads: Reads) -> Self {
        self.log = Some(reads);
        self
    }

    /// Under this config `log` has nothing to do, and is not called.
    #[must_use]
    pub fn without_log(mut self) -> Self {
        self.log = None;
        self
    }

    /// It says who the caller is.
    #[must_use]
    pub fn writes_identity(mut self) -> Self {
        self.writes_identity = true;
        self
    }

    /// It fills this slot.
    #[must_use]
    pub fn writes_slot(mut self, name: impl Into<String>) -> Self {
        self.writes_slots.push(name.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_asked_for_once_and_all_where_they_are_many() {
        let reads = Reads::new().header("X-A").header("x-a").header("x-b");
        assert_eq!(reads.request_headers, Headers::Named(vec!["x-a".into(), "x-b".into()]));
        let many = |count| (0..count).fold(Reads::new(), |r, n| r.header(format!("x-{n}")));
        assert!(matches!(many(64).request_headers, Headers::Named(names) if names.len() == 64));
        assert_eq!(many(65).request_headers, Headers::All);
        assert_eq!(many(66).all_headers().request_headers, Headers::All);
    }
}
