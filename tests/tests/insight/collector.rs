//! A collector that takes OTLP over HTTP and decodes it with the published messages.

use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
    },
    common::v1::{KeyValue, any_value::Value},
    trace::v1::Span,
};
use paifang_tests::harness::{Message, Recorder, soon};
use prost::Message as _;
use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

/// A collector, and what it was sent.
pub(crate) struct Collector {
    pub(crate) recorder: Recorder,
    /// Answers that come before the good ones.
    answers: Arc<Mutex<VecDeque<Vec<u8>>>>,
}

/// A span with the service that sent it.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) service: String,
    pub(crate) span: Span,
}

impl Received {
    /// An attribute as text.
    pub(crate) fn get(&self, key: &str) -> String {
        attribute(&self.span.attributes, key)
    }

    pub(crate) fn failed(&self) -> bool {
        self.span.status.as_ref().is_some_and(|status| status.code == 2)
    }
}

fn attribute(all: &[KeyValue], key: &str) -> String {
    let value = all.iter().find(|known| known.key == key).and_then(|known| known.value.clone());
    match value.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        Some(other) => panic!("{key} is {other:?}"),
        None => String::new(),
    }
}

/// A whole answer.
pub(crate) fn answer(status: &str, fields: &str, body: &[u8]) -> Vec<u8> {
    let mut all = format!("HTTP/1.1 {status}\r\n{fields}content-length: {}\r\n\r\n", body.len());
    all.reserve(body.len());
    let mut bytes = all.into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

impl Collector {
    /// One that takes everything.
    pub(crate) async fn start() -> Self {
        let answers: Arc<Mutex<VecDeque<Vec<u8>>>> = Arc::default();
        let next = answers.clone();
        let recorder = Recorder::replying(move |_| {
            let special = next.lock().unwrap().pop_front();
            special.unwrap_or_else(|| answer("200 OK", "", b""))
        })
        .await;
        Self { recorder, answers }
    }

    /// The next requests are answered so.
    pub(crate) fn answers_first(&self, answers: impl IntoIterator<Item = Vec<u8>>) {
        self.answers.lock().unwrap().extend(answers);
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.recorder.address()
    }

    /// The `tracing` section that sends everything here at once, and more keys.
    pub(crate) fn section(&self, service: &str, more: &str) -> String {
        format!(
            "tracing: {{ endpoint: \"http://{}\", service: {service}, delay: 10ms, {more} }}\n",
            self.address()
        )
    }

    fn requests(&self) -> Vec<Message> {
        (0..self.recorder.count()).map(|index| self.recorder.request(index)).collect()
    }

    /// All spans so far.
    pub(crate) fn spans(&self) -> Vec<Received> {
        let mut all = Vec::new();
        for request in self.requests() {
            assert_eq!(request.header("content-type"), Some("application/x-protobuf"));
            let body = ExportTraceServiceRequest::decode(&request.body[..]).expect("no OTLP");
            for resource in body.resource_spans {
                let service =
                    attribute(&resource.resource.expect("no resource").attributes, "service.name");
                for scope in resource.scope_spans {
                    assert_eq!(scope.scope.expect("no scope").name, "paifang");
                    all.extend(
                        scope
                            .spans
                            .into_iter()
                            .map(|span| Received { service: service.clone(), span }),
                    );
                }
            }
        }
        all
    }

    /// The spans once there are so many.
    pub(crate) async fn come(&self, count: usize) -> Vec<Received> {
        soon(async {
            loop {
                let all = self.spans();
                if all.len() >= count {
                    assert_eq!(all.len(), count, "{all:#?}");
                    return all;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
    }
}

/// A good answer that says that some spans were not taken.
pub(crate) fn partial(rejected: i64) -> Vec<u8> {
    let partial =
        ExportTracePartialSuccess { rejected_spans: rejected, error_message: "too long".into() };
    answer(
        "200 OK",
        "",
        &ExportTraceServiceResponse { partial_success: Some(partial) }.encode_to_vec(),
    )
}
