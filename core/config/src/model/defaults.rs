//! What holds for every API unless it says otherwise.

use paifang_pipeline::units::{ByteSize, HumanDuration};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ErrorPage, Retry, Steps};
use crate::yaml::Located;

/// Defaults of all APIs.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Defaults {
    /// From the request head to the response head, repeated attempts and waits included.
    /// 1ms to 1h. Default 30s.
    pub timeout: Located<HumanDuration>,
    /// The largest request body, streamed or not. Default 1MiB.
    pub body_limit: ByteSize,
    /// The largest response body that a step may have collected. Default 1MiB.
    pub response_body_limit: ByteSize,
    /// Steps in front of every chain, and of requests that match no API.
    pub handlers: Steps,
    /// When attempts are repeated.
    pub retry: Retry,
    /// How error answers look; a problem document (RFC 9457) where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_page: Option<ErrorPage>,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            timeout: HumanDuration::from_secs(30).into(),
            body_limit: ByteSize::new(1 << 20),
            response_body_limit: ByteSize::new(1 << 20),
            handlers: Steps::default(),
            retry: Retry::default(),
            error_page: None,
        }
    }
}
