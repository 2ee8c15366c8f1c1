//! Resume tokens over connections: cursors that come back, users that change, early data, a restart.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use paifang_access::Tokens;
use paifang_mmtp::{
    code::CloseCode,
    greeting::{Closing, Hello, Resumed, Welcome},
    session::Event,
};
use paifang_pipeline::testkit::TestClock;
use paifang_state::LocalStore;
use tokio::sync::watch;

use crate::support::{Echo, Key, Peer, Running, auth, hello};

const DAY: Duration = Duration::from_secs(86_400);

fn tokens(store: &LocalStore) -> Option<Arc<Tokens>> {
    let devices = NonZeroU32::new(10_000).unwrap();
    Some(Arc::new(Tokens::open(store, devices, Arc::new(TestClock::new()), DAY).unwrap()))
}

fn running(store: &LocalStore) -> Running {
    Running::new(Echo { tokens: tokens(store), ..Echo::default() })
}

async fn greeted(running: &Running, hello: &Hello) -> (Peer, Welcome) {
    let mut peer = running.connect(65_536, hello);
    let welcome = peer.welcome().await;
    (peer, welcome)
}

fn token(welcome: &Welcome) -> &[u8] {
    &welcome.token.as_ref().unwrap().bytes
}

/// Ends a connection in order, and waits until the server is through with it.
async fn ended(running: &Running, mut peer: Peer) {
    peer.session.close(Closing::new(CloseCode::DONE));
    peer.flush().await;
    drop(peer);
    while running.server.stats().totals().open > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn cursors_come_back_with_the_token_even_after_a_restart() {
    let store = LocalStore::new();
    let (before, key) = (running(&store), Key::new());
    let (peer, welcome) = greeted(&before, &key.prove(hello(1), None)).await;
    assert_eq!((welcome.resumed, welcome.cursors.len()), (None, 0));
    let handle = &before.server.registry().of_device("a", &[1])[0];
    assert!(handle.set_cursor(3, b"first"));
    tokio::time::sleep(Duration::from_millis(10)).await;
    // The last ones are written at the end, if not before.
    assert!(handle.set_cursor(3, b"second") && handle.set_cursor(2, b"p"));
    assert!(!handle.set_cursor(3, &[0; 65]));
    ended(&before, peer).await;

    // Another server with the same store.
    let after = running(&store);
    let hello = key.prove(Hello { nonce: [8; 16], ..hello(1) }, Some(token(&welcome)));
    let (_peer, again) = greeted(&after, &hello).await;
    assert_eq!(again.resumed, Some(Resumed::Yes));
    assert_eq!(again.cursors, [(3, b"second"[..].into()), (2, b"p"[..].into())]);
    assert_ne!(token(&again), token(&welcome));
}

#[tokio::test(start_paused = true)]
async fn a_stolen_token_restores_nothing_and_the_owner_s_still_does() {
    let running = running(&LocalStore::new());
    let (key, thief) = (Key::new(), Key::new());
    let (_peer, welcome) = greeted(&running, &key.prove(hello(1), None)).await;
    let stolen = Some(token(&welcome));
    let mut unsigned = key.prove(hello(1), stolen);
    unsigned.proof = None;
    let mut other_token = key.prove(hello(1), None);
    other_token.resume = stolen.map(Into::into);
    for hello in [
        thief.prove(hello(1), stolen),
        key.prove(hello(2), stolen),
        unsigned,
        other_token,
        Hello { resume: stolen.map(Into::into), ..hello(1) },
    ] {
        let (_peer, welcome) = greeted(&running, &hello).await;
        assert_eq!(welcome.resumed, Some(Resumed::Foreign));
        assert!(welcome.cursors.is_empty());
        assert_eq!(welcome.token.is_some(), hello.device_key.is_some());
    }
    let (_peer, welcome) = greeted(&running, &key.prove(hello(1), stolen)).await;
    assert_eq!(welcome.resumed, Some(Resumed::Yes));
}

#[tokio::test(start_paused = true)]
async fn a_token_follows_the_user_and_cursors_do_not() {
    let running = running(&LocalStore::new());
    let key = Key::new();
    let (mut peer, welcome) = greeted(&running, &key.prove(hello(1), None)).await;
    let handle = running.server.registry().of_device("a", &[1])[0].clone();
    assert!(handle.set_cursor(3, b"nobody's"));
    peer.session.login(auth("ann"));
    let Event::User(user) = peer.event().await else { panic!() };
    let given = user.token.unwrap().bytes;
    // Neither the old epoch nor another user in the new one.
    let ann = Hello { epoch: 1, auth: auth("ann"), ..hello(1) };
    let ben = Hello { epoch: 1, auth: auth("ben"), ..hello(1) };
    let old = Hello { epoch: 0, auth: auth("ann"), ..hello(1) };
    for hello in [hello(1), ben, old] {
        for token in [token(&welcome), &given] {
            let (_peer, welcome) = greeted(&running, &key.prove(hello.clone(), Some(token))).await;
            assert_eq!(welcome.resumed, Some(Resumed::Foreign));
        }
    }
    // A client that has not seen the answer to its login shows the token that it had.
    let (_peer, welcome) = greeted(&running, &key.prove(ann, Some(token(&welcome)))).await;
    assert_eq!((welcome.resumed, welcome.cursors.len()), (Some(Resumed::Yes), 0));
}

#[tokio::test(start_paused = true)]
async fn early_data_uses_no_token_and_calls_in_it_do_not_wait() {
    use paifang_mmtp::session::{NewRequest, Operation};
    let (over, confirmed) = watch::channel(true);
    let tokens = tokens(&LocalStore::new());
    let running = Running::new(Echo { tokens, confirmed: Some(confirmed), ..Echo::default() });
    let key = Key::new();
    let (_peer, welcome) = greeted(&running, &key.prove(hello(1), None)).await;
    over.send_replace(false);
    let hello = key.prove(hello(1), Some(token(&welcome)));
    let mut peer = running.connect(65_536, &hello);
    peer.session.request(NewRequest::new(Operation::Name("empty"), "".into())).unwrap();
    let early = peer.welcome().await;
    assert!(early.resumed.is_none() && early.token.is_none());
    assert_eq!(peer.answer().await.0, 204);
    // A recording of it that is played again has used nothing up either, whatever its end.
    let (mut replayed, _) = greeted(&running, &hello).await;
    assert!(replayed.event_within(Duration::from_secs(1)).await.is_none());
    drop(replayed);
    tokio::time::sleep(Duration::from_millis(1)).await;
    // A login waits for what HELLO has shown.
    peer.session.login(auth("ann"));
    peer.flush().await;
    over.send_replace(true);
    let Event::Update(update) = peer.event().await else { panic!() };
    assert_eq!(update.resumed, Some(Resumed::Yes));
    assert!(update.token.is_some());
    let Event::User(user) = peer.event().await else { panic!() };
    assert!(user.token.is_some() && user.token != update.token);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_grows_old_is_replaced_on_the_connection() {
    let running = running(&LocalStore::new());
    let key = Key::new();
    let (mut peer, welcome) = greeted(&running, &key.prove(hello(1), None)).await;
    let began = tokio::time::Instant::now();
    let update = loop {
        match peer.event_within(Duration::from_secs(200)).await {
            Some(Event::Update(update)) => break update,
            Some(other) => panic!("{other:?}"),
            // A client that shows that it is there.
            None => peer
                .session
                .handle_timeout(paifang_mmtp::session::Millis(began.elapsed().as_millis() as u64)),
        }
    };
    assert!(began.elapsed() >= DAY / 2 && began.elapsed() < DAY * 6 / 10);
    let renewed = update.token.unwrap().bytes;
    assert_ne!(&*renewed, token(&welcome));
    let (_peer, welcome) = greeted(&running, &key.prove(hello(1), Some(&renewed))).await;
    assert_eq!(welcome.resumed, Some(Resumed::Yes));
}

#[tokio::test(start_paused = true)]
async fn a_server_without_tokens_goes_on_from_the_beginning() {
    let running = Running::new(Echo::default());
    let key = Key::new();
    let (_peer, welcome) = greeted(&running, &key.prove(hello(1), Some(b"from elsewhere"))).await;
    assert_eq!((welcome.resumed, welcome.token), (Some(Resumed::Unknown), None));
    let handle = &running.server.registry().of_device("a", &[1])[0];
    assert!(!handle.set_cursor(3, b"x"));
}
