//! Calls whose bodies are messages of protocol buffers, as they are or in gRPC's framing.

mod grpc;

use std::future::Future;

use prost::Message;

use crate::{Call, Client, Error, Response, ResponseHead};

/// What protobuf bodies are called here.
const PROTOBUF: &str = "application/protobuf";
/// Whatever else servers call them.
const KNOWN: [&str; 4] = [
    PROTOBUF,
    "application/x-protobuf",
    "application/vnd.google.protobuf",
    "application/octet-stream",
];

/// An answer whose body is a message.
#[derive(Clone, Debug)]
pub struct Typed<M> {
    head: ResponseHead,
    message: M,
}

/// Why a call of messages has none for an answer.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TypedError {
    /// There is no answer.
    #[error(transparent)]
    Call(#[from] Error),
    /// The answer tells of a failure, or of anything else that is not 200 to 299.
    #[error("the call was answered with {}", .0.status())]
    Status(Box<Response>),
    /// The answer is of another type.
    #[error("the answer is `{0}`, no message")]
    ContentType(String),
    /// The answer is not such a message.
    #[error("the answer is not such a message: {0}")]
    Decode(#[from] prost::DecodeError),
    /// The answer is not one message in gRPC's framing.
    #[error("the answer is not one message in gRPC's framing: {0}")]
    Framing(&'static str),
    /// The server's status of gRPC is not 0.
    #[error("gRPC status {code}: {message}")]
    Grpc {
        /// Such as 5 for `NOT_FOUND`.
        code: u32,
        /// For people; may be empty.
        message: String,
    },
}

impl<M> Typed<M> {
    /// Status, fields, the call's identity.
    #[must_use]
    pub fn head(&self) -> &ResponseHead {
        &self.head
    }

    /// The message.
    #[must_use]
    pub fn message(&self) -> &M {
        &self.message
    }

    /// The message alone.
    #[must_use]
    pub fn into_message(self) -> M {
        self.message
    }
}

impl Client {
    /// Calls an operation with a message as `application/protobuf`, and gives the one in the answer. [`Call::send_message`] is the
    /// same for a call with parameters, fields or a deadline of its own.
    ///
    /// # Errors
    /// As [`Call::send_message`].
    pub fn call_typed<Req: Message, Res: Message + Default>(
        &self,
        operation: &str,
        message: &Req,
    ) -> impl Future<Output = Result<Res, TypedError>> + use<Req, Res> {
        // Encoded here, so that the future holds nothing of the message.
        let call = self.call(operation).with_message(message);
        async move { call.receive().await.map(Typed::into_message) }
    }
}

impl Call {
    fn with_message(self, message: &impl Message) -> Self {
        self.field("content-type", PROTOBUF).body(message.encode_to_vec())
    }

    /// Makes it with a message for its body, as `application/protobuf`, and reads the message of the answer. An upstream gets the bytes as
    /// they are.
    ///
    /// # Errors
    /// When there is no answer; one of another status than 200 to 299, or of another type; or it is not such a message.
    pub async fn send_message<Res: Message + Default>(
        self,
        message: &impl Message,
    ) -> Result<Typed<Res>, TypedError> {
        self.with_message(message).receive().await
    }

    /// Makes it, and reads the message of the answer.
    async fn receive<Res: Message + Default>(self) -> Result<Typed<Res>, TypedError> {
        let answer = succeeded(self.send().await?)?;
        let kind = content_type(&answer);
        if !kind.is_empty() && !KNOWN.contains(&&*kind) {
            return Err(TypedError::ContentType(kind));
        }
        let message = Res::decode(answer.body().clone())?;
        Ok(Typed { head: answer.head().clone(), message })
    }
}

fn succeeded(answer: Response) -> Result<Response, TypedError> {
    match answer.status() {
        200..=299 => Ok(answer),
        _ => Err(TypedError::Status(Box::new(answer))),
    }
}

/// The type that an answer says; empty where it has that of the request.
fn content_type(answer: &Response) -> String {
    let value = answer.field("content-type").unwrap_or_default();
    let essence = value.split(|byte| *byte == b';').next().unwrap_or_default();
    String::from_utf8_lossy(essence.trim_ascii()).to_ascii_lowercase()
}
