//! Dictionaries that the server has named and the client has not, fetched in the background.

use std::sync::{Arc, Weak};

use paifang_mmtp::compress::DictionaryId;

use crate::{call, connection::Command, shared::Shared};

/// The most that are fetched over one connection, so that a server cannot keep a client busy with them.
const MOST: usize = 8;

/// Fetches them one after the other. The first failure ends it; the next connection tries again. Who has waited for them hears of it.
pub(super) async fn fetch(shared: Arc<Shared>, missing: Vec<DictionaryId>) {
    let mut some = false;
    // Another client may have fetched one meanwhile.
    for id in missing.into_iter().filter(|id| !shared.coder.holds(*id)).take(MOST) {
        match call::dictionary(&shared, id.0).await {
            Ok(bytes) if shared.coder.install(id, &bytes) => {
                tracing::debug!(%id, bytes = bytes.len(), "a dictionary was fetched");
                some = true;
                learnt(&shared);
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
    let waited = shared.coder.end_fetching();
    if some {
        waited.iter().filter_map(Weak::upgrade).for_each(|client| learnt(&client));
    }
}

/// The client's connection may use other dictionaries now.
fn learnt(client: &Shared) {
    if let Some(connection) = &*client.current.borrow() {
        connection.tell(Command::Learnt);
    }
}
