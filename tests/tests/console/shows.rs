//! What the console shows of a gateway that works.

use crate::support::{ADMIN, Desk};
use std::fmt::Write;

#[tokio::test]
async fn it_shows_apis_their_chains_and_what_they_do_now() {
    let mut desk = Desk::start(ADMIN).await;
    desk.shows("Nothing that the gateway knows of.").await;
    desk.press("APIs").await;
    desk.shows("ping").await;
    desk.press("orders.read").await;
    desk.shows("GET /orders/{id}").await;

    // The chain from top to bottom, with the stages of each step on their lanes.
    let ids =
        "[...document.querySelectorAll('.chain > .step .title b')].map((node) => node.textContent)";
    desk.browser.wait("document.querySelectorAll('.chain > .step').length === 3").await;
    let told = desk.browser.value(ids).await;
    assert_eq!(told, serde_json::json!(["request_id", "throttle", "headers"]));
    let lanes = "[...document.querySelectorAll('.chain > .step')].map((row) => \
         [...row.querySelectorAll('.lane')].map((lane) => lane.classList.contains('on')))";
    let told = desk.browser.value(lanes).await;
    assert_eq!(told[1], serde_json::json!([true, false]), "throttle: {told}");
    assert_eq!(told[2], serde_json::json!([false, true]), "headers: {told}");
    let address = desk.up.address.to_string();
    desk.shows(&format!("{address} healthy")).await;

    // Live: nothing has been called, then it moves without a reload of the page.
    let rate = "document.querySelector('.tile strong').textContent";
    desk.browser.wait(&format!("{rate} === '0.0'")).await;
    desk.call("/orders/1", 60).await;
    desk.browser.wait(&format!("parseFloat({rate}) > 0")).await;
    desk.browser
        .wait("document.querySelectorAll('.chain > .step')[1].textContent.includes('continue 60')")
        .await;

    desk.press("Upstreams").await;
    desk.shows("1 of 1 well").await;
    desk.press("Overview").await;
    desk.browser.wait(&format!("parseFloat({rate}) > 0")).await;
    desk.is_sound().await;
}

#[tokio::test]
async fn it_explains_a_request() {
    let mut desk = Desk::start(ADMIN).await;
    desk.press("Explain").await;
    desk.browser.click("document.querySelector('#target')").await;
    desk.browser.value("document.querySelector('#target').select()").await;
    desk.browser.write("/orders/7").await;
    desk.browser.click("document.querySelector('form button')").await;
    desk.shows("GET /orders/7 goes to orders.read").await;
    desk.shows("Chain of orders.read").await;
    desk.is_sound().await;
}

#[tokio::test]
async fn it_tells_when_the_gateway_is_away_and_when_a_reload_was_refused() {
    let mut desk = Desk::start(ADMIN).await;
    desk.shows("Nothing that the gateway knows of.").await;
    desk.running.reload("version: 1\nlisenters: []\n").await.unwrap_err();
    desk.shows("unknown key `lisenters`").await;
    // Without its admin section the gateway is as good as gone.
    let yaml = crate::support::config(desk.up.address, "null", "9/s");
    desk.running.reload(yaml).await.unwrap();
    desk.shows("The gateway does not answer").await;
    assert_eq!(desk.browser.value("document.querySelector('#pulse').innerText").await, "away");
    desk.is_sound().await;
}

#[tokio::test]
async fn thousands_of_apis_are_found_without_being_shown_at_once() {
    let mut desk = Desk::closed(ADMIN).await;
    let mut yaml = crate::support::config(desk.up.address, ADMIN, "9/s");
    for number in 0..3000 {
        let api = format!(
            "  - {{ id: many.{number:04}, match: {{ path: /many/{number} }}, handlers: [ respond: {{ status: 204 }} ] }}"
        );
        writeln!(yaml, "{api}").unwrap();
    }
    desk.running.reload(yaml).await.unwrap();
    let page = desk.page("127.0.0.1");
    desk.browser.open(&format!("{page}#/apis")).await;
    desk.shows("50 of 3,003").await;
    desk.browser.click("document.querySelector('#search')").await;
    desk.browser.write("many.2999").await;
    desk.shows("1 found").await;
    desk.press("many.2999").await;
    desk.shows("no upstream").await;
    desk.is_sound().await;
}

#[tokio::test]
async fn it_fits_a_narrow_screen() {
    let mut desk = Desk::start(ADMIN).await;
    let size =
        serde_json::json!({ "width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": true });
    desk.browser.call("Emulation.setDeviceMetricsOverride", size).await;
    for place in ["#/", "#/apis", "#/apis/orders.read", "#/upstreams", "#/releases", "#/explain"] {
        desk.go(place).await;
        desk.browser.wait("document.querySelector('#pulse').textContent === 'live'").await;
        desk.browser.wait("document.querySelector('main').innerText.length > 40").await;
        let over = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
        assert_eq!(desk.browser.value(over).await, 0, "{place} is wider than the screen");
    }
    desk.is_sound().await;
}
