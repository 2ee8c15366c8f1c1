//! What is wrong with a request, told so that the caller can mend it and nothing of it is repeated.

use super::errors;
use jsonschema::{
    ValidationError, Validator,
    error::{TypeKind, ValidationErrorKind},
};
use paifang_pipeline::Rejection;
use serde_json::{Value, json};
use std::fmt::Write;

/// The longest pointer and the longest sentence that are told, in characters.
const LONGEST: usize = 200;
/// The longest list of sentences in one text, in characters.
const LONGEST_DETAIL: usize = 600;
/// The most values in a value whose faults are told one by one.
const MOST_TOLD: usize = 2000;

/// Faults of one request.
pub(super) struct Report {
    most: usize,
    faults: Vec<Fault>,
    more: bool,
}

struct Fault {
    place: &'static str,
    pointer: String,
    sentence: String,
}

impl Report {
    pub(super) fn new(most: u32) -> Self {
        Self { most: most as usize, faults: Vec::new(), more: false }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.faults.is_empty()
    }

    /// Adds a fault; says whether there is room for another.
    pub(super) fn add(
        &mut self,
        place: &'static str,
        pointer: impl Into<String>,
        sentence: impl Into<String>,
    ) -> bool {
        if self.faults.len() >= self.most {
            self.more = true;
            return false;
        }
        let (pointer, sentence) = (short(pointer.into(), LONGEST), short(sentence.into(), LONGEST));
        self.faults.push(Fault { place, pointer, sentence });
        true
    }

    /// Holds a value against its schema; `base` is where the value stands.
    pub(super) fn check(
        &mut self,
        place: &'static str,
        base: &str,
        validator: &Validator,
        value: &Value,
    ) {
        // Most requests are right, and that is cheaper to find out than what is wrong.
        if validator.is_valid(value) {
            return;
        }
        // All faults are collected before the first is told; so it is not done for values that can
        // have very many of them.
        if size(value, MOST_TOLD).is_none() {
            self.add(place, base, "does not conform, and is too large to be told more of");
            return;
        }
        for error in validator.iter_errors(value) {
            let pointer = format!("{base}{}", error.instance_path());
            if !self.add(place, pointer, sentence(&error)) {
                return;
            }
        }
    }

    /// The answer.
    pub(super) fn rejection(&self) -> Rejection {
        let detail = self.text();
        let list: Vec<Value> = self
            .faults
            .iter()
            .map(|fault| json!({ "in": fault.place, "pointer": fault.pointer, "detail": fault.sentence }))
            .collect();
        Rejection::new(errors::REQUEST_INVALID)
            .detail(detail)
            .extension("errors", Value::Array(list))
    }

    /// All in one line.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for Fault { place, pointer, sentence } in &self.faults {
            let part = if text.is_empty() { "" } else { "; " };
            // Writing to a text cannot fail.
            let _ = write!(text, "{part}{place} {pointer}: {sentence}");
        }
        if self.more {
            text.push_str("; and more");
        }
        short(text, LONGEST_DETAIL)
    }
}

/// How many of `left` remain when each value in this one takes one; `None` when they do not suffice.
fn size(value: &Value, left: usize) -> Option<usize> {
    let left = left.checked_sub(1)?;
    match value {
        Value::Array(items) => items.iter().try_fold(left, |left, item| size(item, left)),
        Value::Object(map) => map.values().try_fold(left, |left, item| size(item, left)),
        _ => Some(left),
    }
}

fn short(mut text: String, most: usize) -> String {
    if let Some((cut, _)) = text.char_indices().nth(most) {
        text.truncate(cut);
        text.push('…');
    }
    text
}

/// What is wrong, in words of the schema: nothing of the value shows.
fn sentence(error: &ValidationError<'_>) -> String {
    use ValidationErrorKind as Kind;
    match error.kind() {
        Kind::Type { kind: TypeKind::Single(wanted) } => format!("must be {wanted}"),
        Kind::Type { kind: TypeKind::Multiple(wanted) } => {
            let names: Vec<String> = wanted.iter().map(|one| one.to_string()).collect();
            format!("must be one of {}", names.join(", "))
        }
        Kind::Required { property } => {
            format!("must have `{}`", property.as_str().unwrap_or_default())
        }
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            format!(
                "has {} that it may not have",
                count(unexpected.len(), "property", "properties")
            )
        }
        Kind::AdditionalItems { limit } => format!("must have no more than {limit} items"),
        Kind::UnevaluatedItems { unexpected } => {
            format!("has {} that it may not have", count(unexpected.len(), "item", "items"))
        }
        Kind::Minimum { limit } => format!("must be at least {limit}"),
        Kind::Maximum { limit } => format!("must be at most {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("must be more than {limit}"),
        Kind::ExclusiveMaximum { limit } => format!("must be less than {limit}"),
        Kind::MultipleOf { multiple_of } => format!("must be a multiple of {multiple_of}"),
        Kind::MinLength { limit } => {
            format!("must have at least {}", count_of(*limit, "character"))
        }
        Kind::MaxLength { limit } => format!("must have at most {}", count_of(*limit, "character")),
        Kind::MinItems { limit } => format!("must have at least {}", count_of(*limit, "item")),
        Kind::MaxItems { limit } => format!("must have at most {}", count_of(*limit, "item")),
        Kind::MinProperties { limit } => format!("must have at least {limit} properties"),
        Kind::MaxProperties { limit } => format!("must have at most {limit} properties"),
        Kind::UniqueItems => "must have no item twice".to_owned(),
        Kind::Contains => "lacks an item that it must have".to_owned(),
        Kind::Enum { options } => format!("must be one of {options}"),
        Kind::Constant { expected_value } => format!("must be {expected_value}"),
        Kind::Format { format } => format!("must be a `{format}`"),
        Kind::Pattern { pattern } => format!("must match `{pattern}`"),
        Kind::PropertyNames { .. } => "has a property with a wrong name".to_owned(),
        Kind::AnyOf { .. } | Kind::OneOfNotValid { .. } => {
            "fits none of the forms that it may have".to_owned()
        }
        Kind::OneOfMultipleValid { .. } => {
            "fits several forms, of which only one may fit".to_owned()
        }
        Kind::Not { .. } => "has a form that it may not have".to_owned(),
        Kind::FalseSchema => "must not be there".to_owned(),
        Kind::ContentEncoding { content_encoding } => format!("must be in {content_encoding}"),
        Kind::ContentMediaType { content_media_type } => format!("must be {content_media_type}"),
        _ => "cannot be checked".to_owned(),
    }
}

fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

fn count_of(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
