//! The call that fetches a dictionary: as others are made, but that nothing intercepts it.

use std::sync::Arc;

use bytes::Bytes;
use paifang_mmtp::compress::MAX_DICTIONARY;

use super::{Called, Prepared, body::Body, collect, run::Run};
use crate::{error::Error, shared::Shared};

/// Behind all calls of the app.
const LAST: u8 = 7;

/// The bytes that the server gives for the dictionary of this identity. Whether they are is for the caller to see.
pub(crate) async fn dictionary(shared: &Arc<Shared>, identity: [u8; 16]) -> Result<Bytes, Error> {
    let called = Called::Operation("mmtp.dictionary".into());
    let prepared = Prepared { priority: LAST, ..Prepared::new(called) };
    let body = Body::Whole(Bytes::copy_from_slice(&identity));
    let mut run = Run::new(shared, prepared, body, shared.options.deadline, true)?;
    let (head, body) = run.answer().await?;
    let answer = collect(head, body, MAX_DICTIONARY).await?;
    match answer.status() {
        200 => Ok(answer.body().clone()),
        status => Err(Error::Invalid(format!("the server answered with {status}"))),
    }
}
