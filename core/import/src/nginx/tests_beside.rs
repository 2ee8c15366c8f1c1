//! What is asked and copied beside a call, and what is done to answers.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::tests::{becomes, fate};
use crate::{Fate, Imported};

/// A location that asks `/auth`, with the lines of both.
fn asking(own: &str, auth: &str) -> Imported {
    becomes(
        &format!(
            "location / {{ auth_request /auth; {own} proxy_pass http://h; }}
             location = /auth {{ internal; {auth} }}"
        ),
        &["path_prefix: /"],
    )
}

#[test]
fn who_may_pass_is_asked_as_nginx_does() {
    let imported = asking(
        "auth_request_set $who $upstream_http_x_user; auth_request_set $code $upstream_status;
         proxy_set_header X-User $who; proxy_set_header X-Who $who;",
        "proxy_pass http://authz/verify; proxy_pass_request_body off;
         proxy_set_header Content-Length ''; proxy_set_header X-Original-URI $request_uri;
         proxy_set_header X-Api-Key $http_x_api_key; proxy_set_header Cookie '';
         proxy_set_header X-Asked $uri?$args; proxy_set_header Host authz.internal;
         proxy_read_timeout 5s; proxy_connect_timeout 1s; proxy_send_timeout 1s;",
    );
    let yaml = &imported.yaml;
    for text in [
        "upstream: authz\n",
        "path: /verify\n",
        "timeout: 7s\n",
        "send: [ authorization, x-api-key ]\n",
        "x-original-uri: \"{{ target }}\"",
        "x-asked: \"/auth?\"",
        "take: [ x-user ]\n",
        "host: authz.internal\n",
        "set: { x-who: \"{{ header.x-user }}\" }",
        "respond: { status: 404 }",
    ] {
        assert!(yaml.contains(text), "no `{text}` in\n{yaml}");
    }
    assert!(!yaml.contains("x-user: ") && !yaml.contains("state: offline"), "{yaml}");
    assert_eq!(fate(&imported, "auth_request /auth"), Fate::Approximated);
    assert_eq!(fate(&imported, "auth_request_set $code"), Fate::NotTaken);
    assert_eq!(fate(&imported, "proxy_pass_request_body"), Fate::Taken);
    // The answer's headers are not told to clients.
    let told = asking(
        "auth_request_set $who $upstream_http_x_user; add_header X-Who $who;",
        "proxy_pass http://authz;",
    );
    assert_eq!(fate(&told, "add_header"), Fate::NotTaken);
    assert!(told.yaml.contains("path: /auth\n"), "{}", told.yaml);
}

#[test]
fn a_question_that_cannot_be_told_keeps_its_api_offline() {
    for auth in [
        "return 204;",
        "proxy_pass http://$arg_to;",
        "proxy_pass http://authz$request_uri;",
        "if ($http_a) { return 403; } proxy_pass http://authz;",
        "rewrite_by_lua_block { x() } proxy_pass http://authz;",
        "rewrite ^ /x break; proxy_pass http://authz;",
        "proxy_set_header X-Cert $ssl_client_s_dn; proxy_pass http://authz;",
        "proxy_set_header X-Arg $arg_a; proxy_pass http://authz;",
        "fastcgi_pass unix:/x;",
        "",
    ] {
        let imported = asking("", auth);
        assert!(imported.yaml.contains("state: offline"), "{auth}\n{}", imported.yaml);
        assert_eq!(fate(&imported, "auth_request /auth"), Fate::NotTaken, "{auth}");
    }
    for server in [
        "location /x/ { auth_request /nowhere; proxy_pass http://h; }",
        "location / { auth_request /a?b; proxy_pass http://h; }",
        "location / { auth_request /a; proxy_pass http://h; } location ~ ^/a { proxy_pass http://a; }",
        "rewrite ^/a$ /b; location / { auth_request /a; proxy_pass http://h; } location = /a { proxy_pass http://a; }",
    ] {
        becomes(server, &["state: offline"]);
    }
    let off = becomes(
        "auth_request /auth; location / { auth_request off; proxy_pass http://h; }",
        &["upstream: h"],
    );
    assert!(!off.yaml.contains("forward_auth"), "{}", off.yaml);
}

#[test]
fn requests_are_copied_with_their_own_target() {
    let mirror = |own: &str, to: &str| {
        becomes(
            &format!(
                "location / {{ mirror /copy; {own} proxy_pass http://h; }}
                 location = /copy {{ internal; {to} }}"
            ),
            &["upstream: h"],
        )
    };
    let whole = mirror(
        "client_max_body_size 2m;",
        "proxy_pass http://next$request_uri; proxy_set_header Cookie ''; proxy_set_header X-Copy yes;",
    );
    for text in
        ["mirror:", "upstream: next", "body_limit: 2MiB", "remove: [ cookie ]", "x-copy: \"yes\""]
    {
        assert!(whole.yaml.contains(text), "no `{text}` in\n{}", whole.yaml);
    }
    assert_eq!(fate(&whole, "mirror /copy"), Fate::Approximated);
    let head = mirror("mirror_request_body off;", "proxy_pass http://next$request_uri;");
    assert!(head.yaml.contains("body: false, remove: []"), "{}", head.yaml);
    for other in ["proxy_pass http://next;", "proxy_pass http://next/x$request_uri;", "return 200;"]
    {
        let imported = mirror("", other);
        assert!(!imported.yaml.contains("mirror:"), "{other}\n{}", imported.yaml);
        assert!(!imported.yaml.contains("- id: root-2"), "{other}");
        assert_eq!(fate(&imported, "mirror /copy"), Fate::NotTaken, "{other}");
    }
}

#[test]
fn answers_are_compressed_by_what_holds_in_a_location() {
    let imported = becomes(
        "gzip on; gzip_types text/css application/json text/html; gzip_min_length 1k;
         gzip_comp_level 6; gzip_vary on; gzip_proxied any; brotli on; brotli_comp_level 11;
         location / { proxy_pass http://h; } location /x { gzip off; brotli off; proxy_pass http://h; }",
        &[
            "codecs: [ gzip ]\n",
            "levels: { gzip: 6 }\n",
            "types: [ text/html, text/css, application/json ]\n",
            "min_size: 1KiB\n",
            "codecs: [ br ], levels: { br: 6 }, types: [ text/html ], min_size: 20B",
        ],
    );
    assert_eq!(imported.yaml.matches("codecs: [ gzip ]").count(), 1, "{}", imported.yaml);
    assert_eq!(fate(&imported, "gzip on"), Fate::Approximated);
    assert_eq!(fate(&imported, "gzip_types"), Fate::Taken);
    assert_eq!(fate(&imported, "brotli_comp_level"), Fate::Approximated);
    becomes(
        "gzip on; gzip_types *; location / { return 200 x; }",
        &["types: [ \"*/*\" ]", "min_size: 20B"],
    );
}

#[test]
fn answers_are_kept_where_that_can_be_said() {
    let cache = |lines: &str| {
        becomes(
            &format!("location / {{ proxy_cache none; {lines} proxy_pass http://h; }}"),
            &["upstream: h"],
        )
    };
    let whole = cache(
        "proxy_cache_valid 200 302 10m; proxy_cache_valid 404 1m; proxy_cache_key $scheme$host$request_uri$http_x_shop;
         proxy_cache_use_stale error timeout updating http_502; proxy_cache_lock on; proxy_cache_bypass $http_upgrade;",
    );
    for text in
        ["ttl: 10m", "stale_while_revalidate: 10m", "stale_if_error: 10m", "headers: [ x-shop ]"]
    {
        assert!(whole.yaml.contains(text), "no `{text}` in\n{}", whole.yaml);
    }
    assert_eq!(fate(&whole, "proxy_cache none"), Fate::Approximated);
    assert!(cache("").yaml.contains("cache: {}"));
    for line in [
        "proxy_no_cache $cookie_session;",
        "proxy_cache_bypass $http_pragma;",
        "proxy_cache_key $uri$cookie_session;",
        "proxy_cache_key $uri$geo;",
    ] {
        let imported = cache(line);
        assert!(!imported.yaml.contains("cache:"), "{line}\n{}", imported.yaml);
        assert_eq!(fate(&imported, "proxy_cache none"), Fate::NotTaken, "{line}");
        assert!(!imported.yaml.contains("state: offline"), "{line}");
    }
}
