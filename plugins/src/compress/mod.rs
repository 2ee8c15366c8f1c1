//! `compress`: responses compressed as clients accept it, and requests decoded for the steps below.
//!
//! What the client takes is decided on the way down, for a step below may change the request's
//! head; whether the response is worth it on the way up. Bodies go through piece by piece: nothing
//! waits for the end of a body. Page: `docs/plugins/compress.md`.

pub mod accept;
mod check;
pub mod codec;
mod config;
pub mod decode;
pub mod encode;
pub mod errors;
mod head;
mod pool;
#[cfg(test)]
mod tests;
mod types;
mod wish;
mod work;

pub use config::{Config, Flush, LevelsConfig, RequestConfig};

use accept::Accepts;
use codec::{Codec, Levels};
use decode::Limits;
use head::Kind;
use http::{
    HeaderMap, HeaderValue,
    header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE},
};
use paifang_pipeline::{
    BodyVerdict, BuildContext, Built, ConfigError, ErrorCode, Frame, Handler, LogCall, Plugin,
    PluginCounter, Rejection, RequestBodyCall, RequestCall, ResponseBodyCall, ResponseCall,
    ResponseVerdict, Stages, Verdict,
};
use pool::Pool;
use std::sync::Arc;
use types::Types;
use wish::Wish;
use work::Work;

/// The plugin.
#[derive(Default)]
pub struct Compress {
    pool: Arc<Pool>,
}

impl Plugin for Compress {
    type Config = Config;

    fn kind(&self) -> &'static str {
        "compress"
    }

    fn errors(&self) -> &'static [&'static ErrorCode] {
        errors::ROWS
    }

    fn counters(&self) -> Vec<PluginCounter> {
        self.pool.counters()
    }

    fn protects(&self) -> bool {
        false
    }

    fn build(&self, config: Config, _: &BuildContext<'_>) -> Result<Built, ConfigError> {
        check::all(&config)?;
        Ok(Built::new(Step {
            pool: Arc::clone(&self.pool),
            levels: Levels::new(|codec| config.levels.of(codec)),
            types: Types::new(&config.types)?,
            min_size: config.min_size.bytes(),
            flush: config.flush,
            codecs: config.codecs.into(),
            request: config.request.map(|request| Decoding {
                limits: Limits { bytes: request.limit.bytes(), ratio: request.ratio },
                codecs: request.codecs.into(),
            }),
        }))
    }
}

/// The handler.
struct Step {
    pool: Arc<Pool>,
    levels: Levels,
    types: Types,
    min_size: u64,
    flush: Flush,
    /// Empty: responses are left alone.
    codecs: Box<[Codec]>,
    request: Option<Decoding>,
}

/// What is done with request bodies.
struct Decoding {
    codecs: Box<[Codec]>,
    limits: Limits,
}

impl Handler for Step {
    fn stages(&self) -> Stages {
        let mut stages = Stages::REQUEST.and(Stages::LOG);
        if !self.codecs.is_empty() {
            stages = stages.and(Stages::RESPONSE).and(Stages::RESPONSE_BODY);
        }
        if self.request.is_some() {
            stages = stages.and(Stages::REQUEST_BODY);
        }
        stages
    }

    fn request(&self, call: &mut RequestCall<'_>) -> Verdict {
        let coding = match &self.request {
            None => None,
            Some(decoding) => match coding_of(call.headers(), &decoding.codecs) {
                Ok(coding) => coding,
                Err(detail) => return Verdict::Reject(refused(decoding, detail)),
            },
        };
        let headers = call.headers();
        let fields = headers.get_all(ACCEPT_ENCODING).iter().map(HeaderValue::as_bytes);
        let accepts = Accepts::read(fields);
        let wish = Wish::default()
            .with_request(coding)
            .with_response(accepts.choose(&self.codecs))
            .with_identity_refused(accepts.refuses_identity())
            .with_transform_forbidden(head::forbids_transform(headers));
        match coding {
            Some(_) => head::decoded(&mut call.head_mut().headers),
            None => call.leave_request_body(),
        }
        *call.word() = wish.0;
        Verdict::Continue
    }

    fn request_body(&self, call: &mut RequestBodyCall<'_>, frame: &mut Frame) -> BodyVerdict {
        let (Some(decoding), Some(codec)) = (&self.request, Wish(*call.word()).request()) else {
            return BodyVerdict::Continue;
        };
        let mut work = call.take_kept::<Work>().unwrap_or_default();
        let decoded = work.decode(codec, decoding.limits, frame);
        call.keep_boxed(work);
        match decoded {
            Ok(()) => BodyVerdict::Continue,
            Err(error) => BodyVerdict::Abort(work::rejection(error)),
        }
    }

    fn response(&self, call: &mut ResponseCall<'_>) -> ResponseVerdict {
        let wish = Wish(*call.word());
        let length = call.length();
        let response = call.response();
        let kind = match wish.forbids_transform() {
            true => Kind::Not,
            false => head::kind(
                response.status,
                &response.headers,
                length,
                &self.types,
                self.min_size,
                wish.refuses_identity() && wish.response().is_some(),
            ),
        };
        let codec = wish.response().filter(|_| kind == Kind::Body);
        let events = response
            .headers
            .get(CONTENT_TYPE)
            .is_some_and(|value| types::is_events(value.as_bytes()));
        let headers = &mut call.response_mut().headers;
        match (kind, codec) {
            (Kind::Not | Kind::Small, _) => {}
            (Kind::Body, Some(codec)) => {
                head::coded(headers, codec);
                head::vary(headers);
            }
            (Kind::Body, None) => head::vary(headers),
            // It stands for an answer whose tag was weak, where that was compressed.
            (Kind::NotModified, _) => {
                if wish.response().is_some() {
                    head::weaken_etag(headers);
                }
                head::vary(headers);
            }
        }
        if codec.is_none() {
            call.leave_body();
        }
        let flushes = self.flush == Flush::Always || length.is_none() || events;
        let wish = wish.with_response(codec).with_flushes(flushes).with_length(length);
        *call.word() = wish.0;
        ResponseVerdict::Continue
    }

    fn response_body(&self, call: &mut ResponseBodyCall<'_>, frame: &mut Frame) -> BodyVerdict {
        let wish = Wish(*call.word());
        let Some(codec) = wish.response() else { return BodyVerdict::Continue };
        if frame.data.is_empty() && !frame.end {
            return BodyVerdict::Continue;
        }
        if let Some(trailers) = &mut frame.trailers {
            head::forget_digests(trailers);
        }
        let mut work = call.take_kept::<Work>().unwrap_or_default();
        let begun = work.begin(&self.pool, codec, || (self.levels.get(codec), wish.length()));
        work.rest = std::mem::take(&mut frame.data);
        let verdict = match begun {
            Ok(()) => work.encode(frame, wish.flushes()),
            Err(error) => work::broken(&error),
        };
        call.keep_boxed(work);
        verdict
    }

    fn log(&self, call: &mut LogCall<'_>) {
        let codec = Wish(*call.word()).response();
        if let Some(work) = call.take_kept::<Work>() {
            work.end(&self.pool, codec);
        }
    }
}

/// The coding of a request's body.
///
/// # Errors
/// What is wrong with it, for the client.
fn coding_of(headers: &HeaderMap, taken: &[Codec]) -> Result<Option<Codec>, &'static str> {
    let values = headers.get_all(CONTENT_ENCODING).iter();
    let names = values
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|name| !name.is_empty() && !name.eq_ignore_ascii_case(b"identity"));
    let mut found = None;
    for name in names {
        let codec = Codec::of(name).filter(|codec| taken.contains(codec));
        let codec = codec.ok_or("This coding is not taken here.")?;
        if found.replace(codec).is_some() {
            return Err("Several codings, one within the other, are not taken here.");
        }
    }
    Ok(found)
}

fn refused(decoding: &Decoding, detail: &'static str) -> Rejection {
    let (name, value) = head::accepted(&decoding.codecs);
    Rejection::new(errors::CODING_REFUSED).detail(detail).header(name, value)
}
