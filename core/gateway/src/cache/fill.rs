//! An answer that is fetched, for the client that waits for it and for those that come later.

use super::{
    Cache,
    conditional::{not_modified, not_modified_head},
    flights::Flight,
    hit::tell,
    key::Key,
    policy::{Keeping, judge},
    purge::MOST_TAGS,
    rules::Rules,
    stats::Found,
    stored::{Stored, Varying},
};
use bytes::{Bytes, BytesMut};
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{
        AGE, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, DATE, ETAG, IF_MODIFIED_SINCE,
        IF_NONE_MATCH, LAST_MODIFIED, TRANSFER_ENCODING,
    },
};
use paifang_pipeline::{
    Exchange, Frame, OriginCall, OriginError, OriginEvent, Replay, RequestHead, ResponseHead,
    error, ports::Nanos,
};
use std::{
    sync::{Arc, atomic::AtomicBool, atomic::AtomicU64},
    time::{Duration, UNIX_EPOCH},
};

/// What is fetched: the call that asks, and what is known of it before.
pub(super) struct Wanted {
    pub(super) cache: Arc<Cache>,
    pub(super) rules: Arc<Rules>,
    pub(super) key: Key,
    /// The request as the chain left it.
    pub(super) request: RequestHead,
    /// It tells who asks by something that the key does not count.
    pub(super) credentials: bool,
    pub(super) asked: Nanos,
    pub(super) place: u64,
    pub(super) api: u64,
    /// A stale answer that the upstream may find still good.
    pub(super) before: Option<Arc<Stored>>,
}

impl Wanted {
    pub(super) fn of(
        call: &Exchange,
        (cache, rules): (&Arc<Cache>, &Arc<Rules>),
        api: &str,
        key: Key,
        before: Option<Arc<Stored>>,
    ) -> Self {
        Self {
            key,
            request: call.head().clone(),
            credentials: rules.key.has_credentials(call),
            asked: cache.clock.now(),
            place: cache.marks.place(call.facts().host(), call.path()),
            api: cache.marks.api(api),
            before,
            cache: cache.clone(),
            rules: rules.clone(),
        }
    }

    /// Makes a head what the upstream is asked with: for the whole answer, whatever the client has
    /// of it, and whether what is kept is still good.
    pub(super) fn prepare(&self, head: &mut RequestHead) {
        self.rules.key.trim(head);
        for name in [IF_NONE_MATCH, IF_MODIFIED_SINCE] {
            head.headers.remove(name);
        }
        let Some(before) = &self.before else { return };
        for (kept, condition) in [(ETAG, IF_NONE_MATCH), (LAST_MODIFIED, IF_MODIFIED_SINCE)] {
            if let Some(value) = before.head.headers.get(kept) {
                head.headers.insert(condition, value.clone());
            }
        }
    }

    /// The stale answer, where it may be given in place of an error.
    fn stand_in(&self) -> Option<&Arc<Stored>> {
        self.before.as_ref().filter(|before| before.times.error > self.cache.clock.unix())
    }

    fn keep(&self, keeping: Keeping, mut head: ResponseHead, body: Bytes) -> Option<Arc<Stored>> {
        let tags: Vec<u64> = tags(&head.headers, &self.rules.tags)
            .take(MOST_TAGS + 1)
            .map(|tag| self.cache.marks.tag(tag))
            .collect();
        // It could not be purged by all of them.
        if tags.len() > MOST_TAGS {
            return None;
        }
        let headers = &mut head.headers;
        headers.remove(AGE);
        headers.remove(TRANSFER_ENCODING);
        headers.insert(CONTENT_LENGTH, body.len().into());
        let varies = keeping.varies.into_iter().map(|name| Varying {
            values: self.request.headers.get_all(&name).iter().cloned().collect(),
            name,
        });
        Some(Arc::new(Stored {
            varies: varies.collect(),
            policy: keeping.policy,
            times: keeping.times,
            public: keeping.public,
            asked: self.asked,
            place: self.place,
            api: self.api,
            tags: tags.into(),
            refreshing: AtomicBool::new(false),
            failed: AtomicU64::new(0),
            head,
            body,
        }))
    }

    fn judge(&self, head: &ResponseHead) -> Option<Keeping> {
        let now = self.cache.clock.unix();
        judge(&self.rules, &self.request, head, self.credentials, now)
    }

    /// The stale answer, of which the upstream has said in `head` that it is still good (RFC 9111,
    /// section 4.3.4); kept anew, where it still may be.
    fn renew(&self, before: &Arc<Stored>, head: &ResponseHead) -> Arc<Stored> {
        let mut renewed = before.head.clone();
        let body_fields = [CONTENT_LENGTH, CONTENT_ENCODING, CONTENT_RANGE, TRANSFER_ENCODING];
        for name in head.headers.keys().filter(|name| !body_fields.contains(name)) {
            renewed.headers.remove(name);
            for value in head.headers.get_all(name) {
                renewed.headers.append(name, value.clone());
            }
        }
        date(&mut renewed.headers, self.cache.clock.unix());
        let kept = self.judge(&renewed);
        match kept.and_then(|keeping| self.keep(keeping, renewed, before.body.clone())) {
            Some(stored) => {
                self.cache.shelf.put(&self.key, stored.clone());
                stored
            }
            None => {
                self.cache.shelf.remove(&self.key);
                before.clone()
            }
        }
    }
}

/// The tags of an answer: separated by commas or blanks.
fn tags<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split([',', ' ', '\t'])).filter(|tag| !tag.is_empty())
}

/// Gives an answer a date, where it has none (RFC 9110, section 6.6.1).
fn date(headers: &mut HeaderMap, now: Duration) {
    if !headers.contains_key(DATE)
        && let Ok(now) = HeaderValue::from_str(&httpdate::fmt_http_date(UNIX_EPOCH + now))
    {
        headers.insert(DATE, now);
    }
}

/// Whether a stale answer is better than one with this status.
pub(super) fn is_broken(status: StatusCode) -> bool {
    matches!(status.as_u16(), 500 | 502 | 503 | 504)
}

/// A fetch.
pub(crate) struct Fill<C> {
    pub(super) inner: C,
    pub(super) wanted: Wanted,
    /// Those that wait for it.
    flight: Option<Flight>,
    writing: Option<Writing>,
    pub(super) found: Found,
    /// The client has its answer; the rest is for others.
    pub(super) surplus: bool,
    /// The answer is for the client alone.
    forbidden: bool,
    /// No client waits for it, so that it is nothing that a call has found.
    behind: bool,
    /// The head has come.
    headed: bool,
    /// All of the upstream's answer has come, so that its connection may serve others.
    pub(super) spent: bool,
}

/// An answer that is being kept.
struct Writing {
    keeping: Keeping,
    head: ResponseHead,
    pieces: Vec<Bytes>,
    length: usize,
}

/// What comes of an event of the upstream.
pub(super) enum Taken {
    /// It goes to the client.
    Event(OriginEvent),
    /// A kept answer does.
    Kept(Arc<Stored>, Found),
}

impl<C: OriginCall> Fill<C> {
    pub(super) fn new(inner: C, wanted: Wanted, flight: Option<Flight>) -> Self {
        let found = if wanted.before.is_some() { Found::Expired } else { Found::Miss };
        Self {
            inner,
            wanted,
            flight,
            writing: None,
            found,
            surplus: false,
            forbidden: false,
            behind: false,
            headed: false,
            spent: false,
        }
    }

    /// A fetch for the shelf alone, with nobody waiting for it.
    pub(super) fn behind(inner: C, wanted: Wanted) -> Self {
        Self { behind: true, ..Self::new(inner, wanted, None) }
    }

    fn count(&self, found: Found) {
        if !self.behind {
            self.wanted.rules.counts.count(found);
        }
    }

    /// The next event. Cancel-safe as the upstream's is: what follows it does not wait.
    pub(super) async fn next(&mut self) -> Result<Taken, OriginError> {
        match self.inner.recv().await {
            Ok(OriginEvent::Head(head, ended)) => self.take_head(head, ended),
            Ok(OriginEvent::Frame(frame)) => {
                self.spent |= frame.end;
                self.take_frame(&frame);
                Ok(Taken::Event(OriginEvent::Frame(frame)))
            }
            Ok(info @ OriginEvent::Info(_)) => Ok(Taken::Event(info)),
            Err(failed) => Err(self.failed(failed)),
        }
    }

    /// The upstream failed.
    pub(super) fn failed(&mut self, failed: OriginError) -> OriginError {
        self.writing = None;
        self.pass();
        if !self.headed {
            self.broke();
        }
        failed
    }

    /// There is no good answer: whoever gives another in its place counts that.
    fn broke(&self) {
        match self.wanted.stand_in() {
            None => self.count(self.found),
            // Nobody waits for it, so that nobody gives a stale one in its place.
            Some(before) if self.behind => before.set_failed(self.wanted.cache.clock.now()),
            Some(_) => {}
        }
    }

    fn take_head(&mut self, mut head: ResponseHead, ended: bool) -> Result<Taken, OriginError> {
        (self.headed, self.spent) = (true, ended);
        if let Some(before) = self.wanted.before.clone() {
            if head.status == StatusCode::NOT_MODIFIED {
                return self.take_renewal(&before, &head);
            }
            if is_broken(head.status) && self.wanted.stand_in().is_some() {
                // Those that wait look again when this attempt is over.
                self.broke();
                tell(&mut head, self.found, false);
                return Ok(Taken::Event(OriginEvent::Head(head, ended)));
            }
        }
        let length =
            head.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        let fits = length.is_none_or(|length: usize| length <= self.wanted.rules.max_object);
        let fits = fits && !self.forbidden;
        date(&mut head.headers, self.wanted.cache.clock.unix());
        match self.wanted.judge(&head).filter(|_| fits) {
            Some(keeping) => {
                let (pieces, head) = (Vec::new(), head.clone());
                self.writing = Some(Writing { keeping, head, pieces, length: 0 });
            }
            None => self.pass(),
        }
        let stored = self.writing.is_some();
        self.count(self.found);
        tell(&mut head, self.found, stored);
        if ended {
            self.store();
        } else if stored
            && head.status == StatusCode::OK
            && not_modified(&self.wanted.request.headers, &head.headers)
        {
            self.surplus = true;
            not_modified_head(&mut head);
            return Ok(Taken::Event(OriginEvent::Head(head, true)));
        }
        Ok(Taken::Event(OriginEvent::Head(head, ended)))
    }

    fn take_renewal(
        &mut self,
        before: &Arc<Stored>,
        head: &ResponseHead,
    ) -> Result<Taken, OriginError> {
        let opaque = |headers: &HeaderMap| {
            let tag = headers.get(ETAG)?.to_str().ok()?;
            Some(tag.trim_start_matches("W/").to_owned())
        };
        let (new, old) = (opaque(&head.headers), opaque(&before.head.headers));
        if new.is_some() && new != old {
            self.wanted.cache.shelf.remove(&self.wanted.key);
            self.pass();
            let why = "a 304 for another answer than was asked about";
            return Err(OriginError::new(error::UPSTREAM_MALFORMED, Replay::IfIdempotent, why));
        }
        let stored = self.wanted.renew(before, head);
        self.flight = None;
        self.count(Found::Revalidated);
        Ok(Taken::Kept(stored, Found::Revalidated))
    }

    fn take_frame(&mut self, frame: &Frame) {
        let Some(writing) = &mut self.writing else { return };
        let room = self.wanted.rules.max_object - writing.length;
        if frame.data.len() > room || frame.trailers.is_some() {
            self.writing = None;
            self.pass();
            return;
        }
        if !frame.data.is_empty() {
            writing.length += frame.data.len();
            writing.pieces.push(frame.data.clone());
        }
        if frame.end {
            self.store();
        }
    }

    /// The request has a body, which no key tells: its answer is for nobody else.
    pub(super) fn forbid(&mut self) {
        self.wanted.before = None;
        self.forbidden = true;
        self.pass();
    }

    /// The answer is whole: it goes onto the shelf, and those that wait for it look again.
    fn store(&mut self) {
        let Some(Writing { keeping, head, pieces, length }) = self.writing.take() else { return };
        // Pieces may be small parts of large buffers, so that what is kept is a copy.
        let mut body = BytesMut::with_capacity(length);
        pieces.iter().for_each(|piece| body.extend_from_slice(piece));
        match self.wanted.keep(keeping, head, body.freeze()) {
            Some(stored) => self.wanted.cache.shelf.put(&self.wanted.key, stored),
            None => self.pass(),
        }
        self.flight = None;
    }

    /// There is nothing to wait for.
    fn pass(&mut self) {
        if let Some(flight) = self.flight.take() {
            flight.pass(self.wanted.cache.clock.now());
        }
    }

    /// Fetches the rest of it, for the shelf alone.
    pub(super) async fn drain(mut self) {
        while !self.spent {
            match self.next().await {
                Ok(Taken::Event(OriginEvent::Info(_))) => {}
                Ok(Taken::Event(_)) if self.writing.is_some() || self.spent => {}
                // Either it is not kept, or what is kept is good for longer.
                Ok(_) => break,
                Err(failed) => {
                    tracing::debug!(error = %failed, "a fetch behind a kept answer failed");
                    break;
                }
            }
        }
        self.inner.finish(self.spent).await;
    }
}
