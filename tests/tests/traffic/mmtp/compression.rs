//! Compressed messages through a whole gateway: dictionaries of its config, another one by a reload, what is refused.

use super::config;
use paifang_client::{Client, ClientBuilder, DictionaryDir, connect};
use paifang_mmtp::{
    code::CloseCode,
    compress::{
        Compressor, Decompressor, Dictionary, Known, Numbered, Pattern, Plain, Rules, Settings,
    },
    greeting::{FEATURE_ZSTD, Hello},
    session::{Event, NewRequest, Operation},
};
use paifang_tests::harness::{Message, MmtpClient, Recorder, Running, Setup, mmtp_hello, until};
use paifang_tests::tidy::root;
use std::time::Duration;

/// A message like the others of its kind.
fn order(number: usize) -> String {
    format!(
        r#"{{"order":{number},"shop":"shop-{}","status":"open","lines":[{{"sku":"A-{number}","count":2,"price":{{"amount":"12.50","currency":"EUR"}}}}]}}"#,
        number % 7,
    )
}

/// A dictionary of such messages; another one for another seed.
fn train(seed: usize) -> Dictionary {
    let samples: Vec<String> = (seed..seed + 400).map(order).collect();
    let sizes: Vec<usize> = samples.iter().map(String::len).collect();
    let mut bytes = vec![0; 4096];
    let made = zstd_safe::train_from_buffer(&mut bytes[..], samples.concat().as_bytes(), &sizes);
    bytes.truncate(made.expect("trained"));
    Dictionary::load(bytes, 3).expect("a dictionary")
}

/// Answers with the body that came, as JSON.
async fn echo() -> Recorder {
    Recorder::replying(|request: &Message| {
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            request.body.len()
        );
        [head.as_bytes(), &request.body].concat()
    })
    .await
}

const APIS: &str = "\
apis:
  - { id: orders, match: { method: POST, path: /orders }, operation: orders.create, upstream: main }
  - { id: secret, match: { method: POST, path: /secret }, operation: secret, compress: false, upstream: main }
";

fn with(upstream: &Recorder, mmtp: &str) -> String {
    config(upstream, &format!("mmtp: {{ {mmtp} }}\n{APIS}"))
}

fn takes(dictionaries: &[&Dictionary]) -> Hello {
    let dictionaries = dictionaries.iter().map(|own| own.id().0).collect();
    Hello { features: FEATURE_ZSTD, dictionaries, ..mmtp_hello(1) }
}

/// A call whose body is compressed with the dictionary of this number.
async fn call(client: &mut MmtpClient, own: &Dictionary, number: u32, body: &str) -> Called {
    let rules = Rules::default().add(own.clone(), Some(1), [Pattern::All]);
    let numbered = Numbered::by(rules.build().expect("a set"), |_| number);
    let compressor = Compressor::new(Settings::default(), 1).expect("a level");
    let plain = Plain { channel: 1, operation: None, data: body.as_bytes() };
    let encoded = numbered.encode(&compressor, Known::ALL, plain).expect("it becomes shorter");
    client.request(NewRequest {
        dictionary: encoded.dictionary,
        zstd: true,
        ..NewRequest::new(Operation::Name("orders.create"), encoded.data)
    });
    match client.event().await {
        Event::Response(answer) => {
            let wire = answer.data.len();
            let number = answer.tlvs().get(paifang_mmtp::tlv::kind::ENCODED_WITH);
            let number = number.map(|value| u32::from(value[0]));
            let decompressor = Decompressor::new(1);
            let data = numbered.decode(&decompressor, number, &answer.data, 1 << 20);
            let body = data.map(|data| String::from_utf8_lossy(&data).into_owned());
            Called::Answered { wire, zstd: answer.zstd, number, body: body.ok() }
        }
        Event::Closed(closed) => Called::Closed(closed.closing.code),
        other => panic!("{other:?}"),
    }
}

#[derive(Debug, PartialEq)]
enum Called {
    Answered { wire: usize, zstd: bool, number: Option<u32>, body: Option<String> },
    Closed(CloseCode),
}

impl Called {
    /// Compressed with the dictionary of this number, to a third at most.
    #[track_caller]
    fn is(&self, wanted: u32, text: &str) {
        let Self::Answered { wire, zstd: true, number, body } = self else { panic!("{self:?}") };
        assert_eq!((*number, body.as_deref()), (Some(wanted), Some(text)));
        assert!(wire * 3 <= text.len(), "{wire}");
    }
}

#[tokio::test]
async fn a_reload_brings_another_dictionary_and_connections_keep_theirs() {
    let upstream = echo().await;
    let (first, second) = (train(0), train(9000));
    let mmtp = "dictionaries: [ { file: one.zdict, operation: orders.* } ]";
    let running = Setup::new(with(&upstream, mmtp))
        .file("one.zdict", first.bytes().to_vec())
        .file("two.zdict", second.bytes().to_vec())
        .start()
        .await;
    let mut old = MmtpClient::connect(running.address(), &takes(&[&first])).await;
    let welcome = old.welcome().await;
    assert_eq!(welcome.features & FEATURE_ZSTD, FEATURE_ZSTD);
    let [named] = &welcome.dictionaries[..] else { panic!("{welcome:?}") };
    assert_eq!((named.number, named.identity, &*named.operation), (1, first.id().0, "orders.*"));
    let text = order(777);
    call(&mut old, &first, 1, &text).await.is(1, &text);
    // The upstream got it as it is.
    assert_eq!(upstream.last().body, text.as_bytes());
    assert_eq!(upstream.last().header("content-length"), Some(&*text.len().to_string()));

    let both = "dictionaries: [ { file: two.zdict, operation: orders.* }, { file: one.zdict, operation: orders.* } ]";
    running.reload(with(&upstream, both)).await.expect("a good one");
    let hello = Hello { device: [2].into(), ..takes(&[&second]) };
    let mut new = MmtpClient::connect(running.address(), &hello).await;
    let numbers: Vec<_> = new.welcome().await.dictionaries;
    assert_eq!((numbers.len(), numbers[0].identity), (2, second.id().0));
    call(&mut new, &second, 1, &text).await.is(1, &text);
    // Under the same number the older connection means the older dictionary.
    call(&mut old, &first, 1, &text).await.is(1, &text);
    // A number that WELCOME has not given.
    assert_eq!(call(&mut old, &first, 2, &text).await, Called::Closed(CloseCode::COMPRESSION));

    // A file that is none is refused, at its place, and what serves goes on.
    running.files.write("two.zdict", "none");
    let refused = running.reload(with(&upstream, both)).await.expect_err("no dictionary");
    let told = refused.details().unwrap_or_default();
    assert!(told.contains("paifang.yaml:") && told.contains("no trained Zstandard"), "{told}");
    running.files.write("two.zdict", vec![0; 200_000]);
    let refused = running.reload(with(&upstream, both)).await.expect_err("too large");
    assert!(refused.details().unwrap_or_default().contains("more than 128 KiB"));
    let refused = running.reload(with(&upstream, &both.replace("two", "three"))).await;
    assert!(refused.expect_err("absent").details().unwrap_or_default().contains("three.zdict"));
    call(&mut new, &second, 1, &text).await.is(1, &text);

    // Off: nothing is compressed any more, for those who come now.
    running.reload(with(&upstream, "compression: \"off\"")).await.expect("a good one");
    let mut plain = MmtpClient::connect(running.address(), &takes(&[&first])).await;
    assert_eq!(plain.welcome().await.features & FEATURE_ZSTD, 0);
    assert_eq!(plain.call("orders.create", text.clone()).await.body, text.as_bytes());
    assert_eq!(call(&mut plain, &first, 1, &text).await, Called::Closed(CloseCode::COMPRESSION));
    call(&mut new, &second, 1, &text).await.is(1, &text);
    drop((old, new, plain));
    running.stop().await;
}

#[tokio::test]
async fn an_api_whose_answers_tell_by_their_length_is_left_alone() {
    let upstream = echo().await;
    let running = Setup::new(with(&upstream, "")).start().await;
    let mut client = MmtpClient::connect(running.address(), &takes(&[])).await;
    client.welcome().await;
    let text = "a".repeat(1000);
    for (target, zstd) in [
        (Operation::Name("orders.create"), true),
        (Operation::Name("secret"), false),
        (Operation::Target("POST", "/orders"), true),
        (Operation::Target("POST", "/secret"), false),
    ] {
        client.request(NewRequest::new(target, text.clone().into()));
        let Event::Response(mut answer) = client.event().await else { panic!() };
        assert_eq!((answer.status, answer.zstd), (200, zstd), "{target:?}");
        client.session.consumed(1, answer.cost);
        while !answer.end {
            let Event::Data { end, cost, .. } = client.event().await else { panic!() };
            client.session.consumed(1, cost);
            answer.end = end;
        }
    }
    drop(client);
    running.stop().await;
}

async fn sdk(running: &Running, store: &std::path::Path) -> Client {
    let store = DictionaryDir::new(store).expect("a folder");
    let builder = ClientBuilder::new("wallet", *b"phone").dictionaries(store);
    let client = builder.address(&running.address().to_string()).build(connect::Plain);
    let client = client.expect("a client");
    client.connected(Duration::from_secs(20)).await.expect("a connection");
    client
}

#[tokio::test]
async fn the_sdk_fetches_a_dictionary_keeps_it_and_uses_it() {
    let upstream = echo().await;
    let own = train(0);
    let dictionaries = "dictionaries: [ { file: one.zdict, operation: orders.* } ]";
    let admin = "admin: { address: '127.0.0.1:0' }\n";
    let running = Setup::new(with(&upstream, dictionaries) + admin)
        .file("one.zdict", own.bytes().to_vec())
        .start()
        .await;
    let folder = tempfile::tempdir().expect("a folder");
    let client = sdk(&running, folder.path()).await;
    let file = folder.path().join(format!("{}.zdict", own.id()));
    until(|| file.exists()).await;
    assert_eq!(std::fs::read(&file).expect("its file"), own.bytes()[..]);
    let text = order(4711);
    let answer = client.call("orders.create").body(text.clone()).send().await.expect("an answer");
    assert_eq!((answer.status(), &answer.body()[..]), (200, text.as_bytes()));
    assert_eq!(upstream.last().body, text.as_bytes());
    client.close();
    drop(client);
    let admin = running.gateway.admin_address().expect("an admin port");
    let page = paifang_tests::http::get(admin, "/metrics").await.body;
    let count = |direction: &str, form: &str| -> usize {
        let labels = format!("direction=\"{direction}\",form=\"{form}\"");
        let name = format!("paifang_mmtp_compressed_bytes_total{{{labels}}} ");
        let line = page.lines().find(|line| line.starts_with(&name));
        line.and_then(|line| line[name.len()..].parse().ok()).expect("a count")
    };
    for direction in ["in", "out"] {
        assert_eq!(count(direction, "plain"), text.len(), "{direction}");
        assert!(count(direction, "wire") * 3 <= text.len(), "{direction}");
    }
    running.stop().await;
}

#[tokio::test]
async fn the_shipped_config_with_dictionaries_does_what_it_says() {
    let upstream = echo().await;
    let shipped = std::fs::read_to_string(root().join("conf/mmtp-dictionaries.yaml"));
    let config = shipped.expect("the file").replace("0.0.0.0:8080", "127.0.0.1:0");
    let config = config.replace("127.0.0.1:7001", &upstream.address().to_string());
    let own = train(0);
    let running = Setup::new(config).file("dict/orders.zdict", own.bytes().to_vec()).start().await;
    let mut client = MmtpClient::connect(running.address(), &takes(&[&own])).await;
    let named = client.welcome().await.dictionaries;
    let channels: Vec<_> = named.iter().map(|one| (one.number, one.channel)).collect();
    assert_eq!(channels, [(1, 1), (1, 2)]);
    let text = order(31);
    call(&mut client, &own, 1, &text).await.is(1, &text);
    drop(client);
    running.stop().await;
}

#[tokio::test]
async fn an_answer_of_unknown_length_that_comes_at_once_is_compressed() {
    let upstream = Recorder::replying(|request: &Message| {
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n",
            request.body.len()
        );
        [head.as_bytes(), &request.body, b"\r\n0\r\n\r\n"].concat()
    })
    .await;
    let own = train(0);
    let running =
        Setup::new(with(&upstream, "dictionaries: [ { file: one.zdict, operation: orders.* } ]"))
            .file("one.zdict", own.bytes().to_vec())
            .start()
            .await;
    let mut client = MmtpClient::connect(running.address(), &takes(&[&own])).await;
    client.welcome().await;
    let text = order(777);
    call(&mut client, &own, 1, &text).await.is(1, &text);
    drop(client);
    running.stop().await;
}
