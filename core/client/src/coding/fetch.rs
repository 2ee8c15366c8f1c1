//! Dictionaries that the server has named and the client has not, fetched in the background.

use std::sync::{Arc, atomic::Ordering};

use paifang_mmtp::compress::DictionaryId;

use crate::{call, connection::Command, shared::Shared};

/// The most that are fetched over one connection, so that a server cannot keep a client busy with them.
const MOST: usize = 8;

/// Fetches them one after the other. The first failure ends it; the next connection tries again.
pub(super) async fn fetch(shared: Arc<Shared>, missing: Vec<DictionaryId>) {
    for id in missing.into_iter().take(MOST) {
        match call::dictionary(&shared, id.0).await {
            Ok(bytes) if shared.coder.install(id, &bytes) => {
                tracing::debug!(%id, bytes = bytes.len(), "a dictionary was fetched");
                if let Some(connection) = &*shared.current.borrow() {
                    connection.tell(Command::Learnt);
                }
            }
            Ok(_) => {
                tracing::warn!(%id, "what the server gave for a dictionary is not the one of this name");
            }
            Err(why) => {
                tracing::debug!(%id, %why, "a dictionary was not fetched");
                break;
            }
        }
    }
    shared.coder.fetching.store(false, Ordering::Release);
}
