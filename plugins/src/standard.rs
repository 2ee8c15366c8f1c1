//! The list of built-in plugins: what a gateway knows without being told.

use paifang_pipeline::{DuplicatePlugin, DynPlugin, Registry};
use std::sync::Arc;

/// Adds every built-in plugin to `registry`, each a new value: gateways in one process share
/// nothing.
///
/// # Errors
/// When a name is taken already.
pub fn register(registry: &mut Registry) -> Result<(), DuplicatePlugin> {
    let all: Vec<Arc<dyn DynPlugin>> = vec![
        Arc::new(crate::access_log::AccessLog::default()),
        Arc::new(crate::acl::Acl),
        Arc::new(crate::basic_auth::BasicAuth::default()),
        Arc::new(crate::circuit_breaker::CircuitBreaker::default()),
        Arc::new(crate::compress::Compress::default()),
        Arc::new(crate::cors::Cors),
        Arc::new(crate::forward_auth::ForwardAuth),
        Arc::new(crate::headers::Headers),
        Arc::new(crate::ip_filter::IpFilter::default()),
        Arc::new(crate::jwt_auth::JwtAuth::default()),
        Arc::new(crate::key_auth::KeyAuth::default()),
        Arc::new(crate::mirror::Mirror::default()),
        Arc::new(crate::mock::Mock),
        Arc::new(crate::redirect::Redirect),
        Arc::new(crate::request_id::RequestId),
        Arc::new(crate::respond::Respond),
        Arc::new(crate::rewrite::Rewrite),
        Arc::new(crate::shed::Shed::default()),
        Arc::new(crate::signature::Signature::default()),
        Arc::new(crate::split::Split::default()),
        Arc::new(crate::throttle::Throttle),
        Arc::new(crate::validate::Validate::default()),
    ];
    all.into_iter().try_for_each(|plugin| registry.add(plugin))
}
