//! What holds for an API when its own config, its upstream's and `defaults` are put together.

use paifang_pipeline::CallLimits;

use crate::model::{Api, Config, Retry};

/// The API's retry rules: its own, else its upstream's, else those of `defaults`, key by key.
pub(crate) fn retry(config: &Config, api: &Api) -> Retry {
    let upstream = api.upstream.as_ref().and_then(|name| config.upstreams.get(name.value()));
    let own = upstream.map_or_else(|| api.retry.clone(), |upstream| api.retry.or(&upstream.retry));
    own.or(&config.defaults.retry)
}

/// The API's limits: its own, else those of `defaults`.
pub(crate) fn limits(config: &Config, api: &Api) -> CallLimits {
    let defaults = &config.defaults;
    let timeout = api.timeout.as_ref().unwrap_or(&defaults.timeout);
    CallLimits {
        timeout: timeout.get(),
        body_bytes: api.body_limit.unwrap_or(defaults.body_limit).as_usize(),
        response_body_bytes: api
            .response_body_limit
            .unwrap_or(defaults.response_body_limit)
            .as_usize(),
    }
}
