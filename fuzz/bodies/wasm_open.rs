//! Files for the WebAssembly host: any bytes, and handlers with some of their bytes or sections
//! changed. It refuses them or takes them, in time, and takes no harm.

use std::ops::Range;
use std::sync::OnceLock;

use arbitrary::{Arbitrary, Result, Unstructured};
use wasmparser::{Parser, Payload};
use wit_component::ComponentEncoder;

// Whoever includes this file has it at hand.
use super::wasm_world as world;

/// The largest file that is made, in bytes.
const LARGEST: usize = 64 << 10;

/// A change to a file.
#[derive(Debug, Arbitrary)]
enum Change {
    Set {
        at: u16,
        to: u8,
    },
    Flip {
        at: u16,
        bit: u8,
    },
    Insert {
        at: u16,
        what: [u8; 4],
    },
    Cut {
        at: u16,
        length: u8,
    },
    End {
        at: u16,
    },
    /// A section to another place: over it, so that it is there twice, or is gone.
    Copy {
        section: u8,
        to: u8,
    },
    Drop {
        section: u8,
    },
    /// A section's bytes, changed where they are.
    Within {
        section: u8,
        at: u16,
        to: u8,
    },
}

/// The first byte says what follows: 0, a file; 1, changes to a component; else, to a core module.
pub fn run(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else { return world::tried(data) };
    let mut file = match kind {
        0 => return world::tried(rest),
        1 => component().to_vec(),
        _ => world::plain().to_vec(),
    };
    let mut data = Unstructured::new(rest);
    for _ in 0..8 {
        if data.is_empty() || changed(&mut file, &mut data).is_err() || file.len() > LARGEST {
            break;
        }
    }
    world::tried(&file);
}

fn component() -> &'static [u8] {
    static COMPONENT: OnceLock<Vec<u8>> = OnceLock::new();
    COMPONENT.get_or_init(|| {
        ComponentEncoder::default().module(world::plain()).unwrap().encode().unwrap()
    })
}

/// Where sections lie, those within sections too, as far as the file can be read.
fn sections(file: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for payload in Parser::new(0).parse_all(file) {
        let Ok(payload) = payload else { break };
        match payload {
            Payload::ModuleSection { unchecked_range: range, .. }
            | Payload::ComponentSection { unchecked_range: range, .. } => found.push(range),
            payload => found.extend(payload.as_section().map(|(_, range)| range)),
        }
    }
    found.retain(|range| range.end <= file.len() && !range.is_empty());
    found
}

fn changed(file: &mut Vec<u8>, data: &mut Unstructured<'_>) -> Result<()> {
    let whole = file.len().max(1);
    let place = |at: u16| usize::from(at) % whole;
    let change = Change::arbitrary(data)?;
    let sections = sections(file);
    let section = |n: u8| sections.get(usize::from(n) % sections.len().max(1)).cloned();
    match change {
        _ if file.is_empty() => {}
        Change::Set { at, to } => file[place(at)] = to,
        Change::Flip { at, bit } => file[place(at)] ^= 1 << (bit % 8),
        Change::Insert { at, what } => {
            let at = place(at);
            file.splice(at..at, what);
        }
        Change::Cut { at, length } => {
            let at = place(at);
            file.drain(at..(at + usize::from(length)).min(whole));
        }
        Change::End { at } => file.truncate(place(at)),
        Change::Copy { section: from, to } => {
            if let (Some(from), Some(to)) = (section(from), section(to)) {
                let copy = file[from].to_vec();
                file.splice(to, copy);
            }
        }
        Change::Drop { section: n } => {
            if let Some(range) = section(n) {
                file.drain(range);
            }
        }
        Change::Within { section: n, at, to } => {
            if let Some(range) = section(n) {
                file[range.start + usize::from(at) % range.len()] = to;
            }
        }
    }
    Ok(())
}
