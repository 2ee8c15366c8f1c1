//! Changes to a request or a response, allowed or not: judging them is the host's part.

use crate::{
    draft::{Draft, Given, error},
    op::Op,
};
use paifang_guest::{Edit, Field, Identity, Named};

/// Does an operation of this file; says whether it was one.
pub(crate) fn change(op: &Op, given: &Given<'_>, draft: &mut Draft) -> bool {
    match op {
        Op::Set((name, value)) => draft.set(name, &**value),
        Op::Append((name, value)) => {
            draft.headers.push(Edit::Append(Field::new(name, &**value)));
        }
        Op::Remove(name) => draft.headers.push(Edit::Remove(name.clone())),
        Op::SetBytes((name, value)) => match hex::decode(value) {
            Ok(value) => draft.set(name, value),
            Err(_) => draft.note(error("the value must be in hex")),
        },
        Op::SetLong(name, bytes) => draft.set(name, vec![b'x'; *bytes]),
        Op::SetMany(count) => (0..*count).for_each(|n| draft.set(&format!("x-set-{n}"), "1")),
        Op::Copy((from, to)) => draft.set(to, given.header(from).unwrap_or("none")),
        Op::Path(path) => draft.path = Some(path.clone()),
        Op::Query(query) => draft.query = Some(query.clone()),
        Op::Status(status) => draft.status = Some(*status),
        Op::Body(body) => draft.body = Some(body.clone().into()),
        Op::BodyBytes(bytes) => draft.body = Some(vec![b'x'; *bytes]),
        Op::ReverseBody => {
            draft.body = given.body.map(|body| body.iter().rev().copied().collect());
        }
        Op::Identity { subject, app, claims } => {
            let claims = Some(claims.iter().map(named).collect());
            let (subject, app) = (subject.clone(), app.clone());
            draft.identity = Some(Identity { subject, app, claims });
        }
        Op::Slot(slot) => draft.slots.push(named(slot)),
        Op::Keep(text) => draft.keep = Some(text.clone().into()),
        Op::KeepBytes(bytes) => draft.keep = Some(vec![b'x'; *bytes]),
        Op::TellHeader(name) => draft.set(name, draft.told()),
        _ => return false,
    }
    true
}

fn named((name, value): &(String, String)) -> Named {
    Named { name: name.clone(), value: value.clone() }
}
