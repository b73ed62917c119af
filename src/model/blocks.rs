//! Lists that grow without being moved: what a growing `Vec` leaves behind costs more than all that is done with it.

use std::ops::{Index, IndexMut};

/// Of a block of text, in bytes: one more than the longest text may have.
const TEXT: usize = 64 << 10;
/// Of a block of other things, in their number.
const ITEMS: usize = 1 << 10;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Items<T> {
    /// All full but for the last one. Most reports are small: the first one has no more room than it needs.
    blocks: Vec<Vec<T>>,
}

impl<T> Default for Items<T> {
    fn default() -> Self {
        Self { blocks: Vec::new() }
    }
}

impl<T> Items<T> {
    pub(super) fn len(&self) -> usize {
        let full = self.blocks.len().saturating_sub(1);
        full * ITEMS + self.blocks.last().map_or(0, Vec::len)
    }

    pub(super) fn push(&mut self, item: T) {
        match self.blocks.last_mut() {
            Some(last) if last.len() < ITEMS => last.push(item),
            _ => {
                let room = if self.blocks.is_empty() { 1 } else { ITEMS };
                let mut block = Vec::with_capacity(room);
                block.push(item);
                self.blocks.push(block);
            }
        }
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.blocks.iter_mut().flatten()
    }
}

impl<T> Index<usize> for Items<T> {
    type Output = T;

    fn index(&self, index: usize) -> &T {
        &self.blocks[index / ITEMS][index % ITEMS]
    }
}

impl<T> IndexMut<usize> for Items<T> {
    fn index_mut(&mut self, index: usize) -> &mut T {
        &mut self.blocks[index / ITEMS][index % ITEMS]
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Texts {
    blocks: Vec<String>,
}

impl Texts {
    /// Where it is, and its length in bytes. Nothing for a text that no block has room for, or if there are
    /// too many.
    pub(super) fn push(&mut self, text: &str) -> Option<(u32, u16)> {
        let bytes = u16::try_from(text.len()).ok()?;
        let fits = |block: &String| block.len() + text.len() <= TEXT;
        if !self.blocks.last().is_some_and(fits) {
            let room = if self.blocks.is_empty() { 0 } else { TEXT };
            self.blocks.push(String::with_capacity(room));
        }
        let full = self.blocks.len() - 1;
        let block = self.blocks.last_mut()?;
        let from = u32::try_from(full * TEXT + block.len()).ok()?;
        block.push_str(text);
        Some((from, bytes))
    }

    pub(super) fn get(&self, from: u32, bytes: u16) -> &str {
        // Behind a full block there may be no other.
        if bytes == 0 {
            return "";
        }
        let (block, from) = (from as usize / TEXT, from as usize % TEXT);
        &self.blocks[block][from..from + usize::from(bytes)]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_text_is_found_again(lengths in prop::collection::vec(prop_oneof![0..9_usize, TEXT - 3..=TEXT + 1], 0..12)) {
            let mut texts = Texts::default();
            let text = |number: usize, length: usize| ["a", "b", "c"][number % 3].repeat(length);
            let spans: Vec<_> = lengths.iter().enumerate().map(|(number, length)| texts.push(&text(number, *length))).collect();
            for (number, (length, span)) in lengths.iter().zip(spans).enumerate() {
                prop_assert_eq!(span.is_none(), *length > u16::MAX.into());
                if let Some((from, bytes)) = span {
                    prop_assert!(texts.get(from, bytes) == text(number, *length));
                }
            }
        }

        #[test]
        fn it_is_a_list(number in 0..3 * ITEMS) {
            let mut items = Items::default();
            (0..number).for_each(|item| items.push(item));
            prop_assert_eq!(items.len(), number);
            prop_assert!((0..number).all(|index| items[index] == index));
        }
    }
}
