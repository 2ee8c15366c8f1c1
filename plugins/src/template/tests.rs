//! Templates: what they stand for, how values are escaped, what is refused.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::{HeaderTemplate, JsonBody, RenderError, Rules, Target, Template, Values};
use bytes::Bytes;
use http::{HeaderValue, Request};
use paifang_pipeline::{Exchange, Facts, Param, Params, ports::Nanos};
use serde_json::json;
use std::time::Duration;

const TEXT: Rules = Rules::body(Target::Text);
const JSON: Rules = Rules::body(Target::Json);

/// A call of `target`, whose path parameter `id` is the path's last segment.
fn call(target: &str) -> Exchange {
    let request = Request::get(target).header("x-name", "Ada").body(()).unwrap();
    let (head, ()) = request.into_parts();
    let start = head.uri.path().rfind('/').unwrap() as u32 + 1;
    let range = start..head.uri.path().len() as u32;
    let params = Params::new(&head.uri, [Param { name: "id".into(), range }].into_iter().collect());
    let facts = Facts::embedded(Nanos(0), Duration::from_millis(1_767_225_600_123));
    Exchange::new(head, facts.with_host("api.test"), params)
}

fn render(text: &str, rules: Rules, target: &str, body: &str) -> Result<String, RenderError> {
    let template = Template::compile(text, rules).expect(text);
    let (call, body) = (call(target), Bytes::copy_from_slice(body.as_bytes()));
    let body = JsonBody::new(&body);
    let rendered = template.render(&Values { call: &call, body: Some(&body) })?;
    Ok(String::from_utf8(rendered.to_vec()).unwrap())
}

#[test]
fn every_source_is_filled() {
    let target = "/v1/shops/a%2Fb?page=2&q=a+b%26c&empty=&%6Bey=v";
    let body = r#"{"n": 7, "who": {"name": "Eve"}, "a/b": [true]}"#;
    for (text, wanted) in [
        ("{{ method }} {{path}}?{{query}}", format!("GET {target}")),
        ("{{ method }} {{ target }}", format!("GET {target}")),
        ("{{ host }} {{ scheme }} {{ client_ip }}", "api.test http 127.0.0.1".to_owned()),
        ("{{ time }} {{ unix }}", "2026-01-01T00:00:00.123Z 1767225600".to_owned()),
        ("{{ query.page }}|{{ query.q }}|{{ query.empty }}", "2|a b&c|".to_owned()),
        ("{{ query.key }}", "v".to_owned()),
        ("{{ param.id }}", "a/b".to_owned()),
        ("{{ header.X-Name }}", "Ada".to_owned()),
        ("{{ body./n }} {{ body./who/name }} {{ body./a~1b/0 }}", "7 Eve true".to_owned()),
        ("{{ body./who }}", r#"{"name":"Eve"}"#.to_owned()),
        ("{{ body }}", body.to_owned()),
        ("{{ app }}{{ identity }}{{ request_id }}{{ param.no }}{{ body./no }}", String::new()),
        ("{{ query.no | default \"-\" }}{{ query.empty | default 'x' }}", "-".to_owned()),
        ("a {{ \"{{\" }} b }}", "a {{ b }}".to_owned()),
    ] {
        assert_eq!(render(text, TEXT, target, body).unwrap(), wanted, "{text}");
    }
}

#[test]
fn a_target_without_a_query_has_no_mark() {
    assert_eq!(render("{{ target }}", TEXT, "/v1/a", "").unwrap(), "/v1/a");
    assert_eq!(render("{{ target }}", TEXT, "/v1/a?", "").unwrap(), "/v1/a?");
}

#[test]
fn values_are_escaped_for_where_they_stand() {
    let target = "/x?v=%22%5C%0A%01%3Cb%3E%26%27+%2Fe%CC%81";
    let url = Rules::url();
    for (rules, text, wanted) in [
        (TEXT, "{{ query.v }}", "\"\\\n\u{1}<b>&' /e\u{301}"),
        (JSON, "\"{{ query.v }}\"", "\"\\\"\\\\\\n\\u0001<b>&' /e\u{301}\""),
        (JSON, "{{ query.v | json }}", "\"\\\"\\\\\\n\\u0001<b>&' /e\u{301}\""),
        (JSON, "{{ query.v | raw }}", "%22%5C%0A%01%3Cb%3E%26%27+%2Fe%CC%81"),
        (
            Rules::body(Target::Html),
            "<p>{{ query.v }}",
            "<p>&quot;\\\n\u{1}&lt;b&gt;&amp;&#39; /e\u{301}",
        ),
        (url, "/a/{{ query.v }}", "/a/%22%5C%0A%01%3Cb%3E%26%27%20%2Fe%CC%81"),
        (url, "{{ path }}", "/x"),
    ] {
        assert_eq!(render(text, rules, target, "").unwrap(), wanted, "{rules:?} {text}");
    }
}

#[test]
fn what_is_no_utf8_becomes_the_replacement_character() {
    assert_eq!(render("{{ query.v }}", JSON, "/x?v=a%FFb%C3", "").unwrap(), "a\u{FFFD}b\u{FFFD}");
}

#[test]
fn json_escaping_agrees_with_serde_json_for_every_ascii_byte() {
    for byte in 0..0x80u8 {
        let got = render("{{ query.v | json }}", JSON, &format!("/x?v=%{byte:02X}"), "").unwrap();
        let parsed: String = serde_json::from_str(&got).unwrap();
        assert_eq!(parsed.as_bytes(), [byte]);
    }
}

#[test]
fn headers_refuse_control_characters_however_they_come() {
    let hostile = "/x?v=a%0D%0Aset-cookie:%20b";
    let body = "{\"v\": \"a\\r\\nb\"}";
    for text in ["{{ query.v }}", "a {{ body./v }}", "{{ body./v | raw }}"] {
        let rules = Rules::header().with_body();
        let wanted = Err(RenderError::Unsafe(1));
        assert_eq!(render(text, rules, hostile, body), wanted, "{text}");
    }
    let ok = render("{{ query.v | raw }}", Rules::header(), hostile, "");
    assert_eq!(ok.unwrap(), "a%0D%0Aset-cookie:%20b");
}

#[test]
fn json_values_keep_their_types() {
    let value = json!({
        "plain": [1, 2.5, null, true, {}, []],
        "text": "say \"{{ query.q }}\"",
        "n": "{{ body./n | json }}",
        "list": "{{ body./list | json }}",
        "gone": "{{ body./gone | json }}",
        "or": "{{ body./gone | json | default '[0]' }}",
    });
    let template = Template::compile_json(&value).unwrap();
    assert!(template.needs_body());
    let (call, body) = (call("/x?q=%22"), Bytes::from_static(b"{\"n\": 3, \"list\": [\"a\"]}"));
    let body = JsonBody::new(&body);
    let rendered = template.render(&Values { call: &call, body: Some(&body) }).unwrap();
    let got: serde_json::Value = serde_json::from_slice(&rendered).unwrap();
    let wanted = json!({
        "plain": [1, 2.5, null, true, {}, []],
        "text": "say \"\"\"", "n": 3, "list": ["a"], "gone": null, "or": [0],
    });
    assert_eq!(got, wanted);
}

#[test]
fn json_without_placeholders_is_fixed() {
    let template = Template::compile_json(&json!({ "a": ["b\n", { "c": "{d}" }] })).unwrap();
    let fixed = template.fixed().unwrap();
    assert_eq!(&fixed[..], br#"{"a":["b\n",{"c":"{d}"}]}"#);
}

#[test]
fn a_bad_template_says_where_and_what() {
    for (text, at, message) in [
        ("é {{ nmae }}", 5, "`nmae` is nothing that a template knows"),
        ("{{ query }} {{ query. }}", 15, "`query.` lacks a name behind the dot"),
        ("{{ header.a b }}", 12, "expected `|` or `}}`"),
        ("{{ header.a:b }}", 3, "`header.a:b` is no header's name"),
        ("{{ body.name }}", 3, "`body.name` is no JSON pointer into the body: write `body./name`"),
        ("a {{ path", 2, "`{{` without `}}`"),
        ("{{ }}", 3, "a placeholder without a name"),
        ("{{ path | upper }}", 10, "`upper` is no filter"),
        ("{{ path | raw | json }}", 16, "`json` comes twice"),
        ("{{ path | default }}", 18, "`default` needs a text in quotes"),
        ("{{ path | default \"a }}", 18, "a quote that is not closed"),
        ("{{ path | json | default \"a\" }}", 25, "beside `json`, the default must be JSON"),
    ] {
        let error = Template::compile(text, TEXT).expect_err(text);
        assert_eq!((error.at, error.message.as_str()), (at, message), "{text}");
    }
    let error = Template::compile("{{ body }}", Rules::header()).unwrap_err();
    assert_eq!(error.to_string(), "the request's body cannot be read here, at character 4");
    let error = Template::compile("{{ path | json }}", Rules::url()).unwrap_err();
    assert_eq!(error.message, "`json` makes sense in bodies only");
    let (pointer, error) =
        Template::compile_json(&json!({ "a/b": ["", "x {{ body | json }}"] })).unwrap_err();
    assert_eq!(pointer, "/a~1b/1");
    assert_eq!(error.message, "a placeholder with `json` must be the whole string");
}

#[test]
fn the_output_never_outgrows_its_limit() {
    let rules = |limit| Rules { limit, ..JSON };
    // Three bytes that become eighteen, beside two of the template.
    let target = "/x?v=%01%01%01";
    let text = "<{{ query.v }}>";
    assert_eq!(render(text, rules(20), target, "").unwrap().len(), 20);
    assert_eq!(render(text, rules(19), target, ""), Err(RenderError::TooLarge(19)));
    assert_eq!(
        render("{{ body./v }}", rules(8), "/x", r#"{"v": [1000, 2000]}"#),
        Err(RenderError::TooLarge(8))
    );
    let error = Template::compile("fixed", rules(4)).unwrap_err();
    assert_eq!(error.message, "the text is longer than 4 bytes");
    let many = "{{ path }}".repeat(257);
    assert_eq!(Template::compile(&many, TEXT).unwrap_err().message, "more than 256 placeholders");
}

#[test]
fn a_fixed_header_is_made_once() {
    let header = HeaderTemplate::compile("a=b", Rules::header()).unwrap();
    let HeaderTemplate::Fixed(value) = &header else { panic!("not fixed") };
    assert_eq!(value, HeaderValue::from_static("a=b"));
    let error = HeaderTemplate::compile("a\nb", Rules::header()).unwrap_err();
    assert_eq!(error.to_string(), "a header's value holds no control characters, at character 2");
}

mod properties {
    //! What holds for every text and every request.
    use super::*;
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;

    /// Texts in which placeholders are likely, whole or broken.
    fn text() -> impl Strategy<Value = String> {
        let pieces = prop::sample::select(vec![
            "{{",
            "}}",
            " ",
            "|",
            "path",
            "query.v",
            "body",
            "body./v",
            "header.x-name",
            "raw",
            "json",
            "default",
            "\"",
            "'",
            "a",
            "é",
            "\\",
            "\n",
            "{",
            ".",
        ]);
        prop::collection::vec(pieces, 0..16).prop_map(|pieces| pieces.concat())
    }

    fn target() -> impl Strategy<Value = Target> {
        use Target::{Header, Html, Json, Text, Url};
        prop::sample::select(vec![Text, Json, Html, Header, Url])
    }

    proptest! {
        #[test]
        fn no_text_panics_and_no_output_outgrows_its_limit(
            text in text(), target in target(), limit in 0usize..64, value in any::<String>(),
        ) {
            let rules = Rules { target, limit, body: true };
            if let Ok(template) = Template::compile(&text, rules) {
                let call = call(&format!("/x?v={}", utf8_percent_encode(&value, NON_ALPHANUMERIC)));
                let body = Bytes::from(serde_json::json!({ "v": value }).to_string());
                let body = JsonBody::new(&body);
                if let Ok(out) = template.render(&Values { call: &call, body: Some(&body) }) {
                    prop_assert!(out.len() <= limit);
                }
            }
        }

        #[test]
        fn a_value_stays_one_value_wherever_it_stands(value in any::<String>()) {
            let encoded = utf8_percent_encode(&value, NON_ALPHANUMERIC).to_string();
            let target = format!("/x?v={encoded}");
            let render = |text: &str, rules| super::render(text, rules, &target, "");
            let json: serde_json::Value =
                serde_json::from_str(&render("[\"{{ query.v }}\", 1]", JSON).unwrap()).unwrap();
            prop_assert_eq!(&json, &serde_json::json!([value, 1]));
            let url = render("/{{ query.v }}/", Rules::url()).unwrap();
            let inner = &url[1..url.len() - 1];
            prop_assert!(inner.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%".contains(&b)));
            let back = percent_encoding::percent_decode_str(inner).decode_utf8().unwrap();
            prop_assert_eq!(back.as_ref(), &value);
            let html = render("{{ query.v }}", Rules::body(Target::Html)).unwrap();
            prop_assert!(!html.contains(['<', '>', '"', '\'']));
            match HeaderTemplate::compile("{{ query.v }}", Rules::header()).unwrap() {
                HeaderTemplate::Fixed(_) => prop_assert!(false, "a placeholder is not fixed"),
                header => {
                    let call = call(&target);
                    let refused = header.render(&Values::of(&call)).is_err();
                    prop_assert_eq!(refused, value.bytes().any(|byte| byte.is_ascii_control()));
                }
            }
        }
    }
}
