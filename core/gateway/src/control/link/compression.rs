//! The section `mmtp`'s `compression` and `dictionaries` as the access front takes them.

use super::Linker;
use paifang_access::{Encoding, Offered};
use paifang_config::{
    model::{Compression, CompressionRules},
    yaml::Digest,
};
use paifang_mmtp::compress::{Dictionary, MAX_DICTIONARY, Settings};
use std::{num::NonZero, sync::Arc, thread::available_parallelism};

/// The most contexts that are kept each way.
const MOST_CONTEXTS: usize = 16;
/// A message that becomes not so many bytes shorter goes as it is.
const MIN_SAVING: usize = 16;

/// How messages are compressed under a release.
pub(crate) struct Messages {
    rules: CompressionRules,
    /// Of each dictionary: its file's content, channel, operation, whether it is public.
    made_of: Vec<(Digest, u8, Box<str>, bool)>,
    pub(crate) encoding: Arc<Encoding>,
}

/// Reads the dictionaries, and keeps what `before` has when all is as it was: connections then share it with those that came before.
pub(super) fn build(
    linker: &mut Linker<'_>,
    before: Option<&Arc<Messages>>,
) -> Option<Arc<Messages>> {
    let mmtp = &linker.snapshot.config().mmtp;
    let level = mmtp.compression.rules().map_or(3, |rules| *rules.level);
    let (mut made_of, mut files) = (Vec::new(), Vec::new());
    for one in &mmtp.dictionaries {
        let operation = one.operation.as_ref().map_or("", |name| name.as_str());
        let read = linker.file(&one.file, MAX_DICTIONARY as u64, "is it a dictionary?");
        let Some(bytes) = read else { continue };
        made_of.push((Digest::of_bytes(&bytes), *one.channel, operation.into(), one.public));
        files.push((one, bytes));
    }
    let same = |before: &&Arc<Messages>| {
        mmtp.compression.rules() == Some(&before.rules) && made_of == before.made_of
    };
    if let Some(before) = before.filter(same) {
        return Some(before.clone());
    }
    let mut offered = Vec::new();
    for ((one, bytes), (_, channel, operation, public)) in files.into_iter().zip(&made_of) {
        match Dictionary::load(bytes, level) {
            Ok(dictionary) => {
                let (channel, operation, public) = (*channel, operation.clone(), *public);
                offered.push(Offered { dictionary, channel, operation, public });
            }
            Err(why) => linker.wrong(one.file.span(), why.to_string()),
        }
    }
    let Compression::On(rules) = &mmtp.compression else { return None };
    let settings = Settings { min_bytes: rules.min_size.as_usize(), min_saving: MIN_SAVING, level };
    let contexts = available_parallelism().map_or(1, NonZero::get).min(MOST_CONTEXTS);
    match Encoding::new(settings, rules.max_size.as_usize(), contexts, offered) {
        Ok(encoding) => {
            let (rules, encoding) = (rules.clone(), Arc::new(encoding));
            Some(Arc::new(Messages { rules, made_of, encoding }))
        }
        Err(why) => {
            linker.wrong(rules.level.span(), why.to_string());
            None
        }
    }
}
