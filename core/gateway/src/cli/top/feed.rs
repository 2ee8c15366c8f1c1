//! Asking the gateway, on a thread of its own so that keys need not wait for answers.

use crate::{
    cli::{Failed, online::escape, remote::Remote},
    insight::Sort,
};
use serde_json::{Value, json};
use std::{
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread,
    time::Duration,
};

/// Which APIs are wanted, and in which order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) sort: Sort,
    /// Part of an id; empty for all.
    pub(super) filter: String,
    pub(super) limit: usize,
}

/// What the gateway was doing at one moment.
#[derive(Debug, Clone)]
pub(super) struct Picture {
    /// `/v1/stats`.
    pub(super) stats: Value,
    /// `/v1/stats/apis`.
    pub(super) apis: Value,
    /// `/v1/upstreams`.
    pub(super) upstreams: Value,
}

impl Picture {
    /// All of it, for programs.
    pub(super) fn json(&self) -> Value {
        json!({ "stats": self.stats, "apis": self.apis, "upstreams": self.upstreams })
    }

    /// The members of `items` of an answer.
    pub(super) fn items(answer: &Value) -> &[Value] {
        answer["items"].as_array().map_or(&[], Vec::as_slice)
    }
}

/// Asks once.
pub(super) fn ask(remote: &Remote, wish: &Wish) -> Result<Picture, Failed> {
    let Wish { sort, filter, limit } = wish;
    let apis =
        format!("/v1/stats/apis?sort={}&limit={limit}&filter={}", sort.as_str(), escape(filter));
    Ok(Picture {
        stats: remote.get("/v1/stats")?,
        apis: remote.get(&apis)?,
        upstreams: remote.get("/v1/upstreams")?,
    })
}

/// What comes from the thread.
pub(super) enum News {
    Picture(Box<Picture>),
    /// Why there is none; it is tried again.
    Trouble(String),
}

/// The thread that asks. It ends with this.
pub(super) struct Feed {
    wishes: Sender<Wish>,
    news: Receiver<News>,
}

impl Feed {
    /// Asks every `interval`, from the first interval on, and at once for each new wish.
    pub(super) fn start(remote: Remote, mut wish: Wish, interval: Duration) -> Self {
        let (wishes, wished) = channel();
        let (told, news) = channel();
        thread::spawn(move || {
            loop {
                match wished.recv_timeout(interval) {
                    Ok(next) => wish = next,
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                }
                let next = match ask(&remote, &wish) {
                    Ok(picture) => News::Picture(Box::new(picture)),
                    Err(Failed::Said(why) | Failed::Unreachable(why) | Failed::Coded(_, why)) => {
                        News::Trouble(why)
                    }
                };
                if told.send(next).is_err() {
                    return;
                }
            }
        });
        Self { wishes, news }
    }

    /// What has come since.
    pub(super) fn news(&self) -> Option<News> {
        self.news.try_recv().ok()
    }

    /// From now on this is wanted.
    pub(super) fn wish(&self, wish: Wish) {
        // The thread ends with this, never before.
        let _ = self.wishes.send(wish);
    }
}
