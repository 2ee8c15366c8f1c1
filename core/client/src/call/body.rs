//! A call's body: whole, or in pieces as they come.

use bytes::Bytes;
use paifang_mmtp::code::CancelCode;
use tokio::sync::mpsc;

use crate::{
    connection::{Command, Connection},
    error::Error,
};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Bytes of one body that may wait between its sender and the connection.
pub(crate) const BUDGET: usize = 64 * 1024;
/// The most bytes that go to the connection at once.
const PIECE: usize = 16 * 1024;

/// A body.
#[derive(Debug)]
pub(crate) enum Body {
    Whole(Bytes),
    Stream(BodyStream),
    /// It went with an earlier attempt.
    Gone,
}

impl Body {
    pub(crate) fn empty() -> Self {
        Self::Whole(Bytes::new())
    }
}

/// The call's end of a body that comes in pieces.
#[derive(Debug)]
pub struct BodyStream(mpsc::Receiver<Piece>);

/// Sends a body in pieces. Dropping it before [`BodySender::finish`] breaks the call off.
#[derive(Debug)]
pub struct BodySender(mpsc::Sender<Piece>);

#[derive(Debug)]
enum Piece {
    Data(Bytes),
    End,
}

/// A body that comes in pieces.
#[must_use]
pub fn channel() -> (BodySender, BodyStream) {
    let (sender, receiver) = mpsc::channel(4);
    (BodySender(sender), BodyStream(receiver))
}

impl BodySender {
    /// Sends a piece, and waits while the connection has no room.
    ///
    /// # Errors
    /// When the call is over, or its answer has come and the rest is not wanted.
    pub async fn send(&self, data: impl Into<Bytes>) -> Result<(), Error> {
        self.0.send(Piece::Data(data.into())).await.map_err(|_| Error::Closed)
    }

    /// Says that the body ends here.
    ///
    /// # Errors
    /// When the call is over.
    pub async fn finish(self) -> Result<(), Error> {
        self.0.send(Piece::End).await.map_err(|_| Error::Closed)
    }
}

/// Moves the pieces to a connection as it has room.
pub(crate) async fn pump(
    mut body: BodyStream,
    connection: Connection,
    ticket: u64,
    flow: Arc<Semaphore>,
) {
    loop {
        let piece = tokio::select! {
            piece = body.0.recv() => piece,
            // The call is over.
            () = closed(&flow) => return,
        };
        let mut data = match piece {
            Some(Piece::Data(data)) => data,
            Some(Piece::End) => {
                return connection.tell(Command::Data { ticket, data: Bytes::new(), end: true });
            }
            None => {
                return connection.tell(Command::Cancel { ticket, code: CancelCode::BROKEN });
            }
        };
        while !data.is_empty() {
            let piece = data.split_to(data.len().min(PIECE));
            // A piece is far below what `u32` holds.
            let permits = u32::try_from(piece.len()).unwrap_or(u32::MAX);
            let Ok(permit) = flow.acquire_many(permits).await else { return };
            permit.forget();
            connection.tell(Command::Data { ticket, data: piece, end: false });
        }
    }
}

/// Waits until the driver has closed it.
async fn closed(flow: &Semaphore) {
    // More than there ever are, so nothing but the end is waited for.
    let all = u32::try_from(BUDGET + 1).unwrap_or(u32::MAX);
    if let Ok(permit) = flow.acquire_many(all).await {
        drop(permit);
    }
}
