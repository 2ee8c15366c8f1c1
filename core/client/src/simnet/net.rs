//! A small network: addresses, what answers there, and the connections between.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::end::End;
use super::link::{Link, Way};
use super::path::Path;
use super::profile::{Forgotten, Profile};
use super::retransmit::opening;

/// A network of one device: it dials addresses, and what was put there answers.
///
/// Connections are opened and move as the profile says that holds when they are dialled; an address may have one of
/// its own. All that goes wrong is asked for here, or of a connection's [`Link`]. Clones are the same network.
#[derive(Debug, Clone)]
pub struct SimNet(Arc<Mutex<State>>);

/// What dialling an address meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// A connection.
    Open,
    /// `ConnectionRefused`, after a round trip.
    Refuse,
    /// Nothing, ever: the one who dials has a deadline of its own.
    Silent,
}

/// What takes the server's end of a new connection.
type Accept = Arc<dyn Fn(End) + Send + Sync>;

/// An address that something was said of.
struct Place {
    accept: Option<Accept>,
    answer: Answer,
    profile: Option<Profile>,
}

struct State {
    profile: Profile,
    rng: fastrand::Rng,
    origin: Instant,
    online: bool,
    places: HashMap<SocketAddr, Place>,
    links: Vec<(SocketAddr, Weak<Path>)>,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimNet")
            .field("profile", &self.profile.name)
            .field("online", &self.online)
            .field("places", &self.places.keys())
            .field("links", &self.links.len())
            .finish_non_exhaustive()
    }
}

impl SimNet {
    /// A network like `profile`, whose outages are counted from now. The same seed and the same doings give the same
    /// arrivals.
    ///
    /// Must be called within a tokio runtime.
    #[must_use]
    pub fn new(profile: Profile, seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            profile,
            rng: fastrand::Rng::with_seed(seed),
            origin: Instant::now(),
            online: true,
            places: HashMap::new(),
            links: Vec::new(),
        })))
    }

    /// Puts a server at `address`: `accept` gets its end of each connection, and spawns what serves it. It replaces
    /// what was there. For a real server: `relay(end, TcpStream::connect(..).await?)` in a task.
    pub fn serve(&self, address: SocketAddr, accept: impl Fn(End) + Send + Sync + 'static) {
        let mut state = self.lock();
        let place = state.place(address);
        place.accept = Some(Arc::new(accept));
        place.answer = Answer::Open;
    }

    /// What dialling `address` meets from now on. Without a server there, `Open` is a refusal.
    pub fn answer(&self, address: SocketAddr, answer: Answer) {
        self.lock().place(address).answer = answer;
    }

    /// Connections to `address` move like `profile`, whatever the network is like.
    pub fn path_to(&self, address: SocketAddr, profile: Profile) {
        self.lock().place(address).profile = Some(profile);
    }

    /// The network becomes like `profile` for connections that are dialled later. Those that are there
    /// keep their figures; [`SimNet::cut`] or [`SimNet::forget`] is what a change of network does to them.
    pub fn become_like(&self, profile: Profile) {
        self.lock().profile = profile;
    }

    /// Dials `address`.
    ///
    /// # Errors
    ///
    /// `NetworkUnreachable` at once while the device is offline; `ConnectionRefused` after a round trip. Where nothing
    /// answers it waits for ever.
    pub async fn connect(&self, address: SocketAddr) -> io::Result<End> {
        let (there, back) = self.opening(address)?;
        sleep_until(there).await;
        let answer = self.lock().answer_of(address);
        if answer == Answer::Silent {
            std::future::pending::<()>().await;
        }
        sleep(back).await;
        if answer == Answer::Refuse {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let (client, server, accept, ahead) = self.open(address)?;
        tokio::spawn(async move {
            sleep(ahead).await;
            accept(server);
        });
        Ok(client)
    }

    /// The connections that are there, in the order in which they were opened.
    #[must_use]
    pub fn links(&self) -> Vec<Link> {
        self.those(|_| true)
    }

    /// The connections to `address` that are there.
    #[must_use]
    pub fn links_to(&self, address: SocketAddr) -> Vec<Link> {
        self.those(|to| to == address)
    }

    /// Every connection meets a reset.
    pub fn cut(&self) {
        self.links().iter().for_each(Link::reset);
    }

    /// Every connection stalls; new ones are not touched.
    pub fn stall(&self, way: Way) {
        self.links().iter().for_each(|link| link.stall(way));
    }

    /// Every connection is forgotten by a NAT.
    pub fn forget(&self, answer: Forgotten) {
        self.links().iter().for_each(|link| link.forget(answer));
    }

    /// The device has no network: connections stall and dialling fails, until [`SimNet::restore`].
    pub fn offline(&self) {
        self.lock().online = false;
        self.stall(Way::Both);
    }

    /// Ends [`SimNet::offline`] and every stall.
    pub fn restore(&self) {
        self.lock().online = true;
        self.links().iter().for_each(Link::restore);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn those(&self, wanted: impl Fn(SocketAddr) -> bool) -> Vec<Link> {
        let mut state = self.lock();
        state.links.retain(|(_, path)| path.strong_count() > 0);
        let chosen = state.links.iter().filter(|(to, _)| wanted(*to));
        chosen.filter_map(|(_, path)| path.upgrade().map(Link::of)).collect()
    }

    /// When the segment that opens a connection arrives, and how long its answer takes.
    fn opening(&self, address: SocketAddr) -> io::Result<(Instant, Duration)> {
        let mut state = self.lock();
        if !state.online {
            return Err(io::ErrorKind::NetworkUnreachable.into());
        }
        let profile = state.profile_to(address);
        let origin = state.origin;
        Ok(opening(&profile, origin, &mut state.rng))
    }

    fn open(&self, address: SocketAddr) -> io::Result<(End, End, Accept, Duration)> {
        let mut state = self.lock();
        let profile = state.profile_to(address);
        let accept = state.place(address).accept.clone().ok_or(io::ErrorKind::ConnectionRefused)?;
        let (ahead, seed) = (profile.up.latency, state.rng.u64(..));
        let (client, server, link) = Link::pair_since(&profile, seed, state.origin);
        state.links.retain(|(_, path)| path.strong_count() > 0);
        state.links.push((address, Arc::downgrade(link.path())));
        Ok((client, server, accept, ahead))
    }
}

impl State {
    fn place(&mut self, address: SocketAddr) -> &mut Place {
        let unknown = || Place { accept: None, answer: Answer::Open, profile: None };
        self.places.entry(address).or_insert_with(unknown)
    }

    /// Where nobody listens, a refusal is what an open address gives.
    fn answer_of(&self, address: SocketAddr) -> Answer {
        match self.places.get(&address) {
            Some(Place { accept: None, answer: Answer::Open, .. }) | None => Answer::Refuse,
            Some(place) => place.answer,
        }
    }

    fn profile_to(&self, address: SocketAddr) -> Profile {
        let own = self.places.get(&address).and_then(|place| place.profile.clone());
        own.unwrap_or_else(|| self.profile.clone())
    }
}
