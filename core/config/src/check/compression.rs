//! Compressed messages: figures in their ranges, dictionaries for messages that there are.

use super::range::{number, size};
use crate::diag::{Problem, Problems};
use crate::model::{Compression, Config, Id, MessageDictionary};
use crate::yaml::Located;

/// The most dictionaries: as many as one connection may know.
const MOST: usize = 64;
/// The longest name of an operation, in bytes.
const LONGEST: usize = 128;
/// Operations that the gateway answers itself begin so.
const RESERVED: &str = "mmtp.";

pub(super) fn check(config: &Config, problems: &mut Problems) {
    if let Compression::On(rules) = &config.mmtp.compression {
        size(&rules.min_size, 16, 64 << 10, problems);
        size(&rules.max_size, 1 << 10, 1 << 20, problems);
        number(&rules.level, 1, 19, problems);
        if *rules.min_size > *rules.max_size {
            problems.push(Problem::new(
                super::pick(rules.min_size.span(), rules.max_size.span()),
                format!(
                    "`min_size` ({}) is above `max_size` ({})",
                    rules.min_size.value(),
                    rules.max_size.value()
                ),
            ));
        }
    }
    let all = &config.mmtp.dictionaries;
    if let Some(beyond) = all.get(MOST) {
        problems.push(Problem::new(
            beyond.file.span(),
            format!("{} dictionaries, more than {MOST}", all.len()),
        ));
    }
    let operations: Vec<_> = config.apis.iter().filter_map(|api| api.operation.as_ref()).collect();
    all.iter().for_each(|one| dictionary(one, &operations, problems));
    for operation in operations {
        if operation.starts_with(RESERVED) {
            problems.push(
                Problem::new(
                    operation.span(),
                    format!("`{operation}` is an operation of the protocol, which the gateway answers itself"),
                )
                .help("names that begin with `mmtp.` are taken"),
            );
        }
    }
}

fn dictionary(one: &MessageDictionary, operations: &[&Located<Id>], problems: &mut Problems) {
    let channel = *one.channel;
    let calls = matches!(channel, 1 | 16..=31);
    if !calls && !matches!(channel, 2..=4 | 8..=15) {
        problems.push(Problem::new(
            one.channel.span(),
            format!("no messages go on channel {channel}: expected 1 to 4 or 8 to 31"),
        ));
    }
    let Some(operation) = &one.operation else { return };
    let name = operation.strip_suffix(".*").unwrap_or(operation);
    if name.is_empty() || name.contains('*') || operation.len() > LONGEST {
        problems.push(Problem::new(
            operation.span(),
            format!(
                "`{}` is neither an operation's name nor the beginning of one and `.*`",
                operation.value()
            ),
        ));
    } else if !calls {
        problems.push(
            Problem::new(
                operation.span(),
                format!("messages on channel {channel} have no operation"),
            )
            .help("take `operation` away: a dictionary without it is for the whole channel"),
        );
    } else if !operations.iter().any(|known| is_of(known, operation)) {
        let what = if name.len() < operation.len() {
            format!("no API has an operation that begins with `{name}.`")
        } else {
            format!("no API has the operation `{name}`")
        };
        problems.push(
            Problem::new(operation.span(), what)
                .help("give an API `operation: …` with such a name, or take the dictionary away"),
        );
    }
}

/// Whether an operation is the one that a pattern names, or among those.
fn is_of(operation: &str, pattern: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => operation.len() > beginning.len() && operation.starts_with(beginning),
        None => operation == pattern,
    }
}
