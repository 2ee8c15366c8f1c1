//! A request or an answer as it was on an HTTP/1 wire.

/// Start line, fields in their order, body without its framing, trailers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// The first line, without its end.
    pub start: String,
    /// Names as they were written, values without white space around them.
    pub fields: Vec<(String, String)>,
    /// The body, its chunks joined.
    pub body: Vec<u8>,
    /// The fields behind the last chunk.
    pub trailers: Vec<(String, String)>,
}

impl Message {
    /// A head, its last empty line included.
    ///
    /// # Panics
    /// When a line is no field.
    #[must_use]
    pub fn parse(head: &str) -> Self {
        let mut lines = head.trim_end_matches("\r\n").split("\r\n");
        let start = lines.next().unwrap_or_default().to_owned();
        Self { start, fields: lines.map(field).collect(), ..Self::default() }
    }

    /// The first value of a field.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers(name).into_iter().next()
    }

    /// All values of a field.
    #[must_use]
    pub fn headers(&self, name: &str) -> Vec<&str> {
        let named = self.fields.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// An answer's status.
    ///
    /// # Panics
    /// When it is no answer.
    #[must_use]
    pub fn status(&self) -> u16 {
        let status = self.start.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1));
        status
            .and_then(|status| status.parse().ok())
            .unwrap_or_else(|| panic!("no answer: {self:?}"))
    }

    /// A request's method.
    #[must_use]
    pub fn method(&self) -> &str {
        self.start.split(' ').next().unwrap_or_default()
    }

    /// A request's target.
    #[must_use]
    pub fn target(&self) -> &str {
        self.start.split(' ').nth(1).unwrap_or_default()
    }

    /// The body as text.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is no text")
    }

    /// The code of the gateway's error that this answer is; empty where it is none.
    #[must_use]
    pub fn code(&self) -> String {
        code(&self.body)
    }

    /// A trailer's value.
    #[must_use]
    pub fn trailer(&self, name: &str) -> Option<&str> {
        let mut trailers = self.trailers.iter();
        trailers
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// The code in a problem document.
pub(super) fn code(body: &[u8]) -> String {
    let problem: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    problem["code"].as_str().unwrap_or_default().to_owned()
}

/// A field line, without its end.
pub(super) fn field(line: &str) -> (String, String) {
    let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("no field: `{line}`"));
    (name.to_owned(), value.trim().to_owned())
}
