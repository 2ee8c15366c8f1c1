//! The console's files: a web page that asks this API, carried in the program.
//!
//! They hold no secret, so they need no token; all that the page shows it asks for with one. What the
//! page may do is told to browsers in its head fields: load and ask nothing but its own origin, run and
//! style by its own files alone, stand in no other page.

use super::{auth::Guard, reply::error};
use axum::{
    Extension,
    extract::{Path, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use ring::digest::{SHA256, digest};
use std::{fmt::Write, sync::Arc};

/// A file of the console: its name, its media type, its text.
macro_rules! files {
    ($($name:literal: $media:literal,)*) => {
        &[$(($name, $media, include_str!(concat!("../console/", $name)))),*]
    };
}

/// All of them; the first one is the page.
const FILES: &[(&str, &str, &str)] = files! {
    "index.html": "text/html; charset=utf-8",
    "style.css": "text/css; charset=utf-8",
    "main.js": "text/javascript; charset=utf-8",
    "gateway.js": "text/javascript; charset=utf-8",
    "dom.js": "text/javascript; charset=utf-8",
    "parts.js": "text/javascript; charset=utf-8",
    "chain.js": "text/javascript; charset=utf-8",
    "overview.js": "text/javascript; charset=utf-8",
    "apis.js": "text/javascript; charset=utf-8",
    "api.js": "text/javascript; charset=utf-8",
    "upstreams.js": "text/javascript; charset=utf-8",
    "releases.js": "text/javascript; charset=utf-8",
    "plans.js": "text/javascript; charset=utf-8",
    "explain.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
};

/// What the page may do.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'";

/// The files with the tags of their contents.
#[derive(Clone)]
pub(super) struct Files(Arc<[File]>);

struct File {
    name: &'static str,
    media: &'static str,
    text: &'static str,
    /// A strong tag (RFC 9110 section 8.8.3).
    tag: HeaderValue,
}

impl Files {
    /// All of them.
    pub(super) fn new() -> Self {
        let file = |&(name, media, text): &(&'static str, _, &'static str)| {
            let mut tag = String::from("\"");
            for byte in &digest(&SHA256, text.as_bytes()).as_ref()[..16] {
                // Writing into a string cannot fail.
                let _ = write!(tag, "{byte:02x}");
            }
            tag.push('"');
            // Hexadecimal digits fit in a header.
            let tag = HeaderValue::from_str(&tag).unwrap_or(HeaderValue::from_static("\"0\""));
            File { name, media, text, tag }
        };
        Self(FILES.iter().map(file).collect())
    }

    fn answer(&self, name: &str, asked: &HeaderMap) -> Response {
        let Some(file) = self.0.iter().find(|file| file.name == name) else {
            return error(StatusCode::NOT_FOUND, "the console has no such file", None);
        };
        let known = asked.get(header::IF_NONE_MATCH).is_some_and(|tags| {
            let tag = file.tag.as_bytes();
            tags.as_bytes().split(|byte| *byte == b',').any(|one| one.trim_ascii() == tag)
        });
        let tag = [(header::ETAG, file.tag.clone())];
        if known {
            return (StatusCode::NOT_MODIFIED, tag).into_response();
        }
        (tag, [(header::CONTENT_TYPE, file.media)], file.text).into_response()
    }
}

/// To the page, also behind a proxy that puts a path before ours.
pub(super) async fn home() -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, "console/")]).into_response()
}

pub(super) async fn page(Extension(files): Extension<Files>, headers: HeaderMap) -> Response {
    files.answer(FILES[0].0, &headers)
}

pub(super) async fn file(
    Extension(files): Extension<Files>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response {
    files.answer(&name, &headers)
}

/// Whether the config has a console, and what browsers are told about all of its files.
pub(super) async fn around(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    if !guard.access.load().console {
        return error(StatusCode::NOT_FOUND, "`admin.console` is off in the config", None);
    }
    let mut response = next.run(request).await;
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        // Asked for anew each time, sent anew only when it has changed.
        (header::CACHE_CONTROL, "no-cache"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// What is never guessed at, nor part of another page; and kept nowhere, unless it says so itself.
pub(super) async fn unembedded(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let policy = HeaderName::from_static("cross-origin-resource-policy");
    headers.insert(policy, HeaderValue::from_static("same-origin"));
    let kept = headers.entry(header::CACHE_CONTROL);
    kept.or_insert(HeaderValue::from_static("no-store"));
    response
}
