//! One message each way in gRPC's framing (the protocol over HTTP/2, `PROTOCOL-HTTP2.md` of grpc/grpc).

use bytes::{Buf, BufMut, Bytes, BytesMut};
use prost::Message;

use super::{Typed, TypedError, content_type, succeeded};
use crate::{Call, Response};

/// What stands before a message: whether it is compressed, and its length.
const PREFIX: usize = 1 + 4;
/// The longest figure of a `grpc-timeout`.
const MOST_TIMEOUT: u128 = 99_999_999;
/// `UNKNOWN`, for a server that says no status.
const UNKNOWN: u32 = 2;

impl Call {
    /// Makes it as a unary call of gRPC: for an API whose upstream speaks that, over h2, and whose path is the method's
    /// (`/shop.Orders/Create`). The upstream gets body and trailers as gRPC has them, and is told the call's deadline.
    ///
    /// # Errors
    /// When there is no answer, or one of another status than 200 to 299 or of another type; the server's status of gRPC is not
    /// 0; or the answer is not one such message.
    pub async fn send_grpc<Res: Message + Default>(
        self,
        message: &impl Message,
    ) -> Result<Typed<Res>, TypedError> {
        let milliseconds = self.time_left().as_millis().min(MOST_TIMEOUT);
        let call = self
            .field("content-type", "application/grpc+proto")
            .field("grpc-timeout", format!("{milliseconds}m"))
            .body(framed(message)?);
        let answer = succeeded(call.send().await?)?;
        let kind = content_type(&answer);
        if !(kind.is_empty() || kind.starts_with("application/grpc")) {
            return Err(TypedError::ContentType(kind));
        }
        match status(&answer) {
            (0, _) => {
                let message = Res::decode(unframed(answer.body().clone())?)?;
                Ok(Typed { head: answer.head().clone(), message })
            }
            (code, message) => Err(TypedError::Grpc { code, message }),
        }
    }
}

/// The message with its prefix.
fn framed(message: &impl Message) -> Result<Bytes, TypedError> {
    let length = message.encoded_len();
    let small =
        u32::try_from(length).map_err(|_| TypedError::Framing("the message is too long"))?;
    let mut framed = BytesMut::with_capacity(PREFIX + length);
    framed.put_u8(0);
    framed.put_u32(small);
    framed.extend_from_slice(&message.encode_to_vec());
    Ok(framed.freeze())
}

/// The one message of a body.
fn unframed(mut body: Bytes) -> Result<Bytes, TypedError> {
    if body.len() < PREFIX {
        return Err(TypedError::Framing("it ends within the prefix"));
    }
    if body.get_u8() != 0 {
        // None was offered in `grpc-accept-encoding`.
        return Err(TypedError::Framing("it is compressed"));
    }
    match body.get_u32() as usize == body.len() {
        true => Ok(body),
        false => Err(TypedError::Framing("its length is another, or there are several")),
    }
}

/// The status of gRPC, in the trailers, or in the head where that is all there is.
fn status(answer: &Response) -> (u32, String) {
    let field = |name: &str| {
        let mut trailers = answer.trailers();
        let found = trailers.find(|(own, _)| *own == name).map(|(_, value)| value);
        found.or_else(|| answer.field(name)).map(<[u8]>::to_vec)
    };
    let code = field("grpc-status").and_then(|code| String::from_utf8(code).ok()?.parse().ok());
    let message = field("grpc-message").map(|text| decoded(&text)).unwrap_or_default();
    match code {
        Some(code) => (code, message),
        None => (UNKNOWN, "the server says no status".to_owned()),
    }
}

/// A text with percent-encoded bytes; what is none stays as it is.
fn decoded(text: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, more @ ..] = rest {
        let digit = |at: usize| char::from(*more.get(at)?).to_digit(16);
        let value =
            digit(0).zip(digit(1)).and_then(|(high, low)| u8::try_from(high << 4 | low).ok());
        match value {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &more[2..];
            }
            _ => {
                bytes.push(*first);
                rest = more;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, PartialEq, prost::Message)]
    struct Order {
        #[prost(string, tag = "1")]
        shop: String,
    }

    #[test]
    fn a_message_has_a_prefix_of_five_bytes() {
        let order = Order { shop: "seven".into() };
        let body = framed(&order).unwrap();
        assert_eq!(&body[..], b"\0\0\0\0\x07\x0a\x05seven");
        assert_eq!(Order::decode(unframed(body).unwrap()).unwrap(), order);
        for wrong in [&b""[..], b"\0\0\0\0", b"\x01\0\0\0\0", b"\0\0\0\0\x01", b"\0\0\0\0\0\0"] {
            assert!(unframed(Bytes::copy_from_slice(wrong)).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn texts_of_a_status_are_percent_encoded() {
        for (text, wanted) in [
            ("no such order", "no such order"),
            ("caf%C3%A9 %", "café %"),
            ("%4", "%4"),
            ("%zz", "%zz"),
        ] {
            assert_eq!(decoded(text.as_bytes()), wanted);
        }
    }
}
