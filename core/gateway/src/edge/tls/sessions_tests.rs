//! What a store of sessions gives out, and what it forgets.

use std::cell::Cell;

use super::*;

thread_local! {
    static NOW: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

fn store(count: usize, bytes: usize) -> Sessions {
    let limits = SessionLimits { count, bytes, lifetime: Duration::from_secs(100) };
    Sessions::with_clock(limits, || NOW.get())
}

/// All in one shard, told apart by the number behind.
fn name(number: u16) -> Vec<u8> {
    let mut name = vec![0; NAME];
    name[NAME - 2..].copy_from_slice(&number.to_be_bytes());
    name
}

const ROOM: usize = 1 << 20;

#[test]
fn a_session_is_given_out_once() {
    let store = store(1000, ROOM);
    assert!(store.put(name(1), b"secret".to_vec()));
    assert_eq!(store.get(&name(1)), None);
    assert_eq!((store.stats.held(), store.stats.held_bytes()), (1, cost(b"secret") as u64));
    assert_eq!(store.take(&name(1)).as_deref(), Some(&b"secret"[..]));
    assert_eq!(store.take(&name(1)), None);
    assert_eq!(store.take(b"of another length"), None);
    let stats = &store.stats;
    assert_eq!((stats.kept.get(), stats.taken.get(), stats.missed.get()), (1, 1, 2));
    assert_eq!((stats.held(), stats.held_bytes()), (0, 0));
    assert!(!format!("{store:?}").contains("secret"));
}

#[test]
fn two_threads_never_get_the_same() {
    let store = store(100_000, ROOM);
    for round in 0..200 {
        assert!(store.put(name(round), vec![0; 10]));
        let taken: usize = std::thread::scope(|scope| {
            let takers = [(); 2].map(|()| scope.spawn(|| store.take(&name(round)).is_some()));
            takers.into_iter().map(|taker| usize::from(taker.join().unwrap())).sum()
        });
        assert_eq!(taken, 1);
    }
}

#[test]
fn the_oldest_go_first() {
    let store = store(3 * SHARDS, ROOM);
    for number in 0..5 {
        assert!(store.put(name(number), vec![0; 10]));
    }
    assert_eq!((store.stats.evicted.get(), store.stats.held()), (2, 3));
    let left: Vec<bool> = (0..5).map(|number| store.take(&name(number)).is_some()).collect();
    assert_eq!(left, [false, false, true, true, true]);
}

#[test]
fn bytes_are_bounded() {
    let store = store(1000, SHARDS * 1000);
    assert!(!store.put(name(0), vec![0; 1000]), "it alone is too large");
    for number in 0..100 {
        assert!(store.put(name(number), vec![0; 300]));
        assert!(store.stats.held_bytes() <= 1000);
    }
    assert_eq!(store.stats.held(), 2);
}

#[test]
fn the_old_are_not_resumed_and_go_with_the_next() {
    let store = store(1000, ROOM);
    NOW.set(Duration::from_secs(5));
    for number in 0..3 {
        assert!(store.put(name(number), vec![0; 10]));
    }
    NOW.set(Duration::from_secs(105));
    assert!(store.take(&name(0)).is_some());
    NOW.set(Duration::from_secs(106));
    assert_eq!(store.take(&name(1)), None);
    assert!(store.put(name(9), vec![0; 10]));
    assert_eq!((store.stats.held(), store.stats.evicted.get()), (1, 1));
}

#[test]
fn names_of_taken_sessions_do_not_pile_up() {
    let store = store(100_000, ROOM);
    assert!(store.put(name(0), vec![0; 10]));
    for number in 1..5000 {
        assert!(store.put(name(number), vec![0; 10]));
        assert!(store.take(&name(number)).is_some());
    }
    assert!(store.shards[0].lock().order.len() < 200);
    assert!(store.take(&name(0)).is_some());
}

#[test]
fn limits_change_while_sessions_are_kept() {
    let store = store(1000, ROOM);
    for number in 0..10 {
        assert!(store.put(name(number), vec![0; 10]));
    }
    store.limit(SessionLimits {
        count: 2 * SHARDS,
        bytes: ROOM,
        lifetime: Duration::from_secs(100),
    });
    assert!(store.put(name(10), vec![0; 10]));
    assert_eq!(store.stats.held(), 2);
    assert!(store.take(&name(10)).is_some());
}
