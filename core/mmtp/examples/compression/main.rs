//! What compression of small messages gains and costs: `cargo run --profile bench -p paifang-mmtp --example compression`.
//!
//! Dictionaries are trained with messages of one corpus and tried with those of another. With `samples FOLDER` it writes messages
//! to files instead, for `paifang dict train`; with `dictionary FILE BYTES` a dictionary.
#![allow(clippy::expect_used, clippy::print_stdout)]

mod corpus;

use bytes::BytesMut;
use corpus::{Corpus, Message};
use paifang_mmtp::compress::{Compressor, Decompressor, Dictionary, Settings};
use rustix::time::{ClockId, clock_gettime};
use std::hint::black_box;

/// Messages to train with, and as many to try.
const MESSAGES: usize = 4000;
const ROUNDS: usize = 7;
/// Classes of length: below each, in bytes.
const CLASSES: [usize; 4] = [256, 1024, 4096, usize::MAX];

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["samples", folder] => samples(folder),
        ["dictionary", file, bytes] => {
            let bytes = bytes.parse().expect("a number of bytes");
            std::fs::write(file, train(bytes)).expect("a file that can be written");
        }
        _ => measure(),
    }
}

fn samples(folder: &str) {
    std::fs::create_dir_all(folder).expect("a folder");
    for (index, message) in Corpus::new(1).take(MESSAGES).enumerate() {
        std::fs::write(format!("{folder}/{index:05}"), message.bytes).expect("a file");
    }
}

fn train(bytes: usize) -> Vec<u8> {
    let messages: Vec<_> = Corpus::new(1).take(MESSAGES).map(|message| message.bytes).collect();
    let sizes: Vec<_> = messages.iter().map(Vec::len).collect();
    let mut dictionary = vec![0; bytes];
    let made = zstd_safe::train_from_buffer(&mut dictionary[..], &messages.concat(), &sizes);
    dictionary.truncate(made.expect("enough messages to train with"));
    dictionary
}

/// What became of each message, and what it took.
struct Outcome {
    sent: Vec<usize>,
    compress_micros: f64,
    decompress_micros: f64,
}

fn measure() {
    let messages: Vec<_> = Corpus::new(2).take(MESSAGES).collect();
    println!(
        "| how | bytes sent | none / it | compress µs | decompress µs |\n|---|---|---|---|---|"
    );
    let raw: Vec<_> = messages.iter().map(|message| message.bytes.len()).collect();
    println!("| as it is | {} | 1 | | |", raw.iter().sum::<usize>());
    let mut outcomes = Vec::new();
    for level in [1, 3, 9] {
        outcomes.push((format!("level {level}, no dictionary"), run(&messages, None, level)));
        for size in [4, 16, 64] {
            let dictionary = Dictionary::load(train(size << 10), level).expect("a dictionary");
            let name = format!("level {level}, dictionary of {size} KiB");
            outcomes.push((name, run(&messages, Some(&dictionary), level)));
        }
    }
    for (name, outcome) in &outcomes {
        let sent: usize = outcome.sent.iter().sum();
        let ratio = raw.iter().sum::<usize>() as f64 / sent as f64;
        let (there, back) = (outcome.compress_micros, outcome.decompress_micros);
        println!("| {name} | {sent} | {ratio:.2} | {there:.1} | {back:.1} |");
    }
    let shown: Vec<_> = outcomes
        .iter()
        .filter(|(name, _)| {
            ["level 3, no dictionary", "level 3, dictionary of 16 KiB"].contains(&&**name)
        })
        .collect();
    let ratios = |belongs: &dyn Fn(&Message) -> bool| {
        let chosen: Vec<_> = (0..messages.len()).filter(|at| belongs(&messages[*at])).collect();
        let sum = |lengths: &[usize]| chosen.iter().map(|at| lengths[*at]).sum::<usize>();
        let before = sum(&raw);
        let ratios: Vec<_> = shown
            .iter()
            .map(|(_, outcome)| format!("{:.2}", before as f64 / sum(&outcome.sent) as f64))
            .collect();
        format!("{} | {} | {}", chosen.len(), before / chosen.len().max(1), ratios.join(" | "))
    };
    println!(
        "\nlevel 3:\n\n| messages | count | mean bytes | none / alone | none / dictionary of 16 KiB |"
    );
    println!("|---|---|---|---|---|");
    let mut from = 0;
    for class in CLASSES {
        let belongs = |message: &Message| (from..class).contains(&message.bytes.len());
        let name = if class == usize::MAX {
            format!("from {from} bytes")
        } else {
            format!("{from} to {} bytes", class - 1)
        };
        println!("| {name} | {} |", ratios(&belongs));
        from = class;
    }
    let mut kinds: Vec<_> = messages.iter().map(|message| message.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    for kind in kinds {
        println!("| {kind} | {} |", ratios(&|message| message.kind == kind));
    }
}

fn run(messages: &[Message], dictionary: Option<&Dictionary>, level: i32) -> Outcome {
    let settings = Settings { level, ..Settings::default() };
    let (compressor, decompressor) =
        (Compressor::new(settings, 1).expect("a level"), Decompressor::new(1));
    let mut wire = BytesMut::new();
    let sent: Vec<_> = messages
        .iter()
        .map(|message| {
            wire.clear();
            compressor.compress(&message.bytes, dictionary, &mut wire).map(|_| wire.to_vec())
        })
        .collect();
    let compress_micros = micros(messages.len(), || {
        for message in messages {
            wire.clear();
            black_box(compressor.compress(&message.bytes, dictionary, &mut wire));
        }
    });
    let compressed: Vec<_> = sent.iter().flatten().collect();
    let decompress_micros = micros(compressed.len(), || {
        for bytes in &compressed {
            wire.clear();
            let done = decompressor.decompress(bytes, dictionary, 1 << 20, &mut wire);
            black_box(done.expect("what was compressed"));
        }
    });
    let sent = sent.iter().zip(messages);
    let sent = sent.map(|(wire, message)| wire.as_ref().map_or(message.bytes.len(), Vec::len));
    Outcome { sent: sent.collect(), compress_micros, decompress_micros }
}

/// CPU time of one of `count` messages: the median over rounds, which other programs on the machine disturb least.
fn micros(count: usize, mut round: impl FnMut()) -> f64 {
    let mut times: Vec<_> = (0..ROUNDS)
        .map(|_| {
            let began = cpu_nanos();
            round();
            (cpu_nanos() - began) as f64 / 1000.0 / count as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[ROUNDS / 2]
}

fn cpu_nanos() -> i64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}
