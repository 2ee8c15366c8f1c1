//! Doing operations one after the other.

use crate::{
    Net, Op,
    draft::{Draft, End, Given},
    edits, facts, faults, host, memory, net,
    op::{Level, Reply},
};
use paifang_guest::{
    Answer, Field, Rejection,
    host::{kv, log},
};
use serde_json::Value;
use std::hint::black_box;

/// Does them until one decides.
pub(crate) fn run<N: Net>(ops: &[Op], given: &Given<'_>, draft: &mut Draft) {
    for op in ops {
        step::<N>(op, given, draft);
        if draft.end.is_some() {
            return;
        }
    }
}

fn step<N: Net>(op: &Op, given: &Given<'_>, draft: &mut Draft) {
    match op {
        Op::If { header, is, then } => {
            let value = given.header(header);
            if value.is_some_and(|value| is.as_ref().is_none_or(|is| is == value)) {
                run::<N>(then, given, draft);
            }
        }
        Op::Repeat { times, of } => {
            let mut left = *times;
            while left > 0 && draft.end.is_none() {
                run::<N>(of, given, draft);
                left -= 1;
            }
        }
        Op::Loop => faults::endless(),
        Op::Recurse => draft.note(faults::recurse(1)),
        Op::RecurseWide => draft.note(faults::recurse_wide(1)),
        Op::Exhaust => faults::exhaust(),
        Op::Panic => panic!("as it was told"),
        Op::Trap => faults::trap(),
        Op::Work(rounds) => work(*rounds),
        Op::Note => draft.note(facts::given(given)),
        Op::TellLog => log(Level::Info.into(), &draft.told()),
        Op::TellKv(key) => {
            // Nobody is there to hear that it went wrong but whoever looks for the value.
            let _ = kv::set(key, draft.told().as_bytes(), None);
        }
        Op::Send(outgoing) => net::send::<N>(outgoing, false, draft),
        Op::Relay(outgoing) => net::send::<N>(outgoing, true, draft),
        _ if decide(op, given, draft) || keep(op, given, draft) => {}
        _ if edits::change(op, given, draft) => {}
        _ => host::ask(op, draft),
    }
}

/// Does an operation that decides; says whether it was one.
fn decide(op: &Op, given: &Given<'_>, draft: &mut Draft) -> bool {
    match op {
        Op::Answer(reply) => draft.end = Some(End::Answer(answer(reply))),
        Op::Echo => draft.echo(given),
        Op::Tell => draft.answer_json(draft.told()),
        Op::Reject { refusal, detail, internal, headers } => {
            draft.end = Some(End::Reject(Rejection {
                refusal: (*refusal).into(),
                detail: detail.clone(),
                headers: headers.iter().flatten().map(field).collect(),
                internal: internal.clone(),
            }));
        }
        Op::NeedBody(kept) => draft.end = Some(End::NeedBody(kept.clone().into())),
        Op::Fail(why) => draft.end = Some(End::Fail(why.clone())),
        _ => return false,
    }
    true
}

/// Does an operation on memory; says whether it was one.
fn keep(op: &Op, given: &Given<'_>, draft: &mut Draft) -> bool {
    match op {
        Op::Allocate(bytes) => draft.note(memory::allocate(*bytes)),
        Op::Hold(bytes) => draft.note(memory::hold(*bytes).map_or(Value::Bool(false), Value::from)),
        Op::Remember(header) => {
            draft.note(memory::remember(given.header(header).unwrap_or_default()));
        }
        Op::RememberText(text) => draft.note(memory::remember(text)),
        Op::Litter { text, bytes } => memory::litter(text, *bytes),
        Op::LitterHeader { header, bytes } => {
            memory::litter(given.header(header).unwrap_or_default(), *bytes);
        }
        Op::LookFor(backwards) => draft.note(memory::look_for(backwards)),
        Op::MemorySize => draft.note(memory::size()),
        _ => return false,
    }
    true
}

fn answer(reply: &Reply) -> Answer {
    let body = reply.bytes.map_or_else(|| reply.body.clone().into(), |bytes| vec![b'x'; bytes]);
    Answer { status: reply.status, headers: reply.headers.iter().map(field).collect(), body }
}

fn field((name, value): &(String, String)) -> Field {
    Field::new(name, &**value)
}

fn work(rounds: u64) {
    let sum = (0..rounds).fold(1_u64, |sum, n| black_box(sum.wrapping_mul(31).wrapping_add(n)));
    black_box(sum);
}
