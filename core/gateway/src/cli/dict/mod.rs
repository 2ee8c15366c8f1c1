//! `paifang dict`: dictionaries that make small messages of MMTP shorter, trained with samples of them.

mod args;
mod evaluate;
mod samples;
mod secrets;
mod train;

pub(super) use args::{DictCommand, EXAMPLES};

use super::{Failed, given, terminal::say};
use args::{InfoArguments, TryArguments};
use evaluate::Evaluation;
use paifang_mmtp::compress::{Dictionary, MAX_DICTIONARY};
use samples::Samples;
use serde_json::json;
use std::{fmt::Display, path::Path};

pub(super) fn dict(command: &DictCommand) -> Result<(), Failed> {
    match command {
        DictCommand::Train(wanted) => train::train(wanted),
        DictCommand::Info(wanted) => info(wanted),
        DictCommand::Try(wanted) => attempt(wanted),
    }
}

fn info(wanted: &InfoArguments) -> Result<(), Failed> {
    let dictionary = load(&wanted.file, 3)?;
    let (id, bytes, zstd_id) = (dictionary.id(), dictionary.bytes().len(), dictionary.zstd_id());
    let memory = dictionary.memory();
    say(&match wanted.json {
        true => format!(
            "{:#}",
            json!({ "id": id.to_string(), "bytes": bytes, "zstd_id": zstd_id, "memory_bytes": memory })
        ),
        false => format!(
            "id       {id}\nsize     {bytes} bytes\nmemory   {memory} bytes when it is loaded, once a process\n\
             zstd id  {zstd_id}"
        ),
    });
    Ok(())
}

fn attempt(wanted: &TryArguments) -> Result<(), Failed> {
    let dictionary = load(&wanted.dictionary, wanted.level)?;
    let samples = Samples::read(&wanted.samples.from, wanted.samples.lines)?;
    let messages: Vec<_> = samples.iter().collect();
    let evaluation = Evaluation::of(&messages, &dictionary)?;
    say(&match wanted.json {
        true => {
            let id = dictionary.id().to_string();
            format!("{:#}", json!({ "id": id, "tried": evaluation.json() }))
        }
        false => format!(
            "{} messages, at level {}\n\n{}",
            messages.len(),
            wanted.level,
            evaluation.text()
        ),
    });
    Ok(())
}

/// A dictionary's file, ready to compress at this level.
fn load(file: &Path, level: i32) -> Result<Dictionary, Failed> {
    let bytes = given::read(file, MAX_DICTIONARY).map_err(Failed::Said)?;
    Dictionary::load(bytes, level).map_err(|why| wrong(file, why))
}

/// What is wrong with a file or folder.
fn wrong(path: &Path, why: impl Display) -> Failed {
    Failed::Said(format!("{}: {why}", path.display()))
}

#[cfg(test)]
mod tests;
