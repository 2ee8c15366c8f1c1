//! Connections as people look at them.

use std::{sync::Arc, time::Duration};

use crate::{Client, Handle, Registry, registry::Entry};

/// Which connections are wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted<'a> {
    /// Of this app.
    pub app: Option<&'a str>,
    /// Of this device.
    pub device: Option<&'a [u8]>,
    /// Of this user.
    pub user: Option<&'a str>,
    /// With a higher number than this.
    pub after: u64,
    /// No more than so many, those with the lowest numbers.
    pub limit: usize,
}

/// An open connection.
#[derive(Clone, Debug)]
pub struct Connection<T> {
    /// Its client.
    pub client: Arc<Client<T>>,
    /// How long it has been there.
    pub age: Duration,
    /// Calls in flight.
    pub calls: usize,
    /// Bytes from the client so far, beside TLS.
    pub bytes_in: u64,
    /// Bytes to the client so far, beside TLS.
    pub bytes_out: u64,
    /// Bytes that wait for the client to take them.
    pub queued: usize,
    /// Whether the client was told to go.
    pub going: bool,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Found<T> {
    /// As many as were wanted.
    pub connections: Vec<Connection<T>>,
    /// How many there are, from `after` on.
    pub total: usize,
}

impl Wanted<'_> {
    fn matches<T>(&self, client: &Client<T>) -> bool {
        let user = |wanted: &str| client.user().is_some_and(|user| &*user.id == wanted);
        client.connection > self.after
            && self.app.is_none_or(|app| *client.app == *app)
            && self.device.is_none_or(|device| *client.device == *device)
            && self.user.is_none_or(user)
    }
}

impl<T> Registry<T> {
    /// Looks through the open connections, a part of them after the other: one that comes or goes meanwhile may be there or not.
    #[must_use]
    pub fn find(&self, wanted: &Wanted<'_>) -> Found<T> {
        let (mut total, mut kept) = (0, Vec::<Entry<T>>::new());
        self.each_device(|entry| {
            if !wanted.matches(&entry.client) {
                return;
            }
            total += 1;
            // Those that are too many go when they are as many again.
            if kept.len() >= wanted.limit.max(32) * 2 {
                lowest(&mut kept, wanted.limit);
            }
            kept.push(entry.clone());
        });
        lowest(&mut kept, wanted.limit);
        let look = |entry: Entry<T>| entry.handle.look(entry.client);
        Found { connections: kept.into_iter().map(look).collect(), total }
    }

    /// The connection with this number.
    #[must_use]
    pub fn connection(&self, number: u64) -> Option<Handle> {
        let mut found = None;
        self.each_device(|entry| {
            if entry.client.connection == number {
                found = Some(entry.handle.clone());
            }
        });
        found
    }
}

fn lowest<T>(entries: &mut Vec<Entry<T>>, limit: usize) {
    entries.sort_unstable_by_key(|entry| entry.client.connection);
    entries.truncate(limit);
}
