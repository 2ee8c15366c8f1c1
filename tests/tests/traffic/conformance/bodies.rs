//! Bodies: needed whole at any size, changed, limited, empty, with trailers.

use super::case::Case;
use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use paifang_pipeline::{BodyVerdict, Frame, ResponseVerdict, Stages, Verdict};
use paifang_tests::harness::{Ask, H2Server, Message, Probe};

fn upper() -> Probe {
    Probe::at(Stages::REQUEST_BODY).on_request_body(|frame| {
        frame.data = frame.data.to_ascii_uppercase().into();
        BodyVerdict::Continue
    })
}

#[tokio::test]
async fn need_body_suspends_the_walk_and_collects_what_the_steps_above_left() {
    let asking = || {
        Probe::at(Stages::REQUEST.and(Stages::REQUEST_BODY)).on_request(|call| match call.body() {
            None => Verdict::NeedBody,
            Some(body) => {
                assert_eq!(&body[..], b"ONETWO");
                call.set_body(Bytes::from_static(b"changed"));
                Verdict::Continue
            }
        })
    };
    let below = || {
        Probe::at(Stages::REQUEST.and(Stages::REQUEST_BODY)).on_request_body(|frame| {
            assert_eq!((&frame.data[..], frame.end), (&b"changed"[..], true));
            BodyVerdict::Continue
        })
    };
    Case::new(Ask::new("POST", "/").pieces(["one", "two"]))
        .step("upper", upper)
        .step("asking", asking)
        .step("below", below)
        .run(|seen| {
            seen.answered(200, "origin").upstream_saw(1).passed(&[
                "asking:request",
                "upper:request_body",
                "asking:request",
                "below:request",
                "below:request_body",
            ]);
            let request = seen.upstream.last();
            assert_eq!((request.text(), request.header("content-length")), ("changed", Some("7")));
            assert_eq!(request.header("transfer-encoding"), None);
        })
        .await;
}

#[tokio::test]
async fn a_needed_body_may_be_larger_than_64_kib() {
    const SIZE: usize = 200 << 10;
    let body: Bytes = (0..SIZE).map(|at| (at % 251) as u8).collect();
    let pieces: Vec<Bytes> = body.chunks(7000).map(Bytes::copy_from_slice).collect();
    for ask in [Ask::new("POST", "/").body(body.clone()), Ask::new("POST", "/").pieces(pieces)] {
        Case::new(ask)
            .step("a", Probe::needing_body)
            .run(|seen| {
                seen.answered(200, "origin").upstream_saw(1);
                let request = seen.upstream.last();
                assert!(request.body == body, "{} bytes of it", request.body.len());
                assert_eq!(request.header("content-length"), Some("204800"));
            })
            .await;
    }
}

#[tokio::test]
async fn the_apis_limit_is_the_only_border() {
    let sized = |size: usize| Ask::new("POST", "/").body(vec![b'x'; size]);
    let unsized_ = |size: usize| Ask::new("POST", "/").pieces([vec![b'x'; size]]);
    for needs in [true, false] {
        let case = |ask| {
            let case = Case::new(ask).api("body_limit: 300KiB,");
            if needs { case.step("a", Probe::needing_body) } else { case }
        };
        for ask in [sized(300 << 10), unsized_(300 << 10)] {
            case(ask).run(|seen| _ = seen.answered(200, "origin").upstream_saw(1)).await;
        }
        for ask in [sized((300 << 10) + 1), unsized_((300 << 10) + 1)] {
            case(ask).run(|seen| _ = seen.refused(413, "PF-1005").upstream_saw(0)).await;
        }
    }
}

#[tokio::test]
async fn a_streamed_body_is_changed_on_its_way_and_its_length_follows() {
    Case::post("body")
        .step("a", || {
            Probe::at(Stages::REQUEST_BODY).on_request_body(|frame| {
                if frame.end {
                    frame.data = [&frame.data[..], b" and more"].concat().into();
                }
                BodyVerdict::Continue
            })
        })
        .run(|seen| {
            seen.answered(200, "origin");
            let request = seen.upstream.last();
            assert_eq!(request.text(), "body and more");
            assert_eq!(request.header("transfer-encoding"), Some("chunked"));
        })
        .await;
    Case::post("body")
        .step("a", || upper().keeping_length())
        .run(|seen| {
            let request = seen.upstream.last();
            assert_eq!((request.text(), request.header("content-length")), ("BODY", Some("4")));
        })
        .await;
}

#[tokio::test]
async fn asking_twice_for_the_body_is_a_failure() {
    Case::post("x")
        .step("a", || Probe::at(Stages::REQUEST).on_request(|_| Verdict::NeedBody))
        .run(|seen| _ = seen.refused(500, "PF-5000").upstream_saw(0))
        .await;
}

#[tokio::test]
async fn a_response_body_can_be_needed_whole_as_the_steps_below_left_it() {
    let asking = || {
        Probe::at(Stages::RESPONSE).on_response(|call| match call.body() {
            None => ResponseVerdict::NeedBody,
            Some(body) => {
                assert_eq!(&body[..], b"ORIGIN");
                call.set_body(Bytes::from_static(b"changed"));
                ResponseVerdict::Continue
            }
        })
    };
    let below = || {
        Probe::at(Stages::RESPONSE_BODY).on_response_body(|frame| {
            frame.data = frame.data.to_ascii_uppercase().into();
            BodyVerdict::Continue
        })
    };
    Case::get()
        .step("asking", asking)
        .step("below", below)
        .run(|seen| {
            seen.answered(200, "changed");
            assert_eq!(seen.reply.header("content-length"), "7");
        })
        .await;
}

#[tokio::test]
async fn a_needed_response_beyond_the_limit_becomes_an_error() {
    fn large(_: &Message) -> Vec<u8> {
        let mut answer = b"HTTP/1.1 200 OK\r\ncontent-length: 70000\r\n\r\n".to_vec();
        answer.resize(answer.len() + 70_000, b'x');
        answer
    }
    let asking = || {
        Probe::at(Stages::RESPONSE).on_response(|call| match call.body() {
            None => ResponseVerdict::NeedBody,
            Some(_) => ResponseVerdict::Continue,
        })
    };
    let case = |api| Case::get().api(api).answers(large).step("a", asking);
    case("response_body_limit: 64KiB,").run(|seen| _ = seen.refused(502, "PF-4007")).await;
    case("response_body_limit: 70000B,")
        .run(|seen| {
            seen.answered(200, &"x".repeat(70_000));
        })
        .await;
}

#[tokio::test]
async fn trailers_pass_the_body_stages_both_ways() {
    // Only HTTP/2 carries them, so it is on both sides here.
    fn marked(frame: &mut Frame, name: &'static str) -> BodyVerdict {
        if let Some(trailers) = &mut frame.trailers {
            trailers.insert(HeaderName::from_static(name), HeaderValue::from_static("1"));
        }
        BodyVerdict::Continue
    }
    let upstream = H2Server::start(|mut call| async move {
        let (body, trailers, whole) = call.read().await;
        assert!(whole && trailers["x-sum"] == "2" && trailers["x-down"] == "1", "{trailers:?}");
        call.answer_with(body, "x-total", "3");
    })
    .await;
    for needs_body in [false, true] {
        let marks = || {
            Probe::at(Stages::REQUEST_BODY.and(Stages::RESPONSE_BODY))
                .on_request_body(|frame| marked(frame, "x-down"))
                .on_response_body(|frame| marked(frame, "x-up"))
        };
        let mut case = Case::get().step("a", marks);
        if needs_body {
            case = case.step("b", Probe::needing_body);
        }
        let (running, _) = case.gateway_with(upstream.address, "protocol: h2, ").await;
        let ask = Ask::new("POST", "/").pieces(["xyz"]).trailer("x-sum", "2");
        let reply = ask.over_http2(running.address()).await;
        assert_eq!((reply.status, reply.text(), reply.whole), (200, "xyz", true));
        assert_eq!(
            (&reply.trailers["x-total"], &reply.trailers["x-up"]),
            (&"3".parse().unwrap(), &"1".parse().unwrap())
        );
        running.stop().await;
    }
}

#[tokio::test]
async fn a_step_above_sees_trailers_neither_invented_nor_lost_with_the_last_frame() {
    // HTTP/1 carries no trailers through the gateway; that the end comes all the same is what counts.
    fn trailing(_: &Message) -> Vec<u8> {
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 1\r\n\r\n"
            .to_vec()
    }
    Case::new(Ask::new("POST", "/").pieces(["xyz"]).trailer("x-sum", "2"))
        .answers(trailing)
        .step("a", Probe::everywhere)
        .run(|seen| {
            seen.answered(200, "abc").upstream_saw(1);
            assert_eq!(seen.upstream.last().text(), "xyz");
        })
        .await;
}

#[tokio::test]
async fn answers_without_a_body_show_none() {
    fn not_modified(_: &Message) -> Vec<u8> {
        b"HTTP/1.1 304 Not Modified\r\netag: \"1\"\r\ncontent-length: 9\r\n\r\n".to_vec()
    }
    let sees = || {
        Probe::at(Stages::RESPONSE_BODY).on_response_body(|frame| {
            assert!(frame.data.is_empty());
            BodyVerdict::Continue
        })
    };
    Case::get()
        .answers(not_modified)
        .step("a", sees)
        .run(|seen| {
            seen.answered(304, "");
            assert_eq!(seen.reply.header("etag"), "\"1\"");
        })
        .await;
}
