//! Filling templates: values for the `@NAMES@` in them, and of the parts for stages those that are
//! wanted.
//!
//! A line `//: request|log !response` or `#: …` begins a part that is there when one of each group's
//! stages is taken part in, or none of them after `!`; the next such line ends it. `end` is always
//! there.

use super::{Stage, manifest};

/// What templates are filled with.
pub(super) struct Values<'a> {
    stages: &'a [Stage],
    /// The `@NAMES@`, each with the text that takes its place.
    places: [(&'static str, String); 6],
}

impl<'a> Values<'a> {
    pub(super) fn new(name: &str, stages: &'a [Stage]) -> Self {
        let places = [
            ("@NAME@", name.to_owned()),
            ("@VERSION@", env!("CARGO_PKG_VERSION").to_owned()),
            ("@SERDE@", manifest::dependency("serde").to_owned()),
            ("@PROFILE@", manifest::section("[profile.release]").to_owned()),
            ("@GRANTS@", if stages.contains(&Stage::Log) { "log" } else { "" }.to_owned()),
            ("@MANIFEST@", declared(stages)),
        ];
        Self { stages, places }
    }

    /// A template's text, filled.
    pub(super) fn fill(&self, template: &str) -> String {
        let mut wanted = true;
        let mut text = String::with_capacity(template.len());
        for line in template.lines() {
            let trimmed = line.trim_start();
            match trimmed.strip_prefix("//: ").or_else(|| trimmed.strip_prefix("#: ")) {
                Some(condition) => wanted = self.holds(condition),
                None if wanted => {
                    text.push_str(line);
                    text.push('\n');
                }
                None => {}
            }
        }
        let text = self.places.iter().fold(text, |text, (place, value)| text.replace(place, value));
        text.replace("[  ]", "[]")
    }

    fn holds(&self, condition: &str) -> bool {
        let has = |word: &str| self.stages.iter().any(|stage| stage.word() == word);
        condition.split(' ').all(|group| match group.strip_prefix('!') {
            _ if group == "end" => true,
            Some(words) => !words.split('|').any(has),
            None => group.split('|').any(has),
        })
    }
}

/// The statement that declares what the stages read, as rustfmt writes it.
fn declared(stages: &[Stage]) -> String {
    let any = |wanted: &[Stage]| wanted.iter().any(|stage| stages.contains(stage));
    let calls = [
        (".on_request(reads())", any(&[Stage::Request, Stage::RequestWithBody])),
        (".on_response(reads())", any(&[Stage::Response, Stage::ResponseWithBody])),
        (".on_log(reads())", any(&[Stage::Log])),
    ];
    let calls: Vec<&str> =
        calls.iter().filter(|(_, wanted)| *wanted).map(|(call, _)| *call).collect();
    if calls.len() < 3 {
        return format!("let manifest = Manifest::new(){};", calls.concat());
    }
    let lines: String = calls.iter().map(|call| format!("\n        {call}")).collect();
    format!("let manifest = Manifest::new(){lines};")
}
