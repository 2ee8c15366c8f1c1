//! `paifang dict train`.

use super::args::TrainArguments;
use super::evaluate::Evaluation;
use super::samples::{Sample, Samples};
use super::{Failed, secrets::suspect, wrong};
use crate::cli::{
    given,
    terminal::{complain, say},
};
use paifang_mmtp::compress::{Dictionary, DictionaryId, MAX_DICTIONARY};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::{fs, io::ErrorKind, io::Write, time::Instant};

/// The smallest dictionary, in bytes.
const MIN_SIZE: usize = 1 << 10;
/// Fewer messages to train with than this are refused: what they have in common is chance.
const MIN_MESSAGES: usize = 20;
/// Fewer than this are warned of.
const FEW_MESSAGES: usize = 200;
/// So many times the dictionary's size is the least that is not warned of; zstd advises a hundred times.
const FEW_TIMES: usize = 10;
/// So many messages that seem to hold secrets are named.
const NAMED: usize = 5;

pub(super) fn train(wanted: &TrainArguments) -> Result<(), Failed> {
    let size = wanted.size.as_usize();
    if !(MIN_SIZE..=MAX_DICTIONARY).contains(&size) {
        return Err(Failed::Said(format!("--size {} is not within 1KiB and 128KiB", wanted.size)));
    }
    let samples = Samples::read(&wanted.samples.from, wanted.samples.lines)?;
    let mut warnings = Vec::new();
    warnings.extend(secrets(&samples, wanted.allow_secrets)?);

    let (held, used): (Vec<_>, Vec<_>) =
        samples.iter().partition(|sample| is_held(sample, wanted.hold_out));
    if used.len() < MIN_MESSAGES || held.is_empty() {
        return Err(Failed::Said(format!(
            "{} messages to train with and {} to try it with are too few: {MIN_MESSAGES} and 1 are the least, some thousands are good",
            used.len(),
            held.len(),
        )));
    }
    let bytes: usize = used.iter().map(|sample| sample.bytes.len()).sum();
    warnings.extend(few(used.len(), bytes, size));

    complain(&format!("training with {} messages, {} KiB", used.len(), bytes.div_ceil(1 << 10)));
    let began = Instant::now();
    let trained = run(&used, size)?;
    complain(&format!("trained in {:.1} s", began.elapsed().as_secs_f64()));
    let dictionary =
        Dictionary::load(trained, wanted.level).map_err(|why| Failed::Said(why.to_string()))?;
    warnings.extend(
        suspect(dictionary.bytes())
            .map(|suspicion| format!("in the dictionary itself stands {suspicion}")),
    );
    let evaluation = Evaluation::of(&held, &dictionary)?;
    if evaluation.gains_nothing() {
        warnings
            .push("the dictionary makes the messages that were kept back no shorter".to_owned());
    }

    let file = write(&dictionary, wanted.out.as_deref(), wanted.force)?;
    if wanted.json {
        let told = json!({
            "id": dictionary.id().to_string(), "file": file, "bytes": dictionary.bytes().len(),
            "trained_with": { "messages": used.len(), "bytes": bytes }, "held_out": evaluation.json(),
            "warnings": warnings,
        });
        say(&format!("{told:#}"));
    } else {
        for warning in &warnings {
            complain(&format!("warning: {warning}"));
        }
        say(&format!(
            "{}: {} bytes, named {}\n\n{} messages that it was not trained with, at level {}\n\n{}",
            file.display(),
            dictionary.bytes().len(),
            dictionary.id(),
            held.len(),
            wanted.level,
            evaluation.text(),
        ));
    }
    Ok(())
}

/// Whether a message is kept back. Its content decides, so equal messages are on one side, and the same ones at each run.
fn is_held(sample: &Sample<'_>, percent: u8) -> bool {
    let [a, b, ..] = DictionaryId::of(sample.bytes).0;
    u32::from(u16::from_be_bytes([a, b])) * 100 < u32::from(percent) << 16
}

/// Refuses samples that seem to hold secrets, or warns of them where they are allowed.
fn secrets(samples: &Samples, allowed: bool) -> Result<Option<String>, Failed> {
    let found = samples.iter().filter_map(|sample| Some((sample, suspect(sample.bytes)?)));
    let (mut count, mut named) = (0, Vec::new());
    for (sample, suspicion) in found {
        count += 1;
        if named.len() < NAMED {
            let line = if sample.line == 0 { String::new() } else { format!(":{}", sample.line) };
            named.push(format!("  {}{line}: {suspicion}", sample.file.display()));
        }
    }
    if count == 0 {
        return Ok(None);
    }
    let more = if count > named.len() {
        format!("\n  and {} more", count - named.len())
    } else {
        String::new()
    };
    let list = format!("{count} messages seem to hold secrets:\n{}{more}", named.join("\n"));
    match allowed {
        true => Ok(Some(list)),
        false => Err(Failed::Said(format!(
            "{list}\nhelp: a dictionary is public to every client, and parts of its samples stand in it. Take these values out of the \
             samples, or pass --allow-secrets where they are none"
        ))),
    }
}

/// What there is too little of.
fn few(messages: usize, bytes: usize, size: usize) -> Option<String> {
    if messages < FEW_MESSAGES {
        Some(format!("{messages} messages are few to train with: some thousands are good"))
    } else if bytes < FEW_TIMES * size {
        let (had, wanted) = (bytes >> 10, (100 * size) >> 10);
        Some(format!(
            "{had} KiB of messages are little for a dictionary of this size: {wanted} KiB are good, or a smaller --size"
        ))
    } else {
        None
    }
}

fn run(samples: &[Sample<'_>], size: usize) -> Result<Vec<u8>, Failed> {
    let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.bytes).copied().collect();
    let sizes: Vec<_> = samples.iter().map(|sample| sample.bytes.len()).collect();
    let mut dictionary = vec![0; size];
    let made = zstd_safe::train_from_buffer(&mut dictionary[..], &bytes, &sizes).map_err(|code| {
        let why = zstd_safe::get_error_name(code);
        Failed::Said(format!("no dictionary can be trained with these messages ({why}): they are too short, too few, or have nothing in common"))
    })?;
    dictionary.truncate(made);
    Ok(dictionary)
}

/// Writes it where it is wanted, and says where.
fn write(dictionary: &Dictionary, out: Option<&Path>, force: bool) -> Result<PathBuf, Failed> {
    let file =
        out.map_or_else(|| PathBuf::from(format!("{}.zdict", dictionary.id())), Path::to_owned);
    let mut options = fs::OpenOptions::new();
    options.write(true);
    match force {
        true => options.create(true).truncate(true),
        false => options.create_new(true),
    };
    match options.open(&file) {
        Ok(mut to) => to.write_all(dictionary.bytes()).map_err(|why| {
            if !force {
                // Half of what was made here is of no use, and would be in the way of the next try.
                let _ = fs::remove_file(&file);
            }
            wrong(&file, why)
        })?,
        Err(why) if why.kind() == ErrorKind::AlreadyExists => {
            if !is_in(&file, dictionary.bytes()) {
                return Err(wrong(&file, "there is such a file; --force writes over it"));
            }
        }
        Err(why) => return Err(wrong(&file, why)),
    }
    Ok(file)
}

/// Whether a plain file holds just these bytes.
fn is_in(file: &Path, bytes: &[u8]) -> bool {
    let length = fs::metadata(file).ok().filter(fs::Metadata::is_file).map(|meta| meta.len());
    length == Some(bytes.len() as u64)
        && given::read(file, bytes.len()).is_ok_and(|there| there == bytes)
}
