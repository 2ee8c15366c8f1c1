//! The page as a list of what is done, in its order.

use paifang_tests::tidy::fences;

/// Something that a block asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Type { terminal: u8, text: String, stays: bool },
    Printed { terminal: u8, lines: Vec<String>, ends: bool },
    Interrupt { terminal: u8 },
    Edit { file: String, text: String },
    Made { file: String, text: String },
}

/// A page.
pub(crate) struct Page {
    /// What is done, each with the line where its block begins.
    pub(crate) acts: Vec<(usize, Act)>,
}

impl Page {
    /// Reads a page.
    ///
    /// # Panics
    /// When a block has a tag that means nothing here, or there are no blocks.
    pub(crate) fn read(markdown: &str) -> Self {
        let acts = fences(markdown).into_iter().map(|fence| match act(&fence.tag, fence.text) {
            Some(act) => (fence.line, act),
            None => {
                panic!("line {}: the tag `{}` means nothing in a tutorial", fence.line, fence.tag)
            }
        });
        let acts: Vec<(usize, Act)> = acts.collect();
        assert!(acts.len() > 10, "the blocks are gone");
        Self { acts }
    }
}

fn act(tag: &str, text: String) -> Option<Act> {
    let (language, what) = tag.split_once(' ')?;
    let (key, value) = what.split_once('=')?;
    let (value, more) = match value.split_once(' ') {
        Some((value, more)) => (value, Some(more)),
        None => (value, None),
    };
    let terminal = value.parse();
    match (language, key, more) {
        ("sh", "terminal", None | Some("stays")) => {
            Some(Act::Type { terminal: terminal.ok()?, text, stays: more.is_some() })
        }
        ("text", "terminal", None | Some("ends")) => {
            let lines = text.lines().map(str::to_owned).collect();
            Some(Act::Printed { terminal: terminal.ok()?, lines, ends: more.is_some() })
        }
        ("text", "keys", None) if text.trim() == "Ctrl-C" => {
            Some(Act::Interrupt { terminal: terminal.ok()? })
        }
        ("diff", "edit", None) => Some(Act::Edit { file: value.to_owned(), text }),
        (_, "made", None) => Some(Act::Made { file: value.to_owned(), text }),
        _ => None,
    }
}

#[test]
fn tags_mean_one_thing_or_nothing() {
    let text = || "x\n".to_owned();
    let printed = |ends| Some(Act::Printed { terminal: 3, lines: vec!["x".to_owned()], ends });
    assert_eq!(act("text terminal=3", text()), printed(false));
    assert_eq!(act("text terminal=3 ends", text()), printed(true));
    let typed = |stays| Some(Act::Type { terminal: 1, text: text(), stays });
    assert_eq!(act("sh terminal=1", text()), typed(false));
    assert_eq!(act("sh terminal=1 stays", text()), typed(true));
    assert_eq!(act("text keys=2", "Ctrl-C\n".to_owned()), Some(Act::Interrupt { terminal: 2 }));
    for wrong in [
        "sh",
        "sh run",
        "sh terminal=a",
        "text terminal=1 stays",
        "text keys=1",
        "diff made",
        "text",
    ] {
        assert_eq!(act(wrong, text()), None, "{wrong}");
    }
}
