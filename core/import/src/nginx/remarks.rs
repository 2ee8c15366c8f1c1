//! What is said of directives that become nothing of their own.

use super::Import;
use super::tree::Directive;

/// nginx's own process, buffers and tuning: no answer depends on it.
const PROCESS: &[&str] = &[
    "user",
    "worker_processes",
    "worker_connections",
    "worker_rlimit_nofile",
    "worker_cpu_affinity",
    "worker_priority",
    "worker_shutdown_timeout",
    "pid",
    "daemon",
    "master_process",
    "events",
    "use",
    "multi_accept",
    "accept_mutex",
    "error_log",
    "sendfile",
    "sendfile_max_chunk",
    "tcp_nopush",
    "tcp_nodelay",
    "aio",
    "directio",
    "output_buffers",
    "postpone_output",
    "types_hash_max_size",
    "types_hash_bucket_size",
    "server_names_hash_bucket_size",
    "server_names_hash_max_size",
    "variables_hash_max_size",
    "variables_hash_bucket_size",
    "map_hash_bucket_size",
    "map_hash_max_size",
    "server_tokens",
    "reset_timedout_connection",
    "client_body_buffer_size",
    "client_header_buffer_size",
    "large_client_header_buffers",
    "client_body_temp_path",
    "proxy_temp_path",
    "fastcgi_temp_path",
    "uwsgi_temp_path",
    "scgi_temp_path",
    "proxy_buffering",
    "proxy_buffers",
    "proxy_buffer_size",
    "proxy_busy_buffers_size",
    "proxy_max_temp_file_size",
    "proxy_temp_file_write_size",
    "proxy_request_buffering",
    "proxy_http_version",
    "proxy_headers_hash_max_size",
    "proxy_headers_hash_bucket_size",
    "log_format",
    "log_not_found",
    "open_log_file_cache",
    "default_type",
    "types",
    "ssl_session_cache",
    "ssl_session_timeout",
    "ssl_session_tickets",
    "ssl_session_ticket_key",
    "ssl_buffer_size",
    "ssl_dhparam",
    "http2_max_concurrent_streams",
    "recursive_error_pages",
    "pcre_jit",
    "keepalive_requests",
    "lingering_close",
    "send_timeout",
    "server_name_in_redirect",
    "port_in_redirect",
    "absolute_redirect",
    "merge_slashes",
    "underscores_in_headers",
    "ignore_invalid_headers",
    "env",
    "thread_pool",
    "lingering_time",
    "lingering_timeout",
    "limit_req_log_level",
    "limit_conn_log_level",
    "proxy_socket_keepalive",
    "request_pool_size",
    "connection_pool_size",
    "charset",
    "http2",
];

/// What has no counterpart: directive, why, and whether answers differ without it.
const OTHERS: &[(&str, &str, bool)] = &[
    ("load_module", "nginx's modules do not run here", true),
    ("ssl_ciphers", "the gateway has its own list of safe ones", false),
    ("ssl_prefer_server_ciphers", "the gateway has its own list of safe ones", false),
    ("ssl_ecdh_curve", "the gateway has its own list of safe ones", false),
    ("ssl_stapling", "no OCSP staple is sent", false),
    ("ssl_stapling_verify", "no OCSP staple is sent", false),
    ("ssl_trusted_certificate", "no OCSP staple is sent", false),
    ("resolver", "the system's resolver is used", false),
    ("resolver_timeout", "the system's resolver is used", false),
    ("error_page", "the gateway's own error answers: defaults.error_page", true),
    ("proxy_intercept_errors", "error answers of servers go on as they are", true),
    ("proxy_redirect", "`Location` of servers goes on as it is", true),
    ("proxy_cookie_path", "cookies of servers go on as they are", true),
    ("proxy_cookie_domain", "cookies of servers go on as they are", true),
    ("proxy_cache", "nothing uses it", false),
    ("proxy_cache_path", "nothing uses it", false),
    ("proxy_cache_key", "nothing uses it", false),
    ("proxy_cache_valid", "nothing uses it", false),
    ("proxy_cache_use_stale", "nothing uses it", false),
    ("proxy_cache_lock", "nothing uses it", false),
    ("proxy_cache_bypass", "nothing uses it", false),
    ("proxy_no_cache", "nothing uses it", false),
    ("proxy_cache_min_uses", "nothing uses it", false),
    ("proxy_cache_background_update", "nothing uses it", false),
    ("proxy_cache_revalidate", "nothing uses it", false),
    ("proxy_cache_methods", "nothing uses it", false),
    ("proxy_ignore_headers", "nothing uses it", false),
    ("proxy_pass_request_headers", "request headers always go on", true),
    ("proxy_pass_request_body", "the request body always goes on", true),
    ("proxy_method", "a step `rewrite` with `method` does so", true),
    ("root", "files are not served here", true),
    ("index", "files are not served here", true),
    ("alias", "files are not served here", true),
    ("try_files", "files are not served here", true),
    ("autoindex", "files are not served here", true),
    ("gzip_static", "files are not served here", false),
    ("open_file_cache", "files are not served here", false),
    ("open_file_cache_valid", "files are not served here", false),
    ("open_file_cache_min_uses", "files are not served here", false),
    ("open_file_cache_errors", "files are not served here", false),
    ("etag", "files are not served here", false),
    ("if_modified_since", "files are not served here", false),
    ("sub_filter", "bodies are not changed; a handler in WebAssembly can", true),
    ("sub_filter_once", "bodies are not changed; a handler in WebAssembly can", true),
    ("sub_filter_types", "bodies are not changed; a handler in WebAssembly can", true),
    ("ssi", "bodies are not changed; a handler in WebAssembly can", true),
    ("stub_status", "the gateway's numbers are at its admin API: /metrics", true),
    ("gzip", "answers go on as servers send them", false),
];

/// Directives that are looked at where they hold; where none of them does, nothing uses them.
const USED: &[&str] = &[
    "access_log",
    "add_header",
    "allow",
    "auth_basic",
    "auth_basic_user_file",
    "client_body_timeout",
    "client_header_timeout",
    "client_max_body_size",
    "deny",
    "expires",
    "grpc_connect_timeout",
    "grpc_hide_header",
    "grpc_next_upstream",
    "grpc_next_upstream_tries",
    "grpc_read_timeout",
    "grpc_send_timeout",
    "grpc_set_header",
    "keepalive_timeout",
    "limit_conn",
    "limit_conn_status",
    "limit_conn_zone",
    "limit_req",
    "limit_req_status",
    "limit_req_zone",
    "mirror",
    "proxy_connect_timeout",
    "proxy_hide_header",
    "proxy_next_upstream",
    "proxy_next_upstream_tries",
    "proxy_read_timeout",
    "proxy_send_timeout",
    "proxy_set_header",
    "proxy_ssl_certificate",
    "proxy_ssl_certificate_key",
    "proxy_ssl_name",
    "proxy_ssl_server_name",
    "proxy_ssl_trusted_certificate",
    "proxy_ssl_verify",
    "real_ip_header",
    "real_ip_recursive",
    "satisfy",
    "server",
    "split_clients",
    "set_real_ip_from",
    "ssl_certificate",
    "ssl_certificate_key",
    "ssl_client_certificate",
    "ssl_protocols",
    "ssl_verify_client",
    "upstream",
];

/// Whether what a directive says may hold in another block.
pub(super) fn is_elsewhere(name: &str) -> bool {
    matches!(name, "server_name" | "listen" | "default_type") || name.starts_with("ssl_")
}

impl Import<'_> {
    /// Says of each directive that nobody has spoken of what is known of it.
    pub(super) fn remarks(&mut self, block: &[Directive]) {
        for directive in block {
            let name = directive.name.as_str();
            if PROCESS.contains(&name) {
                self.none_if_unsaid(directive, "the gateway's own affair");
                for inner in directive.inner() {
                    self.none_if_unsaid(inner, "the gateway's own affair");
                }
            } else if let Some((_, why, effect)) = OTHERS.iter().find(|(known, ..)| *known == name)
            {
                if directive.arg(0) == "off" || !effect {
                    self.none_if_unsaid(directive, why);
                } else {
                    self.not_if_unsaid(directive, why);
                }
            } else if USED.contains(&name) {
                self.none_if_unsaid(directive, "nothing uses it");
                if matches!(name, "upstream" | "split_clients") {
                    for inner in directive.inner() {
                        self.none_if_unsaid(inner, "nothing uses it");
                    }
                }
            } else if ["gzip_", "brotli", "proxy_cache_", "auth_request_", "mirror_"]
                .iter()
                .any(|start| name.starts_with(start))
            {
                self.none_if_unsaid(directive, "nothing uses it");
            }
            self.remarks(directive.inner());
        }
    }

    fn none_if_unsaid(&mut self, directive: &Directive, why: &str) {
        if self.notes.unsaid(directive) {
            self.notes.none(directive, why);
        }
    }

    fn not_if_unsaid(&mut self, directive: &Directive, why: &str) {
        if self.notes.unsaid(directive) {
            self.notes.not(directive, why);
        }
    }
}
