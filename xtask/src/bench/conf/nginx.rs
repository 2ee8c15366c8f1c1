//! nginx: the upstream of all, and a proxy beside the gateway.

use std::path::Path;

/// An nginx in one process, with all its files in `dir`.
pub(crate) fn nginx(dir: &Path, port: u16, site: &str) -> String {
    let dir = dir.display();
    format!(
        "daemon off; master_process off; pid {dir}/nginx-{port}.pid; error_log stderr error;\n\
         events {{ worker_connections 4096; }}\n\
         http {{\n  access_log off; keepalive_requests 100000000;\n  \
         client_body_temp_path {dir}/nginx-body; proxy_temp_path {dir}/nginx-proxy;\n  \
         fastcgi_temp_path {dir}/nginx-f; uwsgi_temp_path {dir}/nginx-u; scgi_temp_path {dir}/nginx-s;\n  \
         server {{ listen 127.0.0.1:{port};\n{site}  }}\n}}\n"
    )
}

/// An upstream that answers everything with 128 bytes.
pub(crate) fn nginx_upstream() -> String {
    format!("    location / {{ return 200 '{}'; }}\n", "x".repeat(128))
}

/// A proxy with keep-alive connections to the upstream.
pub(crate) fn nginx_proxy(upstream: u16) -> String {
    proxy(upstream, "", "")
}

fn proxy(upstream: u16, location: &str, http: &str) -> String {
    // `upstream` blocks stand beside `server`, so this one closes and opens it again.
    format!(
        "    location / {{ proxy_pass http://bench; proxy_http_version 1.1; \
         proxy_set_header Connection ''; {location} }}\n  }}\n  {http}\n  \
         upstream bench {{ server 127.0.0.1:{upstream}; keepalive 128; \
         keepalive_requests 100000000;\n"
    )
}

/// An upstream whose every answer is the file `page.json` of `dir`.
pub(crate) fn nginx_page(dir: &Path) -> String {
    let dir = dir.display();
    format!(
        "    location / {{ root {dir}; default_type application/json; rewrite ^ /page.json break; }}\n"
    )
}

/// An upstream that works for most of a millisecond for each answer: an expression that is tried in as many
/// ways as there are to cut the text, and fits none.
pub(crate) fn nginx_slow() -> String {
    let text = "a".repeat(15);
    format!(
        "    location / {{ set $text {text}!; if ($text ~ \"^(a+)+$\") {{ return 500; }} return 200 '{}'; }}\n",
        "x".repeat(128)
    )
}

/// A proxy that compresses JSON at this level.
pub(crate) fn nginx_gzip(upstream: u16, level: u32) -> String {
    proxy(
        upstream,
        &format!(
            "gzip on; gzip_types application/json; gzip_comp_level {level}; gzip_proxied any; \
             proxy_set_header Accept-Encoding '';"
        ),
        "",
    )
}

/// A proxy that keeps answers for an hour.
pub(crate) fn nginx_cache(dir: &Path, upstream: u16) -> String {
    let path = dir.join("nginx-cache");
    proxy(
        upstream,
        "proxy_cache bench; proxy_cache_valid 200 1h;",
        &format!("proxy_cache_path {} keys_zone=bench:10m inactive=1h;", path.display()),
    )
}
