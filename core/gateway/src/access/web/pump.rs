//! Moves bytes between an HTTP call's door and the access front.

use super::pipe::Pieces;
use bytes::{Bytes, BytesMut};
use http::{
    HeaderName, HeaderValue,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};
use paifang_mmtp::web::{MEDIA_TYPE, WebSocket};
use paifang_pipeline::{BodySize, Frame, Front, FrontError, Inbound};
use std::{io, time::Duration};
use tokio::time::{Instant, sleep_until};

/// Asks a proxy of the nginx kind to hand an answer on as it comes.
const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// How slowly the body of a POST may come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// The longest pause.
    pub(super) stall: Duration,
    /// All of it.
    pub(super) total: Duration,
}

/// What may still come from the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coming {
    Pieces,
    /// Nothing but its going away.
    Ended,
    /// Nobody reads what comes: it was too slow, or broke its framing.
    Unread,
}

/// What the bytes are wrapped in.
pub(super) enum Wrapping {
    /// Nothing: they are the bodies of a POST. Its answer's head goes with the first of them.
    Body { pace: Pace, answered: bool },
    /// WebSocket's frames, behind the handshake.
    Frames(Box<WebSocket>),
}

/// Moves bytes until the access front has said its last.
///
/// # Errors
/// When the client is gone before.
pub(super) async fn pump<F: Front>(
    front: &mut F,
    pieces: &Pieces,
    mut wrapping: Wrapping,
) -> Result<(), FrontError> {
    let began = Instant::now();
    let mut latest = began;
    let mut coming = Coming::Pieces;
    if front.body_ended() {
        coming = Coming::Ended;
        pieces.end(Ok(()));
    }
    loop {
        let room = pieces.has_room();
        let until = match &wrapping {
            Wrapping::Body { pace, .. } if coming == Coming::Pieces => {
                let times = [latest.checked_add(pace.stall), began.checked_add(pace.total)];
                times.into_iter().flatten().min()
            }
            _ => None,
        };
        tokio::select! {
            biased;
            bytes = pieces.next() => match bytes {
                Some(bytes) => wrapping.send(front, bytes).await?,
                None => return wrapping.finish(front).await,
            },
            // After the body's end this waits for the client to go. While the piece before is not read, nothing is taken.
            inbound = front.recv(), if room || coming == Coming::Ended => match inbound {
                Ok(Inbound::Frame(frame)) => {
                    latest = Instant::now();
                    if frame.end {
                        coming = Coming::Ended;
                    }
                    wrapping.receive(front, pieces, frame).await?;
                }
                Ok(Inbound::Gone) => return Err(FrontError::Gone("it went away".to_owned())),
                Err(error) => {
                    // The access front has its own way to say so, where somebody is there to hear it.
                    let kind = match error {
                        FrontError::Stalled => io::ErrorKind::TimedOut,
                        FrontError::Malformed(_) => io::ErrorKind::InvalidData,
                        FrontError::Gone(_) => return Err(error),
                    };
                    coming = Coming::Unread;
                    pieces.end(Err(kind));
                }
            },
            () = pieces.room(), if !room && coming == Coming::Pieces => {}
            () = wait(until), if until.is_some() => {
                coming = Coming::Unread;
                pieces.end(Err(io::ErrorKind::TimedOut));
            }
        }
    }
}

async fn wait(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}

impl Wrapping {
    /// A piece came from the client.
    async fn receive<F: Front>(
        &mut self,
        front: &mut F,
        pieces: &Pieces,
        frame: Frame,
    ) -> Result<(), FrontError> {
        let Frame { data, end, .. } = frame;
        match self {
            Self::Body { .. } => {
                if !data.is_empty() {
                    pieces.put(data);
                }
                if end {
                    pieces.end(Ok(()));
                }
                Ok(())
            }
            Self::Frames(socket) => {
                let mut payload = BytesMut::new();
                let open = socket.receive(data, &mut payload);
                if !payload.is_empty() {
                    pieces.put(payload.freeze());
                }
                match open {
                    Ok(true) if !end => {}
                    Ok(_) => pieces.end(Ok(())),
                    Err(broken) => {
                        tracing::debug!(%broken, "a connection was ended");
                        pieces.end(Err(io::ErrorKind::InvalidData));
                    }
                }
                send_output(front, socket).await
            }
        }
    }

    /// Bytes go to the client.
    async fn send<F: Front>(&mut self, front: &mut F, bytes: Bytes) -> Result<(), FrontError> {
        match self {
            Self::Body { answered, .. } => {
                answer(front, answered).await?;
                front.send(Frame::data(bytes)).await
            }
            Self::Frames(socket) => {
                socket.send(bytes);
                send_output(front, socket).await
            }
        }
    }

    /// The last was said.
    async fn finish<F: Front>(&mut self, front: &mut F) -> Result<(), FrontError> {
        match self {
            Self::Body { answered, .. } => answer(front, answered).await?,
            Self::Frames(socket) => {
                socket.close();
                send_output(front, socket).await?;
            }
        }
        front.send(Frame::last(Bytes::new())).await
    }
}

async fn send_output<F: Front>(front: &mut F, socket: &mut WebSocket) -> Result<(), FrontError> {
    let output = socket.take_output();
    if output.is_empty() { Ok(()) } else { front.send(Frame::data(output)).await }
}

/// Sends the head of a POST's answer, once.
async fn answer<F: Front>(front: &mut F, answered: &mut bool) -> Result<(), FrontError> {
    if std::mem::replace(answered, true) {
        return Ok(());
    }
    let mut head = http::Response::new(()).into_parts().0;
    head.headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    head.headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    head.headers.insert(BUFFERING, HeaderValue::from_static("no"));
    front.send_head(head, BodySize::Unknown).await
}
