//! What a stage is given, and what the operations have made of it so far.

use crate::facts;
use paifang_guest::{
    Answer, Call, Edit, Field, Identity, Named, Outcome, Rejection, RequestEdits, RequestVerdict,
    Response, ResponseEdits, ResponseVerdict, fail, fail_response,
};
use serde_json::{Value, json};

/// What a stage is given.
#[derive(Clone, Copy, Default)]
pub(crate) struct Given<'a> {
    /// The stage's name.
    pub(crate) stage: &'static str,
    /// The call; none at `configure`.
    pub(crate) call: Option<&'a Call>,
    pub(crate) response: Option<&'a Response>,
    pub(crate) outcome: Option<&'a Outcome>,
    pub(crate) body: Option<&'a [u8]>,
}

impl<'a> Given<'a> {
    /// The first value of a request header.
    pub(crate) fn header(&self, name: &str) -> Option<&'a str> {
        self.call?.header(name)
    }
}

/// A decision.
pub(crate) enum End {
    Answer(Answer),
    Reject(Rejection),
    NeedBody(Vec<u8>),
    Fail(String),
}

/// What has been said so far. A stage takes of it what its verdict can hold; the rest is refused, so
/// that a test which asks for the impossible sees it.
#[derive(Default)]
pub(crate) struct Draft {
    pub(crate) end: Option<End>,
    pub(crate) headers: Vec<Edit>,
    pub(crate) path: Option<String>,
    pub(crate) query: Option<String>,
    pub(crate) status: Option<u16>,
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) identity: Option<Identity>,
    pub(crate) slots: Vec<Named>,
    pub(crate) keep: Option<Vec<u8>>,
    pub(crate) notes: Vec<Value>,
}

impl Draft {
    /// Notes what an operation has found out.
    pub(crate) fn note(&mut self, value: impl Into<Value>) {
        self.notes.push(value.into());
    }

    /// The notes as a JSON array.
    pub(crate) fn told(&self) -> String {
        Value::from(self.notes.clone()).to_string()
    }

    pub(crate) fn set(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        self.headers.push(Edit::Set(Field::new(name, value)));
    }

    /// Answers 200 with a JSON text.
    pub(crate) fn answer_json(&mut self, text: String) {
        let headers = vec![Field::new("content-type", "application/json")];
        self.end = Some(End::Answer(Answer { status: 200, headers, body: text.into() }));
    }

    /// Answers with what the stage was given.
    pub(crate) fn echo(&mut self, given: &Given<'_>) {
        self.answer_json(facts::given(given).to_string());
    }

    pub(crate) fn into_request(self) -> RequestVerdict {
        match self.end {
            Some(End::Answer(answer)) => RequestVerdict::Respond(answer),
            Some(End::Reject(rejection)) => RequestVerdict::Reject(rejection),
            Some(End::NeedBody(kept)) => RequestVerdict::NeedBody(kept),
            Some(End::Fail(why)) => RequestVerdict::Fail(why),
            None if self.status.is_some() => fail("a request has no status"),
            None => RequestVerdict::Next(RequestEdits {
                headers: self.headers,
                path: self.path,
                query: self.query,
                body: self.body,
                identity: self.identity,
                slots: self.slots,
                keep: self.keep.unwrap_or_default(),
            }),
        }
    }

    pub(crate) fn into_response(self) -> ResponseVerdict {
        let of_requests = self.path.is_some()
            || self.query.is_some()
            || self.identity.is_some()
            || !self.slots.is_empty();
        match self.end {
            Some(End::Answer(answer)) => ResponseVerdict::Replace(answer),
            Some(End::Reject(_)) => fail_response("a response cannot be refused"),
            Some(End::NeedBody(kept)) => ResponseVerdict::NeedBody(kept),
            Some(End::Fail(why)) => ResponseVerdict::Fail(why),
            None if of_requests => fail_response("only a request has path, identity and slots"),
            None => ResponseVerdict::Next(ResponseEdits {
                status: self.status,
                headers: self.headers,
                body: self.body,
                keep: self.keep,
            }),
        }
    }
}

/// What went wrong, as a note.
pub(crate) fn error(text: impl Into<String>) -> Value {
    json!({ "error": text.into() })
}
