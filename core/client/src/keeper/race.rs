//! Several addresses at once (RFC 8305): the first whose HELLO is answered wins.

use std::{
    collections::HashSet, fmt, io::ErrorKind, net::SocketAddr, pin::pin, sync::Arc, time::Duration,
};

use paifang_mmtp::{code::Advice, greeting::Closing, session::ClosedBy};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use super::greet;
use crate::{
    connect::{Dialed, Form, Target, Timing, split_address},
    connection::{Beginning, Connection, Phase, Way},
    forms::{Forms, PATIENCE},
    kept::Origin,
    shared::Shared,
};

/// How long the first addresses have to be connected before the next is tried beside them: RFC 8305 section 8.
const STAGGER: Duration = Duration::from_millis(250);
/// How long names are resolved.
const RESOLVE: Duration = Duration::from_secs(5);
/// The most addresses of one race.
const MOST: usize = 12;

/// Why a race was won by nobody.
#[derive(Debug)]
pub(super) enum Failed {
    /// A server has answered, with CLOSE.
    Refused(Box<Closing>),
    /// No server has; why the last one did not.
    Unreachable(String),
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(closing) if closing.detail.is_empty() => {
                write!(f, "the server refuses: {}", closing.code)
            }
            Self::Refused(closing) => {
                write!(f, "the server refuses: {}, {}", closing.code, closing.detail)
            }
            Self::Unreachable(why) => f.write_str(why),
        }
    }
}

/// Opens a connection in the form that the network lets through. Where the first form fails for want of an answer the other one is tried at
/// once, and beside it when it takes long.
pub(super) async fn race(shared: &Arc<Shared>) -> Result<Connection, Failed> {
    let forms = match shared.options.forms {
        Forms::Long | Forms::Post => return race_in(shared, Form::Long, true).await,
        Forms::WebSocket => return race_in(shared, Form::WebSocket, true).await,
        Forms::Auto if shared.memory().found.is_within_http() => (Form::WebSocket, Form::Long),
        Forms::Auto => (Form::Long, Form::WebSocket),
    };
    let mut first = pin!(race_in(shared, forms.0, true));
    let early = tokio::select! {
        raced = &mut first => Some(raced),
        () = sleep(PATIENCE) => None,
    };
    let failed = match early {
        Some(Err(failed @ Failed::Unreachable(_))) => Some(failed),
        Some(raced) => return found(shared, raced),
        None => None,
    };
    let mut second = pin!(race_in(shared, forms.1, false));
    let Some(failed) = failed else {
        // The first that has something to say is heard; when it has nothing, the other one is.
        let raced = tokio::select! {
            raced @ (Ok(_) | Err(Failed::Refused(_))) = &mut first => raced,
            raced @ (Ok(_) | Err(Failed::Refused(_))) = &mut second => raced,
            else => return Err(Failed::Unreachable("no server answered in any form".into())),
        };
        return found(shared, raced);
    };
    match second.await {
        // That another form is not spoken either says less than why the first one failed.
        Err(Failed::Unreachable(_)) => Err(failed),
        raced => found(shared, raced),
    }
}

/// Remembers which form came through.
fn found(shared: &Arc<Shared>, raced: Result<Connection, Failed>) -> Result<Connection, Failed> {
    if let Ok(connection) = &raced {
        let within_http = connection.form() == Form::WebSocket;
        shared.memory().found.set_within_http(within_http);
    }
    raced
}

/// Tries the long form beside a connection that is there in another.
pub(super) async fn race_long(shared: &Arc<Shared>) -> Result<Connection, Failed> {
    found(shared, race_in(shared, Form::Long, false).await)
}

/// A conversation of the short form on a connection that was kept, where there is one. `safe`: its call may be made again.
pub(crate) fn short_again(shared: &Arc<Shared>, safe: bool) -> Option<Connection> {
    let (origin, wire) = shared.kept.take(&names(shared).0, safe)?;
    let dialed = Dialed { wire, server_name: None, timing: Timing::default() };
    converse(shared, Way { origin, kept: true }, dialed).ok()
}

fn converse(shared: &Arc<Shared>, way: Way, dialed: Dialed) -> Result<Connection, String> {
    let hello = greet::short_hello(shared).ok_or("the system has no randomness")?;
    let (serial, form, address) = (shared.serial(), Form::Post, way.origin.address);
    let way = Some(way);
    let beginning = Beginning { serial, sole: true, address, form, dialed, hello, way };
    Ok(Connection::start(beginning, shared))
}

/// Opens a conversation of the short form for calls: the first address whose stream is there gets them.
pub(crate) async fn short(shared: &Arc<Shared>) -> Result<Connection, String> {
    // It is for opening alone, the dearest part, so that a crowd of calls does not come with as many handshakes at once.
    let _room = shared.shorts.acquire().await.map_err(|_| "closed".to_owned())?;
    let targets = targets(shared).await.map_err(|failed| failed.to_string())?;
    let mut waiting = targets.into_iter();
    let mut dialling = JoinSet::new();
    let mut last = "no address".to_owned();
    let mut next = waiting.next();
    loop {
        if let Some(target) = next.take() {
            let shared = shared.clone();
            dialling.spawn(async move {
                let dialed =
                    timeout(shared.options.dial, shared.connect.dial_as(&target, Form::Post));
                let why = match dialed.await {
                    Ok(Ok(dialed)) => {
                        let (host, address) = (target.host, target.address);
                        return Ok((Origin { host, address }, dialed));
                    }
                    Ok(Err(cause)) => {
                        if cause.kind() == ErrorKind::Unsupported {
                            // What connects here knows no other form.
                            shared.memory().found.set_no_short();
                        }
                        cause.to_string()
                    }
                    Err(_) => "not connected in time".to_owned(),
                };
                Err(format!("{}: {why}", target.address))
            });
        }
        let more = waiting.len() > 0;
        let dialed = tokio::select! {
            dialed = dialling.join_next() => dialed,
            () = sleep(STAGGER), if more => {
                next = waiting.next();
                continue;
            }
        };
        match dialed {
            Some(Ok(Ok((origin, dialed)))) => {
                return converse(shared, Way { origin, kept: false }, dialed);
            }
            Some(Ok(Err(why))) => {
                last = why;
                next = waiting.next();
            }
            Some(Err(_)) => next = waiting.next(),
            None if more => next = waiting.next(),
            None => return Err(last),
        }
    }
}

/// Opens a connection to the best address that answers. The losers are closed. `sole`: no other form is tried at the same time.
async fn race_in(shared: &Arc<Shared>, form: Form, sole: bool) -> Result<Connection, Failed> {
    let targets = targets(shared).await?;
    let sole = sole && targets.len() == 1;
    let mut waiting = targets.into_iter();
    let mut tried = JoinSet::new();
    let mut last = Failed::Unreachable("no address".into());
    let mut next = waiting.next();
    loop {
        if let Some(target) = next.take() {
            tried.spawn(try_one(shared.clone(), target, form, sole));
        }
        let more = waiting.len() > 0;
        let ended = tokio::select! {
            ended = tried.join_next() => ended,
            () = sleep(STAGGER), if more => {
                next = waiting.next();
                continue;
            }
        };
        match ended {
            Some(Ok(Ok(connection))) => return Ok(connection),
            Some(Ok(Err(failed))) => {
                let is_final = match &failed {
                    Failed::Refused(closing) => {
                        matches!(closing.code.advice(), Advice::Change | Advice::Stop)
                    }
                    Failed::Unreachable(_) => false,
                };
                // What a server has said tells more than what another did not.
                if matches!(failed, Failed::Refused(_)) || matches!(last, Failed::Unreachable(_)) {
                    last = failed;
                }
                if is_final {
                    return Err(last);
                }
                next = waiting.next();
            }
            Some(Err(_)) => next = waiting.next(),
            None if more => next = waiting.next(),
            None => return Err(last),
        }
    }
}

/// Names of addresses in their order: those that the server has named last, those of the user's home, the client's own, those that the server has
/// named for when they fail. How many come before the client's own.
fn names(shared: &Shared) -> (Vec<Arc<str>>, usize) {
    let memory = shared.memory();
    let own = &shared.options.addresses;
    let mut seen = HashSet::new();
    let mut new = |name: &&Arc<str>| seen.insert(Arc::clone(name));
    let before: Vec<_> = memory.moved.iter().chain(&memory.home).filter(&mut new).collect();
    let behind = own.iter().chain(&memory.alternates).filter(&mut new);
    let count = before.len();
    (before.into_iter().chain(behind).cloned().collect(), count)
}

/// The addresses of a race in the order of their names; of each the families in turn.
async fn targets(shared: &Arc<Shared>) -> Result<Vec<Target>, Failed> {
    let mut resolved = JoinSet::new();
    let (names, before) = names(shared);
    for (place, name) in names.into_iter().enumerate() {
        let connect = shared.connect.clone();
        resolved.spawn(async move {
            let found = timeout(RESOLVE, connect.resolve(&name)).await;
            (place, name, found)
        });
    }
    let mut why = "no address".to_owned();
    let mut found: Vec<(usize, Vec<Target>)> = Vec::new();
    while let Some(Ok((place, name, addresses))) = resolved.join_next().await {
        match addresses {
            Ok(Ok(addresses)) => {
                let host = split_address(&name).map_or(&*name, |(host, _)| host);
                let host: Arc<str> = host.into();
                let path = &shared.options.path;
                let target = |address| Target { host: host.clone(), address, path: path.clone() };
                found.push((place, interleaved(addresses).into_iter().map(target).collect()));
            }
            Ok(Err(cause)) => why = format!("{name}: {cause}"),
            Err(_) => why = format!("{name}: the name was not resolved in time"),
        }
    }
    found.sort_by_key(|(place, _)| *place);
    let (named, own): (Vec<_>, Vec<_>) = found.into_iter().partition(|(place, _)| *place < before);
    let all = |found: Vec<(usize, Vec<Target>)>| found.into_iter().flat_map(|(_, targets)| targets);
    let own: Vec<Target> = all(own).collect();
    // Whatever a server names, the client's own come to their turn: where it sends clients nobody may be any more.
    let room = MOST.saturating_sub(own.len()).max(MOST / 2);
    let mut seen = HashSet::new();
    let targets = all(named).take(room).chain(own);
    let targets: Vec<Target> =
        targets.filter(|target| seen.insert(target.address)).take(MOST).collect();
    if targets.is_empty() { Err(Failed::Unreachable(why)) } else { Ok(targets) }
}

/// The families in turn, that of the first address first (RFC 8305 section 4).
fn interleaved(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (mut one, mut other): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
    let mut all = Vec::with_capacity(one.len() + other.len());
    one.reverse();
    other.reverse();
    while let Some(address) = one.pop() {
        all.push(address);
        all.extend(other.pop());
    }
    other.reverse();
    all.extend(other);
    all
}

/// Dials one address, says HELLO and waits for the answer.
async fn try_one(
    shared: Arc<Shared>,
    target: Target,
    form: Form,
    sole: bool,
) -> Result<Connection, Failed> {
    let unreachable = |why: String| Failed::Unreachable(format!("{}: {why}", target.address));
    let dialed = match timeout(shared.options.dial, shared.connect.dial_as(&target, form)).await {
        Ok(Ok(dialed)) => dialed,
        Ok(Err(cause)) => return Err(unreachable(cause.to_string())),
        Err(_) => return Err(unreachable("not connected in time".into())),
    };
    let Some(hello) = greet::hello(&shared, dialed.server_name.as_deref()) else {
        return Err(unreachable("the system has no randomness".into()));
    };
    let serial = shared.serial();
    let address = target.address;
    let beginning = Beginning { serial, sole, address, form, dialed, hello, way: None };
    let connection = Connection::start(beginning, &shared);
    // Calls need not wait for the answer, where there is nothing better.
    shared.offer(&connection, true);
    let mut standing = connection.standing();
    // The driver always says how it ended.
    let stands = standing.wait_for(|standing| standing.phase != Phase::Greeting).await;
    let closed = match &stands {
        Ok(standing) => standing.closed.clone(),
        Err(_) => return Err(unreachable("the connection's task has ended".into())),
    };
    drop(stands);
    match closed {
        None => Ok(connection),
        Some(closed) if closed.by == ClosedBy::Peer => {
            Err(Failed::Refused(Box::new(closed.closing.clone())))
        }
        Some(closed) if closed.by == ClosedBy::Us => {
            Err(unreachable(format!("{}, {}", closed.closing.code, closed.closing.detail)))
        }
        Some(_) => Err(unreachable("the connection ended before the server's greeting".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(all: &[&str]) -> Vec<SocketAddr> {
        all.iter().map(|one| one.parse().unwrap()).collect()
    }

    #[test]
    fn families_take_turns() {
        let given = addresses(&["[::1]:1", "[::2]:1", "[::3]:1", "1.0.0.1:1"]);
        let expected = addresses(&["[::1]:1", "1.0.0.1:1", "[::2]:1", "[::3]:1"]);
        assert_eq!(interleaved(given), expected);
        let given = addresses(&["1.0.0.1:1", "[::1]:1", "[::2]:1"]);
        let expected = addresses(&["1.0.0.1:1", "[::1]:1", "[::2]:1"]);
        assert_eq!(interleaved(given), expected);
        assert!(interleaved(Vec::new()).is_empty());
    }
}
