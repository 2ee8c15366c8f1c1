//! Diagnostics as plain text with snippets, the same on every terminal.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::{Diagnostic, Place};

/// All of them, a blank line between two, and their number at the end.
pub(super) fn all(diagnostics: &[Diagnostic]) -> String {
    let mut out = String::new();
    for diagnostic in diagnostics {
        out.push_str(&one(diagnostic));
        out.push_str("\n\n");
    }
    let errors = if diagnostics.len() == 1 { "error" } else { "errors" };
    out.push_str(&format!("{} {errors}\n", diagnostics.len()));
    out
}

fn one(diagnostic: &Diagnostic) -> String {
    let mut group = Level::ERROR
        .primary_title(diagnostic.message.as_str())
        .elements(std::iter::empty::<Snippet<'_, annotate_snippets::Annotation<'_>>>());
    if let Some(place) = &diagnostic.place {
        group = add(group, place, None);
    }
    for related in &diagnostic.related {
        group = add(group, &related.place, Some(&related.label));
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    let text = Renderer::plain().term_width(120).render(&[group]);
    // Snippets pad their lines; trailing blanks help nobody.
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

fn add<'a>(group: Group<'a>, place: &'a Place, label: Option<&'a str>) -> Group<'a> {
    let Some(text) = &place.text else {
        let origin =
            Origin::path(&*place.file).line(place.line as usize).char_column(place.column as usize);
        let group = group.element(origin);
        return match label {
            Some(label) => group.element(Level::NOTE.message(label)),
            None => group,
        };
    };
    let kind = if label.is_none() { AnnotationKind::Primary } else { AnnotationKind::Context };
    group.element(
        Snippet::source(&**text)
            .path(&*place.file)
            .line_start(place.line as usize)
            .annotation(kind.span(range(place, text)).label(label)),
    )
}

/// The bytes of the line that are meant: at least one character, at most to the line's end.
fn range(place: &Place, text: &str) -> Range<usize> {
    let byte_of = |column: u32| {
        text.char_indices().nth(column.saturating_sub(1) as usize).map_or(text.len(), |(at, _)| at)
    };
    let start = byte_of(place.column);
    let end =
        if place.end_line > place.line { text.trim_end().len() } else { byte_of(place.end_column) };
    if end > start {
        return start..end;
    }
    start..text[start..].chars().next().map_or(start, |c| start + c.len_utf8())
}
