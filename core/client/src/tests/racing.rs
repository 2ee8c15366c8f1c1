//! Several addresses at once.

use std::time::Duration;

use paifang_mmtp::{code::CloseCode, greeting::Closing};
use tokio::time::Instant;

use super::{FIRST, SECOND, Server, at, builder, here, ms, network, until};
use crate::{
    DeviceIdentity,
    simnet::{Answer, Profile},
};

#[tokio::test(start_paused = true)]
async fn a_silent_address_costs_a_quarter_of_a_second() {
    let (net, server) = network();
    server.serve(&net, SECOND);
    net.answer(at(FIRST), Answer::Silent);
    let begun = Instant::now();
    let client = builder().address(SECOND).build(net).unwrap();
    assert_eq!(here(&client).await.address, at(SECOND));
    assert_eq!(begun.elapsed(), ms(250 + 80));
}

#[tokio::test(start_paused = true)]
async fn an_address_that_refuses_costs_its_round_trip() {
    let (net, server) = network();
    server.serve(&net, SECOND);
    net.answer(at(FIRST), Answer::Refuse);
    let begun = Instant::now();
    let client = builder().address(SECOND).build(net).unwrap();
    assert_eq!(here(&client).await.address, at(SECOND));
    assert_eq!(begun.elapsed(), ms(40 + 80));
}

#[tokio::test(start_paused = true)]
async fn the_loser_is_closed_and_what_the_server_makes_of_it_does_no_harm() {
    let (net, server) = network();
    server.serve(&net, SECOND);
    // The first is slow: its HELLO goes first, and the second's is answered first.
    net.path_to(at(FIRST), Profile::latency(ms(120)));
    let client = builder().address(SECOND).build(net.clone()).unwrap();
    let connected = here(&client).await;
    assert_eq!(connected.address, at(SECOND));
    until(|| net.links().len() == 1).await;
    assert_eq!(net.links_to(at(SECOND)).len(), 1);
    assert_eq!(client.call("echo").send().await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_its_own_rival_has_replaced_comes_back() {
    let (net, server) = network();
    server.serve(&net, SECOND);
    net.path_to(at(SECOND), Profile::latency(ms(150)));
    net.path_to(at(FIRST), Profile::latency(ms(140)));
    let client = builder().address(SECOND).build(net.clone()).unwrap();
    assert_eq!(here(&client).await.serial, 1);
    // The second was begun, so the server may have seen the device's newer connection in it.
    server.order(0, |session| session.goaway(Closing::new(CloseCode::REPLACED)));
    until(|| matches!(client.state(), crate::State::Connected(now) if now.serial > 1)).await;
    assert_eq!(client.call("echo").send().await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_race_shows_its_token_no_more_than_twice() {
    const THIRD: &str = "192.0.2.3:443";
    let (net, server) = network();
    server.serve(&net, SECOND);
    server.serve(&net, THIRD);
    let (key, _) = DeviceIdentity::generate().unwrap();
    let client =
        builder().address(SECOND).address(THIRD).device_key(key).build(net.clone()).unwrap();
    here(&client).await;
    for address in [FIRST, SECOND, THIRD] {
        net.path_to(at(address), Profile::latency(ms(1000)));
    }
    net.cut();
    until(|| server.hellos().len() == 4).await;
    let hellos = server.hellos();
    let shown: Vec<_> = hellos[1..].iter().map(|hello| hello.resume.is_some()).collect();
    assert_eq!(shown, [true, true, false]);
    // The key is proven by all of them.
    assert!(hellos.iter().all(|hello| hello.proof.is_some()));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_may_be_done_once_waits_for_the_winner() {
    let (net, server) = network();
    let other = Server::default();
    other.serve(&net, SECOND);
    net.path_to(at(FIRST), Profile::latency(ms(1000)));
    let client = builder().address(SECOND).build(net).unwrap();
    let begun = Instant::now();
    assert_eq!(client.call("echo").send().await.unwrap().status(), 200);
    assert_eq!(begun.elapsed(), ms(250 + 80 + 40));
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!((server.calls().len(), other.calls().len()), (0, 1));
}
