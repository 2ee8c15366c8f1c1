//! A console whose gateway demands a token, and one that is switched off.

use crate::support::{ADMIN, Desk, config};
use paifang_tests::http::{get, send};

const WITH_TOKEN: &str = "{ address: \"127.0.0.1:0\", token: { env: TOKEN } }";

#[tokio::test]
async fn without_the_token_it_shows_nothing() {
    let mut desk = Desk::start(WITH_TOKEN).await;
    desk.shows("This gateway asks for its token").await;
    for (typed, told) in [("wrong", "The token is wrong."), ("s3cret-tokem", "The token is wrong.")]
    {
        desk.browser.click("document.querySelector('#token')").await;
        desk.browser.write(typed).await;
        desk.press("Show the gateway").await;
        desk.shows(told).await;
    }
    let shown = desk.browser.value("document.body.innerText").await;
    assert!(!shown.as_str().unwrap().contains("orders.read"), "{shown}");

    desk.browser.click("document.querySelector('#token')").await;
    desk.browser.write("s3cret-token").await;
    desk.press("Show the gateway").await;
    desk.press("APIs").await;
    desk.shows("orders.read").await;
    // It is nowhere but in this tab's own store: not in the address, nor in what the page holds.
    let told = desk.browser.value("location.href + document.documentElement.outerHTML").await;
    assert!(!told.as_str().unwrap().contains("s3cret"), "{told}");
    let kept = desk.browser.value("document.cookie + JSON.stringify(localStorage)").await;
    assert_eq!(kept, "{}");

    desk.press("Forget token").await;
    desk.shows("This gateway asks for its token").await;
    assert_eq!(desk.browser.value("JSON.stringify(sessionStorage)").await, "{}");
    desk.is_sound().await;
}

#[tokio::test]
async fn its_files_need_no_token_and_tell_browsers_to_be_strict() {
    let mut desk = Desk::closed(WITH_TOKEN).await;
    let admin = desk.admin();
    let home = get(admin, "/").await;
    assert_eq!(home.status, 303);
    assert!(home.head.contains("location: console/"), "{}", home.head);
    for (file, media) in
        [("", "text/html"), ("main.js", "text/javascript"), ("style.css", "text/css")]
    {
        let got = get(admin, &format!("/console/{file}")).await;
        assert_eq!(got.status, 200, "{file}");
        for field in [
            "content-security-policy: default-src 'none'; script-src 'self'",
            "frame-ancestors 'none'",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "cross-origin-opener-policy: same-origin",
            "cross-origin-resource-policy: same-origin",
            "cache-control: no-cache",
            &format!("content-type: {media}"),
        ] {
            assert!(got.head.contains(field), "{file} lacks {field}: {}", got.head);
        }
        let tag = got.head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap();
        let again = format!(
            "GET /console/{file} HTTP/1.1\r\nhost: {admin}\r\nif-none-match: {tag}\r\nconnection: close\r\n\r\n"
        );
        assert_eq!(send(admin, &again).await.status, 304, "{file}");
    }
    for none in ["/console/nothing.js", "/console/..%2f..%2fCargo.toml", "/console/main.js/x"] {
        let status = get(admin, none).await.status;
        assert!([404, 401].contains(&status), "{none}: {status}");
    }
    // What the API tells is kept nowhere.
    let told = get(admin, "/v1/status").await;
    assert_eq!(told.status, 401);
    assert!(told.head.contains("cache-control: no-store"), "{}", told.head);

    let off = "{ address: \"127.0.0.1:0\", token: { env: TOKEN }, console: false }";
    desk.running.reload(config(desk.up.address, off, "9/s")).await.unwrap();
    for gone in ["/", "/console/", "/console/main.js"] {
        assert_eq!(get(admin, gone).await.status, 404, "{gone}");
    }
    desk.running.reload(config(desk.up.address, ADMIN, "9/s")).await.unwrap();
    let page = desk.page("127.0.0.1");
    desk.browser.open(&page).await;
    desk.shows("Nothing that the gateway knows of.").await;
    desk.is_sound().await;
}
