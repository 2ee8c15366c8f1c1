//! Who is connected: connections by number, device and user.

use std::{collections::HashMap, sync::Arc};

use paifang_mmtp::session::{Key, NewMessage};
use parking_lot::Mutex;

use crate::{Client, Handle, User, encoding::Forms};

/// Shards of each map: a connection comes or goes in one of them while the others are free.
const SHARDS: usize = 64;

/// What a connection is found by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Place {
    Device(Arc<str>, Box<[u8]>),
    User(Arc<str>, Arc<str>),
}

type Shard<T> = Mutex<HashMap<Place, Vec<Entry<T>>>>;

/// Open connections.
#[derive(Debug)]
pub struct Registry<T> {
    shards: Box<[Shard<T>]>,
    hasher: std::hash::RandomState,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Entry<T> {
    pub(crate) handle: Handle,
    pub(crate) client: Arc<Client<T>>,
}

impl<T> Clone for Entry<T> {
    fn clone(&self) -> Self {
        Self { handle: self.handle.clone(), client: self.client.clone() }
    }
}

/// What became of a message to somebody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pushed {
    /// Connections that took it.
    pub sent: usize,
    /// Messages that were dropped for slow clients, this one or others.
    pub dropped: usize,
}

impl<T> Default for Registry<T> {
    fn default() -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, hasher: std::hash::RandomState::new() }
    }
}

impl<T> Registry<T> {
    fn shard(&self, place: &Place) -> &Shard<T> {
        use std::hash::BuildHasher;
        let hash = self.hasher.hash_one(place);
        &self.shards[(hash % SHARDS as u64) as usize]
    }

    fn add(&self, place: Place, entry: Entry<T>) {
        self.shard(&place).lock().entry(place).or_default().push(entry);
    }

    fn remove(&self, place: &Place, connection: u64) {
        let mut shard = self.shard(place).lock();
        if let Some(all) = shard.get_mut(place) {
            all.retain(|own| own.client.connection != connection);
            if all.is_empty() {
                shard.remove(place);
            }
        }
    }

    fn entries(&self, place: &Place) -> Vec<Entry<T>> {
        self.shard(place).lock().get(place).cloned().unwrap_or_default()
    }

    fn handles(&self, place: &Place) -> Vec<Handle> {
        let shard = self.shard(place).lock();
        let all = shard.get(place);
        all.map_or_else(Vec::new, |all| all.iter().map(|own| own.handle.clone()).collect())
    }

    /// A connection is there.
    pub(crate) fn arrive(&self, client: &Arc<Client<T>>, handle: &Handle) {
        self.add(device(client), Entry { handle: handle.clone(), client: client.clone() });
    }

    /// The connections of a client's device, its own among them.
    pub(crate) fn beside(&self, client: &Client<T>) -> Vec<Entry<T>> {
        self.entries(&device(client))
    }

    /// A connection's user is another.
    pub(crate) fn change_user(
        &self,
        client: &Arc<Client<T>>,
        handle: &Handle,
        before: Option<&User>,
        after: Option<&User>,
    ) {
        if let Some(user) = before {
            self.remove(&place(client, user), client.connection);
        }
        if let Some(user) = after {
            let entry = Entry { handle: handle.clone(), client: client.clone() };
            self.add(place(client, user), entry);
        }
    }

    /// A connection is gone.
    pub(crate) fn leave(&self, client: &Client<T>) {
        self.remove(&device(client), client.connection);
        if let Some(user) = client.user() {
            self.remove(&place(client, &user), client.connection);
        }
    }

    /// Looks at every connection, shard by shard.
    pub(crate) fn each_device(&self, mut look: impl FnMut(&Entry<T>)) {
        for shard in &self.shards {
            let shard = shard.lock();
            let devices = shard.iter().filter(|(place, _)| matches!(place, Place::Device(..)));
            devices.flat_map(|(_, all)| all).for_each(&mut look);
        }
    }

    /// The connections of a device.
    #[must_use]
    pub fn of_device(&self, app: &str, device: &[u8]) -> Vec<Handle> {
        self.handles(&Place::Device(app.into(), device.into()))
    }

    /// The connections of a user, on all of the user's devices.
    #[must_use]
    pub fn of_user(&self, app: &str, user: &str) -> Vec<Handle> {
        self.handles(&Place::User(app.into(), user.into()))
    }
}

fn device<T>(client: &Client<T>) -> Place {
    Place::Device(client.app.clone(), client.device.clone())
}

fn place<T>(client: &Client<T>, user: &User) -> Place {
    Place::User(client.app.clone(), user.id.clone())
}

impl<H: crate::Host> crate::Server<H> {
    /// Sends a message to each of these connections. Its bytes are shared, not copied; it is compressed once for all that know the same
    /// dictionary.
    pub fn push(&self, to: &[Handle], channel: u8, message: &NewMessage) -> Pushed {
        let mut pushed = Pushed::default();
        let mut forms = Forms::new(channel, message);
        for handle in to {
            let outcome = handle.push(channel, &mut forms);
            pushed.sent += usize::from(outcome.key.is_ok());
            pushed.dropped += outcome.dropped;
        }
        self.stats().count_messages_out(pushed.sent as u64);
        self.stats().count_dropped(pushed.dropped as u64);
        pushed
    }

    /// Sends a message over one connection and says by which name its ACK comes.
    ///
    /// # Errors
    /// When it was not taken.
    pub fn push_one(
        &self,
        to: &Handle,
        channel: u8,
        message: NewMessage,
    ) -> Result<Key, crate::NotSent> {
        let outcome = to.push(channel, &mut Forms::new(channel, &message));
        self.stats().count_messages_out(u64::from(outcome.key.is_ok()));
        self.stats().count_dropped(outcome.dropped as u64);
        outcome.key
    }
}
