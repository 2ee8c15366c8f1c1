//! Mappings one by one, and what is not taken.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;

use paifang_config::source::MemoryFiles;

use crate::{Fate, Imported, Options};

pub(super) fn import_with(server: &str, options: Options) -> Imported {
    let text =
        format!("http {{ limit_req_zone $binary_remote_addr zone=z:1m rate=5r/s;\n{server} }}");
    let files = MemoryFiles::new([
        ("/n/nginx.conf", text.as_str()),
        ("/n/strong", "a:$2y$04$x\n"),
        ("/n/weak", "a:$2y$04$x\nbob:$apr1$x\n"),
    ]);
    super::import(Path::new("/n/nginx.conf"), &files, options).unwrap_or_else(|f| panic!("{f}"))
}

pub(super) fn import(server: &str) -> Imported {
    import_with(server, Options::default())
}

/// A server with these lines; each text must stand in what becomes of it.
#[track_caller]
pub(super) fn becomes(lines: &str, wanted: &[&str]) -> Imported {
    let imported = import(&format!("server {{ listen 80;\n{lines} }}"));
    for text in wanted {
        assert!(imported.yaml.contains(text), "no `{text}` in\n{}", imported.yaml);
    }
    imported
}

/// The fate of the first line that begins so.
#[track_caller]
pub(super) fn fate(imported: &Imported, line: &str) -> Fate {
    let found = imported.report.entries.iter().find(|entry| entry.source.starts_with(line));
    found.unwrap_or_else(|| panic!("no `{line}`:\n{}", imported.report.text())).fate
}

#[test]
fn answers_and_redirects() {
    becomes(
        "return 301 https://$host$request_uri;",
        &["to: \"https://{{ host }}{{ path }}\", status: 301, keep_query: true, allow_host: true"],
    );
    becomes("location / { return 302 /a?x=$arg_x; }", &["to: \"/a?x={{ query.x }}\", status: 302"]);
    becomes(
        "location / { return https://a.example/; }",
        &["to: \"https://a.example/\", status: 302"],
    );
    becomes(
        "default_type text/css; location / { return 200 'a${b'; }",
        &["content-type: text/css", "a$${b"],
    );
    let cut = becomes("location / { return 444; }", &["respond: { status: 404 }"]);
    assert_eq!(fate(&cut, "return 444"), Fate::Approximated);
    let odd = becomes("location / { return 200 $upstream_addr; }", &["state: offline"]);
    assert_eq!(fate(&odd, "return 200"), Fate::NotTaken);
}

#[test]
fn paths_are_passed_on_as_nginx_does() {
    let pass = |location: &str, to: &str, wanted: &[&str]| {
        becomes(&format!("location {location} {{ proxy_pass http://h{to}; }}"), wanted)
    };
    pass("/a/", "/b/", &["rewrite: { strip_prefix: /a, add_prefix: /b }"]);
    pass("/a/", "/", &["rewrite: { strip_prefix: /a }"]);
    pass("/", "/b/", &["rewrite: { add_prefix: /b }"]);
    pass("/a", "/b", &["rewrite: { pattern: \"^/a\", replace: /b }", "path_regex: \"^/a\""]);
    pass("= /a", "/b", &["rewrite: { path: /b }", "path: /a"]);
    pass(
        "~ ^/u/([0-9]+)$",
        "/x/$1",
        &["pattern: \"^/u/([0-9]+)$\", replace: \"/x/$1\", query: { remove: [ \"*\" ] }"],
    );
    let plain = pass("/a/", "", &[]);
    assert!(!plain.yaml.contains("rewrite"), "{}", plain.yaml);
    let own = pass("/a/", "$request_uri", &[]);
    assert!(!own.yaml.contains("rewrite"), "{}", own.yaml);
    let varies = becomes("location / { proxy_pass http://$arg_to; }", &["state: offline"]);
    assert_eq!(fate(&varies, "proxy_pass"), Fate::NotTaken);
}

#[test]
fn what_an_order_of_addresses_lets_in_is_computed() {
    let pass = |rules: &str, wanted: &str| {
        becomes(&format!("location / {{ {rules} proxy_pass http://h; }}"), &[wanted])
    };
    pass(
        "allow 10.0.0.0/8; allow ::1; deny all;",
        "ip_filter: { allow: [ \"10.0.0.0/8\", \"::1\" ] }",
    );
    pass("deny 192.0.2.7; allow all;", "ip_filter: { deny: [ \"192.0.2.7\" ] }");
    pass("deny all; allow 10.0.0.1;", "ip_filter: { deny: [ \"0.0.0.0/0\", \"::/0\" ] }");
    pass(
        "allow 10.0.0.1; deny 10.0.0.0/31; deny 10.0.0.2/31;",
        "deny: [ \"10.0.0.0\", \"10.0.0.2/31\" ]",
    );
    // Narrower than what came before: nothing is left to allow.
    pass(
        "deny 10.0.0.0/8; allow 10.1.0.0/16; deny all;",
        "ip_filter: { deny: [ \"0.0.0.0/0\", \"::/0\" ] }",
    );
    let open = becomes("location / { allow all; proxy_pass http://h; }", &[]);
    assert!(!open.yaml.contains("ip_filter"), "{}", open.yaml);
    becomes("location / { allow unix:; proxy_pass http://h; }", &["state: offline"]);
}

#[test]
fn identity_needs_hashes_that_hold() {
    let auth = |file: &str| {
        format!(
            "location / {{ auth_basic \"A b\"; auth_basic_user_file {file}; proxy_pass http://h; }}"
        )
    };
    becomes(
        &auth("strong"),
        &["basic_auth: { htpasswd: { file: /n/strong }, realm: \"A b\", forward: true }"],
    );
    let weak = becomes(&auth("weak"), &["state: offline"]);
    assert!(!weak.yaml.contains("basic_auth:"), "{}", weak.yaml);
    assert!(weak.report.text().contains("the hash of `bob`"), "{}", weak.report.text());
    assert_eq!(
        fate(&becomes(&auth("gone"), &["basic_auth"]), "auth_basic_user_file"),
        Fate::Approximated
    );
}

#[test]
fn what_protects_and_is_not_taken_is_offline() {
    for line in [
        "satisfy any;",
        "auth_request /a?b;",
        "valid_referers none;",
        "secure_link $arg_md5;",
        "access_by_lua_block { ngx.exit(403) }",
        "modsecurity on;",
        "limit_req zone=none;",
        "if ($cookie_a = b) { return 403; }",
        "if ($http_a ~ '.*x') { return 401; }",
        "limit_except GET { auth_basic x; }",
    ] {
        let server = format!("server {{ location / {{ {line} proxy_pass http://h; }} }}");
        let closed = import(&server);
        assert!(closed.yaml.contains("state: offline"), "{line}\n{}", closed.yaml);
        assert_eq!(closed.report.offline.len(), 1, "{line}");
        assert!(closed.report.count(Fate::NotTaken) > 0, "{line}: {}", closed.report.text());
        let open = import_with(&server, Options { allow_unprotected: true });
        assert!(
            open.yaml.contains("state: online") && !open.yaml.contains("state: offline"),
            "{line}"
        );
    }
    // An expression that might have refused what other locations take.
    let blind = becomes(
        "location / { proxy_pass http://h; } location ~ (?!x) { deny all; }",
        &["state: offline"],
    );
    assert!(blind.report.text().contains("look-around"), "{}", blind.report.text());
    // What only steers leaves the API as it is.
    let steered = becomes("location / { if ($cookie_a) { set $b c; } proxy_pass http://h; }", &[]);
    assert!(!steered.yaml.contains("state: offline"), "{}", steered.yaml);
}

#[test]
fn conditions_become_steps() {
    let with = |condition: &str, wanted: &str| {
        becomes(
            &format!("location / {{ if ({condition}) {{ return 405; }} proxy_pass http://h; }}"),
            &[wanted],
        )
    };
    with("$request_method !~ ^(GET|HEAD)$", "when: { not: { method: [ GET, HEAD ] } }");
    with("$request_method = POST", "when: { method: [ POST ] }");
    with("$http_x_old", "when: { header: { x-old: { present: true } } }");
    with("$http_x_key = ''", "when: { header: { x-key: { present: false } } }");
    with("$arg_a != b", "when: { not: { query: { a: b } } }");
    with("$http_user_agent ~ ^curl", "when: { header: { user-agent: { prefix: curl } } }");
    becomes(
        "if ($scheme = http) { return 301 https://$host$request_uri; } location / { proxy_pass http://h; }",
        &["redirect: { https: true, status: 301 }, id: to-tls"],
    );
}

#[test]
fn servers_are_told_apart_by_host_and_listener() {
    let imported = import(
        "server { listen 80; server_name a.example; return 404; }
         server { listen 80; server_name .b.example *.c.example; return 404; }
         server { listen 81 default_server; server_name b.example; return 404; }",
    );
    for text in [
        "match: { host: [ a.example, \"*\" ], listener: http-80, path_prefix: / }",
        "match: { host: [ b.example, \"*.b.example\", \"*.c.example\" ], listener: http-80, path_prefix: / }",
        "match: { listener: http-81, path_prefix: / }",
    ] {
        assert!(imported.yaml.contains(text), "no {text} in\n{}", imported.yaml);
    }
    let odd = import(
        "server { listen 80; return 404; } server { listen 80; server_name ~^x; return 200 a; }",
    );
    assert!(!odd.yaml.contains("body: a"), "a server that no request reaches\n{}", odd.yaml);
    assert_eq!(fate(&odd, "server_name"), Fate::NotTaken);
}

#[test]
fn limits_count_as_nginx_does() {
    let limit = |words: &str| {
        becomes(
            &format!("location / {{ limit_req zone=z {words}; proxy_pass http://h; }}"),
            &["throttle: "],
        )
    };
    assert!(limit("burst=20 nodelay").yaml.contains("rate: 5/s, burst: 21, by: client_ip"));
    assert!(limit("").yaml.contains("burst: 1,"));
    assert_eq!(fate(&limit("burst=3"), "limit_req zone"), Fate::Approximated);
    becomes(
        "client_max_body_size 10m; location / { proxy_pass http://h; }",
        &["body_limit: 10MiB"],
    );
}

#[test]
fn upstreams_are_made_once_for_each_way_of_asking() {
    let imported = import(
        "upstream u { server 10.0.0.1 weight=3; server b:81 backup; server unix:/x; least_conn; }
         server { location /a { proxy_pass http://u; } location /b { proxy_pass http://u; }
           location /c { proxy_pass https://u; proxy_read_timeout 5s; } location /d { grpc_pass grpc://u; } }",
    );
    let yaml = &imported.yaml;
    assert_eq!(yaml.matches("address: \"10.0.0.1:80\", weight: 3").count(), 2, "{yaml}");
    assert!(yaml.contains("10.0.0.1:443") && yaml.contains("verify: false"), "{yaml}");
    assert!(yaml.contains("first_byte: 5s") && yaml.contains("protocol: h2"), "{yaml}");
    assert_eq!(yaml.matches("address: \"b:81\", priority: 1").count(), 3, "{yaml}");
    assert_eq!(fate(&imported, "server b:81 backup"), Fate::Taken);
    assert_eq!(fate(&imported, "server unix:/x"), Fate::NotTaken);
}

#[test]
fn files_and_other_servers_are_not_taken() {
    for line in [
        "root /var/www;",
        "alias /x/;",
        "try_files $uri =404;",
        "fastcgi_pass unix:/x;",
        "stub_status;",
    ] {
        let imported = becomes(&format!("location /x/ {{ {line} }}"), &["state: offline"]);
        assert_eq!(fate(&imported, line.trim_end_matches(';')), Fate::NotTaken, "{line}");
    }
    becomes(
        "location / { try_files $uri @app; } location @app { proxy_pass http://h; }",
        &["upstream: h"],
    );
}

#[test]
fn every_directive_has_its_line() {
    let imported =
        import("server {\n listen 80;\n more_set_headers x;\n location / {\n return 204;\n }\n }");
    let lines: Vec<_> =
        imported.report.entries.iter().map(|e| (e.place.line, e.source.as_str())).collect();
    assert_eq!(
        lines[3..],
        [(3, "listen 80;"), (4, "more_set_headers x;"), (5, "location / {"), (6, "return 204;")]
    );
    assert_eq!(fate(&imported, "more_set_headers"), Fate::NotTaken);
}
