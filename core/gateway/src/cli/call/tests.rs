//! `paifang call` against a server of the real session machine, over TCP and the plain form.
#![allow(clippy::unwrap_used)]

use super::{
    CallArguments, prepare,
    run::{self, Told},
};
use crate::cli::Failed;
use bytes::{Bytes, BytesMut};
use clap::Parser;
use paifang_mmtp::{
    code::CloseCode,
    greeting::{Closing, Welcome},
    session::{Called, Config, Event, Millis, NewResponse, Session},
    tlv::{TlvWriter, kind},
};
use std::net::SocketAddr;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    call: CallArguments,
}

fn arguments(words: &[&str]) -> Result<CallArguments, clap::Error> {
    let all = ["call"].iter().chain(words);
    Line::try_parse_from(all).map(|line| line.call)
}

/// What a call came to: standard output, standard error, and how it failed.
async fn called(words: &[&str]) -> (String, Vec<String>, Result<(), Failed>) {
    let prepared = prepare::prepare(&arguments(words).unwrap(), |name| {
        (name == "TOKEN").then(|| "s3cret".to_owned())
    });
    let (mut out, mut lines) = (Vec::new(), Vec::new());
    let mut tell = |told: Told<'_>| {
        match told {
            Told::Body(bytes) => out.extend_from_slice(bytes),
            Told::Line(line) => lines.push(line.to_owned()),
        }
        Ok(())
    };
    let done = match prepared {
        Ok(prepared) => run::run(prepared, &mut tell).await,
        Err(failed) => Err(failed),
    };
    (String::from_utf8(out).unwrap(), lines, done)
}

fn code(done: &Result<(), Failed>) -> u8 {
    match done {
        Ok(()) => 0,
        Err(Failed::Said(_)) => 1,
        Err(Failed::Unreachable(_)) => 3,
        Err(Failed::Coded(code, _)) => *code,
    }
}

/// A server of the plain form that answers with what it was asked.
async fn server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    address
}

async fn serve(mut stream: TcpStream) {
    let mut preface = [0; 6];
    stream.read_exact(&mut preface).await.unwrap();
    assert_eq!(&preface, b"MMTP/\x01");
    let mut session = Session::server(Config::default(), Millis(0));
    let mut read = [0; 4096];
    loop {
        while let Some(event) = session.poll_event() {
            answer(&mut session, event);
        }
        let mut out = BytesMut::new();
        while session.poll_transmit(&mut out, 16_384) {}
        if stream.write_all(&out).await.is_err() || session.is_closed() {
            return;
        }
        match stream.read(&mut read).await {
            Ok(length) if length > 0 => session.receive(&read[..length], Millis(1)),
            _ => return,
        }
    }
}

fn answer(session: &mut Session, event: Event) {
    match event {
        Event::Hello(hello) if &*hello.app == "banned" => {
            session.close(Closing::new(CloseCode::BANNED).detail("not you"));
        }
        Event::Hello(hello) => {
            let auth = hello.auth.as_ref();
            let user = auth.map(|auth| format!("{} {}", auth.scheme, auth.credential.len()).into());
            session.accept(Welcome { user, ..Welcome::default() }, hello.epoch);
        }
        Event::Request(request) => {
            let params: Vec<String> =
                request.params().flatten().map(|(name, value)| format!("{name}={value}")).collect();
            let fields: Vec<String> = request
                .fields()
                .flatten()
                .map(|(name, value)| format!("{name}: {}", value.escape_ascii()))
                .collect();
            let name = match &request.called {
                Called::Operation(_, name) => name.to_string(),
                Called::Target => format!("{:?}", request.target().unwrap().unwrap()),
            };
            let query = request.query().unwrap_or_default().escape_ascii().to_string();
            let body = request.data.escape_ascii();
            let said = format!("{name}|{}|{query}|{}|{body}", params.join(","), fields.join(","));
            let mut tlvs = Vec::new();
            let mut put = TlvWriter(&mut tlvs);
            put.pair(kind::FIELD, b"x-made-by", b"test");
            let status = match &*name {
                "missing" => {
                    put.integer(kind::ERROR, 1101);
                    404
                }
                _ => 200,
            };
            let (data, tlvs) = (Bytes::from(said), tlvs.into());
            let response = NewResponse { status, tlvs, zstd: false, data, end: true };
            session.respond(request.key, response);
        }
        _ => {}
    }
}

#[tokio::test]
async fn a_call_with_all_that_it_may_have() {
    let at = server().await.to_string();
    let words = ["orders.create", "--mmtp", &at, "--plain", "-d", "{}", "--param", "shop= 7"];
    let more = ["--header", "X-One: 1", "--query", "a=b", "--auth", "env:TOKEN", "-v"];
    let (out, lines, done) = called(&[&words[..], &more[..]].concat()).await;
    assert_eq!(out, "orders.create|shop= 7|a=b|x-one: 1|{}");
    assert_eq!(code(&done), 0, "{done:?}");
    let told = lines.join("\n");
    for part in ["  HELLO  ", "  WELCOME  ", "REQUEST 1:1, operation 1", "RESPONSE 1:1, status 200"]
    {
        assert!(told.contains(part), "{part}: {told}");
    }
    for part in ["* TCP ", "* first byte after ", "< status 200", "< x-made-by: test"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(told.contains("* user Bearer 6") && !told.contains("s3cret"), "{told}");

    let (out, lines, done) = called(&["--target", "get /a?b=1", "--mmtp", &at, "--plain"]).await;
    assert_eq!((&*out, code(&done)), ("(\"GET\", \"/a?b=1\")||||", 0), "{done:?}");
    assert!(lines.is_empty());
}

#[tokio::test]
async fn failures_have_codes() {
    let at = server().await.to_string();
    let (out, _, done) = called(&["missing", "--mmtp", &at, "--plain"]).await;
    assert!(out.starts_with("missing|"), "{out}");
    assert!(matches!(&done, Err(Failed::Said(why)) if why == "status 404 (PF-1101)"), "{done:?}");

    let banned = ["a", "--mmtp", &at, "--plain", "--app", "banned"];
    let (_, _, done) = called(&banned).await;
    let said = matches!(&done, Err(Failed::Unreachable(why)) if why.contains("not you"));
    assert!(said, "{done:?}");

    // Nobody listens there any more.
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    let (_, _, done) = called(&["a", "--mmtp", &gone, "--plain"]).await;
    assert_eq!(code(&done), 3, "{done:?}");
    // It speaks no TLS.
    let (_, _, done) = called(&["a", "--mmtp", &at, "--insecure"]).await;
    assert_eq!(code(&done), 3, "{done:?}");
    // It speaks nothing.
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = mute.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = mute.accept().await {
            let _ = stream.read(&mut [0; 64]).await;
        }
    });
    let (_, _, done) = called(&["a", "--mmtp", &at, "--plain"]).await;
    let said =
        matches!(&done, Err(Failed::Said(why)) if why.contains("is it MMTP that is spoken there"));
    assert!(said, "{done:?}");
}

#[tokio::test]
async fn wrong_uses_are_told_before_anything_is_sent() {
    for words in [
        &["a"][..],
        &["--mmtp", "h:1"],
        &["a", "--target", "GET /", "--mmtp", "h:1"],
        &["--target", "GET /", "--query", "a", "--mmtp", "h:1"],
        &["a", "--mmtp", "h:1", "--plain", "--insecure"],
        &["a", "--mmtp", "h:1", "--deadline", "soon"],
    ] {
        assert!(arguments(words).is_err(), "{words:?}");
    }
    for (words, about) in [
        (&["--target", "GET", "--mmtp", "h:1", "--plain"][..], "--target"),
        (&["a", "--mmtp", "h:1", "--plain", "--header", "x"], "--header"),
        (&["a", "--mmtp", "h:1", "--plain", "--header", "a b: x"], "field"),
        (&["a", "--mmtp", "h:1", "--plain", "--param", "x"], "--param"),
        (&["a", "--mmtp", "h", "--plain"], "address"),
        (&["a", "--mmtp", "h:1", "--plain", "--auth", "env:NONE"], "NONE"),
        (&["a", "--mmtp", "h:1", "--plain", "--auth", "tok"], "--auth"),
        (&["a", "--mmtp", "h:1", "--plain", "--auth", "bearer:"], "empty"),
        (&["a", "--mmtp", "h:1", "--plain", "-d", "@/no/such/file"], "/no/such/file"),
        (&["a", "--mmtp", "h:1", "--plain", "-d", "@/dev/zero"], "more than 64MiB"),
        (&["a", "--mmtp", "h:1", "--ca", "/dev/zero"], "more than 4MiB"),
        (&["a", "--mmtp", "h:1", "--ca", "/dev/null"], "no certificate"),
        (&["a", "--mmtp", "h:1", "--insecure", "--pin", "12"], "--pin"),
        (&["a", "--mmtp", "h:1", "--ca", "/no/such/file"], "--ca"),
    ] {
        let (_, _, done) = called(words).await;
        let said = matches!(&done, Err(Failed::Coded(2, why)) if why.contains(about));
        assert!(said, "{words:?}: {done:?}");
    }
}
