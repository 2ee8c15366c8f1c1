//! Credit, priorities and fairness.

use bytes::{Bytes, BytesMut};

use super::{basics::request_of, pair::Pair};
use crate::{
    frame::{Frame, MAX_FRAME, Split, split},
    session::*,
};

fn call(data: usize) -> NewRequest<'static> {
    NewRequest::new(Operation::Name("o"), Bytes::from(vec![1; data]))
}

#[test]
fn no_more_is_sent_than_is_taken() {
    let mut pair = Pair::greeted();
    let key = pair.client.request(call(1_000_000)).unwrap();
    pair.run(5_000);
    let mut cost = request_of(pair.server_event()).cost;
    let mut received = 0;
    for round in 0.. {
        let mut end = false;
        let mut data_of_round = 0;
        while let Some(event) = pair.at_server.pop_front() {
            let Event::Data { data, cost: own, end: last, .. } = event else { panic!() };
            data_of_round += data.len();
            cost += own;
            end |= last;
        }
        assert!(data_of_round <= 65_536, "{data_of_round} in round {round}");
        received += data_of_round;
        if end {
            break;
        }
        pair.server.consumed(key.channel, std::mem::take(&mut cost));
        pair.run(1_000);
        assert!(round < 100);
    }
    assert!(received > 990_000);
}

#[test]
fn full_calls_tell_when_they_have_room() {
    let mut pair = Pair::greeted();
    let key = pair.client.request(NewRequest { end: false, ..call(0) }).unwrap();
    pair.settle();
    let request = request_of(pair.server_event());
    pair.server.consumed(1, request.cost);
    assert!(pair.client.send(key, Bytes::from(vec![0; 100_000]), false, Bytes::new()));
    assert_eq!(pair.client.queued(Some(key)), 100_000);
    for _ in 0..10 {
        pair.run(200);
        while let Some(event) = pair.at_server.pop_front() {
            if let Event::Data { cost, .. } = event {
                pair.server.consumed(1, cost);
            }
        }
    }
    assert_eq!(pair.client_event(), Event::Drained(key));
    assert_eq!(pair.client.queued(None), 0);
}

/// The frames that are written next, without their data.
fn order(session: &mut Session, frames: usize) -> Vec<u32> {
    let mut seen = Vec::new();
    for _ in 0..frames {
        let mut out = BytesMut::new();
        if !session.poll_transmit(&mut out, 1) {
            break;
        }
        match split(&out, MAX_FRAME).unwrap() {
            Split::Frame(
                Frame::Request { part, .. } | Frame::Response { part, .. } | Frame::Data(part),
                _,
            ) => seen.push(part.sequence),
            other => panic!("{other:?}"),
        }
    }
    seen
}

#[test]
fn the_urgent_goes_first_and_equals_take_turns() {
    let mut pair = Pair::greeted();
    for (priority, data) in [(5, 20_000), (3, 10_000), (3, 10_000), (0, 5_000)] {
        pair.client.request(NewRequest { priority, ..call(data) }).unwrap();
    }
    // Requests begin in order; then the first, then turn by turn.
    let order = order(&mut pair.client, 14);
    assert_eq!(order[..4], [1, 2, 3, 4]);
    assert_eq!(order[4..9], [4, 2, 3, 2, 3]);
    assert!(order[9..].iter().all(|sequence| *sequence == 1), "{order:?}");
}

#[test]
fn the_lowest_is_not_starved() {
    let mut pair = Pair::greeted();
    pair.client.request(NewRequest { priority: 7, ..call(30_000) }).unwrap();
    pair.client.request(NewRequest { priority: 0, ..call(60_000) }).unwrap();
    let order = order(&mut pair.client, 16);
    assert!(order[2..].contains(&1), "{order:?}");
}

#[test]
fn a_large_answer_does_not_hold_a_ping_or_a_small_call() {
    let mut pair = Pair::greeted();
    let large = pair.client.request(call(1)).unwrap();
    let small = pair.client.request(call(1)).unwrap();
    pair.settle();
    let answer = |length| NewResponse {
        status: 200,
        tlvs: Bytes::new(),
        zstd: false,
        data: Bytes::from(vec![0; length]),
        end: true,
    };
    pair.server.respond(large, answer(60_000));
    let mut out = BytesMut::new();
    pair.server.poll_transmit(&mut out, 4096);
    // Two bytes of a PING, and an answer that is ready later.
    pair.server.receive(&[0x08, 1], pair.now);
    pair.server.respond(small, answer(10));
    let mut out = BytesMut::new();
    pair.server.poll_transmit(&mut out, 1);
    assert_eq!(&out[..2], [0x10, 1], "the PONG first");
    assert_eq!(order(&mut pair.server, 2), [1, 2], "then turn by turn");
}
