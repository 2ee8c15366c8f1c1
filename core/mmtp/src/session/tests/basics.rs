//! Greeting, calls, messages, heartbeats.

use bytes::Bytes;

use super::pair::{Pair, hello};
use crate::{
    code::{CancelCode, CloseCode},
    greeting::{Closing, Settings, Update},
    session::*,
    tlv::{TlvWriter, kind},
};

fn response(data: &'static [u8]) -> NewResponse {
    let data = Bytes::from_static(data);
    NewResponse { status: 200, tlvs: Bytes::new(), zstd: false, data, end: true }
}

#[track_caller]
pub(super) fn request_of(event: Event) -> Request {
    match event {
        Event::Request(request) => *request,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_call_needs_no_welcome_and_one_round_trip() {
    let mut pair = Pair::new();
    let call = NewRequest::new(Operation::Name("orders.create"), Bytes::from_static(b"{}"));
    let key = pair.client.request(call).unwrap();
    pair.run(20);
    let request = request_of(pair.server_event());
    assert_eq!(request.key, key);
    assert_eq!(request.called, Called::Operation(1, "orders.create".into()));
    assert_eq!((&request.data[..], request.end, request.attempt), (&b"{}"[..], true, 1));
    assert_eq!(request.call_id(&[7; 16]).to_string(), format!("{}0101", "07".repeat(16)));
    assert!(pair.server.respond(key, response(b"done")));
    assert!(!pair.server.respond(key, response(b"twice")));
    pair.run(20);
    assert!(matches!(pair.client_event(), Event::Welcome(_)));
    let Event::Response(answer) = pair.client_event() else { panic!() };
    assert_eq!((answer.key, answer.status, &answer.data[..]), (key, 200, &b"done"[..]));
    assert!(pair.client.is_quiet() && pair.server.is_quiet());
    assert_eq!(pair.now, Millis(40));
}

#[test]
fn what_goes_over_a_channel_is_summed_until_somebody_asks() {
    let mut pair = Pair::greeted();
    let call = NewRequest::new(Operation::Name("a"), Bytes::from(vec![7; 10_000]));
    let key = pair.client.request(call).unwrap();
    pair.settle();
    let mut request = request_of(pair.server_event());
    let mut cost = u64::from(request.cost);
    while !request.end {
        let Event::Data { end, cost: more, .. } = pair.server_event() else { panic!() };
        (request.end, cost) = (end, cost + u64::from(more));
    }
    pair.server.respond(key, response(b"done"));
    pair.client.message(4, NewMessage { data: "log".into(), ..NewMessage::default() }).unwrap();
    pair.settle();
    let call = Traffic { channel: 1, received: 1, bytes_received: cost, sent: 1, bytes_sent: 4 };
    let log = Traffic { channel: 4, received: 1, bytes_received: 3, ..Traffic::default() };
    assert!(cost > 10_000);
    assert_eq!(pair.server.take_traffic().collect::<Vec<_>>(), [call, log]);
    assert_eq!(pair.server.take_traffic().count(), 0);
    // The other side has the same, from where it stands; and a connection's end loses nothing.
    pair.client.close(Closing::new(CloseCode::DONE));
    let seen: Vec<_> = pair.client.take_traffic().collect();
    assert_eq!((seen[0].sent, seen[0].bytes_sent, seen[0].bytes_received), (1, cost, 4));
    assert_eq!((seen[1].sent, seen[1].bytes_sent, seen[1].received), (1, 3, 0));
}

#[test]
fn the_second_call_of_an_operation_has_a_number_alone() {
    let mut pair = Pair::greeted();
    for _ in 0..2 {
        let call = NewRequest::new(Operation::Name("orders.create"), Bytes::from_static(b"{}"));
        pair.client.request(call).unwrap();
    }
    pair.settle();
    let (first, second) = (request_of(pair.server_event()), request_of(pair.server_event()));
    assert_eq!(first.called, second.called);
    assert!(!first.tlvs.is_empty() && second.tlvs.is_empty());
}

#[test]
fn everything_that_a_call_can_have() {
    let mut pair = Pair::greeted();
    let call = NewRequest {
        params: &[("shop", "café/1"), ("shop2", "")],
        query: Some("a=1&b"),
        fields: &[("x-a", b"1"), ("x-b", b"")],
        deadline_ms: Some(1500),
        priority: 1,
        call_id: Some(b"12345678"),
        attempt: 2,
        channel: 17,
        ..NewRequest::new(Operation::Name("o"), Bytes::new())
    };
    pair.client.request(call).unwrap();
    let target = Operation::Target("GET", "/v1/a?b=c");
    pair.client.request(NewRequest::new(target, Bytes::new())).unwrap();
    pair.settle();
    let mut seen = [pair.server_event(), pair.server_event()].map(request_of);
    seen.sort_by_key(|request| request.key);
    let [by_target, by_name] = seen;
    let params: Result<Vec<_>, _> = by_name.params().collect();
    assert_eq!(params.unwrap(), [("shop", "café/1"), ("shop2", "")]);
    let fields: Result<Vec<_>, _> = by_name.fields().collect();
    assert_eq!(fields.unwrap(), [("x-a", &b"1"[..]), ("x-b", b"")]);
    assert_eq!(by_name.query(), Some(&b"a=1&b"[..]));
    assert_eq!((by_name.deadline_ms, by_name.priority, by_name.attempt), (Some(1500), 1, 2));
    assert_eq!(by_name.call_id(&[0; 16]).as_bytes(), b"12345678");
    assert_eq!(by_target.called, Called::Target);
    assert_eq!(by_target.target(), Ok(Some(("GET", "/v1/a?b=c"))));
}

#[test]
fn bodies_in_pieces_both_ways_with_trailers_byte_by_byte() {
    let mut pair = Pair::greeted();
    pair.read = 1;
    let call = NewRequest {
        end: false,
        ..NewRequest::new(Operation::Name("o"), Bytes::from_static(b"a"))
    };
    let key = pair.client.request(call).unwrap();
    pair.settle();
    assert!(!request_of(pair.server_event()).end);
    pair.client.send(key, Bytes::from_static(b"b"), false, Bytes::new());
    pair.client.send(key, Bytes::from_static(b"c"), true, Bytes::new());
    pair.settle();
    let mut body = Vec::new();
    while let Some(Event::Data { data, end, .. }) = pair.at_server.pop_front() {
        body.extend_from_slice(&data);
        assert_eq!(end, body == b"bc");
    }
    assert_eq!(body, b"bc");

    let mut trailers = Vec::new();
    TlvWriter(&mut trailers).pair(kind::FIELD, b"grpc-status", b"0");
    assert!(pair.server.respond(key, NewResponse { end: false, ..response(b"x") }));
    pair.server.send(key, Bytes::from_static(b"y"), true, trailers.into());
    pair.settle();
    let Event::Response(answer) = pair.client_event() else { panic!() };
    assert!(!answer.end);
    let mut rest = Vec::new();
    let mut found = Vec::new();
    while let Some(Event::Data { data, tlvs, end, .. }) = pair.at_client.pop_front() {
        rest.extend_from_slice(&data);
        for field in fields(crate::tlv::Tlvs::trusted(&tlvs)) {
            let (name, value) = field.unwrap();
            found.push((name.to_owned(), value.to_owned(), end));
        }
    }
    assert_eq!([&answer.data[..], &rest].concat(), b"xy");
    assert_eq!(found, [("grpc-status".to_owned(), b"0".to_vec(), true)]);
    assert!(pair.client.is_quiet() && pair.server.is_quiet());
}

#[test]
fn an_answer_before_the_end_of_the_request() {
    let mut pair = Pair::greeted();
    let call = NewRequest { end: false, ..NewRequest::new(Operation::Name("o"), Bytes::new()) };
    let key = pair.client.request(call).unwrap();
    pair.settle();
    request_of(pair.server_event());
    assert!(pair.server.respond(key, response(b"no")));
    pair.client.send(key, Bytes::from_static(b"on its way"), false, Bytes::new());
    pair.settle();
    assert!(matches!(pair.client_event(), Event::Response(_)));
    // The client has told the server that it stops, and both have forgotten the call.
    assert!(pair.client.is_quiet() && pair.server.is_quiet());
    assert!(!pair.client.is_closed() && !pair.server.is_closed());
}

#[test]
fn cancelled_by_either_side() {
    let mut pair = Pair::greeted();
    let call = || NewRequest::new(Operation::Name("o"), Bytes::new());
    let key = pair.client.request(call()).unwrap();
    pair.settle();
    request_of(pair.server_event());
    pair.client.cancel(key, CancelCode::DEADLINE);
    // The answer crosses the cancellation.
    assert!(pair.server.respond(key, response(b"late")));
    pair.settle();
    assert_eq!(pair.at_client.pop_front(), None);
    // It was whole before CANCEL came, so there is nothing left to cancel.
    assert_eq!(pair.at_server.pop_front(), None);

    let key = pair.client.request(call()).unwrap();
    pair.settle();
    request_of(pair.server_event());
    assert!(pair.server.respond(key, NewResponse { end: false, ..response(b"half") }));
    pair.settle();
    pair.server.cancel(key, CancelCode::BROKEN);
    pair.settle();
    assert!(matches!(pair.client_event(), Event::Response(_)));
    assert_eq!(pair.client_event(), Event::Cancelled { key, code: CancelCode::BROKEN });

    // Cancelled before it was sent: the number is used, and nothing is done.
    let key = pair.client.request(call()).unwrap();
    pair.client.cancel(key, CancelCode::UNWANTED);
    let next = pair.client.request(call()).unwrap();
    pair.settle();
    let abandoned = request_of(pair.server_event());
    assert!(abandoned.key == key && !abandoned.end);
    assert_eq!(pair.server_event(), Event::Cancelled { key, code: CancelCode::UNWANTED });
    assert_eq!(request_of(pair.server_event()).key, next);
}

#[test]
fn messages_and_deliveries_both_ways() {
    let mut pair = Pair::greeted();
    let data = Bytes::from(vec![5; 300_000]);
    let large = NewMessage { delivery: true, data: data.clone(), ..NewMessage::default() };
    let first = pair.server.message(3, large).unwrap();
    let small = NewMessage { data: Bytes::from_static(b"s"), ..NewMessage::default() };
    pair.server.message(3, small.clone()).unwrap();
    pair.client.message(4, small).unwrap();
    assert!(pair.server.awaits_ack() && !pair.client.awaits_ack());
    assert_eq!(pair.server.message(1, NewMessage::default()), None);
    assert_eq!(pair.server.message(5, NewMessage::default()), None);
    pair.run(2000);
    let Event::Message(message) = pair.client_event() else { panic!() };
    assert!(message.delivery && message.data == data);
    let Event::Message(message) = pair.client_event() else { panic!() };
    assert!(!message.delivery && &message.data[..] == b"s");
    let Event::Message(message) = pair.server_event() else { panic!() };
    assert_eq!(message.key, Key { channel: 4, sequence: 1 });
    pair.client.acknowledge(first);
    pair.settle();
    assert_eq!(pair.server_event(), Event::Acked(first));
    assert!(!pair.server.awaits_ack());
}

#[test]
fn settings_and_updates_arrive() {
    let settings =
        Settings { channel_window: 1 << 20, connection_window: 1 << 20, ..Settings::default() };
    let server = Config { settings, ..Config::default() };
    let mut pair = Pair::with(Config::default(), server, &hello());
    pair.settle();
    let Event::Welcome(welcome) = pair.client_event() else { panic!() };
    assert_eq!(welcome.settings, settings);
    pair.client.update(&Update { foreground: Some(false), ..Update::default() });
    pair.settle();
    let Event::Update(update) = pair.server_event() else { panic!() };
    assert_eq!(update.foreground, Some(false));
}

#[test]
fn idle_connections_live_by_heartbeats_and_cost_two_bytes() {
    let mut pair = Pair::greeted();
    pair.run(3_600_000);
    assert!(!pair.client.is_closed() && !pair.server.is_closed());
    assert_eq!(pair.at_client.pop_front(), None);
    assert_eq!(pair.client.rtt_ms(), Some(40));
}
