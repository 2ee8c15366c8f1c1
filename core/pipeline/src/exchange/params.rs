//! Path parameters: what the placeholders of the matched API's path stand for.

use smallvec::SmallVec;
use std::{ops::Range, sync::Arc};

/// One parameter: its name and where its value stands in the matched path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Param {
    /// The placeholder's name.
    pub name: Arc<str>,
    /// The value's byte range in the matched path.
    pub range: Range<u32>,
}

/// The parameters of one call. Keeps the matched path, so that a later rewrite changes no value.
#[derive(Debug, Clone, Default)]
pub struct Params {
    /// A cheap clone of the URI that was matched; it shares the request's buffer.
    matched: Option<http::Uri>,
    list: SmallVec<[Param; 4]>,
}

impl Params {
    /// Parameters as ranges into the path of `matched`.
    #[must_use]
    pub fn new(matched: &http::Uri, list: SmallVec<[Param; 4]>) -> Self {
        let matched = (!list.is_empty()).then(|| matched.clone());
        Self { matched, list }
    }

    /// The value of `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Names and values, in the path's order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let path = self.matched.as_ref().map_or("", |uri| uri.path());
        self.list.iter().map(move |param| {
            let range = param.range.start as usize..param.range.end as usize;
            (&*param.name, path.get(range).unwrap_or_default())
        })
    }
}
