//! The task that keeps the connection: opens it, has the gateway counted as a member, and looks
//! whether lanes that are down take writes again.

use super::{
    super::{
        failure::Failure,
        members::{BEAT, LIFE},
        script, slot,
    },
    Command, Connection, Shared,
};
use redis::{ErrorKind, RedisError, ServerErrorKind};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout},
};

/// Between two looks at lanes that are down, and between two attempts to connect at first.
const LOOK: Duration = Duration::from_millis(100);

/// Between two attempts to connect at last.
const SLOWEST: Duration = Duration::from_secs(1);

/// A cluster's connection with lanes down for this long is opened anew: its client may look for
/// nodes that are gone.
const STALE: Duration = Duration::from_secs(3);

/// Runs until nobody can send any more.
pub(super) async fn run(shared: Arc<Shared>, alive: mpsc::WeakSender<Command>) {
    let probes = slot::probes(&shared.settings.prefix, shared.lanes.count());
    let mut pause = LOOK;
    let mut number = 0;
    while alive.upgrade().is_some() {
        number += 1;
        let index = usize::try_from(number - 1).unwrap_or(0);
        let opening =
            timeout(shared.settings.connect_timeout * 2, Connection::open(&shared.settings, index));
        let failure = match opening.await {
            Ok(Ok(connection)) => {
                shared.connection.send_replace(Some((number, connection.clone())));
                let worked = keep(&shared, &alive, number, connection, &probes).await;
                shared.connection.send_replace(None);
                if worked {
                    pause = LOOK;
                }
                None
            }
            Ok(Err(error)) => Some(Failure::Away(Failure::from(&error).to_string())),
            Err(_) => Some(Failure::Away("no connection in time".to_owned())),
        };
        if let Some(failure) = failure {
            for lane in 0..shared.lanes.count() {
                if shared.lanes.fell(lane) {
                    shared.tell_down(lane, &failure);
                }
            }
            *shared.trouble.lock() = Some(failure.to_string());
        }
        sleep(pause).await;
        pause = (pause * 2).min(SLOWEST);
    }
}

/// Keeps a connection as long as it is of use; whether it ever was.
async fn keep(
    shared: &Shared,
    alive: &mpsc::WeakSender<Command>,
    number: u64,
    connection: Connection,
    probes: &[Vec<u8>],
) -> bool {
    let mut worked = false;
    let mut next_beat = Instant::now();
    let mut down_since: Option<Instant> = None;
    loop {
        if alive.upgrade().is_none() || *shared.broken.lock() == Some(number) {
            return worked;
        }
        // With each beat all lanes are looked at: one that nobody asks just now may be down as well.
        let due = Instant::now() >= next_beat;
        if due {
            next_beat = Instant::now() + BEAT;
            worked |= beat(shared, number, connection.clone()).await;
        }
        let down = (0..probes.len()).filter(|lane| due || shared.lanes.is_down(*lane));
        let looks = down.map(|lane| look(shared, number, connection.clone(), lane, &probes[lane]));
        let looks: Vec<bool> = futures::future::join_all(looks).await;
        worked |= looks.contains(&true);
        if looks.contains(&false) {
            next_beat = Instant::now();
            let since = *down_since.get_or_insert_with(Instant::now);
            if shared.settings.cluster && since.elapsed() >= STALE {
                return worked;
            }
            let _ = timeout(LOOK, shared.wake.notified()).await;
        } else {
            down_since = None;
            *shared.trouble.lock() = None;
            let _ = timeout(LOOK * 2, shared.wake.notified()).await;
        }
    }
}

/// Looks whether a lane takes writes.
async fn look(
    shared: &Shared,
    number: u64,
    mut connection: Connection,
    lane: usize,
    key: &[u8],
) -> bool {
    let keys = [key.to_vec()];
    match shared.try_one(number, connection.run(&script::PROBE, &keys, &[])).await {
        Ok(_) => {
            if shared.lanes.rose(lane) {
                shared.tell_up(lane);
            }
            true
        }
        Err(failure) => {
            *shared.trouble.lock() = Some(failure.to_string());
            if shared.lanes.note(lane, Some(&failure)) {
                shared.tell_down(lane, &failure);
            }
            false
        }
    }
}

/// Says that this gateway is there, and hears how many are.
async fn beat(shared: &Shared, number: u64, mut connection: Connection) -> bool {
    let key = format!("{}:members:{{members}}", shared.settings.prefix).into_bytes();
    let lane = slot::lane(&key, shared.lanes.count());
    let arguments = [shared.members.id(), LIFE.as_millis().to_string().into_bytes()];
    let beat = connection.run(&script::MEMBER, std::slice::from_ref(&key), &arguments);
    let done = shared.try_one(number, beat).await;
    if shared.lanes.note(lane, done.as_ref().err())
        && let Err(failure) = &done
    {
        shared.tell_down(lane, failure);
    }
    match done {
        Ok(redis::Value::Int(count)) => {
            shared.members.learn(count);
            true
        }
        Ok(_) => true,
        Err(failure) => {
            *shared.trouble.lock() = Some(failure.to_string());
            false
        }
    }
}

impl Shared {
    async fn try_one<T>(
        &self,
        number: u64,
        running: impl Future<Output = Result<T, RedisError>>,
    ) -> Result<T, Failure> {
        match timeout(self.settings.command_timeout, running).await {
            Ok(done) => done.map_err(|error| {
                if !self.settings.cluster && self.is_over(&error) {
                    self.give_up(number);
                }
                Failure::from(&error)
            }),
            Err(_) => Err(Failure::Away("no answer in time".to_owned())),
        }
    }

    /// Whether the connection to one server is of no more use after this.
    pub(super) fn is_over(&self, error: &RedisError) -> bool {
        error.is_unrecoverable_error()
            || error.is_connection_dropped()
            || error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly)
    }

    pub(super) fn tell_down(&self, lane: usize, failure: &Failure) {
        let (store, lanes, up) = (&self.settings.name, self.lanes.count(), self.lanes.up());
        *self.trouble.lock() = Some(failure.to_string());
        tracing::error!(
            store,
            lane,
            lanes,
            up,
            "THE SHARED STORE IS AWAY for these keys, steps do what \
             `on_store_failure` says: {failure}"
        );
    }

    fn tell_up(&self, lane: usize) {
        let (store, lanes, up) = (&self.settings.name, self.lanes.count(), self.lanes.up());
        tracing::warn!(store, lane, lanes, up, "the shared store is back for these keys");
    }
}
