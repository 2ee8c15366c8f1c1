//! Rules over clients that come, stay and go, on a paused clock.
#![allow(clippy::unwrap_used)]

use std::{net::IpAddr, time::Duration};

use tokio::time::advance;

use super::*;

const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

fn pace(count: u64, burst: u64) -> Option<Pace> {
    let number = |value: u64| value.try_into().unwrap();
    let period_nanos = number(1_000_000_000);
    Some(Pace { count: number(count), period_nanos, burst: number(burst) })
}

fn code(entered: Result<Permit, Box<Closing>>) -> u32 {
    match entered {
        Ok(_) => 0,
        Err(closing) => {
            assert!(closing.after > 0 && closing.jitter > 0, "{closing:?}");
            closing.code.0
        }
    }
}

fn refused(guard: &Guard, reason: &str) -> u64 {
    guard.refused().iter().find(|(own, _)| *own == reason).unwrap().1
}

#[tokio::test(start_paused = true)]
async fn connections_are_counted_over_releases_and_given_back() {
    let guard = Guard::default();
    let two = Scope { connections: Some(2), ..Scope::default() };
    let rules = Rules { apps: [("a".into(), two)].into(), ..Rules::default() };
    let door = guard.door(&rules);
    let (one, two) = (door.enter("a", b"1", HOME).unwrap(), door.enter("a", b"2", HOME).unwrap());
    assert_eq!(code(door.enter("a", b"3", HOME)), 2001);
    assert_eq!(code(door.enter("b", b"3", HOME)), 0, "another app");
    // The next release counts those that came before it.
    let three = Scope { connections: Some(3), ..Scope::default() };
    let next = guard.door(&Rules { apps: [("a".into(), three)].into(), ..Rules::default() });
    let held = next.enter("a", b"3", HOME).unwrap();
    assert_eq!(code(next.enter("a", b"4", HOME)), 2001);
    drop((one.clone(), one, held));
    drop(two);
    assert_eq!(guard.apps.lock()["a"].enter_count(), 0);
    assert_eq!(refused(&guard, "app_connections"), 2);
}

#[tokio::test(start_paused = true)]
async fn all_clients_together_have_limits_too() {
    let guard = Guard::default();
    let all = Scope { connections: Some(3), connection_rate: pace(1, 4), call_rate: None };
    let door = guard.door(&Rules { all, ..Rules::default() });
    let held: Vec<Permit> = ["a", "b", "c"].map(|app| door.enter(app, b"1", HOME).unwrap()).into();
    assert_eq!(code(door.enter("d", b"1", HOME)), 2001);
    drop(held);
    assert_eq!(code(door.enter("d", b"1", HOME)), 0);
    assert_eq!(code(door.enter("d", b"1", HOME)), 2002);
    assert_eq!(guard.all.enter_count(), 0, "who is refused holds no place");
    advance(Duration::from_secs(1)).await;
    assert_eq!(code(door.enter("d", b"1", HOME)), 0);
    assert_eq!((refused(&guard, "connections"), refused(&guard, "connection_rate")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn an_app_beyond_its_rate_takes_nothing_from_the_others() {
    let guard = Guard::default();
    let of = |count, burst| Scope { connection_rate: pace(count, burst), ..Scope::default() };
    let door = guard.door(&Rules {
        all: of(100, 10),
        apps: [("a".into(), of(1, 1))].into(),
        ..Rules::default()
    });
    let refused_a = (0..100).filter(|_| door.enter("a", b"1", HOME).is_err()).count();
    assert_eq!(refused_a, 99);
    let passed_b = (0..100).filter(|_| door.enter("b", b"1", HOME).is_ok()).count();
    assert_eq!(passed_b, 9);
    // Each of those who were sent away has a later turn.
    let (first, later) = (door.enter("a", b"1", HOME), door.enter("a", b"1", HOME));
    let (first, later) = (first.unwrap_err().after, later.unwrap_err().after);
    assert!(first >= 60 && later >= first, "{first} {later}");
}

#[tokio::test(start_paused = true)]
async fn apps_without_a_name_here_are_one() {
    let guard = Guard::default();
    let others = Scope { connections: Some(1), ..Scope::default() };
    let door = guard.door(&Rules { others, ..Rules::default() });
    let _held = door.enter("x", b"1", HOME).unwrap();
    assert_eq!(code(door.enter("y", b"1", HOME)), 2001);
    assert!(guard.apps.lock().is_empty(), "what clients name is not kept");
}

#[tokio::test(start_paused = true)]
async fn a_device_is_counted_at_its_address() {
    let guard = Guard::default();
    let rules = Rules { per_device: pace(1, 2), ..Rules::default() };
    let door = guard.door(&rules);
    let other: IpAddr = "2001:db8::1".parse().unwrap();
    assert_eq!([HOME; 3].map(|at| code(door.enter("a", b"1", at))), [0, 0, 2002]);
    assert_eq!(code(door.enter("a", b"2", HOME)), 0);
    assert_eq!(code(door.enter("b", b"1", HOME)), 0);
    assert_eq!(code(door.enter("a", b"1", other)), 0, "an attacker elsewhere keeps nobody out");
    // A reload that keeps the rate keeps the counts.
    let next = guard.door(&rules);
    drop(door);
    assert_eq!(code(next.enter("a", b"1", HOME)), 2002);
    advance(Duration::from_millis(1001)).await;
    assert_eq!(code(next.enter("a", b"1", HOME)), 0);
    assert_eq!(refused(&guard, "device_connection_rate"), 2);
}

#[tokio::test(start_paused = true)]
async fn calls_of_an_app_are_counted_over_its_connections() {
    let guard = Guard::default();
    let scope = Scope { call_rate: pace(10, 2), ..Scope::default() };
    let door = guard.door(&Rules { apps: [("a".into(), scope)].into(), ..Rules::default() });
    let (one, two) = (door.enter("a", b"1", HOME).unwrap(), door.enter("a", b"2", HOME).unwrap());
    let free = door.enter("b", b"2", HOME).unwrap();
    assert_eq!([one.call(), two.call(), one.call()], [Ok(()), Ok(()), Err(100)]);
    assert!((0..100).all(|_| free.call().is_ok()));
    advance(Duration::from_millis(100)).await;
    assert_eq!([two.call(), two.call()], [Ok(()), Err(100)]);
    assert_eq!(refused(&guard, "app_call_rate"), 2);
}
