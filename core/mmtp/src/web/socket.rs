//! WebSocket's frames around MMTP's bytes, without a socket: bytes in, bytes out. What the binary messages hold, joined, is MMTP's; where
//! one ends means nothing. The frames are `tungstenite`'s.

use std::io::{self, Read, Write};

use bytes::{Buf, Bytes, BytesMut};
use tungstenite::{
    Error, Message, WebSocket as Frames,
    protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode},
};

/// The largest message, and frame of one, that is taken.
pub const MAX_MESSAGE: usize = 64 * 1024;
/// What is kept for reading, from the beginning on.
const BUFFER: usize = 4096;

/// Which side of a connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// It masks what it sends.
    Client,
    /// It does not.
    Server,
}

/// The other side does not keep to WebSocket, or not to its use here. It is told by a close frame, and the connection ends.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("WebSocket ({code}): {why}")]
pub struct Broken {
    /// WebSocket's code (RFC 6455 section 7.4).
    pub code: u16,
    /// What is wrong; holds nothing of what was received.
    pub why: &'static str,
}

/// One side of one connection behind the handshake. See the module.
#[derive(Debug)]
pub struct WebSocket {
    frames: Frames<Memory>,
}

/// What was received and not read, and what is to be sent.
#[derive(Debug, Default)]
struct Memory {
    input: Bytes,
    output: BytesMut,
}

impl Read for Memory {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.input.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let length = self.input.len().min(buffer.len());
        self.input.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl WebSocket {
    /// A connection whose handshake is done.
    #[must_use]
    pub fn new(side: Side) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(BUFFER)
            .write_buffer_size(0)
            .max_message_size(Some(MAX_MESSAGE))
            .max_frame_size(Some(MAX_MESSAGE));
        let role = match side {
            Side::Client => Role::Client,
            Side::Server => Role::Server,
        };
        Self { frames: Frames::from_raw_socket(Memory::default(), role, Some(config)) }
    }

    /// Takes bytes from the other side; what they hold of MMTP is added to `payload`. Pings are answered. False: the other side has
    /// closed, and is answered; nothing follows.
    ///
    /// # Errors
    /// When the other side breaks a rule: text, a message that is too large, a frame that is none. What is to be sent tells it so.
    pub fn receive(&mut self, bytes: Bytes, payload: &mut BytesMut) -> Result<bool, Broken> {
        self.frames.get_mut().input = bytes;
        loop {
            match self.frames.read() {
                Ok(Message::Binary(data)) => payload.extend_from_slice(&data),
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
                Ok(Message::Text(_)) => {
                    return Err(self.fail(CloseCode::Unsupported, "a text message"));
                }
                // Of a server, whose answer this flushes, that is the end.
                Ok(Message::Close(_)) => {
                    let _ = self.frames.flush();
                    return Ok(false);
                }
                Err(Error::ConnectionClosed | Error::AlreadyClosed) => return Ok(false),
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(true);
                }
                Err(Error::Capacity(_)) => {
                    return Err(self.fail(CloseCode::Size, "a message that is too large"));
                }
                Err(Error::Utf8(_)) => {
                    return Err(self.fail(CloseCode::Invalid, "text that is none"));
                }
                Err(_) => return Err(self.fail(CloseCode::Protocol, "a frame that is none")),
            }
        }
    }

    /// Sends bytes of MMTP as one message. Nothing is sent after the end.
    pub fn send(&mut self, bytes: Bytes) {
        // Memory takes all; what is refused comes behind a close, when nobody reads it.
        let _ = self.frames.write(Message::Binary(bytes)).and_then(|()| self.frames.flush());
    }

    /// Says that nothing more is sent.
    pub fn close(&mut self) {
        self.say_close(CloseCode::Normal, "");
    }

    /// What is to be sent, taken out.
    pub fn take_output(&mut self) -> Bytes {
        std::mem::take(&mut self.frames.get_mut().output).freeze()
    }

    fn say_close(&mut self, code: CloseCode, why: &'static str) {
        let frame = CloseFrame { code, reason: why.into() };
        // A close that was said before is enough.
        let _ = self.frames.close(Some(frame));
    }

    fn fail(&mut self, code: CloseCode, why: &'static str) -> Broken {
        self.say_close(code, why);
        Broken { code: code.into(), why }
    }
}

#[cfg(test)]
#[path = "socket_tests.rs"]
mod tests;
