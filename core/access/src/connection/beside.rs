//! A device's other connections: which of them go when it has a newer one (spec section 10).
//!
//! Whoever knows an app's and a device's name can say them in a HELLO. So a connection drives off only those that it has shown to be
//! of the same device: by the same user's credential, or by the key that the older one shows too. Others stay beside it, up to a bound, and
//! beyond that those go first that nobody vouches for.

use paifang_mmtp::{code::CloseCode, greeting::Closing};

use super::drive::Driver;
use crate::{Client, Handle, Host, registry::Entry};

impl<H: Host> Driver<'_, H> {
    /// Sends the device's older connections away. Called when it is sure that this one's HELLO is its client's own, and when
    /// its user has changed.
    pub(super) fn replace_others(&self) {
        // A POST is no connection of the device.
        let counts = self.limits.one_per_device && self.form.is_kept();
        let Some(client) = self.client.as_ref().filter(|_| counts) else { return };
        let all = self.server.registry().beside(client);
        for handle in leaving(client, all, self.limits.per_device) {
            handle.goaway(Closing::new(CloseCode::REPLACED));
        }
    }
}

/// Those that go when `client` is there. It may be among them.
fn leaving<T>(client: &Client<T>, mut all: Vec<Entry<T>>, most: usize) -> Vec<Handle> {
    all.retain(|entry| !entry.handle.is_going());
    all.sort_by_key(|entry| entry.client.connection);
    let is_replaced = |entry: &mut Entry<T>| {
        entry.client.connection < client.connection && client.is_same_device(&entry.client)
    };
    let mut gone: Vec<Handle> = all.extract_if(.., is_replaced).map(|entry| entry.handle).collect();
    while all.len() > most {
        // The oldest that nobody vouches for; where there is none, whoever came last.
        let place = all.iter().position(|entry| !entry.client.is_known()).unwrap_or(all.len() - 1);
        gone.push(all.remove(place).handle);
    }
    gone
}
