//! What is different from the baseline, on a terminal; the failures have their own list.

use std::fmt::Write as _;

use crate::model::comparison::Comparison;
use crate::model::node_id::NodeId;

use super::style::{NAMES, Options, more};
use super::visible;
use super::words;

/// Columns of the word before a test.
const WORD: usize = 13;

/// A title and its lines; `None` where nothing is different.
pub(super) fn lines(found: &Comparison, options: Options<'_>) -> Option<String> {
    let room = options.width.saturating_sub(WORD + 4);
    let mut text = String::new();
    let line = |text: &mut String, word: &str, what: &str| {
        let what = visible::fit_width(what, room, true);
        let _ = writeln!(text, "  {word:>WORD$}  {what}");
    };
    let lists: [(&str, &[NodeId]); 4] = [
        ("fixed", &found.fixed),
        ("newly skipped", &found.newly_skipped),
        ("removed", &found.removed),
        ("added", &found.added),
    ];
    for (word, ids) in lists {
        for id in ids.iter().take(NAMES) {
            line(&mut text, word, &visible::line(id.as_str()));
        }
        text += &more(ids.len(), NAMES);
    }
    for (old, new) in found.renamed.iter().take(NAMES) {
        line(&mut text, "renamed", &visible::line(old.as_str()));
        line(&mut text, "to", &visible::line(new.as_str()));
    }
    text += &more(found.renamed.len(), NAMES);
    for slower in found.slower.iter().take(NAMES) {
        let (before, now) = (words::duration(slower.before), words::duration(slower.now));
        let id = visible::line(slower.id.as_str());
        line(&mut text, "slower", &format!("{before} to {now}  {id}"));
    }
    text += &more(found.slower.len(), NAMES);
    let name = found.commit.as_ref().map_or_else(
        || "the baseline".to_owned(),
        |commit| visible::line(commit).chars().take(8).collect(),
    );
    let title = options.style.bold(&format!("Compared with {name}"));
    (!text.is_empty()).then(|| format!("{title}\n{text}"))
}
