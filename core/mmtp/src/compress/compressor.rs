//! Messages made shorter, where it is worth it.

use super::frame::{MAGIC, MAX_WINDOW, allowed};
use super::pool::ContextPool;
use super::{Dictionary, DictionaryId};
use bytes::BytesMut;
use std::ops::RangeInclusive;
use zstd_safe::{CCtx, CParameter};

/// The levels that can be had: from fast to small. Above 19 only windows grow, which are bounded here.
pub const LEVELS: RangeInclusive<i32> = 1..=19;

/// Up to this many bytes a dictionary is used: beyond it a message is its own dictionary, and zstd would widen the window.
const DICTIONARY_UP_TO: usize = MAX_WINDOW as usize;
const WINDOW_LOG: u32 = MAX_WINDOW.ilog2();

/// When a message is compressed, and how hard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Shorter messages, in bytes, are sent as they are.
    pub min_bytes: usize,
    /// A message that becomes not so many bytes shorter, at least one, is sent as it is.
    pub min_saving: usize,
    /// One of [`LEVELS`], for messages without a dictionary: a dictionary brings the level that it was loaded for.
    pub level: i32,
}

impl Default for Settings {
    /// Messages of at least 64 bytes that become at least 16 shorter, at level 3.
    fn default() -> Self {
        Self { min_bytes: 64, min_saving: 16, level: 3 }
    }
}

/// A level that is none of [`LEVELS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("level {0} is none of 1 to 19")]
pub struct LevelError(pub i32);

impl LevelError {
    pub(super) fn check(level: i32) -> Result<i32, Self> {
        if LEVELS.contains(&level) { Ok(level) } else { Err(Self(level)) }
    }
}

/// A message that became shorter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compressed {
    /// How many bytes were appended to the output.
    pub bytes: usize,
    /// With which dictionary the message is to be decompressed.
    pub dictionary: Option<DictionaryId>,
}

/// Compresses messages, each by itself. One for the process: it is shared by threads without a lock.
pub struct Compressor {
    settings: Settings,
    contexts: ContextPool<CCtx<'static>>,
}

impl Compressor {
    /// A compressor that keeps `contexts` idle contexts, about as many as threads compress at once. Each keeps at most about
    /// 1.5 MiB at level 3.
    pub fn new(settings: Settings, contexts: usize) -> Result<Self, LevelError> {
        let level = LevelError::check(settings.level)?;
        Ok(Self { settings, contexts: ContextPool::new(contexts, move || context(level)) })
    }

    /// When it compresses.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// Appends `message` to `out` in its wire form.
    ///
    /// `None`, and `out` as it was, when the message is to be sent as it is: it is short, does not become shorter by what the
    /// settings want, or becomes so short that the peer would have to take it for a bomb.
    pub fn compress(
        &self,
        message: &[u8],
        dictionary: Option<&Dictionary>,
        out: &mut BytesMut,
    ) -> Option<Compressed> {
        if message.len() < self.settings.min_bytes {
            return None;
        }
        let dictionary = dictionary.filter(|_| message.len() <= DICTIONARY_UP_TO);
        let begin = out.len();
        out.resize(begin + zstd_safe::compress_bound(message.len()), 0);
        let made = self.contexts.lend(|context| {
            let to = &mut out[begin..];
            match dictionary {
                Some(dictionary) => context.compress_using_cdict(to, message, dictionary.coder()),
                None => context.compress2(to, message),
            }
        });
        let bytes = made.and_then(Result::ok).and_then(|made| made.checked_sub(MAGIC.len()));
        let worth = |bytes: &usize| {
            message.len().saturating_sub(self.settings.min_saving.max(1)) >= *bytes
                && allowed(message.len() as u64, *bytes)
        };
        let Some(bytes) = bytes.filter(worth) else {
            out.truncate(begin);
            return None;
        };
        out.copy_within(begin + MAGIC.len()..begin + MAGIC.len() + bytes, begin);
        out.truncate(begin + bytes);
        Some(Compressed { bytes, dictionary: dictionary.map(Dictionary::id) })
    }
}

/// A context for frames of the wire form; `None` without memory.
fn context(level: i32) -> Option<CCtx<'static>> {
    let mut context = CCtx::try_create()?;
    for parameter in [
        CParameter::CompressionLevel(level),
        CParameter::WindowLog(WINDOW_LOG),
        CParameter::ContentSizeFlag(true),
        CParameter::ChecksumFlag(false),
        CParameter::DictIdFlag(false),
    ] {
        context.set_parameter(parameter).ok()?;
    }
    Some(context)
}
