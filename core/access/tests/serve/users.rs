//! Users: at the beginning, and when they change.

use bytes::Bytes;
use paifang_mmtp::{
    code::CloseCode,
    greeting::Closing,
    session::{Event, NewRequest, Operation},
};

use crate::support::{Echo, Running, auth, hello};

#[tokio::test(start_paused = true)]
async fn a_credential_makes_a_user_and_goes_with_calls() {
    let running = Running::new(Echo::default());
    let mut peer =
        running.connect(65_536, &paifang_mmtp::greeting::Hello { auth: auth("ann"), ..hello(1) });
    let Event::Welcome(welcome) = peer.event().await else { panic!() };
    assert_eq!(welcome.user.as_deref(), Some("ann"));
    assert_eq!(running.server.registry().of_user("a", "ann").len(), 1);
    let call = || NewRequest::new(Operation::Name("empty"), Bytes::new());
    peer.session.request(call()).unwrap();
    assert_eq!(peer.session.login(auth("ben")), Some(1));
    peer.session.request(call()).unwrap();
    assert_eq!(peer.session.login(auth("bad")), Some(2));
    peer.session.request(call()).unwrap();
    assert_eq!(peer.session.login(None), Some(3));
    // Answers of the user before may come before or behind what came of a change.
    let (mut answers, mut users) = (0, Vec::new());
    while answers < 3 || users.len() < 3 {
        match peer.event().await {
            Event::Response(answer) if answer.status == 204 => answers += 1,
            Event::User(user) => users.push(user),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((users[0].status, users[0].user.as_deref()), (0, Some("ben")));
    assert_eq!((users[1].status, users[1].error, &*users[1].detail), (401, 2010, "no"));
    assert_eq!((users[2].status, users[2].epoch, users[2].user.as_ref()), (0, 3, None));
    let calls = running.host.calls.lock();
    for (call, (user, authorized)) in
        calls.iter().zip([("ann", true), ("ben", true), ("nobody", false)])
    {
        assert!(call.contains(&format!("by {user} ")), "{call}");
        assert_eq!(call.contains("authorization"), authorized, "{call}");
        assert!(!call.contains("Bearer"), "a credential was shown: {call}");
    }
    for user in ["ann", "ben"] {
        assert!(running.server.registry().of_user("a", user).is_empty());
    }
    assert_eq!(running.server.registry().of_device("a", &[1]).len(), 1);
}

async fn closed(hello: paifang_mmtp::greeting::Hello, host: Echo) -> Closing {
    let running = Running::new(host);
    let mut peer = running.connect(65_536, &hello);
    match peer.event().await {
        Event::Closed(closed) => closed.closing,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_not_let_in_is_told_why() {
    let with = |credential| paifang_mmtp::greeting::Hello { auth: auth(credential), ..hello(1) };
    let bad = closed(with("bad"), Echo::default()).await;
    assert_eq!((bad.code, bad.error, &*bad.detail), (CloseCode::AUTH_FAILED, 2010, "no"));
    let never = closed(with("never"), Echo::default()).await;
    assert_eq!(never.code, CloseCode::UNAVAILABLE);
    let refuse = Some(Closing { after: 7, ..Closing::new(CloseCode::TOO_MANY_CONNECTIONS) });
    let refused = closed(hello(1), Echo { refuse, ..Echo::default() }).await;
    assert_eq!((refused.code, refused.after), (CloseCode::TOO_MANY_CONNECTIONS, 7));
}
