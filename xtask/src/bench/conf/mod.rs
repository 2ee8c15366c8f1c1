//! The configs of the measures, written for each run: the gateway's and wrk's scripts here, those of its
//! peers beside.

mod envoy;
mod nginx;

pub(crate) use envoy::{envoy, token_filters};
pub(crate) use nginx::{
    nginx, nginx_cache, nginx_gzip, nginx_page, nginx_proxy, nginx_slow, nginx_upstream,
};

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
fn head(dir: &Path, ports: Ports, upstream: u16, more: &str) -> String {
    let Ports { public, admin } = ports;
    let store = dir.join("releases");
    let store = store.display();
    format!(
        "version: 1\n\
         listeners:\n  - {{ name: bench, address: \"127.0.0.1:{public}\" }}\n\
         admin: {{ address: \"127.0.0.1:{admin}\" }}\n\
         releases: {{ directory: {store} }}\n\
         upstreams:\n  bench: {{ endpoints: [ {{ address: \"127.0.0.1:{upstream}\" }} ]{more} }}\n"
    )
}

/// A gateway with one API on every path.
#[derive(Clone, Copy, Default)]
pub(crate) struct OneApi<'a> {
    /// Sections of the file, whole lines.
    pub(crate) sections: &'a str,
    /// Keys of its upstream, each with a comma before it.
    pub(crate) upstream: &'a str,
    /// Its chain, without the brackets.
    pub(crate) handlers: &'a str,
    /// Keys of the API, whole lines as they stand in it.
    pub(crate) options: &'a str,
}

impl OneApi<'_> {
    /// Writes its file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn write(&self, dir: &Path, ports: Ports, upstream: u16) -> Result<PathBuf> {
        let Self { sections, handlers, options, .. } = self;
        let mut text = head(dir, ports, upstream, self.upstream) + sections;
        let _ = write!(
            text,
            "apps:\n  bench: {{ keys: [ {{ id: k1, secret: {{ env: BENCH_KEY }} }} ] }}\n\
             apis:\n  - id: bench\n    match: {{ path_prefix: / }}\n    \
             handlers: [ {handlers} ]\n{options}    upstream: bench\n"
        );
        let file = dir.join("paifang.yaml");
        tree::write(&file, &text)?;
        Ok(file)
    }
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
        head(dir, ports, upstream, ""),
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
    tree::write(&file, &format!("{}include: [ apis/*.yaml ]\n", head(dir, ports, upstream, "")))?;
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
