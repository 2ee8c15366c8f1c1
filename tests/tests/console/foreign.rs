//! Pages of other origins: they can neither read what the gateway tells nor change what it does.

use crate::support::{ADMIN, Desk, config};
use paifang_tests::{
    harness::Server,
    http::{get, send},
};
use serde_json::{Value, json};

/// What a page may try against the console at `AT`, each as a promise of what it got.
const ATTEMPTS: &str = "
const at = 'AT';
const tried = async (attempt) => { try { return await attempt(); } catch (cause) { return `refused: ${cause.name}`; } };
const loaded = (node, url) => new Promise((done) => {
  node.onload = () => done('loaded');
  node.onerror = () => done('refused');
  node.src = url;
  document.body.append(node);
});
globalThis.results = (async () => ({
  read: await tried(async () => (await fetch(`${at}/v1/status`)).text()),
  read_with_token: await tried(async () => (await fetch(`${at}/v1/status`, { headers: { authorization: 'Bearer x' } })).text()),
  probe: await tried(async () => (await fetch(`${at}/livez`)).text()),
  json: await tried(async () => (await fetch(`${at}/v1/explain`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' })).text()),
  blind: await tried(async () => (await fetch(`${at}/v1/reload`, { method: 'POST', mode: 'no-cors' })).type),
  back: await tried(async () => (await fetch(`${at}/v1/releases/1/rollback`, { method: 'POST', mode: 'no-cors', body: '' })).type),
  beacon: await tried(async () => String(navigator.sendBeacon(`${at}/v1/reload`, ''))),
  image: await loaded(document.createElement('img'), `${at}/console/icon.svg`),
  script: await loaded(document.createElement('script'), `${at}/console/main.js`),
  json_as_script: await loaded(document.createElement('script'), `${at}/v1/status`),
}))();
";

/// What a page submits into a frame, by a form.
const FORM: &str = "
const form = document.createElement('form');
form.method = 'post';
form.action = 'AT/v1/reload';
form.target = 'frame';
document.body.append(form);
form.submit();
";

async fn elsewhere() -> Server {
    let body = "<!doctype html><title>elsewhere</title><body><iframe name=frame></iframe><p>here";
    let length = body.len();
    Server::answering(format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {length}\r\n\r\n{body}"
    ))
    .await
}

async fn release(desk: &Desk) -> Value {
    let told: Value = serde_json::from_str(&get(desk.admin(), "/v1/status").await.body).unwrap();
    json!([told["release"], told["pinned"]])
}

#[tokio::test]
async fn another_page_reads_and_changes_nothing() {
    let mut desk = Desk::closed(ADMIN).await;
    desk.running.reload(config(desk.up.address, ADMIN, "70/s")).await.unwrap();
    let server = elsewhere().await;
    let before = release(&desk).await;
    // Another port of this very host, a host of this machine by another name, and a name of somebody's.
    for name in ["127.0.0.1", "localhost", "evil.example"] {
        let at = format!("http://{}", desk.admin());
        desk.browser.open(&format!("http://{name}:{}/", server.address.port())).await;
        desk.browser.value(&format!("{}; 0", ATTEMPTS.replace("AT", &at))).await;
        let got = desk.browser.value("globalThis.results").await;
        for (attempt, what) in got.as_object().unwrap() {
            let what = what.as_str().unwrap();
            // The answer to these two is opaque, whatever it is: that nothing came of them is seen below.
            let blind = ["blind", "back", "beacon"].contains(&attempt.as_str());
            let stopped =
                what.starts_with("refused") || (blind && ["opaque", "true"].contains(&what));
            assert!(stopped, "{name}: {attempt}: {what}");
        }
        // A form's answer arrives in its frame, so that it is known to have been sent.
        desk.browser.value(&format!("{FORM}; 0").replace("AT", &at)).await;
        desk.browser
            .wait("(() => { try { return !frames[0].document; } catch { return true; } })()")
            .await;
        assert_eq!(release(&desk).await, before, "{name} has changed the gateway");
    }
}

#[tokio::test]
async fn the_console_stands_in_no_frame() {
    let mut desk = Desk::closed(ADMIN).await;
    let server = elsewhere().await;
    desk.browser.open(&format!("http://{}/", server.address)).await;
    let page = desk.page("127.0.0.1");
    let framed = format!(
        "new Promise((done) => {{ const frame = document.querySelector('iframe'); \
         frame.onload = () => done(0); frame.src = {page:?}; }})"
    );
    desk.browser.value(&framed).await;
    let tree = desk.browser.call("Page.getFrameTree", json!({})).await;
    let frame = &tree["frameTree"]["childFrames"][0]["frame"];
    assert!(frame["url"].as_str().unwrap().starts_with("chrome-error:"), "{frame}");
}

#[tokio::test]
async fn a_name_that_was_made_to_point_here_gets_an_empty_console() {
    let mut desk = Desk::closed(ADMIN).await;
    let page = desk.page("evil.example");
    desk.browser.open(&page).await;
    desk.shows("The gateway refuses: call the admin API by its address").await;
    let status = "fetch('/v1/reload', { method: 'POST' }).then((answer) => answer.status)";
    assert_eq!(desk.browser.value(status).await, 403);
    assert_eq!(release(&desk).await, json!([1, null]));
    // By this machine's own name it is the console.
    let page = desk.page("localhost");
    desk.browser.open(&page).await;
    desk.shows("Nothing that the gateway knows of.").await;
    let status = "fetch('/v1/reload', { method: 'POST' }).then((answer) => answer.status)";
    assert_eq!(desk.browser.value(status).await, 200);
}

#[tokio::test]
async fn behind_a_proxy_only_the_origin_that_the_config_names_may_ask() {
    let admin =
        "{ address: \"127.0.0.1:0\", token: { env: TOKEN }, origin: https://gateway.example }";
    let mut desk = Desk::closed(admin).await;
    let admin = desk.admin();
    let ask = |origin: &str| {
        format!(
            "POST /v1/reload HTTP/1.1\r\nhost: {admin}\r\norigin: {origin}\r\nsec-fetch-site: same-origin\r\n\
             x-forwarded-proto: https\r\nx-forwarded-host: other.example\r\nauthorization: Bearer s3cret-token\r\n\
             content-length: 0\r\nconnection: close\r\n\r\n"
        )
    };
    assert_eq!(send(admin, &ask("https://gateway.example")).await.status, 200);
    for other in ["https://other.example", "http://gateway.example", "null"] {
        assert_eq!(send(admin, &ask(other)).await.status, 403, "{other}");
    }
    let bare = ask("https://gateway.example").replace("Bearer s3cret-token", "Bearer wrong");
    assert_eq!(send(admin, &bare).await.status, 401);
    // Without a proxy it is reached as ever.
    let page = desk.page("127.0.0.1");
    desk.browser.open(&page).await;
    desk.shows("This gateway asks for its token").await;
}
