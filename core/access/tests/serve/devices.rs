//! Connections that call themselves the same device: which of them go.

use std::time::Duration;

use paifang_mmtp::{
    code::CloseCode,
    greeting::Hello,
    session::{ClosedBy, Event, NewRequest, Operation},
};
use tokio::sync::watch;

use crate::support::{Echo, Key, Peer, Running, auth, hello};

async fn connected(running: &Running, hello: &Hello) -> Peer {
    let mut peer = running.connect(65_536, hello);
    peer.welcome().await;
    peer
}

fn user(name: &str) -> Hello {
    Hello { auth: auth(name), ..hello(1) }
}

#[tokio::test(start_paused = true)]
async fn who_knows_a_device_s_name_alone_drives_nobody_off() {
    let running = Running::new(Echo::default());
    let key = Key::new();
    let mut victims = vec![
        connected(&running, &hello(1)).await,
        connected(&running, &user("ann")).await,
        connected(&running, &key.prove(hello(1), None)).await,
    ];
    // Nobody; another user; the key without a proof of it; another key.
    let mut shown = key.prove(hello(1), None);
    shown.proof = Some([1; 64].into());
    for hello in [hello(1), user("ben"), shown, Key::new().prove(hello(1), None)] {
        let mut intruder = connected(&running, &hello).await;
        assert!(!intruder.is_told_to_go().await);
        for victim in &mut victims {
            assert!(!victim.is_told_to_go().await);
        }
        // Dropped, so that the bound does not come into play.
        drop(intruder);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_user_or_the_same_key_takes_over() {
    let running = Running::new(Echo::default());
    let key = Key::new();
    let mut ann = connected(&running, &user("ann")).await;
    // A key that was only shown is proven by the newer one.
    let unproven = Hello { proof: None, ..key.prove(hello(1), None) };
    let mut keyed = connected(&running, &unproven).await;
    let mut newer = connected(&running, &key.prove(hello(1), None)).await;
    assert!(keyed.is_told_to_go().await && !ann.is_told_to_go().await);
    // A login on the newer connection shows it as well.
    newer.session.login(auth("ann"));
    assert!(matches!(newer.event().await, Event::User(user) if user.status == 0));
    assert!(ann.is_told_to_go().await && !newer.is_told_to_go().await);
    // A login on an older connection drives no newer one off.
    let mut newest = connected(&running, &key.prove(user("ann"), None)).await;
    assert!(newer.is_told_to_go().await);
    newer.session.login(auth("ann"));
    assert!(matches!(newer.event().await, Event::User(_)));
    assert!(!newest.is_told_to_go().await);
}

#[tokio::test(start_paused = true)]
async fn strangers_of_one_name_are_bounded_and_those_whom_somebody_vouches_for_stay() {
    let running = Running::new(Echo::default());
    let most = running.host.limits.per_device;
    let mut ann = connected(&running, &user("ann")).await;
    let mut strangers = Vec::new();
    for _ in 1..most {
        strangers.push(connected(&running, &hello(1)).await);
    }
    let mut one_more = connected(&running, &hello(1)).await;
    assert!(strangers[0].is_told_to_go().await, "the oldest that nobody vouches for");
    for stays in strangers[1..].iter_mut().chain([&mut ann, &mut one_more]) {
        assert!(!stays.is_told_to_go().await);
    }
    // Where somebody vouches for all of them, it is the newcomer.
    let running = Running::new(Echo::default());
    let mut users = Vec::new();
    for number in 0..most {
        users.push(connected(&running, &user(&format!("u{number}"))).await);
    }
    // It is not replaced: it may come again.
    for mut newcomer in
        [connected(&running, &hello(1)).await, connected(&running, &user("u")).await]
    {
        let Event::Goaway(closing) = newcomer.event().await else { panic!() };
        assert_eq!(closing.code, CloseCode::TOO_MANY_CONNECTIONS);
        assert!(closing.after > 0 && closing.jitter > 0, "{closing:?}");
    }
    for user in &mut users {
        assert!(!user.is_told_to_go().await);
    }
    // Other devices have bounds of their own.
    assert!(!connected(&running, &hello(2)).await.is_told_to_go().await);
}

#[tokio::test(start_paused = true)]
async fn early_data_drives_nobody_off() {
    let (over, confirmed) = watch::channel(true);
    let running = Running::new(Echo { confirmed: Some(confirmed), ..Echo::default() });
    let key = Key::new();
    let hello = key.prove(user("ann"), None);
    let mut older = connected(&running, &hello).await;
    over.send_replace(false);
    let mut newer = connected(&running, &hello).await;
    assert!(!older.is_told_to_go().await);
    assert!(!newer.is_told_to_go().await);
    over.send_replace(true);
    assert!(older.is_told_to_go().await);
    // A handshake that never ends confirms nothing.
    over.send_replace(false);
    let mut replayed = connected(&running, &hello).await;
    drop(over);
    assert!(!newer.is_told_to_go().await);
    replayed.session.close(paifang_mmtp::greeting::Closing::new(CloseCode::DONE));
    replayed.flush().await;
    assert!(!newer.is_told_to_go().await);
}

#[tokio::test(start_paused = true)]
async fn keys_that_anybody_can_make_keep_no_user_out() {
    let running = Running::new(Echo::default());
    let most = running.host.limits.per_device;
    let mut crowd = Vec::new();
    for _ in 0..most {
        crowd.push(connected(&running, &Key::new().prove(hello(1), None)).await);
    }
    let mut ann = connected(&running, &user("ann")).await;
    assert!(!ann.is_told_to_go().await);
    let Event::Goaway(closing) = crowd[most - 1].event().await else { panic!() };
    assert_eq!(closing.code, CloseCode::TOO_MANY_CONNECTIONS);
    for stays in &mut crowd[..most - 1] {
        assert!(!stays.is_told_to_go().await);
    }
}

#[tokio::test(start_paused = true)]
async fn calls_that_never_end_keep_no_crowd_of_one_name_here() {
    let running = Running::new(Echo::default());
    let most = running.host.limits.per_device;
    let mut ann = connected(&running, &user("ann")).await;
    let mut crowd = Vec::new();
    for _ in 0..20 {
        let mut stranger = connected(&running, &hello(1)).await;
        let call = NewRequest::new(Operation::Name("wait"), "".into());
        stranger.session.request(call).unwrap();
        stranger.flush().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        crowd.push(stranger);
    }
    let here = running.server.registry().of_device("a", &[1]).len();
    assert!(here <= 2 * most, "{here}");
    assert!(!ann.is_told_to_go().await);
    // The first was told to go, and then its time was over.
    assert!(matches!(crowd[0].event().await, Event::Goaway(_)));
    let Event::Closed(closed) = crowd[0].event().await else { panic!() };
    assert_eq!((closed.by, closed.closing.code), (ClosedBy::Peer, CloseCode::REPLACED));
}
