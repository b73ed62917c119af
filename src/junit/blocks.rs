//! Lists that grow without being moved: what a growing `Vec` leaves behind costs more than all that is done with it.

use std::ops::{Index, IndexMut};

/// Of a block of text, in bytes.
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

/// Where a text is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Span {
    from: u32,
    bytes: u32,
}

impl Texts {
    /// Nothing for a text longer than a block, or if there is no room at all.
    pub(super) fn push(&mut self, text: &str) -> Option<Span> {
        if text.len() > TEXT {
            return None;
        }
        let fits = |block: &String| block.len() + text.len() <= TEXT;
        if !self.blocks.last().is_some_and(fits) {
            let room = if self.blocks.is_empty() { 0 } else { TEXT };
            self.blocks.push(String::with_capacity(room));
        }
        let from = (self.blocks.len() - 1) * TEXT;
        let block = self.blocks.last_mut()?;
        let span = Span {
            from: u32::try_from(from + block.len()).ok()?,
            bytes: u32::try_from(text.len()).ok()?,
        };
        block.push_str(text);
        Some(span)
    }

    pub(super) fn get(&self, span: Span) -> &str {
        let Span { from, bytes } = span;
        // Behind a full block there may be no other.
        if bytes == 0 {
            return "";
        }
        let (block, from) = (from as usize / TEXT, from as usize % TEXT);
        &self.blocks[block][from..from + bytes as usize]
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
                prop_assert_eq!(span.is_none(), *length > TEXT);
                if let Some(span) = span {
                    prop_assert!(texts.get(span) == text(number, *length));
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
