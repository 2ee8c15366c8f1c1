//! A real Redis Cluster of six servers, three gateways, and a master that dies.

use crate::{
    server::RedisCluster,
    world::{Gateway, Limit, settings},
};
use paifang_pipeline::ports::{NonceSpec, NonceVerdict, StateKey, Store, WhenAway};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

const RATE: u64 = 400;
const BURST: u64 = 200;

/// Calls of one gateway until it is told to end, each subject in turn: how many passed, by subject.
async fn load(limit: Limit, subjects: Arc<Vec<String>>, end: Arc<AtomicBool>) -> Vec<usize> {
    let mut passed = vec![0; subjects.len()];
    let (began, mut calls) = (Instant::now(), 0_u32);
    let every = Duration::from_micros(1_000);
    while !end.load(Relaxed) {
        while every * calls <= began.elapsed() {
            let subject = calls as usize % subjects.len();
            passed[subject] += limit.passed(&subjects[subject], 1).await;
            calls += 1;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    passed
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_master_costs_no_more_than_a_burst_and_comes_back_as_another() {
    let mut cluster = RedisCluster::start();
    let mut all = settings(&cluster.servers.iter().map(|one| one.address).collect::<Vec<_>>());
    all.cluster = true;
    let gateways = [0; 3].map(|_| Gateway::start(all.clone()));
    for gateway in &gateways {
        gateway.knows(3).await;
        assert_eq!(gateway.store.read().lanes, 16);
    }
    // Subjects enough that each master has some.
    let subjects: Arc<Vec<String>> = Arc::new((0..6).map(|one| format!("subject {one}")).collect());
    let end = Arc::new(AtomicBool::new(false));
    let began = Instant::now();
    let loads: Vec<_> = gateways
        .iter()
        .map(|gateway| {
            let limit = gateway.limit("a", RATE, BURST);
            tokio::spawn(load(limit, subjects.clone(), end.clone()))
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let keys: usize = cluster.masters().iter().map(|one| keys(&cluster, *one)).sum();
    assert_eq!(keys, subjects.len(), "each subject is one key of one master");
    let victim =
        cluster.masters().into_iter().max_by_key(|one| self::keys(&cluster, *one)).unwrap();
    cluster.servers[victim].kill();
    for gateway in &gateways {
        gateway
            .comes_to("some are down", |store| store.lanes_up < store.lanes && store.lanes_up > 0)
            .await;
    }
    for gateway in &gateways {
        gateway.is_up().await;
    }
    assert_eq!(cluster.masters().len(), 3, "a replica has taken its place");
    tokio::time::sleep(Duration::from_millis(500)).await;
    end.store(true, Relaxed);
    let mut passed = vec![0; subjects.len()];
    for load in loads {
        let of_one = load.await.unwrap();
        passed.iter_mut().zip(of_one).for_each(|(sum, one)| *sum += one);
    }
    let rate = RATE as f64 * began.elapsed().as_secs_f64();
    for (subject, passed) in passed.iter().enumerate() {
        // One burst of the dead master's count, one of the shares, one of the new master's.
        let most = rate + 3.0 * BURST as f64;
        assert!((*passed as f64) <= most, "subject {subject}: {passed} of {most}");
        assert!(*passed as u64 >= BURST, "subject {subject}: {passed}");
    }
    eprintln!("{passed:?} of {:.0} + {BURST} each", rate);
}

fn keys(cluster: &RedisCluster, master: usize) -> usize {
    let keys = cluster.servers[master].cli(&["--scan", "--pattern", "paifang:limit:*"]);
    keys.lines().filter(|line| !line.is_empty()).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn nonces_and_values_find_their_servers_also_when_slots_move() {
    let cluster = RedisCluster::start();
    // One address is enough to find the others.
    let mut one = settings(&[cluster.servers[5].address]);
    one.cluster = true;
    let gateway = Gateway::start(one);
    gateway.knows(1).await;
    let spec = NonceSpec { ttl: Duration::from_secs(60), capacity: 1_000.try_into().unwrap() };
    let key = StateKey::shared("nonces");
    let nonces = gateway.store.nonces_when_away(&key, spec, WhenAway::Closed).unwrap();
    let fresh = AtomicUsize::new(0);
    let insert = async |from: usize| {
        for number in from..from + 50 {
            let nonce = number.to_string();
            let asked = nonces.insert(nonce.as_bytes(), gateway.clock.now());
            let verdict = crate::world::answer(asked).await.unwrap();
            fresh.fetch_add(usize::from(verdict == NonceVerdict::Fresh), Relaxed);
        }
    };
    insert(0).await;
    let before: Vec<usize> = cluster.masters().iter().map(|at| count(&cluster, *at)).collect();
    assert!(before.iter().all(|keys| *keys > 0), "each master has some: {before:?}");
    // The probe and member keys aside, every slot that moves answers MOVED or ASK to who knew it.
    let masters = cluster.masters();
    let id = |at: usize| cluster.servers[at].cli(&["cluster", "myid"]);
    let address = cluster.servers[masters[0]].address.to_string();
    let (from, to) = (id(masters[0]), id(masters[1]));
    let moved = cluster.servers[0].cli(&[
        "--cluster",
        "reshard",
        &address,
        "--cluster-from",
        &from,
        "--cluster-to",
        &to,
        "--cluster-slots",
        "2000",
        "--cluster-yes",
    ]);
    assert!(!moved.contains("ERR"), "{moved}");
    insert(50).await;
    assert_eq!(fresh.load(Relaxed), 100);
}

fn count(cluster: &RedisCluster, master: usize) -> usize {
    let keys = cluster.servers[master].cli(&["--scan", "--pattern", "paifang:nonce:*"]);
    keys.lines().filter(|line| !line.is_empty()).count()
}
