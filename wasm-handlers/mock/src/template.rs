//! Texts that are filled from the request: `Hello {{param.name}}, call {{count}}`.

use paifang_guest::HeaderName;

/// A text with places to fill.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Template(Vec<Piece>);

#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Value(Source),
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// A named segment of the rule's path, else a parameter of the API's path.
    Param(String),
    /// The first query parameter of this name, decoded.
    Query(String),
    /// The first header of this name.
    Header(HeaderName),
    /// How often the rule has answered, this time included.
    Count,
}

/// How values are written, so that they stay values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Escape {
    /// As they are.
    Plain,
    /// Inside of a text in JSON (RFC 8259 section 7).
    Json,
    /// In text and attributes of HTML and XML.
    Markup,
}

impl Escape {
    /// What a media type asks for.
    pub(crate) fn of(media_type: &str) -> Self {
        let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let subtype = essence.split('/').nth(1).unwrap_or_default();
        match subtype {
            "json" => Self::Json,
            "html" | "xml" => Self::Markup,
            _ if subtype.ends_with("+json") => Self::Json,
            _ if subtype.ends_with("+xml") => Self::Markup,
            _ => Self::Plain,
        }
    }

    fn push(self, value: &str, text: &mut String) {
        for char in value.chars() {
            match (self, char) {
                (Self::Json, '"') => text.push_str("\\\""),
                (Self::Json, '\\') => text.push_str("\\\\"),
                (Self::Json, '\n') => text.push_str("\\n"),
                (Self::Json, char) if char < ' ' => {
                    text.push_str(&format!("\\u{:04x}", u32::from(char)));
                }
                (Self::Markup, '&') => text.push_str("&amp;"),
                (Self::Markup, '<') => text.push_str("&lt;"),
                (Self::Markup, '>') => text.push_str("&gt;"),
                (Self::Markup, '"') => text.push_str("&quot;"),
                (Self::Markup, '\'') => text.push_str("&#39;"),
                _ => text.push(char),
            }
        }
    }
}

impl Template {
    /// Reads it; else says what is wrong.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once("{{") {
            let (name, after) = behind.split_once("}}").ok_or("`{{` without `}}`")?;
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            pieces.push(Piece::Value(Source::parse(name.trim())?));
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        Ok(Self(pieces))
    }

    /// What it is filled from.
    pub(crate) fn sources(&self) -> impl Iterator<Item = &Source> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Text(_) => None,
            Piece::Value(source) => Some(source),
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Fills it; `None` where it becomes longer than `limit` bytes. What is absent is empty.
    pub(crate) fn fill(
        &self,
        escape: Escape,
        limit: usize,
        value: impl Fn(&Source) -> Option<String>,
    ) -> Option<String> {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(piece) => text.push_str(piece),
                Piece::Value(source) => {
                    escape.push(&value(source).unwrap_or_default(), &mut text);
                }
            }
            if text.len() > limit {
                return None;
            }
        }
        Some(text)
    }
}

impl Source {
    fn parse(text: &str) -> Result<Self, String> {
        let source = match text.split_once('.') {
            None if text == "count" => Some(Self::Count),
            Some(("param", name)) if !name.is_empty() => Some(Self::Param(name.to_owned())),
            Some(("query", name)) if !name.is_empty() => Some(Self::Query(name.to_owned())),
            Some(("header", name)) => HeaderName::new(name).map(Self::Header),
            _ => None,
        };
        source.ok_or_else(|| {
            format!("`{text}` is none of `param.NAME`, `query.NAME`, `header.NAME`, `count`")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Escape, Source, Template};

    fn filled(text: &str, escape: Escape, value: &str) -> Option<String> {
        let template = Template::parse(text).unwrap();
        template.fill(escape, 32, |_| Some(value.to_owned()))
    }

    #[test]
    fn places_are_filled() {
        let template = Template::parse("a {{ param.x }}{{query.y.z}}-{{header.X-A}}{{count}}");
        let template = template.unwrap();
        let text = template.fill(Escape::Plain, 100, |source| match source {
            Source::Param(name) => Some(format!("<{name}>")),
            Source::Query(name) => Some(format!("?{name}")),
            Source::Header(name) => Some(name.to_string()),
            Source::Count => None,
        });
        assert_eq!(text.as_deref(), Some("a <x>?y.z-x-a"));
        assert_eq!(filled("{\"a\":{\"b\":1}}", Escape::Json, "").unwrap(), "{\"a\":{\"b\":1}}");
        assert!(Template::parse("").unwrap().is_empty());
    }

    #[test]
    fn values_stay_values() {
        let value = "\"<'\\&>\n\u{1}";
        for (escape, text) in [
            (Escape::Plain, value),
            (Escape::Json, "\\\"<'\\\\&>\\n\\u0001"),
            (Escape::Markup, "&quot;&lt;&#39;\\&amp;&gt;\n\u{1}"),
        ] {
            assert_eq!(filled("{{count}}", escape, value).as_deref(), Some(text));
        }
        for (media_type, escape) in [
            ("application/json; charset=utf-8", Escape::Json),
            ("Application/Problem+JSON", Escape::Json),
            ("text/html", Escape::Markup),
            ("image/svg+xml", Escape::Markup),
            ("application/xml", Escape::Markup),
            ("text/plain", Escape::Plain),
            ("json", Escape::Plain),
        ] {
            assert_eq!(Escape::of(media_type), escape, "{media_type}");
        }
    }

    #[test]
    fn a_text_has_an_end() {
        assert!(filled("{{count}}{{count}}", Escape::Plain, &"a".repeat(16)).is_some());
        assert!(filled("{{count}}{{count}}.", Escape::Plain, &"a".repeat(16)).is_none());
    }

    #[test]
    fn what_is_no_template_is_refused() {
        for text in
            ["{{", "{{count", "{{}}", "{{body}}", "{{param.}}", "{{header.a b}}", "{{count.x}}"]
        {
            assert!(Template::parse(text).is_err(), "{text}");
        }
    }
}
