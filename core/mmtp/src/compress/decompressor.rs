//! Messages as they were before the peer compressed them.

use super::frame::{MAGIC, check};
use super::pool::ContextPool;
use super::{CompressError, Dictionary};
use bytes::BytesMut;
use zstd_safe::{DCtx, SafeResult};

/// What a long message has made a context grow to beyond this many bytes is given back with the next one.
const KEPT: usize = 64 << 10;

/// Decompresses messages, each by itself. One for the process: it is shared by threads without a lock.
pub struct Decompressor {
    contexts: ContextPool<Context>,
}

/// A context of zstd, and where a frame is put together with its magic number, which zstd wants to see.
struct Context {
    zstd: DCtx<'static>,
    frame: Vec<u8>,
}

impl Decompressor {
    /// A decompressor that keeps `contexts` idle contexts, about as many as threads decompress at once. Each keeps at most about
    /// 230 KiB.
    #[must_use]
    pub fn new(contexts: usize) -> Self {
        let make = || Some(Context { zstd: DCtx::try_create()?, frame: Vec::new() });
        Self { contexts: ContextPool::new(contexts, make) }
    }

    /// Appends the message that `bytes` are the wire form of to `out`, and says how many bytes it has, at most `limit`.
    ///
    /// # Errors
    ///
    /// When the bytes are no compressed message, or one beyond a limit; `out` is as it was then. Limits are held before memory
    /// is taken for the message. With another dictionary than the message was compressed with it is either refused or another
    /// message.
    pub fn decompress(
        &self,
        bytes: &[u8],
        dictionary: Option<&Dictionary>,
        limit: usize,
        out: &mut BytesMut,
    ) -> Result<usize, CompressError> {
        let length = check(bytes, limit)?;
        let begin = out.len();
        out.resize(begin + length, 0);
        let made = self.contexts.lend(|context| context.run(bytes, dictionary, &mut out[begin..]));
        let done = match made {
            None => Err(CompressError::Memory),
            Some(Ok(made)) if made == length => Ok(length),
            Some(Ok(_)) => Err(CompressError::Malformed("its content is not as long as it says")),
            Some(Err(code)) => Err(CompressError::Malformed(zstd_safe::get_error_name(code))),
        };
        if done.is_err() {
            out.truncate(begin);
        }
        done
    }
}

impl Context {
    fn run(&mut self, bytes: &[u8], dictionary: Option<&Dictionary>, to: &mut [u8]) -> SafeResult {
        self.frame.clear();
        self.frame.shrink_to(KEPT);
        self.frame.extend_from_slice(&MAGIC);
        self.frame.extend_from_slice(bytes);
        match dictionary {
            Some(dictionary) => {
                self.zstd.decompress_using_ddict(to, &self.frame, dictionary.decoder())
            }
            None => self.zstd.decompress(to, &self.frame),
        }
    }
}
