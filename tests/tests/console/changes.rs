//! What the console changes: releases, and nothing that was not confirmed.

use crate::support::{ADMIN, Desk, config};
use paifang_tests::http::get;
use serde_json::Value;

async fn status(desk: &Desk) -> Value {
    serde_json::from_str(&get(desk.admin(), "/v1/status").await.body).unwrap()
}

#[tokio::test]
async fn it_goes_back_to_a_release_by_clicks() {
    let mut desk = Desk::start(ADMIN).await;
    desk.running.reload(config(desk.up.address, ADMIN, "70/s")).await.unwrap();
    desk.press("Releases").await;
    desk.press("Changes of release 2").await;
    desk.shows("steps.throttle.config.rate").await;
    desk.browser.wait("document.querySelector('.diff ins').textContent === '70/s'").await;
    desk.browser.wait("document.querySelector('.diff del').textContent === '9000/s'").await;

    // What would change is shown first, and calling it off changes nothing.
    desk.press("Roll back to release 1").await;
    desk.shows("Roll back to release 1?").await;
    desk.browser.wait("document.querySelector('dialog .diff ins').textContent === '9000/s'").await;
    desk.press("Cancel").await;
    desk.browser.wait("!document.querySelector('dialog')").await;
    assert_eq!(status(&desk).await["pinned"], Value::Null);

    desk.press("Roll back to release 1").await;
    desk.press("Roll back to 1").await;
    desk.shows("Release 1 serves again.").await;
    assert_eq!(status(&desk).await["pinned"], 1);
    desk.shows("Pinned to release 1").await;
    let live = "[...document.querySelectorAll('.releases > li')].at(-1).innerText.includes('live')";
    desk.browser.wait(live).await;
    desk.press("Overview").await;
    desk.shows("Pinned to release 1, until a reload.").await;
    desk.is_sound().await;
}

#[tokio::test]
async fn it_reloads_the_files_and_tells_what_is_wrong_with_them() {
    let mut desk = Desk::start(ADMIN).await;
    desk.press("Releases").await;
    let yaml = config(desk.up.address, ADMIN, "80/s");
    desk.running.files.write("paifang.yaml", yaml);
    desk.press("Reload the files").await;
    desk.shows("Reload the files?").await;
    desk.press("Reload").await;
    desk.shows("Release 2 is live.").await;
    assert_eq!(status(&desk).await["release"], 2);

    desk.running.files.write("paifang.yaml", "version: 1\nlisenters: []\n");
    desk.press("Reload the files").await;
    desk.shows("unknown key `lisenters`").await;
    assert_eq!(status(&desk).await["release"], 2);
    desk.is_sound().await;
}

#[tokio::test]
async fn it_rehearses_and_switches_a_plan_with_its_reason() {
    let mut desk = Desk::closed(ADMIN).await;
    let plans = "plans:
  calm:
    about: fewer orders
    changes: [ { apis: orders.read, add: { shed: { share: 30%, by: client_ip } }, at: first } ]
";
    let yaml = config(desk.up.address, ADMIN, "9/s") + plans;
    desk.running.reload(yaml).await.unwrap();
    let page = desk.page("127.0.0.1");
    desk.browser.open(&page).await;
    desk.press("Plans").await;
    desk.shows("fewer orders").await;
    desk.press("Rehearse calm").await;
    desk.shows("Switching it on would touch 1 APIs").await;
    desk.shows("calm.shed added").await;

    desk.press("Switch on calm").await;
    desk.shows("Reason, for the history").await;
    desk.browser.write("the sale <b>begins</b>").await;
    desk.press("Switch on").await;
    desk.shows("calm is on.").await;
    assert_eq!(status(&desk).await["plans"], serde_json::json!(["calm"]));
    desk.shows("the sale <b>begins</b>").await;
    desk.go("#/apis/orders.read").await;
    desk.shows("calm.shed").await;
    desk.go("#/").await;
    desk.shows("The plan calm is on.").await;

    desk.go("#/plans").await;
    desk.press("Switch off calm").await;
    desk.shows("Switch calm off?").await;
    desk.press("Cancel").await;
    desk.browser.wait("!document.querySelector('dialog')").await;
    assert_eq!(status(&desk).await["plans"], serde_json::json!(["calm"]));
    desk.press("Switch off calm").await;
    desk.press("Switch off").await;
    desk.shows("calm is off.").await;
    assert_eq!(status(&desk).await["plans"], serde_json::json!([]));
    desk.is_sound().await;
}
