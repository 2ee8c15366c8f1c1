//! What is remembered, for how long, and how many checks there are at once.

use super::{
    super::{
        gate::Gate,
        load::Made,
        stored::Stored,
        users::{User, Users},
    },
    *,
};
use paifang_pipeline::{Identity, ports::Nanos};
use std::sync::{
    atomic::{AtomicUsize, Ordering::SeqCst},
    mpsc,
};

fn one_user() -> Users {
    let stored = Stored::hash(BCRYPT_2B).unwrap();
    let identity = Identity::new("b".into(), None, "basic_auth");
    Users::new(vec![User::new(stored, identity, None)]).unwrap()
}

#[test]
fn a_password_is_remembered_for_its_time_and_only_itself() {
    let users = one_user();
    let presented = |name, password| super::super::credentials::Presented { name, password };
    let (right, wrong) = (presented(b"b".as_slice(), b"12".as_slice()), presented(b"b", b"13"));
    let user = users.get(users.candidate(b"b").index);
    let mark = users.mark(&right);
    assert!(!user.remembers(&mark, Nanos(5), 10));
    user.remember(mark, Nanos(5));
    assert!(user.remembers(&mark, Nanos(14), 10));
    assert!(!user.remembers(&mark, Nanos(15), 10), "its time is over");
    assert!(!user.remembers(&mark, Nanos(5), 0), "0s is never");
    assert!(!user.remembers(&users.mark(&wrong), Nanos(5), 10));
    // The same bytes, parted elsewhere.
    assert_ne!(users.mark(&presented(b"b1", b"2")), mark);
    assert_ne!(one_user().mark(&right), mark, "a key of its own");
}

#[tokio::test]
async fn who_is_remembered_needs_no_place_and_is_forgotten() {
    let clock = Arc::new(TestClock::new());
    let plugin = BasicAuth { made: Made::default(), gate: Arc::new(Gate::new(1, 1)) };
    let mut config = users();
    config["remember"] = json!("10s");
    let step = built_at(&plugin, &config, &clock, &tenants()).unwrap().handler;
    let ask = async |credentials: &str| run(&step, with(credentials)).await.0;
    assert_eq!(ask("b:open sesame").await.status(), 200);

    let taken = plugin.gate.enter().unwrap();
    assert_eq!(ask("b:open sesame").await.status(), 200, "it is remembered");
    assert_eq!(ask("plain:correct horse: battery").await.status(), 200, "it needs no check");
    for credentials in ["b:open sesamf", "y:pa:ss wörd", "argon:password"] {
        let busy = ask(credentials).await;
        assert_eq!(busy.error().as_deref(), Some("PF-2043"), "{credentials}");
        assert_eq!((busy.status(), busy.header("retry-after")), (503, "1"));
    }
    clock.advance(Duration::from_secs(10));
    assert_eq!(ask("b:open sesame").await.status(), 503, "it is forgotten");
    drop(taken);
    assert_eq!(ask("b:open sesame").await.status(), 200);
}

#[tokio::test]
async fn a_wrong_password_is_never_remembered_as_right_nor_forgets_the_right_one() {
    let step = step(&users());
    for (credentials, status) in [
        ("b:wrong", 401),
        ("b:wrong", 401),
        ("b:open sesame", 200),
        ("b:wrong", 401),
        ("b:open sesame", 200),
    ] {
        assert_eq!(run(&step, with(credentials)).await.0.status(), status, "{credentials}");
    }
}

#[tokio::test]
async fn no_more_are_checked_at_once_than_may_and_callers_who_leave_make_no_room() {
    let gate = Arc::new(Gate::new(2, 1));
    let (go, gone) = mpsc::channel::<()>();
    let begun = Arc::new(tokio::sync::Notify::new());
    let (place, other) = (gate.enter().unwrap(), gate.enter().unwrap());
    assert!(gate.enter().is_none());

    let (in_gate, notify) = (gate.clone(), begun.clone());
    let first = tokio::spawn(async move {
        let check = move || {
            notify.notify_one();
            gone.recv().is_ok()
        };
        in_gate.check(place, || None, check).await
    });
    begun.notified().await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    assert!(gate.enter().is_none(), "the check goes on, so its place is taken");

    let ran = Arc::new(AtomicUsize::new(0));
    let counted = ran.clone();
    let second = gate.check(other, || None, move || counted.fetch_add(1, SeqCst) == 0);
    tokio::pin!(second);
    let waited = futures_poll(second.as_mut()).await;
    assert!(waited.is_none() && ran.load(SeqCst) == 0, "its turn has not come");
    go.send(()).unwrap();
    assert!(second.await.unwrap());
    assert_eq!(ran.load(SeqCst), 1);
    assert!(gate.enter().is_some());
}

/// What a future yields when it is polled once.
async fn futures_poll<F: Future>(mut future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    std::future::poll_fn(|context| {
        std::task::Poll::Ready(match future.as_mut().poll(context) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

#[tokio::test]
async fn who_comes_while_the_same_is_checked_needs_no_check() {
    let gate = Gate::new(2, 1);
    let place = gate.enter().unwrap();
    let told = gate.check(place, || Some(true), || panic!("nothing is checked")).await;
    assert!(told.unwrap());
    assert!(gate.enter().is_some() && gate.enter().is_some());
}

#[tokio::test]
async fn a_check_that_panics_is_no_pass() {
    let gate = Gate::new(1, 1);
    let place = gate.enter().unwrap();
    assert!(gate.check(place, || None, || panic!("on purpose")).await.is_err());
    assert!(gate.enter().is_some(), "its place is free again");
}

#[test]
fn steps_with_the_same_users_have_them_once() {
    let (plugin, clock) = (BasicAuth::default(), Arc::new(TestClock::new()));
    let (ours, others) = (tenants(), tenants());
    let built = |config: &Value, apps| built_at(&plugin, config, &clock, apps).unwrap();
    let kept = || plugin.made.count();
    let one = built(&users(), &ours);
    let two = built(&users(), &ours);
    assert_eq!(kept(), 1);
    let mut changed = users();
    changed["users"][1]["claims"]["role"] = json!("user");
    let three = built(&changed, &ours);
    assert_eq!(kept(), 2);
    let four = built(&users(), &others);
    assert_eq!(kept(), 1, "those of the new snapshot");
    let hash = json!({ "users": [{ "name": "b", "hash": BCRYPT_2B }] });
    let plain = json!({ "users": [{ "name": "b", "password": { "env": BCRYPT_2B } }] });
    let alike = (built(&hash, &others), built(&plain, &others));
    assert_eq!(kept(), 3, "a hash is no password");
    drop((one, two, three, four, alike));
    assert_eq!(kept(), 0, "nothing is kept that nobody uses");
}
