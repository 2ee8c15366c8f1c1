//! The operation `mmtp.dictionary`, which the front answers itself: its body is an identity, its answer the dictionary.
//!
//! Every client may ask, whoever its user is: a dictionary that is offered is public.

use paifang_mmtp::compress::DictionaryId;
use paifang_pipeline::{Front, Inbound, error};

use crate::{CallFront, call::Target};

/// Its name.
const OPERATION: &str = "mmtp.dictionary";

/// Whether a call is for it.
pub(super) fn is_asked_for(target: &Target) -> bool {
    matches!(target, Target::Operation { name, .. } if &**name == OPERATION)
}

/// Answers it.
pub(super) async fn answer(front: &mut CallFront) {
    let mut identity = Vec::new();
    while !front.body_ended() && identity.len() <= size_of::<DictionaryId>() {
        match front.recv().await {
            Ok(Inbound::Frame(frame)) => identity.extend_from_slice(&frame.data),
            _ => return,
        }
    }
    match front.public(&identity) {
        Some(bytes) => front.answer(bytes),
        None => {
            let row = match identity.len() == size_of::<DictionaryId>() {
                true => error::NO_DICTIONARY,
                false => error::MALFORMED_REQUEST,
            };
            front.refuse(row.status.as_u16(), u32::from(row.number));
        }
    }
}
