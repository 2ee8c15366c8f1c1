//! Users that come and go.

use paifang_mmtp::{code::CloseCode, greeting::Closing};

use super::{builder, connected, here, ms, network, until};
use crate::{Auth, Client, Error};

fn token(credential: &str) -> Auth {
    Auth { scheme: "Bearer".into(), credential: credential.as_bytes().into() }
}

#[tokio::test(start_paused = true)]
async fn login_and_logout_on_a_connection() {
    let (net, server) = network();
    let client = connected(&net).await;
    assert_eq!(client.login(token("ann")).await.unwrap().id.as_deref(), Some("ann"));
    assert_eq!(client.logout().await.unwrap().id, None);
    let refused = client.login(token("bad")).await.unwrap_err();
    assert!(matches!(refused, Error::Login { status: 401, .. }), "{refused}");
    assert_eq!(client.login(token("bob")).await.unwrap().id.as_deref(), Some("bob"));
    assert_eq!(server.hellos().len(), 1);
    // The next connection begins with the last of them.
    net.cut();
    until(|| server.hellos().len() == 2).await;
    let hello = &server.hellos()[1];
    assert_eq!((hello.auth.clone(), hello.epoch), (Some(token("bob")), 4));
}

#[tokio::test(start_paused = true)]
async fn a_user_from_the_beginning() {
    let (net, server) = network();
    let client = builder().auth(token("ann")).build(net).unwrap();
    assert_eq!(here(&client).await.user.as_deref(), Some("ann"));
    assert_eq!(server.hellos()[0].epoch, 1);
}

#[tokio::test(start_paused = true)]
async fn a_login_without_a_connection_goes_with_the_next() {
    let (net, server) = network();
    net.offline();
    let client = builder().build(net.clone()).unwrap();
    let login = tokio::spawn({
        let client = client.clone();
        async move { client.login(token("ann")).await }
    });
    tokio::time::sleep(ms(500)).await;
    net.restore();
    assert_eq!(login.await.unwrap().unwrap().id.as_deref(), Some("ann"));
    assert_eq!(server.hellos().len(), 1);
}

/// Begins a login at once.
async fn begun(
    client: &Client,
    credential: &str,
) -> tokio::task::JoinHandle<Result<crate::User, Error>> {
    let (client, auth) = (client.clone(), token(credential));
    let login = tokio::spawn(async move { client.login(auth).await });
    tokio::task::yield_now().await;
    login
}

#[tokio::test(start_paused = true)]
async fn a_login_while_the_greeting_is_on_its_way_is_a_barrier_too() {
    let (net, server) = network();
    let client = builder().auth(token("ann")).build(net.clone()).unwrap();
    // TCP is there, and HELLO is out.
    tokio::time::sleep(ms(50)).await;
    let login = begun(&client, "bob").await;
    let call = client.call("echo").send().await.unwrap();
    assert_eq!(call.status(), 200);
    assert_eq!(server.calls()[0].user.as_deref(), Some("bob"));
    assert_eq!(login.await.unwrap().unwrap().id.as_deref(), Some("bob"));
    // Of several in a row the last one counts, and the next connection knows.
    net.cut();
    until(|| server.hellos().len() == 2).await;
    let logins = [begun(&client, "cid").await, begun(&client, "dan").await];
    client.call("echo").send().await.unwrap();
    assert_eq!(server.calls()[1].user.as_deref(), Some("dan"));
    for login in logins {
        login.await.unwrap().unwrap();
    }
    net.cut();
    until(|| server.hellos().len() == 3).await;
    let hello = &server.hellos()[2];
    assert_eq!((hello.auth.clone(), hello.epoch), (Some(token("dan")), 4));
}

#[tokio::test(start_paused = true)]
async fn a_call_is_never_made_for_another_user() {
    let (net, server) = network();
    let client = builder().auth(token("ann")).build(net.clone()).unwrap();
    here(&client).await;
    // In flight, and behind what the server takes at once.
    let flying: Vec<_> = (0..64).map(|_| tokio::spawn(client.call("never").send())).collect();
    until(|| server.calls().len() == 64).await;
    let waits = tokio::spawn(client.call("echo").send());
    tokio::time::sleep(ms(100)).await;
    client.login(token("bob")).await.unwrap();
    assert_eq!(waits.await.unwrap().unwrap_err(), Error::UserChanged);
    assert!(server.calls().iter().all(|call| call.user.as_deref() == Some("ann")));
    flying.into_iter().for_each(|call| call.abort());
    assert_eq!(client.call("echo").send().await.unwrap().status(), 200);
    assert_eq!(server.calls()[64].user.as_deref(), Some("bob"));

    // Without a connection: one that was never sent, and one that was and might be done once more.
    let lost = tokio::spawn(client.call("never").idempotent(true).send());
    until(|| server.calls().len() == 66).await;
    net.offline();
    net.cut();
    tokio::time::sleep(ms(10)).await;
    let waits = tokio::spawn(client.call("echo").idempotent(true).send());
    tokio::time::sleep(ms(10)).await;
    let login = begun(&client, "cid").await;
    net.restore();
    assert_eq!(waits.await.unwrap().unwrap_err(), Error::UserChanged);
    assert!(matches!(lost.await.unwrap(), Err(Error::UnknownOutcome { .. })));
    assert_eq!(login.await.unwrap().unwrap().id.as_deref(), Some("cid"));
    assert_eq!(server.calls().len(), 66);
}

#[tokio::test(start_paused = true)]
async fn what_belongs_to_a_user_goes_with_him() {
    let (net, server) = network();
    let client = connected(&net).await;
    client.set_cursor(3, *b"nobody's").unwrap();
    client.login(token("ann")).await.unwrap();
    client.set_cursor(2, *b"ann's").unwrap();
    net.cut();
    until(|| server.hellos().len() == 2).await;
    assert_eq!(server.hellos()[1].cursors, [(2, b"ann's"[..].into())]);
    for (channel, length) in [(1, 1), (5, 1), (3, 65)] {
        let set = client.set_cursor(channel, vec![0; length]);
        assert!(matches!(set, Err(Error::Invalid(_))), "{channel} {length}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_credential_that_ends_the_connection_is_told_at_once() {
    let (net, server) = network();
    net.offline();
    let client = builder().build(net.clone()).unwrap();
    server.refuse(Closing::new(CloseCode::AUTH_FAILED));
    let login = begun(&client, "ann").await;
    net.restore();
    let refused = login.await.unwrap();
    assert!(
        matches!(refused, Err(Error::Ended { code: CloseCode::AUTH_FAILED, .. })),
        "{refused:?}"
    );
    // A malformed one is not even sent.
    let large = Auth { scheme: "Bearer".into(), credential: vec![b'x'; 9000].into() };
    assert!(matches!(client.login(large.clone()).await, Err(Error::Invalid(_))));
    assert!(builder().auth(large).build(net).is_err());
    assert_eq!(server.hellos().len(), 1);
    assert_eq!(client.login(token("bob")).await.unwrap().id.as_deref(), Some("bob"));
}
