//! A link: the handle to a simulated connection, and how one is made.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep, sleep_until};

use super::end::End;
use super::path::{Path, State};
use super::profile::{Forgotten, Profile};
use super::relay::relay;
use super::retransmit::opening;

/// The handle to one simulated connection: what happens to it beside what its profile says.
///
/// Dropping it changes nothing; clones are the same connection.
#[derive(Debug, Clone)]
pub struct Link(Arc<Path>);

/// Which way of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
    /// Up and down.
    Both,
}

/// What went over a connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes that were written.
    pub sent: u64,
    /// Bytes that were read at the other end.
    pub arrived: u64,
    /// Transmissions that were lost, each repetition by itself.
    pub lost: u64,
}

impl Link {
    /// A connection over a path like `profile`, which is there at once: the client's end, the server's, the handle. The
    /// same seed and the same doings at the same times give the same arrivals. The origin of its outages is now.
    #[must_use]
    pub fn pair(profile: &Profile, seed: u64) -> (End, End, Self) {
        Self::pair_since(profile, seed, Instant::now())
    }

    /// As [`Link::pair`], with outages that are counted from `origin`.
    #[must_use]
    pub fn pair_since(profile: &Profile, seed: u64, origin: Instant) -> (End, End, Self) {
        let path = Arc::new(Path::new(profile, seed, origin));
        (End::new(Arc::clone(&path), 0), End::new(Arc::clone(&path), 1), Self(path))
    }

    /// Puts a path like `profile` before `server`, a stream to a real one: the client's end, and the handle.
    /// A task moves the bytes between; it ends when both directions have.
    ///
    /// Must be called within a tokio runtime.
    pub fn over<S>(server: S, profile: &Profile, seed: u64, origin: Instant) -> (End, Self)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (client, far, link) = Self::pair_since(profile, seed, origin);
        let watched = link.clone();
        tokio::spawn(async move {
            if relay(far, server).await.is_err() {
                watched.reset();
            }
        });
        (client, link)
    }

    /// Dials a real server over a path like `profile`: `connect` is run when the opening has arrived, and the
    /// connection is there a way later. See [`Link::over`].
    ///
    /// # Errors
    ///
    /// Those of `connect`, as late as its answer would have come.
    pub async fn dial<S>(
        profile: &Profile,
        seed: u64,
        origin: Instant,
        connect: impl Future<Output = io::Result<S>>,
    ) -> io::Result<(End, Self)>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (there, back) = opening(profile, origin, &mut fastrand::Rng::with_seed(!seed));
        sleep_until(there).await;
        let server = connect.await;
        sleep(back).await;
        server.map(|server| Self::over(server, profile, seed, origin))
    }

    /// From now on nothing moves that `way`, and nobody is told: half-dead for one way, dead for both. Written bytes
    /// pile up to the window. [`Link::restore`] brings them through.
    pub fn stall(&self, way: Way) {
        let ways = [way != Way::Down, way != Way::Up];
        self.with(|state, now| state.stall(ways, now));
    }

    /// Ends a stall: what was written meanwhile comes when TCP would next have tried again. What was forgotten
    /// stays so.
    pub fn restore(&self) {
        self.with(|state, now| state.restore(now));
    }

    /// A NAT forgets the connection, for good.
    pub fn forget(&self, answer: Forgotten) {
        self.with(|state, now| state.forget(answer, now));
    }

    /// Both ends meet a reset, now.
    pub fn reset(&self) {
        self.with(|state, now| state.reset(now));
    }

    /// The path becomes like `profile` for what is sent from now on.
    pub fn become_like(&self, profile: &Profile) {
        self.with(|state, _| state.become_like(profile));
    }

    /// What went over it so far: up, down.
    #[must_use]
    pub fn traffic(&self) -> (Traffic, Traffic) {
        let state = self.0.lock();
        let [up, down] = &state.flows;
        (up.traffic(), down.traffic())
    }

    pub(super) fn path(&self) -> &Arc<Path> {
        &self.0
    }

    pub(super) fn of(path: Arc<Path>) -> Self {
        Self(path)
    }

    fn with(&self, change: impl FnOnce(&mut State, Instant)) {
        change(&mut self.0.lock(), Instant::now());
    }
}
