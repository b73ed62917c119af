//! Documents that fit into a limit of bytes by saying less, never by being cut apart.
//!
//! A document is a row of blocks, the important ones first. It starts with each block closed (its
//! counts), then opens as many items as fit in their shortest version, then gives the items longer
//! versions while there is room. So a table, a fence or a character is either there or not.

use super::visible;
use super::words;

/// Items of a list that stay together.
const LIST_PART: usize = 5;

/// A part of a document.
#[derive(Clone, Debug, Default)]
pub(crate) struct Block {
    /// All that is left of the block where not one item has room.
    pub(crate) closed: String,
    /// Before the items.
    pub(crate) head: String,
    pub(crate) items: Vec<Item>,
    /// Items that were never a candidate, and only count.
    pub(crate) hidden: usize,
    /// After the items.
    pub(crate) foot: String,
}

/// The versions of one item, from the shortest to the fullest.
#[derive(Clone, Debug, Default)]
pub(crate) struct Item(pub(crate) Vec<String>);

impl Block {
    /// A block without items: it is there, or it is dropped.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self {
            closed: text.into(),
            ..Self::default()
        }
    }

    /// A list can end after any item; a table, or what is folded, cannot.
    fn is_list(&self) -> bool {
        let mut starts = self.items.iter().filter_map(|item| item.0.first());
        starts.all(|text| text.starts_with("- "))
    }

    pub(crate) fn most_parts(&self) -> usize {
        1 + self.items.len() / LIST_PART
    }

    /// The size with `shown` items in their shortest version.
    fn open_size(&self, shown: usize, items_size: usize) -> usize {
        self.head.len() + items_size + self.more(shown).len() + self.foot.len()
    }

    fn more(&self, shown: usize) -> String {
        match self.items.len() - shown + self.hidden {
            0 => String::new(),
            more => format!("\n… and {} more\n", words::number(more)),
        }
    }

    fn largest(&self, room: usize) -> Option<Open> {
        let mut size = 0;
        let mut best = None;
        for (position, item) in self.items.iter().enumerate() {
            size += item.size(0);
            let whole = self.open_size(position + 1, size);
            if whole <= room {
                best = Some(Open {
                    versions: vec![0; position + 1],
                    size: whole,
                });
            }
            if self.head.len() + size > room {
                break;
            }
        }
        best
    }
}

impl Item {
    fn size(&self, version: usize) -> usize {
        self.0.get(version).map_or(0, String::len)
    }
}

/// A block that shows items: the version of each.
struct Open {
    versions: Vec<usize>,
    size: usize,
}

enum State {
    Dropped,
    Closed,
    Open(Open),
}

/// The fullest text of at most so many bytes. Where not even the counts of all blocks fit, the last
/// blocks are dropped.
pub(crate) fn fit(blocks: &[Block], bytes: usize) -> String {
    fit_parts(blocks, bytes).concat()
}

/// [`fit`] in parts that can do without those after them, at most [`Block::most_parts`] of each block.
pub(crate) fn fit_parts(blocks: &[Block], bytes: usize) -> Vec<String> {
    let mut states: Vec<State> = blocks.iter().map(|_| State::Closed).collect();
    let mut used: usize = blocks.iter().map(|block| block.closed.len()).sum();
    for (state, block) in states.iter_mut().zip(blocks).skip(1).rev() {
        if used <= bytes {
            break;
        }
        used -= block.closed.len();
        *state = State::Dropped;
    }
    if used > bytes {
        let first = blocks.first();
        let cut = first.map(|block| visible::cut(&block.closed, bytes).into_owned());
        return cut.into_iter().collect();
    }
    for (state, block) in states.iter_mut().zip(blocks) {
        if matches!(state, State::Dropped) {
            continue;
        }
        let others = used - block.closed.len();
        if let Some(open) = block.largest(bytes - others) {
            used = others + open.size;
            *state = State::Open(open);
        }
    }
    let longest = blocks
        .iter()
        .flat_map(|block| &block.items)
        .map(|item| item.0.len())
        .max();
    for version in 1..longest.unwrap_or(0) {
        for (state, block) in states.iter_mut().zip(blocks) {
            let State::Open(open) = state else { continue };
            for (shown, item) in open.versions.iter_mut().zip(&block.items) {
                if version >= item.0.len() {
                    continue;
                }
                let longer = used - item.size(*shown) + item.size(version);
                if longer <= bytes {
                    used = longer;
                    *shown = version;
                }
            }
        }
    }
    let written = states.iter().zip(blocks);
    let texts: Vec<String> = written
        .flat_map(|(state, block)| write(state, block))
        .collect();
    debug_assert_eq!(texts.iter().map(String::len).sum::<usize>(), used);
    texts
}

fn write(state: &State, block: &Block) -> Vec<String> {
    match state {
        State::Dropped => Vec::new(),
        State::Closed => vec![block.closed.clone()],
        State::Open(open) => {
            let mut parts = vec![block.head.clone()];
            let items = open.versions.iter().zip(&block.items);
            for (position, (version, item)) in items.enumerate() {
                if block.is_list() && position > 0 && position % LIST_PART == 0 {
                    parts.push(String::new());
                }
                if let Some(part) = parts.last_mut() {
                    part.push_str(&item.0[*version]);
                }
            }
            if let Some(part) = parts.last_mut() {
                part.push_str(&block.more(open.versions.len()));
                part.push_str(&block.foot);
            }
            parts
        }
    }
}

/// A table that is closed until somebody opens it.
pub(super) fn folded_table(title: String, summary: &str, head: &str, items: Vec<Item>) -> Block {
    Block {
        head: format!("{title}<details><summary>{summary}</summary>\n\n{head}"),
        closed: title,
        items,
        hidden: 0,
        foot: "\n</details>\n\n".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn item(versions: &[&str]) -> Item {
        Item(
            versions
                .iter()
                .map(|version| (*version).to_owned())
                .collect(),
        )
    }

    fn document() -> Vec<Block> {
        vec![
            Block::text("# 3 failed\n"),
            Block {
                closed: "3 tests\n".to_owned(),
                head: "tests:\n".to_owned(),
                items: vec![
                    item(&["- a\n", "- a: one\n", "- a: one two three\n"]),
                    item(&["- b\n", "- b: one\n"]),
                    item(&["- c\n"]),
                ],
                hidden: 0,
                foot: "end\n".to_owned(),
            },
        ]
    }

    #[test]
    fn degrades_in_steps_exactly_at_the_limit() {
        let full = "# 3 failed\ntests:\n- a: one two three\n- b: one\n- c\nend\n";
        let steps = [
            (full.len(), full),
            (
                full.len() - 1,
                "# 3 failed\ntests:\n- a: one\n- b: one\n- c\nend\n",
            ),
            (44, "# 3 failed\ntests:\n- a: one\n- b: one\n- c\nend\n"),
            (43, "# 3 failed\ntests:\n- a: one\n- b\n- c\nend\n"),
            (39, "# 3 failed\ntests:\n- a: one\n- b\n- c\nend\n"),
            (34, "# 3 failed\ntests:\n- a\n- b\n- c\nend\n"),
            (33, "# 3 failed\n3 tests\n"),
            (19, "# 3 failed\n3 tests\n"),
            (18, "# 3 failed\n"),
            (11, "# 3 failed\n"),
            (10, "# 3 fai…"),
            (0, ""),
        ];
        for (bytes, text) in steps {
            assert_eq!(fit(&document(), bytes), text, "at {bytes} bytes");
        }
    }

    #[test]
    fn counts_what_it_leaves_out() {
        let mut blocks = document();
        blocks[1].items = (0..1000)
            .map(|n| item(&[&format!("- test {n}\n")]))
            .collect();
        blocks[1].hidden = 4000;
        let text = fit(&blocks, 70);
        assert_eq!(
            text,
            "# 3 failed\ntests:\n- test 0\n- test 1\n- test 2\n\n… and 4,997 more\nend\n"
        );
    }

    proptest! {
        #[test]
        fn never_exceeds_its_limit(
            sizes in proptest::collection::vec(
                (0_usize..30, 0_usize..30, proptest::collection::vec(proptest::collection::vec(1_usize..40, 1..4), 0..6), 0_usize..3),
                0..6,
            ),
            bytes in 0_usize..600,
        ) {
            let blocks: Vec<Block> = sizes
                .iter()
                .map(|(closed, head, items, hidden)| Block {
                    closed: "c".repeat(*closed),
                    head: "h".repeat(*head),
                    items: items.iter().map(|sizes| Item(sizes.iter().map(|size| "é".repeat(*size)).collect())).collect(),
                    hidden: *hidden,
                    foot: "f".to_owned(),
                })
                .collect();
            prop_assert!(fit(&blocks, bytes).len() <= bytes);
        }
    }
}
