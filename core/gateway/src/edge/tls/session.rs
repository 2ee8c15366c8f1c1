//! rustls' session as a machine that is fed with bytes: what it takes from them, and what it wants sent.

use std::io;

use tokio::io::ReadBuf;
use tokio_rustls::rustls;
use tokio_rustls::rustls::server::UnbufferedServerConnection;
use tokio_rustls::rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus, WriteTraffic,
};

use super::buffers::Buffer;

/// Plaintext that is sealed at once, at most, in bytes.
const SEAL_MAX: usize = 64 * 1024;
/// Plaintext of one record, at most, in bytes (RFC 8446 section 5.1).
const RECORD_MAX: usize = 16 * 1024;

/// Bytes that wait for whoever takes them, and whose memory is freed with the last.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    bytes: Vec<u8>,
    taken: usize,
}

impl Waiting {
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        &self.bytes[self.taken..]
    }

    pub(super) fn extend(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    pub(super) fn advance(&mut self, count: usize) {
        self.taken += count;
        if self.taken >= self.bytes.len() {
            *self = Self::default();
        }
    }

    /// Moves what fits into `buf`; false when there is nothing.
    pub(super) fn read(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        if self.is_empty() {
            return false;
        }
        let length = self.as_slice().len().min(buf.remaining());
        buf.put_slice(&self.as_slice()[..length]);
        self.advance(length);
        true
    }

    /// Appends a message of the handshake.
    fn encode<D>(&mut self, message: &mut EncodeTlsData<'_, D>) -> Result<(), EncodeError> {
        let Err(EncodeError::InsufficientSize(least)) = message.encode(&mut []) else {
            return Ok(());
        };
        let end = self.bytes.len();
        self.bytes.resize(end + least.required_size, 0);
        let length = message.encode(&mut self.bytes[end..])?;
        self.bytes.truncate(end + length);
        Ok(())
    }
}

/// Where plaintext goes: to the reader while its buffer has room, the rest waits.
pub(super) struct Sink<'a, 'b> {
    pub(super) buf: Option<&'a mut ReadBuf<'b>>,
    pub(super) rest: &'a mut Waiting,
    /// Whether all is taken, however much waits.
    pub(super) all: bool,
}

impl Sink<'_, '_> {
    fn put(&mut self, mut plaintext: &[u8]) {
        if let Some(buf) = &mut self.buf
            && self.rest.is_empty()
        {
            let fits = plaintext.len().min(buf.remaining());
            buf.put_slice(&plaintext[..fits]);
            plaintext = &plaintext[fits..];
        }
        if !plaintext.is_empty() {
            self.rest.extend(plaintext);
        }
    }

    fn is_full(&self) -> bool {
        !self.all
            && (!self.rest.is_empty() || self.buf.as_ref().is_some_and(|buf| buf.remaining() == 0))
    }
}

/// What became of the bytes that a session was fed with.
#[derive(Debug, Default)]
pub(super) struct Fed {
    /// So many bytes from the front are done with.
    pub(super) discard: usize,
    /// Some plaintext was early data.
    pub(super) early: bool,
    /// The peer sent its close_notify.
    pub(super) peer_closed: bool,
}

/// Feeds `input`, until it holds no whole record any more or `sink` is full. What is to be sent is added to `unsent`, also where the
/// session fails: then it is the alert that tells the peer.
pub(super) fn feed(
    session: &mut UnbufferedServerConnection,
    input: &mut [u8],
    mut sink: Sink<'_, '_>,
    unsent: &mut Waiting,
) -> (Fed, Result<(), rustls::Error>) {
    let mut fed = Fed::default();
    let mut failed = None;
    loop {
        let UnbufferedStatus { discard, state } =
            session.process_tls_records(&mut input[fed.discard..]);
        let again = match state {
            Ok(ConnectionState::EncodeTlsData(mut message)) => {
                // It is encoded into what it asks for.
                let _ = unsent.encode(&mut message);
                true
            }
            Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                while let Some(Ok(record)) = traffic.next_record() {
                    sink.put(record.payload);
                }
                !sink.is_full()
            }
            Ok(ConnectionState::ReadEarlyData(mut data)) => {
                fed.early = true;
                while let Some(Ok(record)) = data.next_record() {
                    sink.put(record.payload);
                }
                true
            }
            Ok(ConnectionState::TransmitTlsData(sent)) => {
                // `unsent` goes out before anything else does.
                sent.done();
                true
            }
            Ok(ConnectionState::PeerClosed) => {
                fed.peer_closed = true;
                true
            }
            Ok(_) => false,
            Err(error) => {
                failed = Some(error);
                false
            }
        };
        fed.discard += discard;
        // A session that failed must not go on to what it was fed with: it is asked as long as it has to say why.
        let again = if failed.is_some() { session.wants_write() } else { again };
        if !again {
            return (fed, failed.map_or(Ok(()), Err));
        }
    }
}

/// What is sealed.
pub(super) enum Seal<'a> {
    /// As much as fits of these.
    Data(&'a [io::IoSlice<'a>]),
    /// That nothing more comes.
    CloseNotify,
}

impl Seal<'_> {
    /// Into `out`, a buffer of [`SIZE`](super::buffers::SIZE): the bytes taken, and the bytes sealed.
    pub(super) fn into<D>(
        self,
        traffic: &mut WriteTraffic<'_, D>,
        out: &mut [u8],
    ) -> Result<(usize, usize), EncryptError> {
        match self {
            Self::Data(bufs) => seal(traffic, bufs, out),
            Self::CloseNotify => Ok((0, traffic.queue_close_notify(out)?)),
        }
    }
}

fn seal<D>(
    traffic: &mut WriteTraffic<'_, D>,
    bufs: &[io::IoSlice<'_>],
    out: &mut [u8],
) -> Result<(usize, usize), EncryptError> {
    let (mut taken, mut sealed) = (0, 0);
    let mut left = Left { bufs, offset: 0 };
    while taken < SEAL_MAX {
        let room = SEAL_MAX - taken;
        let Some((next, last)) = left.next() else { break };
        let length = if last || next.len() >= RECORD_MAX {
            let part = &next[..next.len().min(room)];
            sealed += traffic.encrypt(part, &mut out[sealed..])?;
            left.offset += part.len();
            part.len()
        } else {
            // One record of several small writes costs a copy, which is less than more records would.
            let mut gathered = Buffer::take();
            let length = left.gather(&mut gathered[..RECORD_MAX.min(room)]);
            sealed += traffic.encrypt(&gathered[..length], &mut out[sealed..])?;
            length
        };
        taken += length;
    }
    Ok((taken, sealed))
}

/// What is left of some slices.
struct Left<'a> {
    bufs: &'a [io::IoSlice<'a>],
    /// Of the first one.
    offset: usize,
}

impl<'a> Left<'a> {
    /// The next bytes, at least one, and whether none follow them.
    fn next(&mut self) -> Option<(&'a [u8], bool)> {
        while let [first, rest @ ..] = self.bufs {
            if self.offset < first.len() {
                let last = rest.iter().all(|buf| buf.is_empty());
                return Some((&first[self.offset..], last));
            }
            (self.bufs, self.offset) = (rest, 0);
        }
        None
    }

    /// Fills `buf` as far as there is something; returns how far.
    fn gather(&mut self, buf: &mut [u8]) -> usize {
        let mut length = 0;
        while length < buf.len()
            && let Some((next, _)) = self.next()
        {
            let fits = next.len().min(buf.len() - length);
            buf[length..length + fits].copy_from_slice(&next[..fits]);
            self.offset += fits;
            length += fits;
        }
        length
    }
}
