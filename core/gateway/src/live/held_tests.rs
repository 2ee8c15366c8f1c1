//! Which releases are held, and whose calls are ended, with calls that are references alone.
#![allow(clippy::unwrap_used)]

use super::{Bounds, Held, HeldRelease};
use paifang_pipeline::{Recall, Waiting};
use std::{
    any::Any,
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::time::Instant;

/// What a call holds.
#[derive(Debug)]
struct Lease(Recall);

impl Default for Lease {
    fn default() -> Self {
        Self(Recall::new(&Waiting::default()))
    }
}

impl AsRef<Recall> for Lease {
    fn as_ref(&self) -> &Recall {
        &self.0
    }
}

const SECOND: Duration = Duration::from_secs(1);

fn bounds(keep: usize) -> Bounds {
    Bounds { keep, drain: 100 * SECOND, grace: 10 * SECOND }
}

/// A release that was replaced at `at`, with a call on it, and the release's own reference gone.
fn held_since(held: &Held<Lease>, release: u64, at: Instant) -> Arc<Lease> {
    let call = Arc::new(Lease::default());
    let whole: Arc<dyn Any + Send + Sync> = Arc::new(());
    held.note(release, Arc::downgrade(&whole), vec![Arc::downgrade(&call)], at);
    call
}

fn releases(list: &[HeldRelease]) -> Vec<u64> {
    list.iter().map(|held| held.release).collect()
}

#[test]
fn calls_are_counted_by_what_they_hold() {
    let (held, now) = (Held::<Lease>::default(), Instant::now());
    let (first, second) = (Arc::new(Lease::default()), Arc::new(Lease::default()));
    // As long as the release is there as a whole, it holds each of its APIs once itself.
    let whole: Arc<(Arc<Lease>, Arc<Lease>)> = Arc::new((first.clone(), second.clone()));
    let any: Arc<dyn Any + Send + Sync> = whole.clone();
    let apis = vec![Arc::downgrade(&first), Arc::downgrade(&second)];
    held.note(3, Arc::downgrade(&any), apis, now);
    drop(any);
    let calls = |held: &Held<Lease>| held.read(now + SECOND).first().map(|held| held.calls);
    assert_eq!(calls(&held), Some(2));
    drop(whole);
    assert_eq!(calls(&held), Some(2));
    let third = second.clone();
    assert_eq!(calls(&held), Some(3));
    drop((first, second));
    let expected = HeldRelease { release: 3, age: SECOND, calls: 1, recalled: false };
    assert_eq!(held.read(now + SECOND), [expected]);
    drop(third);
    assert_eq!(held.read(now), []);
    // Nobody holds it: it is forgotten.
    assert_eq!(held.enforce(&bounds(0), now), (vec![], None));
    assert!(held.0.lock().is_empty());
}

#[test]
fn of_too_many_the_oldest_are_recalled_once_they_had_their_grace() {
    let (held, start) = (Held::default(), Instant::now());
    let calls: Vec<Arc<Lease>> = (1..=4)
        .map(|number| held_since(&held, number, start + SECOND * (number as u32 - 1)))
        .collect();
    let given = || calls.iter().map(|call| call.0.is_given()).collect::<Vec<_>>();
    // Two too many, and neither has had its 10 s: the first will have.
    let (recalled, next) = held.enforce(&bounds(2), start + 9 * SECOND);
    assert_eq!((recalled, next), (vec![], Some(start + 10 * SECOND)));
    let (recalled, next) = held.enforce(&bounds(2), start + 10 * SECOND);
    assert_eq!((releases(&recalled), next), (vec![1], Some(start + 11 * SECOND)));
    assert_eq!(given(), [true, false, false, false]);
    assert!(held.read(start)[0].recalled);
    // The recalled one counts no more; the next time comes from the drain of those that stay.
    let (recalled, next) = held.enforce(&bounds(2), start + 11 * SECOND);
    assert_eq!((releases(&recalled), next), (vec![2], Some(start + 102 * SECOND)));
    assert_eq!(given(), [true, true, false, false]);
    assert_eq!(held.enforce(&bounds(2), start + 50 * SECOND).0, []);
}

#[test]
fn whatever_is_held_too_long_is_recalled() {
    let (held, start) = (Held::default(), Instant::now());
    let (old, young) = (held_since(&held, 1, start), held_since(&held, 2, start + SECOND));
    let (recalled, next) = held.enforce(&bounds(8), start + 99 * SECOND);
    assert_eq!((recalled, next), (vec![], Some(start + 100 * SECOND)));
    let (recalled, next) = held.enforce(&bounds(8), start + 100 * SECOND);
    assert_eq!((releases(&recalled), next), (vec![1], Some(start + 101 * SECOND)));
    assert!(old.0.is_given() && !young.0.is_given());
    // A drain shorter than the grace is the one that counts.
    let short = Bounds { keep: 0, drain: 2 * SECOND, grace: 10 * SECOND };
    assert_eq!(releases(&held.enforce(&short, start + 3 * SECOND).0), [2]);
}

#[test]
fn a_release_that_changed_nothing_is_not_noted() {
    let held = Held::<Lease>::default();
    held.note(1, Weak::<()>::new(), vec![], Instant::now());
    assert!(held.0.lock().is_empty());
}
