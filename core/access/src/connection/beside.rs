//! A device's other connections: which of them go when it has a newer one (spec section 10).
//!
//! Whoever knows an app's and a device's name can say them in a HELLO. So a connection drives off only those that it has shown to be
//! of the same device: by the same user's credential, or by the key that the older one shows too. Others stay beside it, up to a bound, and
//! beyond that those go first whom the least vouches for: nobody, then a key, which costs nothing to make, then a user. Those that were told
//! to go and still finish something have a bound of their own, or a call that never ends would keep any number of them here.

use paifang_mmtp::{code::CloseCode, greeting::Closing};

use super::drive::Driver;
use crate::{Client, Handle, Host, client::Standing, registry::Entry};

/// Milliseconds that a client waits which found no place beside others, and of which it waits a random part more.
const NO_PLACE_AFTER_MS: u32 = 5_000;
const NO_PLACE_JITTER_MS: u32 = 30_000;

impl<H: Host> Driver<'_, H> {
    /// Sends the device's older connections away. Called when it is sure that this one's HELLO is its client's own, and when
    /// its user has changed.
    pub(super) fn replace_others(&self) {
        // A POST is no connection of the device.
        let counts = self.limits.one_per_device && self.form.is_kept();
        let Some(client) = self.client.as_ref().filter(|_| counts) else { return };
        let all = self.server.registry().beside(client);
        for (handle, end) in ends(client, all, self.limits.per_device) {
            match end {
                End::Replaced => handle.goaway(Closing::new(CloseCode::REPLACED)),
                End::NoPlace => handle.goaway(Closing {
                    after: NO_PLACE_AFTER_MS,
                    jitter: NO_PLACE_JITTER_MS,
                    ..Closing::new(CloseCode::TOO_MANY_CONNECTIONS)
                }),
                End::Now => handle.close(Closing::new(CloseCode::REPLACED)),
            }
        }
    }
}

/// How a connection comes to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// In order: a newer one has taken its place.
    Replaced,
    /// In order: there are too many, and those that stay are vouched for as well as it is. It may come again.
    NoPlace,
    /// At once: it was told to go before, and too many of those are here still.
    Now,
}

/// Those of a device's connections that end when `client` is there, which may be among them.
fn ends<T>(client: &Client<T>, mut all: Vec<Entry<T>>, most: usize) -> Vec<(Handle, End)> {
    all.sort_by_key(|entry| entry.client.connection);
    let mut going: Vec<Entry<T>> = all.extract_if(.., |entry| entry.handle.is_going()).collect();
    let is_replaced = |entry: &mut Entry<T>| {
        entry.client.connection < client.connection && client.is_same_device(&entry.client)
    };
    let replaced = all.extract_if(.., is_replaced);
    let mut told: Vec<(Entry<T>, End)> = replaced.map(|entry| (entry, End::Replaced)).collect();
    while all.len() > most {
        let Some((place, standing)) = weakest(&all) else { break };
        // Of those whom nobody vouches for the newest is as likely the device as any other, and the older ones may be dead.
        let place = if standing == Standing::Nobody { place.0 } else { place.1 };
        let newest = place + 1 == all.len();
        let stays = newest || standing != Standing::Nobody;
        told.push((all.remove(place), if stays { End::NoPlace } else { End::Replaced }));
    }
    let mut gone = Vec::new();
    while going.len() + told.len() > most && !going.is_empty() {
        let Some(((oldest, _), _)) = weakest(&going) else { break };
        gone.push((going.remove(oldest).handle, End::Now));
    }
    gone.extend(told.into_iter().map(|(entry, end)| (entry.handle, end)));
    gone
}

/// Where the first and the last of those are for whom the least vouches, and what.
fn weakest<T>(all: &[Entry<T>]) -> Option<((usize, usize), Standing)> {
    let standings = || all.iter().map(|entry| entry.client.standing());
    let least = standings().min()?;
    let first = standings().position(|standing| standing == least)?;
    let last = all.iter().rposition(|entry| entry.client.standing() == least)?;
    Some(((first, last), least))
}
