//! Envoy: one route to one cluster, with filters or without.

/// The whole config; `filters` are lines of a list of filters that stand before the router.
pub(crate) fn envoy(port: u16, upstream: u16, filters: &str) -> String {
    format!(
        r#"static_resources:
  listeners:
  - address: {{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: bench
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes: [ {{ match: {{ prefix: "/" }}, route: {{ cluster: bench }} }} ]
          http_filters:
{filters}          - name: envoy.filters.http.router
            typed_config: {{ "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }}
  clusters:
  - name: bench
    type: STATIC
    circuit_breakers: {{ thresholds: [ {{ max_connections: 4096, max_pending_requests: 4096, max_requests: 4096 }} ] }}
    load_assignment:
      cluster_name: bench
      endpoints: [ {{ lb_endpoints: [ {{ endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {upstream} }} }} }} }} ] }} ]
"#
    )
}

/// A local limit that is never reached, and tokens verified by this set of keys; the last `cache` tokens are
/// remembered, where that is not 0.
pub(crate) fn token_filters(jwks: &str, cache: u32) -> String {
    let remembered = match cache {
        0 => String::new(),
        size => format!("\n                  jwt_cache_config: {{ jwt_cache_size: {size} }}"),
    };
    format!(
        r#"          - name: envoy.filters.http.local_ratelimit
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit
              stat_prefix: bench
              token_bucket: {{ max_tokens: 1000000, tokens_per_fill: 1000000, fill_interval: 1s }}
              filter_enabled: {{ default_value: {{ numerator: 100, denominator: HUNDRED }} }}
              filter_enforced: {{ default_value: {{ numerator: 100, denominator: HUNDRED }} }}
          - name: envoy.filters.http.jwt_authn
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication
              providers:
                idp:
                  issuer: https://idp.test
                  audiences: [ wallet ]
                  local_jwks: {{ inline_string: '{jwks}' }}{remembered}
              rules: [ {{ match: {{ prefix: "/" }}, requires: {{ provider_name: idp }} }} ]
"#
    )
}
