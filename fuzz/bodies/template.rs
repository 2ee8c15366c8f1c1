//! Templates: whatever the text and the call say, what comes out is bounded, and is safe where it
//! will stand.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request};
use paifang_pipeline::ports::Nanos;
use paifang_pipeline::{Exchange, Facts, Param, Params};
use paifang_plugins::template::{HeaderTemplate, JsonBody, Rules, Target, Template, Values};
use serde_json::json;

/// Sources whose values come from the client.
const SOURCES: [&str; 6] =
    ["query.v", "header.x-v", "param.v", "body./v", "body", "query.v | default \"<&\\n\""];

/// Parts of `data`, divided by NUL: a limit (one byte), the template's text, the request's target,
/// a header's value, the body.
pub fn run(data: &[u8]) {
    let mut parts = data.splitn(5, |byte| *byte == 0);
    let mut part = || parts.next().unwrap_or_default();
    let limit = part().first().map_or(64, |byte| usize::from(*byte) * 4);
    let text = part();
    let Some(call) = call(part(), part()) else { return };
    let body = Bytes::copy_from_slice(part());
    let body = JsonBody::new(&body);
    let values = Values { call: &call, body: Some(&body) };
    if let Ok(text) = std::str::from_utf8(text) {
        any(text, limit, &values);
        json_value(text, &values);
    }
    for source in SOURCES {
        safe(source, &values);
    }
}

fn call(target: &[u8], value: &[u8]) -> Option<Exchange> {
    let value = HeaderValue::from_bytes(value).ok()?;
    let request = Request::get(target).header("x-v", value).body(()).ok()?;
    let (head, ()) = request.into_parts();
    // The parameter is the path's last segment.
    let path = head.uri.path();
    let start = path.rfind('/').map_or(0, |at| at + 1);
    let range = u32::try_from(start).ok()?..u32::try_from(path.len()).ok()?;
    let params = Params::new(&head.uri, [Param { name: "v".into(), range }].into_iter().collect());
    let facts = Facts::embedded(Nanos(0), Duration::from_secs(1_767_225_600));
    Some(Exchange::new(head, facts.with_host("api.test"), params))
}

/// Any text, for any place: it compiles or says where it is wrong, and renders within its limit.
fn any(text: &str, limit: usize, values: &Values<'_>) {
    for target in [Target::Text, Target::Json, Target::Html, Target::Header, Target::Url] {
        for body in [false, true] {
            let rules = Rules { target, limit, body };
            match Template::compile(text, rules) {
                Err(error) => assert!(error.at <= text.chars().count(), "{error}"),
                Ok(template) => {
                    assert!(body || !template.needs_body());
                    let rendered = template.render(values);
                    assert_eq!(rendered, template.render(values));
                    if let Ok(rendered) = rendered {
                        assert!(rendered.len() <= limit, "{} of {limit} bytes", rendered.len());
                    }
                }
            }
            if let Ok(header) =
                HeaderTemplate::compile(text, Rules { target: Target::Header, ..rules })
                && let Ok(value) = header.render(values)
            {
                assert!(!value.as_bytes().iter().any(u8::is_ascii_control), "{value:?}");
                assert!(value.len() <= limit);
            }
        }
    }
}

/// A JSON value of templates stays JSON, of the same shape, unless it asks for what is raw.
fn json_value(text: &str, values: &Values<'_>) {
    let value = json!({ "a": [text, 1], format!("b{text}"): "c" });
    match Template::compile_json(&value) {
        Err((pointer, _)) => assert!(pointer.is_empty() || pointer.starts_with('/'), "{pointer}"),
        Ok(template) if !text.contains("raw") => {
            let Ok(rendered) = template.render(values) else { return };
            let rendered: serde_json::Value = serde_json::from_slice(&rendered).unwrap();
            assert_eq!(rendered["a"][1], 1);
            assert_eq!(rendered.as_object().map(serde_json::Map::len), Some(2));
        }
        Ok(_) => {}
    }
}

/// A value alone never leaves the place where it stands.
fn safe(source: &str, values: &Values<'_>) {
    let render = |target: Target| {
        let rules = Rules { target, limit: 1 << 20, body: true };
        let template = Template::compile(&format!("{{{{ {source} }}}}"), rules).unwrap();
        template.render(values)
    };
    if let Ok(html) = render(Target::Html) {
        assert!(!html.iter().any(|byte| b"<>\"'".contains(byte)), "{html:?}");
        std::str::from_utf8(&html).unwrap();
    }
    if let Ok(json) = render(Target::Json) {
        let quoted = [b"\"", &json[..], b"\""].concat();
        let _: String = serde_json::from_slice(&quoted).unwrap();
    }
    if let Ok(url) = render(Target::Url) {
        let unreserved = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~%".contains(byte);
        assert!(url.iter().all(unreserved), "{url:?}");
    }
    if let Ok(header) = render(Target::Header) {
        assert!(!header.iter().any(u8::is_ascii_control), "{header:?}");
    }
}
