//! Making verdicts.

use crate::{
    Answer, Edit, Field, Identity, Named, Refusal, Rejection, RequestEdits, RequestVerdict,
    ResponseEdits, ResponseVerdict,
};

/// On to the next step, with what is changed before.
pub fn next() -> Next {
    Next(RequestEdits {
        headers: Vec::new(),
        path: None,
        query: None,
        body: None,
        identity: None,
        slots: Vec::new(),
        keep: Vec::new(),
    })
}

/// Changes to a request; becomes a verdict by `into()`.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Next(RequestEdits);

impl Next {
    /// Sets a header in place of all of its name.
    pub fn set_header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.0.headers.push(Edit::Set(Field::new(name, value)));
        self
    }

    /// Adds a header beside those of its name.
    pub fn append_header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.0.headers.push(Edit::Append(Field::new(name, value)));
        self
    }

    /// Removes all headers of a name.
    pub fn remove_header(mut self, name: impl Into<String>) -> Self {
        self.0.headers.push(Edit::Remove(name.into()));
        self
    }

    /// Another path.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.0.path = Some(path.into());
        self
    }

    /// Another query; empty for none.
    pub fn query(mut self, query: impl Into<String>) -> Self {
        self.0.query = Some(query.into());
        self
    }

    /// Another body; only where the body was asked for.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.0.body = Some(body.into());
        self
    }

    /// Says who the caller is. Declare it: `Manifest::writes_identity`.
    pub fn identity(mut self, identity: Identity) -> Self {
        self.0.identity = Some(identity);
        self
    }

    /// Fills a slot. Declare it: `Manifest::writes_slot`.
    pub fn slot(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.slots.push(Named { name: name.into(), value: value.into() });
        self
    }

    /// Keeps this for later stages of the same call: `Call::kept`.
    pub fn keep(mut self, kept: impl Into<Vec<u8>>) -> Self {
        self.0.keep = kept.into();
        self
    }
}

impl From<Next> for RequestVerdict {
    fn from(next: Next) -> Self {
        Self::Next(next.0)
    }
}

/// On to the step above, with what is changed before.
pub fn next_response() -> NextResponse {
    NextResponse(ResponseEdits { status: None, headers: Vec::new(), body: None, keep: None })
}

/// Changes to a response; becomes a verdict by `into()`.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct NextResponse(ResponseEdits);

impl NextResponse {
    /// Another status.
    pub fn status(mut self, status: u16) -> Self {
        self.0.status = Some(status);
        self
    }

    /// Sets a header in place of all of its name.
    pub fn set_header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.0.headers.push(Edit::Set(Field::new(name, value)));
        self
    }

    /// Adds a header beside those of its name.
    pub fn append_header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.0.headers.push(Edit::Append(Field::new(name, value)));
        self
    }

    /// Removes all headers of a name.
    pub fn remove_header(mut self, name: impl Into<String>) -> Self {
        self.0.headers.push(Edit::Remove(name.into()));
        self
    }

    /// Another body; only where the body was asked for.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.0.body = Some(body.into());
        self
    }

    /// Keeps this for `log`.
    pub fn keep(mut self, kept: impl Into<Vec<u8>>) -> Self {
        self.0.keep = Some(kept.into());
        self
    }
}

impl From<NextResponse> for ResponseVerdict {
    fn from(next: NextResponse) -> Self {
        Self::Next(next.0)
    }
}

/// A whole answer of this status.
pub fn answer(status: u16) -> Reply {
    Reply(Answer { status, headers: Vec::new(), body: Vec::new() })
}

/// An answer; becomes a verdict by `into()`.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Reply(Answer);

impl Reply {
    /// Adds a header.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.0.headers.push(Field::new(name, value));
        self
    }

    /// Its body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.0.body = body.into();
        self
    }
}

impl From<Reply> for RequestVerdict {
    fn from(reply: Reply) -> Self {
        Self::Respond(reply.0)
    }
}

impl From<Reply> for ResponseVerdict {
    fn from(reply: Reply) -> Self {
        Self::Replace(reply.0)
    }
}

/// Refuses the call as the gateway refuses calls.
pub fn reject(refusal: Refusal) -> Refused {
    Refused(Rejection { refusal, detail: None, headers: Vec::new(), internal: None })
}

/// A refused call; becomes a verdict by `into()`.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Refused(Rejection);

impl Refused {
    /// A sentence for the client; never a secret.
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// A sentence for the gateway's log.
    pub fn internal(mut self, text: impl Into<String>) -> Self {
        self.0.internal = Some(text.into());
        self
    }

    /// Adds a header, such as `retry-after`.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.0.headers.push(Field::new(name, value));
        self
    }
}

impl From<Refused> for RequestVerdict {
    fn from(refused: Refused) -> Self {
        Self::Reject(refused.0)
    }
}

/// Asks for the whole request body; `kept` comes back in `Call::kept`.
#[must_use]
pub fn need_body(kept: impl Into<Vec<u8>>) -> RequestVerdict {
    RequestVerdict::NeedBody(kept.into())
}

/// Asks for the whole response body.
#[must_use]
pub fn need_response_body(kept: impl Into<Vec<u8>>) -> ResponseVerdict {
    ResponseVerdict::NeedBody(kept.into())
}

/// Cannot decide; the step's `on_failure` does. The text is for the gateway's log.
#[must_use]
pub fn fail(why: impl Into<String>) -> RequestVerdict {
    RequestVerdict::Fail(why.into())
}

/// The like, for a response.
#[must_use]
pub fn fail_response(why: impl Into<String>) -> ResponseVerdict {
    ResponseVerdict::Fail(why.into())
}
