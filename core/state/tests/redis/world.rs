//! Gateways' stores over servers of the test, and a short way to ask them.

use crate::server::RedisServer;
use paifang_pipeline::ports::{
    Answer, Clock, LimitDecision, LimitSpec, Limiter, Spawn, StateKey, Store, StoreError,
    SystemClock, TokioSpawn, WhenAway,
};
use paifang_state::{
    LocalStore,
    redis::{RedisSettings, RedisStore, StoreReading},
};
use std::{net::SocketAddr, sync::Arc, time::Duration};

/// What takes longer than this hangs.
const HANG: Duration = Duration::from_secs(20);

/// A gateway: its store, its clock.
pub(crate) struct Gateway {
    pub(crate) store: RedisStore,
    pub(crate) clock: Arc<dyn Clock>,
}

/// What a gateway is told, with waits that a busy machine keeps.
pub(crate) fn settings(addresses: &[SocketAddr]) -> RedisSettings {
    RedisSettings {
        name: "shared".to_owned(),
        addresses: addresses.iter().map(|at| (at.ip().to_string(), at.port())).collect(),
        cluster: false,
        username: None,
        password: None,
        database: 0,
        tls: None,
        prefix: "paifang".to_owned(),
        connect_timeout: Duration::from_secs(1),
        command_timeout: Duration::from_millis(500),
        queue: 1024,
        gateways: None,
    }
}

impl Gateway {
    /// One that has begun to connect.
    pub(crate) fn start(settings: RedisSettings) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let store = RedisStore::new(settings, clock.clone(), Arc::new(LocalStore::new()));
        let spawn: Arc<dyn Spawn> = Arc::new(TokioSpawn(tokio::runtime::Handle::current()));
        store.start(&spawn);
        Self { store, clock }
    }

    /// One at a server, once all lanes are up and `gateways` are known.
    pub(crate) async fn at(server: &RedisServer, gateways: u32) -> Self {
        let this = Self::start(settings(&[server.address]));
        this.knows(gateways).await;
        this
    }

    pub(crate) async fn knows(&self, gateways: u32) {
        self.comes_to("the gateways are known", |reading| {
            reading.lanes_up == reading.lanes && reading.gateways >= Some(gateways)
        })
        .await;
    }

    pub(crate) async fn is_up(&self) {
        self.comes_to("it is up", |reading| {
            reading.lanes_up == reading.lanes && reading.trouble.is_none()
        })
        .await;
    }

    pub(crate) async fn is_down(&self) {
        self.comes_to("it is down", |reading| reading.lanes_up < reading.lanes).await;
    }

    /// Waits until its reading is such.
    pub(crate) async fn comes_to(&self, what: &str, holds: impl Fn(&StoreReading) -> bool) {
        let began = std::time::Instant::now();
        while !holds(&self.store.read()) {
            assert!(began.elapsed() < HANG, "never: {what}: {:?}", self.store.read());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// A limit that goes by its share while the store is away.
    pub(crate) fn limit(&self, name: &str, rate: u64, burst: u64) -> Limit {
        self.limit_when_away(name, rate, burst, WhenAway::Local)
    }

    pub(crate) fn limit_when_away(
        &self,
        name: &str,
        rate: u64,
        burst: u64,
        away: WhenAway,
    ) -> Limit {
        let spec = LimitSpec {
            count: rate.try_into().unwrap(),
            period_nanos: 1_000_000_000.try_into().unwrap(),
            burst: burst.try_into().unwrap(),
            subjects: 1_000.try_into().unwrap(),
        };
        let limiter = self.store.limiter_when_away(&StateKey::shared(name), spec, away).unwrap();
        Limit { limiter, clock: self.clock.clone() }
    }
}

/// A limit with its clock.
#[derive(Clone)]
pub(crate) struct Limit {
    pub(crate) limiter: Arc<dyn Limiter>,
    clock: Arc<dyn Clock>,
}

impl Limit {
    pub(crate) async fn take(&self, subject: &str) -> Result<LimitDecision, StoreError> {
        answer(self.limiter.take(subject.as_bytes(), self.clock.now())).await
    }

    /// How many of so many calls pass.
    pub(crate) async fn passed(&self, subject: &str, calls: usize) -> usize {
        let mut passed = 0;
        for _ in 0..calls {
            passed += usize::from(self.take(subject).await.unwrap().allowed);
        }
        passed
    }
}

pub(crate) async fn answer<T>(answer: Answer<T>) -> Result<T, StoreError> {
    match answer {
        Answer::Now(value) => Ok(value),
        Answer::Later(later) => later.await,
    }
}

/// Waits until something holds.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(HANG, waiting).await.unwrap_or_else(|_| panic!("never: {what}"));
}
