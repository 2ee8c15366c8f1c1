//! The configs of the measures, written for each run: ours, nginx's, Envoy's, and wrk's scripts.

use std::{
    fmt::Write,
    path::{Path, PathBuf},
};

use crate::{
    failure::{Failure, Result},
    server, tree,
};

/// What the configs take from the environment.
pub(crate) const SECRETS: &[(&str, &str)] = &[("BENCH_KEY", "bench-key")];

/// APIs in one included file.
const APIS_PER_FILE: usize = 100;

/// The two ports of a gateway.
#[derive(Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) public: u16,
    pub(crate) admin: u16,
}

impl Ports {
    /// Two free ones.
    ///
    /// # Errors
    /// When the system has none.
    pub(crate) fn free() -> Result<Self> {
        Ok(Self { public: server::free_port()?, admin: server::free_port()? })
    }
}

/// The part that all gateway configs have in common.
fn head(dir: &Path, ports: Ports, upstream: u16) -> String {
    let Ports { public, admin } = ports;
    let store = dir.join("releases");
    let store = store.display();
    format!(
        "version: 1\n\
         listeners:\n  - {{ name: bench, address: \"127.0.0.1:{public}\" }}\n\
         admin: {{ address: \"127.0.0.1:{admin}\" }}\n\
         releases: {{ directory: {store} }}\n\
         upstreams:\n  bench: {{ endpoints: [ {{ address: \"127.0.0.1:{upstream}\" }} ] }}\n"
    )
}

/// A gateway with one API on every path; `handlers` is the text of its chain.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn one_api(dir: &Path, ports: Ports, upstream: u16, handlers: &str) -> Result<PathBuf> {
    one_api_of(dir, ports, upstream, "", handlers)
}

/// The like, with a section `wasm`.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn one_api_of(
    dir: &Path,
    ports: Ports,
    upstream: u16,
    wasm: &str,
    handlers: &str,
) -> Result<PathBuf> {
    let mut text = head(dir, ports, upstream) + wasm;
    let _ = write!(
        text,
        "apps:\n  bench: {{ keys: [ {{ id: k1, secret: {{ env: BENCH_KEY }} }} ] }}\n\
         apis:\n  - id: bench\n    match: {{ path_prefix: / }}\n    \
         handlers: [ {handlers} ]\n    upstream: bench\n"
    );
    let file = dir.join("paifang.yaml");
    tree::write(&file, &text)?;
    Ok(file)
}

/// A gateway with three APIs, each with a `wasm` entry of its own of this module, whose calls may compute
/// for `limit` milliseconds: runaways without a breaker and with the usual one, and on every other
/// path a handler that does little.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn runaways(
    dir: &Path,
    ports: Ports,
    upstream: u16,
    module: &Path,
    limit: f64,
) -> Result<PathBuf> {
    let module = module.display();
    let entry =
        |more: &str| format!("{{ file: \"{module}\", limits: {{ cpu: {limit}ms }}{more} }}");
    let text = format!(
        "{}wasm:\n  always: {}\n  broken: {}\n  calm: {}\n\
         apis:\n\
         \x20 - {{ id: always, match: {{ path: /always }}, handlers: [ always: {{ runaway: true }} ], upstream: bench }}\n\
         \x20 - {{ id: broken, match: {{ path: /broken }}, handlers: [ broken: {{ runaway: true }} ], upstream: bench }}\n\
         \x20 - {{ id: calm, match: {{ path_prefix: / }}, handlers: [ calm: {{ sets: 1 }} ], upstream: bench }}\n",
        head(dir, ports, upstream),
        entry(", breaker: off"),
        entry(""),
        entry(", reuse: 1000"),
    );
    let file = dir.join("paifang.yaml");
    tree::write(&file, &text)?;
    Ok(file)
}

/// A gateway with many APIs in files of a hundred; half of the paths hold a parameter.
///
/// # Errors
/// When a file cannot be written.
pub(crate) fn many_apis(dir: &Path, ports: Ports, upstream: u16, count: usize) -> Result<PathBuf> {
    let apis = dir.join("apis");
    std::fs::create_dir_all(&apis).map_err(|e| Failure::file(&apis, &e))?;
    for first in (0..count).step_by(APIS_PER_FILE) {
        api_file(dir, first, count, 0)?;
    }
    let file = dir.join("paifang.yaml");
    tree::write(&file, &format!("{}include: [ apis/*.yaml ]\n", head(dir, ports, upstream)))?;
    Ok(file)
}

/// Writes the included file that begins with API number `first`; another `edition` has another
/// content, as after an edit.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn api_file(dir: &Path, first: usize, count: usize, edition: u32) -> Result<()> {
    let mut text = String::from("apis:\n");
    for n in first..count.min(first + APIS_PER_FILE) {
        let path = path(n, "{id}");
        let _ = write!(
            text,
            "  - id: api.{n}\n    match: {{ method: GET, path: \"{path}\" }}\n    \
             handlers: [ headers: {{ request: {{ set: {{ x-edition: \"{edition}\" }} }} }} ]\n    \
             upstream: bench\n"
        );
    }
    tree::write(&dir.join(format!("apis/{first:06}.yaml")), &text)
}

/// The path of API number `n`; every other one ends in a parameter.
fn path(n: usize, parameter: &str) -> String {
    let (service, operation) = (n / 100, n % 100);
    if n.is_multiple_of(2) {
        format!("/v1/service-{service}/operation-{operation}")
    } else {
        format!("/v1/service-{service}/operation-{operation}/{parameter}")
    }
}

/// A wrk script that calls `count` APIs in an order that no cache foresees.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn path_script(dir: &Path, count: usize) -> Result<PathBuf> {
    let file = dir.join("paths.lua");
    tree::write(
        &file,
        &format!(
            "local n = 0\n\
             function request()\n  \
               n = (n + 7919) % {count}\n  \
               local path = '/v1/service-' .. math.floor(n / 100) .. '/operation-' .. n % 100\n  \
               if n % 2 == 1 then path = path .. '/42' end\n  \
               return wrk.format('GET', path)\n\
             end\n"
        ),
    )?;
    Ok(file)
}

/// The same, with connections that rest for `milliseconds` before each request. wrk rests whole
/// milliseconds, so a part of the rests is one longer.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn resting_script(dir: &Path, count: usize, milliseconds: f64) -> Result<PathBuf> {
    let paths = tree::read(&path_script(dir, count)?)?;
    let (whole, part) = (milliseconds.floor(), milliseconds.fract());
    let file = dir.join("resting.lua");
    let delay = format!(
        "function delay() if math.random() < {part:.3} then return {whole} + 1 end \
         return {whole} end\n"
    );
    tree::write(&file, &format!("{paths}{delay}"))?;
    Ok(file)
}

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
    // `upstream` blocks stand beside `server`, so this one closes and opens it again.
    format!(
        "    location / {{ proxy_pass http://bench; proxy_http_version 1.1; \
         proxy_set_header Connection ''; }}\n  }}\n  \
         upstream bench {{ server 127.0.0.1:{upstream}; keepalive 128; \
         keepalive_requests 100000000;\n"
    )
}

/// Envoy: one route to one cluster.
pub(crate) fn envoy(port: u16, upstream: u16) -> String {
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
          - name: envoy.filters.http.router
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
