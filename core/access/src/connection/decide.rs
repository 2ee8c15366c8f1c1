//! HELLO and LOGIN are decided: may this client connect, and who is its user?

use std::{sync::Arc, time::Duration};

use futures::FutureExt;
use paifang_mmtp::{
    code::CloseCode,
    greeting::{Auth, Closing, Hello, Update, UserChange, UserResult, Welcome},
};

use super::{
    kept::Place,
    settle::{self, Settled},
};
use crate::{
    Admission, Client, Denied, Host, User,
    encoding::Codec,
    resume::{Grant, Held},
};

/// What came of a decision.
pub(super) enum Decided<T> {
    /// The client is in.
    Admitted {
        client: Arc<Client<T>>,
        hello: Box<Hello>,
        welcome: Box<Welcome>,
        settled: Option<Settled>,
        codec: Option<Codec>,
    },
    /// It is not; whether for its credential.
    Refused { closing: Box<Closing>, denied: bool },
    /// The user has changed, or has not.
    User { result: UserResult, user: Option<Arc<User>>, auth: Option<Auth>, kept: Option<Place> },
}

/// Decides on HELLO.
pub(super) async fn hello<H: Host>(
    host: Arc<H>,
    transport: H::Transport,
    connection: u64,
    hello: Box<Hello>,
    deadline: Duration,
) -> Decided<H::Transport> {
    let decision = async {
        let admission = match host.admit(&transport, &hello).await {
            Ok(admission) => admission,
            Err(closing) => return Decided::Refused { closing, denied: false },
        };
        let Admission { mut welcome, permit, encoding } = admission;
        let server_name = host.server_name(&transport);
        let client = Client::new(transport.clone(), connection, &hello, server_name, permit);
        let client = Arc::new(client);
        let codec = encoding.map(|encoding| encoding.greet(&hello, &mut welcome));
        if let Some(auth) = &hello.auth {
            match host.authenticate(&client, auth).await {
                Ok(user) => {
                    let user = user.map(Arc::new);
                    welcome.user = user.as_ref().map(|user| (&*user.id).into());
                    client.change_user(hello.epoch, user, Some(auth));
                }
                Err(denied) => {
                    let bad = denied.moved_to.is_empty();
                    let closing = Box::new(refusal(denied));
                    return Decided::Refused { closing, denied: bad };
                }
            }
        }
        // What came as early data may be somebody's who has only recorded it: nothing is taken from a device for that.
        let settled = match host.confirmed(&client.transport).now_or_never() {
            Some(true) => {
                let (update, settled) =
                    settle::resume(&*host, &client, hello.resume.as_deref()).await;
                let Update { cursors, token, resumed, .. } = update;
                welcome.cursors.extend(cursors);
                (welcome.token, welcome.resumed) = (token.or(welcome.token), resumed);
                Some(settled)
            }
            _ => None,
        };
        Decided::Admitted { client, hello, welcome: Box::new(welcome), settled, codec }
    };
    match tokio::time::timeout(deadline, decision).await {
        Ok(decided) => decided,
        Err(_) => {
            let why = "who may connect could not be found out in time";
            let closing = Box::new(Closing::new(CloseCode::UNAVAILABLE).detail(why));
            Decided::Refused { closing, denied: true }
        }
    }
}

/// The CLOSE of a client whose credential is not good, or good elsewhere, or cannot be looked at.
fn refusal(denied: Denied) -> Closing {
    if !denied.moved_to.is_empty() {
        let alternates = denied.moved_to;
        return Closing { alternates, ..Closing::new(CloseCode::MOVED) };
    }
    let code = match denied.status {
        500..=599 => CloseCode::UNAVAILABLE,
        429 => CloseCode::TOO_FAST,
        _ => CloseCode::AUTH_FAILED,
    };
    Closing { error: denied.error, ..Closing::new(code).detail(&denied.detail) }
}

/// Decides on LOGIN. `held` is what the connection's resume token is kept under.
pub(super) async fn login<H: Host>(
    host: Arc<H>,
    client: Arc<Client<H::Transport>>,
    change: UserChange,
    deadline: Duration,
    held: Option<Held>,
) -> Decided<H::Transport> {
    let UserChange { epoch, auth } = change;
    let result = UserResult { epoch, ..UserResult::default() };
    let (mut result, user, auth) = match auth {
        None => (result, None, None),
        Some(auth) => {
            match tokio::time::timeout(deadline, host.authenticate(&client, &auth)).await {
                Ok(Ok(user)) => {
                    let user = user.map(Arc::new);
                    let id = user.as_ref().map(|user| (&*user.id).into());
                    (UserResult { user: id, ..result }, user, Some(auth))
                }
                Ok(Err(denied)) if !denied.moved_to.is_empty() => {
                    let closing = Box::new(refusal(denied));
                    return Decided::Refused { closing, denied: false };
                }
                Ok(Err(Denied { status, error, detail, .. })) => {
                    (UserResult { status, error, detail, ..result }, None, None)
                }
                Err(_) => (UserResult { status: 503, ..result }, None, None),
            }
        }
    };
    // Whoever it is now, what was kept was another's.
    let tokens = host.tokens(&client.transport);
    let owner = client.owner(epoch, user.as_deref());
    let granted = match (&tokens, owner) {
        (Some(tokens), Some(owner)) => tokens.change_user(held, &owner).await,
        _ => None,
    };
    let (token, held) = granted.map(|Grant { token, held }| (token, held)).unzip();
    result.token = token;
    let kept = tokens.zip(held).map(|(tokens, held)| Place { tokens, held });
    Decided::User { result, user, auth, kept }
}
