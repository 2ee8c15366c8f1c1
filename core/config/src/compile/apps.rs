//! Apps with their secrets, and error pages.

use std::sync::Arc;

use http::HeaderValue;
use paifang_pipeline::{App, AppKey, Apps, ErrorPages, ErrorTemplate, Secrets};

use super::SecretCache;
use crate::diag::{Problem, Problems};
use crate::model::{Config, ErrorPage};
use crate::source::SourceMap;
use crate::yaml::Digest;

/// All apps, with a digest that tells whether any of them, or a secret of theirs, changed.
#[derive(Debug, Clone)]
pub(crate) struct BuiltApps(pub(crate) Arc<Apps>, pub(crate) Digest);

impl PartialEq for BuiltApps {
    /// Same ids, keys and secrets. The digest leaves secrets out; they are compared themselves.
    fn eq(&self, other: &Self) -> bool {
        let secrets = |apps: &Self| -> Vec<_> {
            apps.0.iter().flat_map(|app| app.keys.iter().map(|key| key.secret.clone())).collect()
        };
        self.1 == other.1 && secrets(self) == secrets(other)
    }
}

pub(super) fn build(
    config: &Config,
    sources: &SourceMap,
    cache: &SecretCache<'_>,
    problems: &mut Problems,
) -> BuiltApps {
    let mut apps = Vec::with_capacity(config.apps.len());
    let mut digests = Vec::with_capacity(config.apps.len());
    for (id, app) in &config.apps {
        digests.push(Digest::of_bytes(id.as_bytes()));
        digests.push(app.digest());
        let id = id.as_arc();
        let keys = app
            .keys
            .iter()
            .filter_map(|key| {
                let within = cache.within(sources.directory(key.secret.span()));
                let secret = within
                    .resolve(&key.secret.0)
                    .map_err(|message| problems.push(Problem::new(key.secret.span(), message)))
                    .ok()?;
                Some(AppKey { id: key.id.as_arc().clone(), secret })
            })
            .collect();
        apps.push(App { id: id.clone(), keys });
    }
    BuiltApps(Arc::new(Apps::new(apps)), Digest::all(&digests))
}

/// How error answers look, with a digest.
pub(super) fn error_pages(config: &Config) -> (Arc<ErrorPages>, Digest) {
    let template = |page: &ErrorPage| ErrorTemplate {
        // Checked before.
        content_type: HeaderValue::from_str(&page.content_type)
            .unwrap_or(HeaderValue::from_static("application/json")),
        body: page.body.clone(),
    };
    let mut digests = Vec::new();
    let mut note = |name: &str, page: &ErrorPage| {
        for text in [name, page.content_type.as_str(), &page.body] {
            digests.push(Digest::of_bytes(text.as_bytes()));
        }
    };
    let default = config.defaults.error_page.as_ref();
    default.iter().for_each(|page| note("", page));
    let mut pages = ErrorPages { default: default.map(template), ..ErrorPages::default() };
    for (id, app) in &config.apps {
        if let Some(page) = &app.error_page {
            note(id, page);
            pages.apps.insert(id.to_string(), template(page));
        }
    }
    (Arc::new(pages), Digest::all(&digests))
}
