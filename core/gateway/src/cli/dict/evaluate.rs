//! What a dictionary gains on messages: how many bytes are sent as they are, with Zstandard alone, and with it.

use super::{Failed, samples::Sample};
use bytes::BytesMut;
use paifang_mmtp::compress::{Compressor, Dictionary, Settings};
use serde_json::{Value, json};
use std::fmt::Write;

/// Classes of length: the most bytes of each.
const CLASSES: [(usize, &str); 5] = [
    (255, "up to 255 bytes"),
    (1023, "256 to 1,023"),
    (4095, "1,024 to 4,095"),
    (16_383, "4,096 to 16,383"),
    (usize::MAX, "16,384 and more"),
];

/// Sums over messages.
#[derive(Debug, Default, Clone, Copy)]
struct Sums {
    messages: u64,
    raw: u64,
    alone: u64,
    with: u64,
}

impl Sums {
    /// As a ratio to what is sent without compression.
    fn ratio(&self, sent: u64) -> f64 {
        if sent == 0 { 1.0 } else { self.raw as f64 / sent as f64 }
    }

    fn json(&self) -> Value {
        json!({
            "messages": self.messages, "bytes": self.raw, "alone_bytes": self.alone, "dictionary_bytes": self.with,
        })
    }
}

/// What became of messages.
#[derive(Debug)]
pub(super) struct Evaluation {
    all: Sums,
    classes: [Sums; CLASSES.len()],
}

impl Evaluation {
    /// Compresses each message as a gateway would, alone and with the dictionary, at the dictionary's level. A message that is
    /// sent as it is counts as that.
    pub(super) fn of(messages: &[Sample<'_>], dictionary: &Dictionary) -> Result<Self, Failed> {
        let settings = Settings { level: dictionary.level(), ..Settings::default() };
        let compressor =
            Compressor::new(settings, 1).map_err(|why| Failed::Said(why.to_string()))?;
        let mut evaluation =
            Self { all: Sums::default(), classes: [Sums::default(); CLASSES.len()] };
        let mut out = BytesMut::new();
        for message in messages {
            let mut sent = |with: Option<&Dictionary>| {
                out.clear();
                let made = compressor.compress(message.bytes, with, &mut out);
                made.map_or(message.bytes.len(), |made| made.bytes) as u64
            };
            let (alone, with) = (sent(None), sent(Some(dictionary)));
            let class = CLASSES.iter().position(|(most, _)| message.bytes.len() <= *most);
            for sums in [&mut evaluation.all]
                .into_iter()
                .chain(class.map(|class| &mut evaluation.classes[class]))
            {
                sums.messages += 1;
                sums.raw += message.bytes.len() as u64;
                sums.alone += alone;
                sums.with += with;
            }
        }
        Ok(evaluation)
    }

    /// Whether the messages become no shorter by the dictionary than without one.
    pub(super) fn gains_nothing(&self) -> bool {
        self.all.with >= self.all.alone
    }

    /// A table for people.
    pub(super) fn text(&self) -> String {
        let mut text = format!(
            "{:<18}{:>9}{:>13}{:>12}{:>16}\n",
            "messages", "count", "bytes", "zstd", "with dictionary"
        );
        let mut line = |name: &str, sums: &Sums| {
            let (alone, with) = (sums.ratio(sums.alone), sums.ratio(sums.with));
            let (messages, raw) = (sums.messages, sums.raw);
            // Writing into a string cannot fail.
            let _ = writeln!(
                text,
                "{name:<18}{messages:>9}{raw:>13}{:>12}{:>16}",
                format!("{alone:.2} x"),
                format!("{with:.2} x")
            );
        };
        for ((_, name), sums) in
            CLASSES.iter().zip(&self.classes).filter(|(_, sums)| sums.messages > 0)
        {
            line(name, sums);
        }
        line("all", &self.all);
        text.push_str("\n2.00 x: half as many bytes are sent. Messages that gain too little are sent as they are.");
        text
    }

    /// The like for programs.
    pub(super) fn json(&self) -> Value {
        let classes = CLASSES.iter().zip(&self.classes).filter(|(_, sums)| sums.messages > 0);
        let classes: Vec<_> = classes
            .map(|((most, _), sums)| {
                let mut value = sums.json();
                value["up_to_bytes"] = if *most == usize::MAX { Value::Null } else { json!(most) };
                value
            })
            .collect();
        json!({ "all": self.all.json(), "classes": classes })
    }
}
