//! The world that a case plays in: a clock that stands still, upstreams that answer as scripted.

use super::format::{Exchange, HttpError};
use bytes::Bytes;
use paifang_pipeline::ports::{BoxFuture, Clock, HttpOut, HttpOutError, HttpOutLimits, Nanos};
use parking_lot::Mutex;
use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, SystemTime},
};

/// A clock that stands still.
pub(super) struct Still {
    unix: Duration,
}

impl Still {
    /// At an instant in RFC 3339.
    pub(super) fn at(text: &str) -> Result<Self, String> {
        let time = humantime::parse_rfc3339_weak(text)
            .map_err(|error| format!("`clock`: `{text}`: {error}"))?;
        let unix = time.duration_since(SystemTime::UNIX_EPOCH);
        unix.map(|unix| Self { unix }).map_err(|_| format!("`clock`: `{text}` is before 1970"))
    }
}

impl Clock for Still {
    fn now(&self) -> Nanos {
        Nanos(u64::try_from(self.unix.as_nanos()).unwrap_or(u64::MAX))
    }

    fn unix(&self) -> Duration {
        self.unix
    }
}

/// Upstreams that answer as scripted, and note what was asked otherwise.
pub(super) struct Scripted {
    answers: Mutex<VecDeque<Exchange>>,
    wrong: Mutex<Vec<String>>,
}

impl Scripted {
    pub(super) fn new(answers: Vec<Exchange>) -> Arc<Self> {
        Arc::new(Self { answers: Mutex::new(answers.into()), wrong: Mutex::default() })
    }

    /// What differed, unasked questions among it.
    pub(super) fn differences(&self) -> Vec<String> {
        let mut wrong = self.wrong.lock().clone();
        let left = self.answers.lock().len();
        if left > 0 {
            wrong.push(format!("http: {left} of the scripted answers were not asked for"));
        }
        wrong
    }

    fn compare(&self, upstream: &str, request: &http::Request<Bytes>, script: &Exchange) {
        let mut wrong = self.wrong.lock();
        let mut same = |what: &str, expected: &Option<String>, found: &str| {
            if let Some(expected) = expected
                && expected != found
            {
                wrong.push(format!("http {what}: expected `{expected}`, found `{found}`"));
            }
        };
        let expect = &script.expect;
        same("upstream", &expect.upstream, upstream);
        same("method", &expect.method, request.method().as_str());
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        same("path", &expect.path, path);
        same("body", &expect.body, &String::from_utf8_lossy(request.body()));
        for (name, expected) in &expect.headers {
            let found = request.headers().get(name).map(|value| value.as_bytes());
            let found = String::from_utf8_lossy(found.unwrap_or(b"(none)")).into_owned();
            same(&format!("header {name}"), &Some(expected.clone()), &found);
        }
    }
}

impl HttpOut for Scripted {
    fn has(&self, _: &str) -> bool {
        true
    }

    fn call(
        &self,
        upstream: &str,
        request: http::Request<Bytes>,
        limits: HttpOutLimits,
    ) -> BoxFuture<Result<http::Response<Bytes>, HttpOutError>> {
        let script = self.answers.lock().pop_front();
        let answer = match script {
            None => {
                let asked = format!("{} {}", request.method(), request.uri());
                self.wrong
                    .lock()
                    .push(format!("http: `{upstream}` was asked `{asked}` unexpectedly"));
                Err(HttpOutError::Unavailable("not scripted".to_owned()))
            }
            Some(script) => {
                self.compare(upstream, &request, &script);
                answer(script, limits)
            }
        };
        Box::pin(std::future::ready(answer))
    }
}

fn answer(script: Exchange, limits: HttpOutLimits) -> Result<http::Response<Bytes>, HttpOutError> {
    match (script.answer, script.error) {
        (_, Some(HttpError::Timeout)) => Err(HttpOutError::Timeout),
        (_, Some(HttpError::Unavailable)) => {
            Err(HttpOutError::Unavailable("as scripted".to_owned()))
        }
        (_, Some(HttpError::TooLarge)) => Err(HttpOutError::TooLarge),
        (None, None) => Ok(http::Response::new(Bytes::new())),
        (Some(message), None) if message.body.len() > limits.response_bytes => {
            Err(HttpOutError::TooLarge)
        }
        (Some(message), None) => {
            let mut answer = http::Response::builder().status(message.status);
            for (name, value) in &message.headers {
                answer = answer.header(name, value);
            }
            answer
                .body(message.body.into())
                .map_err(|error| HttpOutError::Unavailable(format!("the script is wrong: {error}")))
        }
    }
}
