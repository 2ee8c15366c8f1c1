//! Users that come and go.

use super::{builder, connected, here, ms, network, until};
use crate::{Auth, Error};

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
