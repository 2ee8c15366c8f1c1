//! The config of `rewrite`.

use crate::template::Text;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Changes what the steps below and the upstream are asked for. Routing has been done; it is not
/// done again.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RewriteConfig {
    /// The method to ask with, such as `POST`; not `CONNECT` or `TRACE`. Default: unchanged.
    pub method: Option<String>,
    /// The host to ask for, with a port if it needs one: the `Host` header and the URI's authority.
    /// Default: unchanged.
    pub host: Option<String>,
    /// A path prefix to take away where the path has it, on a segment's border: `/v1` makes `/v1/a`
    /// to `/a` and `/v1` to `/`, and leaves `/v10` alone. Done first.
    pub strip_prefix: Option<String>,
    /// The new path: a template such as `/shops/{{ param.shop }}`, at most 8 KiB when filled. Every
    /// value becomes one percent-encoded component. Excludes `pattern`.
    pub path: Option<String>,
    /// A regular expression that is looked for in the path, with `replace`. It takes time linear in
    /// the path's length, whatever it says. At most 1 KiB.
    pub pattern: Option<String>,
    /// What stands for the first match of `pattern`; `$1` and `$name` are its groups, `$$` a dollar.
    pub replace: Option<String>,
    /// A path prefix to put in front, such as `/internal`. Done last.
    pub add_prefix: Option<String>,
    /// Changes to the query. Default: none.
    pub query: QueryConfig,
}

/// Changes to the query: first `remove`, then `set`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct QueryConfig {
    /// Names of parameters to remove; `*` alone removes the whole query.
    pub remove: Vec<String>,
    /// Values by name: parameters of that name are removed, and the value is appended. Templates,
    /// percent-encoded when filled.
    pub set: BTreeMap<String, Text>,
}
