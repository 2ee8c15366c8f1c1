//! A kept answer on its way to a client.

use super::{conditional::Part, stats::Found, stored::Stored};
use http::{HeaderName, HeaderValue, Method, header::AGE};
use paifang_pipeline::{Frame, OriginEvent, RequestHead, ResponseHead};
use std::{sync::Arc, time::Duration};

/// Where caches say what they did (RFC 9211).
pub(super) const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// An answer that is given from what is kept.
pub(crate) struct Hit {
    stored: Arc<Stored>,
    part: Part,
    pub(super) found: Found,
    /// Since the Unix epoch.
    now: Duration,
    /// Nothing follows the head.
    head_only: bool,
    sent_head: bool,
}

impl Hit {
    /// `stored`, as far as this request wants it.
    pub(super) fn new(
        stored: Arc<Stored>,
        found: Found,
        request: &RequestHead,
        now: Duration,
    ) -> Self {
        let head_only = request.method == Method::HEAD;
        let part = match Part::of(&stored, &request.headers) {
            // Ranges are for GET alone (RFC 9110, section 14.2).
            Part::Bytes(_) | Part::Unsatisfiable if head_only => Part::Whole,
            part => part,
        };
        Self { stored, part, found, now, head_only, sent_head: false }
    }

    /// The head, then the body.
    pub(super) fn next(&mut self) -> OriginEvent {
        let data = match &self.part {
            _ if self.head_only => None,
            Part::Whole => Some(self.stored.body.clone()),
            Part::Bytes(range) => Some(self.stored.body.slice(range.clone())),
            Part::NotModified | Part::Unsatisfiable => None,
        };
        let data = data.filter(|data| !data.is_empty());
        if self.sent_head {
            return OriginEvent::Frame(Frame::last(data.unwrap_or_default()));
        }
        self.sent_head = true;
        OriginEvent::Head(self.head(), data.is_none())
    }

    fn head(&self) -> ResponseHead {
        let mut head = self.stored.head.clone();
        head.headers.insert(AGE, self.stored.age_seconds(self.now).into());
        tell(&mut head, self.found, false);
        self.part.apply(&mut head, self.stored.body.len());
        head
    }
}

/// Tells in a head what was found.
pub(super) fn tell(head: &mut ResponseHead, found: Found, stored: bool) {
    head.headers.append(CACHE_STATUS, HeaderValue::from_static(found.told(stored)));
}
