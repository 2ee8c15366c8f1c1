//! Sequences of operations on a client and a server of MMTP that keep to the rules: nothing is lost, doubled or swapped, every
//! call comes to an end, and no side finds fault with the other.

use bytes::Bytes;
use paifang_mmtp::{
    code::{CancelCode, CloseCode},
    greeting::{Closing, Settings, Update},
    session::{Config, Key, NewMessage, NewRequest, NewResponse, Operation},
};

use crate::mmtp_model::{Call, Sent, bytes};
use crate::mmtp_world::{World, status, trailers};

/// The input, byte by byte; zeros behind its end.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn next(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn length(&mut self) -> usize {
        let lengths = [0, 1, 100, 4096, 5000, 20_000, 70_000, 150_000];
        let byte = self.next();
        lengths[usize::from(byte % 8)] + usize::from(byte >> 3)
    }
}

/// Operations that one input may have.
const MOST: usize = 300;

/// The first bytes choose settings, the others operations.
pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let mut config = || {
        let frames = [1024, 4096, 16_384][usize::from(input.next() % 3)];
        let window = 65_536 << (input.next() % 3);
        let settings = Settings {
            max_frame: frames,
            channel_window: window,
            connection_window: window,
            ..Settings::default()
        };
        Config { settings, fragment: 512 << (input.next() % 6), ..Config::default() }
    };
    let (client, server) = (config(), config());
    let mut world = World::new(client, server);
    for _ in 0..MOST {
        if input.0.is_empty() || world.is_over() {
            break;
        }
        operate(&mut world, &mut input);
        judge(&world);
    }
    finish(&mut world);
}

fn operate(world: &mut World, input: &mut Input<'_>) {
    match input.next() % 24 {
        0..=3 => request(world, input),
        4 => upload(world, input),
        5..=7 => answer(world, input),
        8 => cancel(world, input),
        9 | 10 => message(world, input, true),
        11 | 12 => message(world, input, false),
        13 => login(world),
        14 => {
            let update = Update { foreground: Some(true), ..Update::default() };
            world.client.session.update(&update);
        }
        15 => {
            world.catch_up();
        }
        16 => world.lazy = !world.lazy,
        17 => {
            world.latency = u64::from(input.next()) * 4;
            world.read = [1, 7, 1000, usize::MAX][usize::from(input.next() % 4)];
            world.room = [1, 100, 4096, 65_536][usize::from(input.next() % 4)];
        }
        18..=20 => world.run(u64::from(input.next()) * 8),
        21 => world.jump([500, 30_000, 100_000, 7_200_000][usize::from(input.next() % 4)]),
        22 => rare(world, input),
        _ => world.run(2_000),
    }
}

/// What happens once to a connection.
fn rare(world: &mut World, input: &mut Input<'_>) {
    match input.next() % 16 {
        0 => {
            world.dead = true;
            world.excused = true;
        }
        1 => {
            world.client.session.lost();
            world.server.session.lost();
            world.excused = true;
        }
        2 => {
            world.excused = true;
            world.client.session.close(Closing::new(CloseCode::DONE));
        }
        3 => world.server.session.goaway(Closing::new(CloseCode::DRAINING)),
        4 => {
            world.excused = true;
            world.server.session.close(Closing::new(CloseCode::OVERLOADED));
        }
        _ => {}
    }
}

fn request(world: &mut World, input: &mut Input<'_>) {
    let (what, length, how) = (input.next(), input.length(), input.next());
    let name = format!("operation.{}", what % 40);
    let channel = [1, 1, 16, 31][usize::from(how % 4)];
    // The sequence is not known before; the pattern needs it, so the data goes behind.
    let field = vec![b'f'; if how & 16 == 0 { 0 } else { 3000 }];
    let fields: &[(&str, &[u8])] = if field.is_empty() { &[] } else { &[("x-field", &field)] };
    let operation =
        if what == 255 { Operation::Target("GET", "/x") } else { Operation::Name(&name) };
    let new = NewRequest {
        channel,
        fields,
        priority: how >> 5,
        end: false,
        ..NewRequest::new(operation, Bytes::new())
    };
    let Ok(key) = world.client.session.request(new) else { return };
    let name = if what == 255 { String::new() } else { name };
    let mut call = Call { name, epoch: world.epoch, ..Call::default() };
    let end = how & 4 == 0;
    world.client.session.send(key, bytes(key, true, 0, length).into(), end, Bytes::new());
    (call.request.sent, call.request.ended) = (length, end);
    assert!(world.calls.insert(key, call).is_none());
}

/// The call at a place among those that pass.
fn some(world: &World, place: u8, passes: impl Fn(&Call) -> bool) -> Option<Key> {
    let keys: Vec<_> =
        world.calls.iter().filter(|(_, call)| passes(call)).map(|(key, _)| *key).collect();
    keys.get(usize::from(place) % keys.len().max(1)).copied()
}

fn upload(world: &mut World, input: &mut Input<'_>) {
    let (place, length, how) = (input.next(), input.length(), input.next());
    let Some(key) = some(world, place, |call| call.is_open() && !call.request.ended) else {
        return;
    };
    let Some(call) = world.calls.get_mut(&key) else { return };
    let data = bytes(key, true, call.request.sent, length);
    call.request.sent += length;
    call.request.ended = how & 1 == 1;
    world.client.session.send(key, data.into(), call.request.ended, Bytes::new());
}

fn answer(world: &mut World, input: &mut Input<'_>) {
    let (place, length, how) = (input.next(), input.length(), input.next());
    let passes = |call: &Call| call.seen && !call.over_at_server && !call.response.ended;
    let Some(key) = some(world, place, passes) else { return };
    give(world, key, length, how & 1 == 0, how & 2 == 2);
}

/// Begins an answer or goes on with it.
fn give(world: &mut World, key: Key, length: usize, end: bool, with_trailers: bool) {
    let Some(call) = world.calls.get_mut(&key) else { return };
    let data = Bytes::from(bytes(key, false, call.response.sent, length));
    call.response.sent += length;
    call.response.ended = end;
    let session = &mut world.server.session;
    if call.answered {
        call.trailers = end && with_trailers;
        let trailers = if call.trailers { trailers() } else { Bytes::new() };
        session.send(key, data, end, trailers);
        return;
    }
    call.answered = true;
    let new = NewResponse { status: status(key), tlvs: Bytes::new(), zstd: false, data, end };
    // That the client does not want it any more may not have been told yet: events wait behind a LOGIN.
    let over = call.over_at_client;
    assert!(session.respond(key, new) || over || session.is_closed(), "{key:?} cannot be answered");
}

fn cancel(world: &mut World, input: &mut Input<'_>) {
    let (place, how) = (input.next(), input.next());
    match how % 4 {
        0 => {
            let Some(key) = some(world, place, Call::is_open) else { return };
            world.calls.get_mut(&key).into_iter().for_each(|call| call.over_at_client = true);
            world.client.session.cancel(key, CancelCode::UNWANTED);
        }
        1 => {
            let passes = |call: &Call| call.seen && !call.over_at_server && !call.response.ended;
            let Some(key) = some(world, place, passes) else { return };
            world.calls.get_mut(&key).into_iter().for_each(|call| call.over_at_server = true);
            world.server.session.cancel(key, CancelCode::BROKEN);
        }
        side => {
            let side = usize::from(side - 2);
            let session =
                if side == 0 { &mut world.client.session } else { &mut world.server.session };
            // Of an empty one nobody can say from outside whether it is out.
            let full = world.sent[side].0.iter().filter(|(_, sent)| sent.length > 0);
            let keys: Vec<_> = full.map(|(key, _)| *key).collect();
            let Some((channel, sequence)) =
                keys.get(usize::from(place) % keys.len().max(1)).copied()
            else {
                return;
            };
            let key = Key { channel, sequence };
            // What is out already cannot be taken back.
            let waits = session.queued(Some(key)) > 0;
            session.cancel(key, CancelCode::UNWANTED);
            if let Some(sent) = world.sent[side].0.get_mut(&(channel, sequence)) {
                sent.cancelled |= waits;
            }
        }
    }
}

fn message(world: &mut World, input: &mut Input<'_>, up: bool) {
    let (how, length) = (input.next(), input.length());
    let channel =
        if up { [3, 4, 8][usize::from(how % 3)] } else { [2, 3, 15][usize::from(how % 3)] };
    let (side, session) = match up {
        true => (0, &mut world.client.session),
        false => (1, &mut world.server.session),
    };
    let sequence = world.sent[side].0.range((channel, 0)..=(channel, u32::MAX)).count() as u32 + 1;
    let key = Key { channel, sequence };
    let delivery = how & 64 == 0;
    let data = Bytes::from(bytes(key, up, 0, length));
    let Some(given) =
        session.message(channel, NewMessage { delivery, data, ..NewMessage::default() })
    else {
        return;
    };
    assert_eq!(given, key);
    let epoch = world.epoch;
    let sent = Sent { length, delivery, cancelled: false, epoch, received: false, acked: false };
    world.sent[side].0.insert((channel, sequence), sent);
}

fn login(world: &mut World) {
    // More at once are too many for a server.
    if world.awaited.len() < 6
        && let Some(epoch) = world.client.session.login(None)
    {
        world.epoch = epoch;
        world.awaited.push_back(epoch);
    }
}

/// No side finds fault with the other, and none gives up, unless there was a reason.
fn judge(world: &World) {
    for closed in [world.client.closed, world.server.closed].into_iter().flatten() {
        let fault = closed.0 >= 4000 || closed == CloseCode::TOO_FAST;
        assert!(!fault, "a fault was found: {closed}");
        // A server that takes its time to decide may lose the client.
        let undecided = closed == CloseCode::IDLE && !world.welcomed;
        assert!(world.excused || undecided, "it ended: {closed}");
    }
}

/// Everything that was begun comes to its end.
fn finish(world: &mut World) {
    (world.lazy, world.latency, world.read) = (false, 20, usize::MAX);
    world.room = 16_384;
    world.run(3_000);
    for _ in 0..20 {
        for key in world.calls.keys().copied().collect::<Vec<_>>() {
            let Some(call) = world.calls.get_mut(&key) else { continue };
            if call.is_open() && !call.request.ended {
                call.request.ended = true;
                world.client.session.send(key, Bytes::new(), true, Bytes::new());
            }
            let due = call.seen && !call.over_at_server && !call.response.ended;
            if due && !world.server.session.is_closed() {
                give(world, key, 3, true, false);
            }
        }
        world.run(5_000);
        judge(world);
    }
    if world.dead {
        // Silence is noticed by who waits within seconds, by others within a heartbeat, by the server at last.
        world.run(600_000);
        assert!(world.is_over(), "nobody has noticed that the connection is dead");
    }
    if world.is_over() {
        return;
    }
    assert!(
        !world.client.session.is_closed() && !world.server.session.is_closed(),
        "half of it is over"
    );
    for (key, call) in &world.calls {
        assert!(!call.is_open(), "{key:?} never came to an end: {call:?}");
    }
    for messages in &world.sent {
        for (place, sent) in &messages.0 {
            assert!(sent.received || sent.cancelled, "{place:?} never came");
            assert!(
                sent.acked || !sent.delivery || sent.cancelled,
                "{place:?} was never acknowledged"
            );
        }
    }
    assert!(world.awaited.is_empty(), "a change of the user was never decided");
    for session in [&world.client.session, &world.server.session] {
        assert!(session.is_quiet() && session.queued(None) == 0 && !session.awaits_ack());
        assert_eq!(session.calls_in_flight(), 0);
    }
    if !world.going {
        credit_is_whole(world);
    }
}

/// After all that a large call passes both ways: no credit was lost.
fn credit_is_whole(world: &mut World) {
    let new = NewRequest { end: false, ..NewRequest::new(Operation::Name("last"), Bytes::new()) };
    let key = world.client.session.request(new).expect("a call at the end");
    let mut call = Call { name: "last".to_owned(), epoch: world.epoch, ..Call::default() };
    (call.request.sent, call.request.ended) = (400_000, true);
    world.client.session.send(key, bytes(key, true, 0, 400_000).into(), true, Bytes::new());
    world.calls.insert(key, call);
    world.run(4_000);
    assert!(world.calls[&key].request.finished, "credit was lost on the way up");
    give(world, key, 400_000, true, false);
    world.run(4_000);
    assert!(!world.calls[&key].is_open(), "credit was lost on the way down");
}
