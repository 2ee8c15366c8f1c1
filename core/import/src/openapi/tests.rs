//! What becomes of the parts of a description, and what is refused with its place.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;

use paifang_config::source::MemoryFiles;

use crate::{Fate, Fault, Imported, Options};

fn try_import(text: &str, options: Options) -> Result<Imported, Fault> {
    let files = MemoryFiles::new([("/a/api.yaml", text.to_owned())]);
    super::import(Path::new("/a/api.yaml"), &files, options)
}

#[track_caller]
fn import(text: &str) -> Imported {
    try_import(text, Options::default()).unwrap_or_else(|fault| panic!("{fault}\n{text}"))
}

/// A description with these parts beside its paths.
fn with(paths: &str, rest: &str) -> String {
    format!("openapi: 3.1.0\nservers: [ {{ url: \"http://h/v1\" }} ]\npaths:\n{paths}\n{rest}")
}

#[track_caller]
fn becomes(paths: &str, rest: &str, wanted: &[&str]) -> Imported {
    let imported = import(&with(paths, rest));
    for text in wanted {
        assert!(imported.yaml.contains(text), "no `{text}` in\n{}", imported.yaml);
    }
    imported
}

/// The fate of the first entry of this key.
#[track_caller]
fn fate(imported: &Imported, key: &str) -> Fate {
    let key = format!("{key}:");
    let found = imported.report.entries.iter().find(|entry| entry.source.starts_with(&key));
    found.unwrap_or_else(|| panic!("no `{key}`:\n{}", imported.report.text())).fate
}

#[test]
fn paths_and_methods_become_apis() {
    let imported = becomes(
        "  /a/{id}:\n    get: { operationId: getA }\n    x-b: c\n  /a/{id}/{size}.png: { put: { operationId: \"put b!\" } }\n  /ä b: { delete: {} }\n  x-c: {}",
        "x-d: e\nextra: f",
        &[
            "- { id: getA, match: { method: GET, path: \"/v1/a/{id}\" }, upstream: h }",
            "path: \"/v1/a/{id}/{size}\"",
            "path_regex: \"^/v1/a/[^/]+/[^/]+\\\\.png$\"",
            "id: put-b",
            "path: \"/v1/%C3%A4%20b\"",
            "id: delete-b",
            "address: \"h:80\"",
        ],
    );
    for key in ["x-b", "x-c", "x-d", "extra"] {
        assert_eq!(fate(&imported, key), Fate::NotTaken, "{key}");
    }
    assert_eq!(fate(&imported, "delete"), Fate::Approximated);
    let odd =
        becomes("  /a: { get: {} }\n  /b//c: { get: {} }\n  /d}: { get: {} }", "", &["/v1/a"]);
    assert_eq!(odd.apis, 1);
    assert_eq!(odd.report.count(Fate::NotTaken), 2, "{}", odd.report.text());
}

#[test]
fn servers_are_the_first_that_is_nearest() {
    let imported = import(
        "openapi: 3.0.1
servers: [ { url: \"https://{host}:{port}/base/\", variables: { host: { default: a.example }, port: { default: \"8443\" } } }, { url: /x } ]
paths:
  /a: { get: {} }
  /b: { servers: [ { url: \"http://b\" } ], get: {}, put: { servers: [ { url: \"http://c/z\" } ] } }
  /c: { get: { servers: [ { url: /only } ] } }
  /d: { get: { servers: [ { url: \"ftp://d\" } ] } }",
    );
    for text in [
        "address: \"a.example:8443\"",
        "tls: { sni: a.example }",
        "path: /base/a",
        "path: /b }",
        "path: /z/b",
        "path: /only/c",
        "path: /d",
    ] {
        assert!(imported.yaml.contains(text), "no `{text}` in\n{}", imported.yaml);
    }
    assert_eq!(imported.yaml.matches("state: offline").count(), 2, "{}", imported.yaml);
    assert_eq!(fate(&imported, "servers"), Fate::Approximated);
    let none = import("openapi: 3.0.1\npaths: { /a: { get: {} } }");
    assert!(none.yaml.contains("state: offline"), "{}", none.yaml);
    // Nothing answers without a server, whatever the options say.
    let open = try_import(
        "openapi: 3.0.1\npaths: { /a: { get: {} } }",
        Options { allow_unprotected: true },
    );
    assert!(open.unwrap().yaml.contains("state: offline"));
}

const SCHEMES: &str = "components:
  securitySchemes:
    key: { type: apiKey, in: query, name: k }
    cookie: { type: apiKey, in: cookie, name: c }
    basic: { type: http, scheme: Basic }
    jwt: { type: http, scheme: bearer }
    opaque: { type: http, scheme: bearer, bearerFormat: opaque }
    digest: { type: http, scheme: digest }
    oauth: { type: oauth2, flows: {} }
    oidc: { type: openIdConnect, openIdConnectUrl: https://idp.example/.well-known/openid-configuration }
    mtls: { type: mutualTLS }
";

#[test]
fn security_becomes_steps_that_let_nobody_in_yet() {
    let one = |security: &str, wanted: &[&str]| {
        let paths = format!("  /a: {{ get: {{ security: {security} }} }}");
        let imported = becomes(&paths, SCHEMES, wanted);
        assert!(imported.yaml.contains("state: offline"), "{security}\n{}", imported.yaml);
        assert_eq!(imported.report.offline.len(), 1, "{security}");
        imported
    };
    let told = one(
        "[ { key: [] } ]",
        &["key_auth: { from: [ { query: k } ], hide: false }", "env: OPENAPI_CLIENT_KEY"],
    );
    assert_eq!(fate(&told, "security"), Fate::Approximated);
    one("[ { basic: [] } ]", &["password: { env: OPENAPI_BASIC_PASSWORD }", "forward: true"]);
    one("[ { jwt: [] } ]", &["url: \"https://identity-provider.example/.well-known/jwks.json\""]);
    one(
        "[ { oauth: [ a, b ] } ]",
        &[
            "acl: { require: all, allow: [ { claims: { scope: [ a ] } }, { claims: { scope: [ b ] } } ] }",
        ],
    );
    one(
        "[ { oidc: [] } ]",
        &["url: \"https://idp.example/.well-known/jwks.json\"", "issuer: \"https://idp.example\""],
    );
    one("[ { key: [], basic: [] } ]", &["key_auth", "basic_auth", "override: true"]);
    // Of several ways, one that can be told.
    let told = one("[ { cookie: [] }, { key: [] } ]", &["key_auth"]);
    assert!(!told.yaml.contains("guard"), "{}", told.yaml);
    for scheme in ["cookie", "opaque", "digest", "mtls"] {
        let told =
            one(&format!("[ {{ {scheme}: [] }} ]"), &["respond: { status: 401 }, id: guard"]);
        assert_eq!(fate(&told, "security"), Fate::NotTaken, "{scheme}");
    }
}

#[test]
fn what_is_open_to_all_is_online() {
    for security in ["[]", "[ {} ]", "[ { key: [] }, {} ]"] {
        let paths = format!("  /a: {{ get: {{ security: {security} }} }}");
        let imported = becomes(&paths, &format!("security: [ {{ key: [] }} ]\n{SCHEMES}"), &[]);
        assert!(!imported.yaml.contains("state:"), "{security}\n{}", imported.yaml);
    }
    let whole =
        becomes("  /a: { get: {} }", &format!("security: [ {{ key: [] }} ]\n{SCHEMES}"), &[]);
    assert!(whole.yaml.contains("state: offline"), "{}", whole.yaml);
}

#[test]
fn requests_are_checked_where_that_can_be() {
    let body = |operation: &str, rest: &str| {
        import(&with(&format!("  /a/{{b}}: {{ post: {{ {operation} }} }}"), rest))
    };
    let checked = body(
        "operationId: o, requestBody: { content: { application/json: { schema: { $ref: \"#/components/schemas/T\" } } } }",
        "components: { schemas: { T: { properties: { t: { $ref: \"#/components/schemas/T\" } } } } }",
    );
    for text in [
        "document: { \"$include\": /a/api.yaml }, base_path: /v1",
        "chain: openapi.document",
        "with: { validate: { openapi: { operation: o } } }",
    ] {
        assert!(checked.yaml.contains(text), "no `{text}` in\n{}", checked.yaml);
    }
    assert_eq!(fate(&checked, "requestBody"), Fate::Taken);
    let file = body(
        "operationId: o, requestBody: { content: { image/png: { schema: { type: string } } } }",
        "",
    );
    assert!(file.yaml.contains("unchecked_types: [ image/png ]"), "{}", file.yaml);
    for operation in [
        "parameters: [ { name: b, in: path, schema: {} } ]",
        "operationId: o, parameters: [ { name: b, in: path, style: matrix, schema: {} } ]",
        "operationId: o, parameters: [ { name: q, in: query, schema: { type: object } } ]",
        "operationId: o, parameters: [ { name: q, in: query, schema: { pattern: \"(?=a)\" } } ]",
        "operationId: o, parameters: [ { name: q, in: query, schema: { $dynamicRef: \"#/paths\" } } ]",
        "operationId: o, parameters: [ { name: q, in: nowhere, schema: {} } ]",
        "operationId: o, parameters: [ { in: query } ]",
    ] {
        let imported = body(operation, "");
        assert!(!imported.yaml.contains("validate"), "{operation}\n{}", imported.yaml);
        assert_eq!(fate(&imported, "parameters"), Fate::NotTaken, "{operation}");
    }
    assert!(!body("operationId: o", "").yaml.contains("validate"));
}

#[test]
fn json_is_read_too() {
    let text = "{\n  \"openapi\": \"3.0.0\",\n  \"servers\": [{\"url\": \"http://h\"}],\n  \"paths\": {\"/a\": {\"get\": {\"operationId\": \"a\", \"responses\": {}}}}\n}\n";
    let imported = import(text);
    assert!(imported.yaml.contains("id: a, match: { method: GET, path: /a }"), "{}", imported.yaml);
    assert_eq!(
        imported.report.entries.iter().find(|e| e.source.starts_with("/a:")).unwrap().place.line,
        4
    );
}

#[test]
fn what_cannot_be_read_is_told_with_its_place_and_a_way_out() {
    let fault = |text: &str| {
        let fault = try_import(text, Options::default()).expect_err(text);
        assert!(fault.help.is_some(), "{fault}");
        fault.to_string()
    };
    let at = |text: &str, wanted: &str| {
        let said = fault(text);
        assert!(said.starts_with(&format!("/a/api.yaml:{wanted}")), "{said}");
    };
    at("swagger: \"2.0\"\npaths: {}", "1:1: this is Swagger 2.0");
    at("info: {}\npaths: {}", "1:1: there is no `openapi`");
    at("info: {}\nopenapi: 4.0.0\npaths: {}", "2:1: OpenAPI 4.0.0 is not read");
    at("openapi: 3.1.0\ninfo: {}", "1:1: there are no `paths`");
    at("openapi: 3.1.0\npaths: {}", "2:1: there are no `paths`");
    at("openapi: 3.1.0\npaths: { a: {} }", "1:1: no operation could be taken");
    at("openapi: [", "2:1: not valid YAML");
    at(
        &with("  /a/{b}: { get: {} }\n  /a/{c}: { get: {} }", ""),
        "5:3: `get` of `/a/{c}` takes the same calls as that of `/a/{b}` in line 4",
    );
    at(&with("  /a: { get: {} }\n  /a: { put: {} }", ""), "5:3: ");
    at(
        &with("  /a: { get: { operationId: x } }\n  /b:\n    get:\n      operationId: x", ""),
        "7:7: the `operationId` `x` stands in line 4 already",
    );
    at(
        &with("  /a: { get: { security: [ { none: [] } ] } }", ""),
        "4:30: there is no security scheme `none`",
    );
    let reference = |to: &str, rest: &str| {
        with(&format!("  /a: {{ get: {{ requestBody: {{ $ref: \"{to}\" }} }} }}"), rest)
    };
    at(
        &reference("https://a.example/b.yaml", ""),
        "4:31: `https://a.example/b.yaml` is in another document",
    );
    at(&reference("other.yaml#/a", ""), "4:31: `other.yaml#/a` is in another document");
    at(&reference("#/components/nothing", ""), "4:31: `#/components/nothing` leads nowhere");
    at(&reference("#anchor", ""), "4:31: `#anchor` leads nowhere");
    at(&reference("#/%zz", ""), "4:31: `#/%zz` leads nowhere");
    at(
        &reference(
            "#/components/x/a",
            "components: { x: { a: { $ref: \"#/components/x/b\" }, b: { $ref: \"#/components/x/a\" } } }",
        ),
        "4:31: references lead in a circle: #/components/x/a -> #/components/x/b",
    );
    let deep = format!("openapi: 3.1.0\npaths: {}{}", "{ a: ".repeat(100), "}".repeat(100));
    assert!(try_import(&deep, Options::default()).is_err());
    let files = MemoryFiles::new([("/a/api.yaml", vec![b' '; (16 << 20) + 1])]);
    let huge = super::import(Path::new("/a/api.yaml"), &files, Options::default());
    assert!(huge.expect_err("it was read").to_string().contains("16 MiB"));
    let files = MemoryFiles::new([("/b", "")]);
    let gone = super::import(Path::new("/a/api.yaml"), &files, Options::default());
    assert!(gone.expect_err("it was read").to_string().contains("cannot be read"));
}

#[test]
fn many_operations_are_taken_at_once() {
    let paths: String =
        (0..3000).map(|n| format!("  /p{n}: {{ get: {{ operationId: o{n} }} }}\n")).collect();
    assert_eq!(import(&with(&paths, "")).apis, 3000);
}
