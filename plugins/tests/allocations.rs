//! Steps that let a call pass allocate nothing: the same call through the real engine, without a
//! chain and with one, makes the same number of allocations.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use http::{HeaderMap, HeaderValue, Request, StatusCode};
use paifang_pipeline::{
    Api, App, AppKey, Apps, BodySize, CallLimits, Chain, DynPlugin, Engine, ErrorPages, Exchange,
    Facts, Frame, Front, FrontError, Handler, Identity, Inbound, OnFailure, Origin, OriginCall,
    OriginError, OriginEvent, Params, Plugin, RequestCall, RequestHead, ResponseHead, RetryPolicy,
    Secret, Stages, Step, Termination, Verdict,
    ports::{Clock, HttpOut, Spawn, TokioSpawn},
    stats::{ApiStats, StepStats},
    testkit::{TestClock, TestHttpOut, build, build_among},
};
use paifang_plugins::{
    access_log::AccessLog,
    acl::Acl,
    basic_auth::BasicAuth,
    circuit_breaker::CircuitBreaker,
    compress::{
        codec::{CODECS, Codec},
        encode::{Encoder, Then},
    },
    headers::Headers,
    ip_filter::IpFilter,
    jwt_auth::JwtAuth,
    key_auth::KeyAuth,
    mirror::Mirror,
    request_id::RequestId,
    signature::Signature,
    split::Split,
    throttle::Throttle,
};
use paifang_state::LocalStore;
use ring::hmac;
use serde_json::{Value, json};
use std::{borrow::Cow, net::SocketAddr, sync::Arc};

const SECRET: &[u8] = b"a secret of thirty-two bytes....";

/// A client without a body that takes what it is given.
#[derive(Default)]
struct Client {
    status: Option<StatusCode>,
}

impl Front for Client {
    fn body_ended(&mut self) -> bool {
        true
    }

    async fn begin_body(&mut self) -> Result<(), FrontError> {
        Ok(())
    }

    async fn recv(&mut self) -> Result<Inbound, FrontError> {
        std::future::pending().await
    }

    async fn closed(&mut self) {
        std::future::pending().await
    }

    async fn send_info(&mut self, _: ResponseHead) -> Result<(), FrontError> {
        Ok(())
    }

    async fn send_head(&mut self, head: ResponseHead, _: BodySize) -> Result<(), FrontError> {
        self.status = Some(head.status);
        Ok(())
    }

    async fn send(&mut self, _: Frame) -> Result<(), FrontError> {
        Ok(())
    }

    async fn abort(&mut self) {}
}

/// An origin that answers with an empty 200.
struct Empty;

struct EmptyCall(u8);

impl Origin for Empty {
    type Call = EmptyCall;

    async fn open(&self, _: &Exchange, _: u32) -> Result<EmptyCall, OriginError> {
        Ok(EmptyCall(0))
    }

    fn spend_retry(&self, _: &Exchange) -> bool {
        false
    }
}

impl OriginCall for EmptyCall {
    fn endpoint(&self) -> Option<SocketAddr> {
        None
    }

    async fn send_head(
        &mut self,
        _: &Exchange,
        _: Cow<'_, RequestHead>,
        _: BodySize,
    ) -> Result<(), OriginError> {
        Ok(())
    }

    async fn send(&mut self, _: Frame) -> Result<(), OriginError> {
        Ok(())
    }

    async fn recv(&mut self) -> Result<OriginEvent, OriginError> {
        self.0 += 1;
        match self.0 {
            1 => Ok(OriginEvent::Head(http::Response::new(()).into_parts().0, true)),
            _ => std::future::pending().await,
        }
    }

    async fn finish(self, _: bool) {}
}

/// A gateway with one API.
struct Bench {
    clock: Arc<TestClock>,
    api: Api,
    runtime: tokio::runtime::Runtime,
}

fn apps() -> Arc<Apps> {
    let key = AppKey { id: "k1".into(), secret: Secret::new(SECRET) };
    Arc::new(Apps::new([App { id: "wallet".into(), keys: vec![key] }]))
}

impl Bench {
    fn new(handlers: Vec<Arc<dyn Handler>>, clock: &Arc<TestClock>) -> Self {
        let steps = (0..)
            .zip(handlers)
            .map(|(index, handler): (u32, _)| Step {
                id: format!("step-{index}").into(),
                kind: "step".into(),
                handler,
                when: None,
                on_failure: OnFailure::Closed,
                stats: Arc::new(StepStats::default()),
                states: Vec::new(),
                routes: Vec::new(),
            })
            .collect();
        let api = Api {
            id: "test".into(),
            chain: Chain::new(steps).unwrap(),
            limits: CallLimits::default(),
            retry: RetryPolicy::default(),
            upstream: None,
            stats: Arc::<ApiStats>::default(),
            error_pages: Arc::<ErrorPages>::default(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        Self { clock: clock.clone(), api, runtime }
    }

    /// How many allocations a call with these headers makes, once everything is warm.
    fn allocations(&self, headers: impl Fn(u32) -> HeaderMap) -> u64 {
        let engine = Engine::new(self.clock.clone());
        // The tables that remember subjects and nonces grow now and then; the least of many calls
        // is what the steps themselves do.
        (0..64)
            .map(|number| {
                let mut head = Request::get("/v1/orders?a=1").body(()).unwrap().into_parts().0;
                head.headers = headers(number);
                let facts =
                    Facts::embedded(self.clock.now(), self.clock.unix()).with_host("api.test");
                let mut exchange = Exchange::new(head, facts, Params::default());
                let mut client = Client::default();
                let info = allocation_counter::measure(|| {
                    let served = engine.serve(&self.api, &Empty, &mut exchange, &mut client);
                    let served = self.runtime.block_on(served);
                    assert_eq!(served.termination, Termination::Completed);
                });
                assert_eq!(client.status, Some(StatusCode::OK), "call {number} did not pass");
                info.count_total
            })
            .min()
            .unwrap()
    }
}

/// The allocations of a chain beyond those of no chain.
fn beyond_an_empty_chain(
    steps: Vec<(&dyn DynPlugin, Value)>,
    headers: impl Fn(u32) -> HeaderMap,
) -> u64 {
    let (clock, store) = (Arc::new(TestClock::new()), LocalStore::new());
    let handlers = steps
        .into_iter()
        .map(|(plugin, config)| match build(plugin, &config, &store, &apps(), &clock) {
            Ok(built) => built.handler,
            Err(error) => panic!("{config}: {error}"),
        })
        .collect();
    let empty = Bench::new(Vec::new(), &clock).allocations(&headers);
    let full = Bench::new(handlers, &clock).allocations(&headers);
    full.checked_sub(empty).expect("a chain cannot make fewer")
}

/// The like, with the upstreams `main` and `other`.
fn beyond_among(plugin: &dyn DynPlugin, config: Value) -> u64 {
    let (clock, store) = (Arc::new(TestClock::new()), LocalStore::new());
    let http: Arc<dyn HttpOut> = Arc::new(TestHttpOut::new(["main", "other"]));
    let built = build_among(plugin, &config, &store, &apps(), &clock, &http);
    let handler = built.unwrap_or_else(|error| panic!("{config}: {error}")).handler;
    let empty = Bench::new(Vec::new(), &clock).allocations(with_key);
    Bench::new(vec![handler], &clock).allocations(with_key).checked_sub(empty).unwrap()
}

fn with_key(_: u32) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("x-api-key", HeaderValue::from_bytes(SECRET).unwrap());
    headers.insert("x-device", HeaderValue::from_static("4711"));
    headers
}

#[test]
fn a_key_and_limits_cost_no_allocation() {
    let many = json!(["client_ip", "app", "identity", { "header": "x-device" }]);
    let key_auth = KeyAuth::default();
    let steps: Vec<(&dyn DynPlugin, Value)> = vec![
        (&Throttle, json!({ "rate": "1000000/s", "share": "1" })),
        (&key_auth, json!({ "apps": ["wallet"] })),
        (&Throttle, json!({ "rate": "1000000/s", "concurrency": 10, "by": "app", "share": "2" })),
        (&Throttle, json!({ "rate": "1000000/s", "concurrency": 10, "by": "api", "share": "3" })),
        (&Throttle, json!({ "rate": "1000000/s", "by": { "header": "x-device" }, "share": "4" })),
        (&Throttle, json!({ "rate": "1000000/s", "concurrency": 10, "by": many, "share": "5" })),
    ];
    assert_eq!(beyond_an_empty_chain(steps, with_key), 0);
}

#[test]
fn a_password_that_is_remembered_costs_no_allocation() {
    let hash = "$2b$04$ABCDEFGHIJKLMNOPQRSTUuXlOVb3PDy87bJj.2/rDgxA8mYD/FbSS";
    let headers = |_| {
        let value = HeaderValue::from_static("Basic YWxpY2U6b3BlbiBzZXNhbWU=");
        HeaderMap::from_iter([(http::header::AUTHORIZATION, value)])
    };
    let basic_auth = BasicAuth::default();
    let config = json!({ "users": [{ "name": "alice", "hash": hash, "app": "wallet" }] });
    let steps: Vec<(&dyn DynPlugin, Value)> = vec![(&basic_auth, config)];
    assert_eq!(beyond_an_empty_chain(steps, headers), 0);
}

#[test]
fn a_token_that_is_remembered_costs_no_allocation() {
    let vectors = include_str!("../src/jwt_auth/vectors.json");
    let vectors: Value = serde_json::from_str(vectors).unwrap();
    let token = format!("Bearer {}", vectors["tokens"]["RS256"].as_str().unwrap());
    let headers = |_| {
        let value = HeaderValue::from_str(&token).unwrap();
        HeaderMap::from_iter([(http::header::AUTHORIZATION, value)])
    };
    let jwt_auth = JwtAuth::default();
    let key = json!({ "jwks": { "env": vectors["jwks"].to_string() } });
    let config = json!({ "keys": [key], "audience": "wallet", "claims": { "app": "azp" } });
    let steps: Vec<(&dyn DynPlugin, Value)> = vec![(&jwt_auth, config)];
    assert_eq!(beyond_an_empty_chain(steps, headers), 0);
}

#[test]
fn rules_about_callers_cost_no_allocation() {
    let claims = |list: &[(&str, &str)]| {
        list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    struct Known(Arc<Identity>);
    impl Handler for Known {
        fn stages(&self) -> Stages {
            Stages::REQUEST
        }
        fn request(&self, call: &mut RequestCall<'_>) -> Verdict {
            call.slots_mut().set_identity(self.0.clone());
            Verdict::Continue
        }
    }
    let mut alice = Identity::new("alice".into(), Some("wallet".into()), "known");
    alice.claims = claims(&[("role", "admin"), ("scope", "openid orders:read")]);
    let rule = json!({
        "identity": ["alice"], "app": ["wallet"], "method": ["known"],
        "claims": { "role": ["operator", "admin"], "scope": ["orders:read"] }
    });
    let config = json!({
        "allow": [rule], "require": "all", "deny": [{ "claims": { "scope": ["orders"] } }]
    });
    let (clock, store) = (Arc::new(TestClock::new()), LocalStore::new());
    let acl = build(&Acl, &config, &store, &apps(), &clock).unwrap().handler;
    let full = Bench::new(vec![Arc::new(Known(Arc::new(alice))), acl], &clock);
    let empty = Bench::new(Vec::new(), &clock).allocations(with_key);
    assert_eq!(full.allocations(with_key), empty);
}

#[test]
fn a_choice_of_upstream_costs_no_allocation() {
    for by in [json!("random"), json!("client_ip"), json!({ "header": "x-device" })] {
        // The header is there already; another one may make the head grow.
        let to = json!([{ "upstream": "other", "share": "50%", "headers": { "x-device": "1" } }]);
        let config = json!({ "by": by, "to": to, "pin": "x-variant" });
        assert_eq!(beyond_among(&Split::default(), config), 0, "{by}");
    }
}

#[test]
fn a_closed_breaker_costs_no_allocation() {
    assert_eq!(beyond_among(&CircuitBreaker::default(), json!({ "slower_than": "1s" })), 0);
}

#[test]
fn a_call_that_is_not_copied_costs_no_allocation() {
    let config = json!({ "upstream": "other", "methods": ["POST"] });
    assert_eq!(beyond_among(&Mirror::default(), config), 0);
}

#[test]
fn an_address_looked_up_costs_no_allocation() {
    let many: Vec<String> =
        (0..10_000u32).map(|net| format!("10.{}.{}.0/30", net >> 8, net & 255)).collect();
    let filter = IpFilter::default();
    let steps: Vec<(&dyn DynPlugin, Value)> =
        vec![(&filter, json!({ "allow": ["127.0.0.0/8"], "deny": many }))];
    assert_eq!(beyond_an_empty_chain(steps, with_key), 0);
}

#[test]
fn a_signature_costs_no_allocation() {
    let clock = TestClock::new();
    let headers = move |number: u32| {
        let (now, nonce) = (clock.unix().as_secs(), format!("nonce-{number:010}"));
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let text = format!(
            "PF1-HMAC-SHA256\nGET\napi.test\n/v1/orders\na=1\nk1\n{now}\n{nonce}\n{empty}\n"
        );
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET), text.as_bytes());
        let tag: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let value =
            format!("PF1-HMAC-SHA256 KeyId=k1, Timestamp={now}, Nonce={nonce}, Signature={tag}");
        HeaderMap::from_iter([(http::header::AUTHORIZATION, value.parse().unwrap())])
    };
    let signature = Signature::default();
    let steps: Vec<(&dyn DynPlugin, Value)> = vec![(&signature, json!({}))];
    assert_eq!(beyond_an_empty_chain(steps, headers), 0);
}

#[test]
fn an_id_fixed_headers_and_a_log_line_cost_no_allocation() {
    let (clock, store) = (Arc::new(TestClock::new()), LocalStore::new());
    let dir = tempfile::tempdir().unwrap();
    let log = AccessLog::default();
    let changes = json!({ "set": { "x-device": "fixed" }, "remove": ["x-internal-*"] });
    let steps: [(&dyn DynPlugin, Value); 3] = [
        (
            &log,
            json!({ "sink": { "file": dir.path().join("log") }, "headers": { "request": ["x-api-key"] } }),
        ),
        // An empty response head would have to grow.
        (&RequestId, json!({ "response": false })),
        (&Headers, json!({ "request": changes })),
    ];
    let handlers: Vec<Arc<dyn Handler>> = steps
        .iter()
        .map(|(plugin, config)| build(*plugin, config, &store, &apps(), &clock).unwrap().handler)
        .collect();
    let full = Bench::new(handlers.clone(), &clock);
    let spawn: Arc<dyn Spawn> = Arc::new(TokioSpawn(full.runtime.handle().clone()));
    handlers.iter().for_each(|handler| handler.start(&spawn).unwrap());
    // The first lines are new; once they are written, others use them again.
    full.allocations(with_key);
    while Plugin::counters(&log)[0].value < 64 {
        std::thread::yield_now();
    }
    let empty = Bench::new(Vec::new(), &clock).allocations(with_key);
    assert_eq!(full.allocations(with_key), empty);
}

#[test]
fn an_allocation_would_be_seen() {
    struct Careless;
    impl Handler for Careless {
        fn stages(&self) -> Stages {
            Stages::REQUEST
        }
        fn request(&self, call: &mut RequestCall<'_>) -> Verdict {
            call.keep(call.path().len());
            Verdict::Continue
        }
    }
    let clock = Arc::new(TestClock::new());
    let empty = Bench::new(Vec::new(), &clock).allocations(with_key);
    let careless = Bench::new(vec![Arc::new(Careless)], &clock).allocations(with_key);
    assert_eq!(careless, empty + 1);
}

/// What an encoder of this level allocates for a response of this length: at first, and when it is
/// used again. C code allocates elsewhere.
fn encoding(codec: Codec, level: u8, length: u32) -> [allocation_counter::AllocationInfo; 2] {
    let byte = |n: u32| b"lantern street "[(n.wrapping_mul(n) % 15) as usize];
    let text: Vec<u8> = (0..length).map(byte).collect();
    let mut encoder = Encoder::new(codec).unwrap();
    let mut run = || {
        encoder.begin(level, None).unwrap();
        for piece in text.chunks(32 << 10) {
            encoder.feed(piece, Then::Go).unwrap();
            drop(encoder.take());
        }
        encoder.feed(b"", Then::Finish).unwrap();
        drop(encoder.take());
    };
    [(); 2].map(|()| allocation_counter::measure(&mut run))
}

#[test]
fn an_encoder_that_is_used_again_allocates_nothing_large() {
    for codec in CODECS {
        for level in [1, 4, codec.most()] {
            let [_, again] = encoding(codec, level, 60_000);
            // What comes out is memory of its own.
            assert!(again.bytes_total < 64 << 10, "{codec:?} {level}: {again:?}");
            let [first, _] = encoding(codec, level, 1 << 20);
            assert!(first.bytes_max < 12 << 20, "{codec:?} {level}: {first:?}");
        }
    }
}
