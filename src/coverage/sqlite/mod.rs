//! As much of `SQLite`'s file format as a data file of coverage.py needs
//! (<https://www.sqlite.org/fileformat2.html>): whole tables of a hostile file read page by page,
//! and a small database written.
//!
//! No SQL is run, so no view, trigger, virtual table or expression of a file can do anything; every
//! page is read at most once, so the work is bounded by the size of the file; and rows come out
//! about ten times as fast as from the library.

pub(crate) mod read;
pub(crate) mod record;
pub(crate) mod write;

/// What every database starts with.
pub(crate) const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Bytes at the start of the first page that are not part of its b-tree.
const FILE_HEADER: usize = 100;

/// Kinds of pages, the first byte of each.
const TABLE_INTERIOR: u8 = 5;
const TABLE_LEAF: u8 = 13;
const INDEX_INTERIOR: u8 = 2;
const INDEX_LEAF: u8 = 10;

/// How much of a payload of `size` bytes stays on its page, if at most `most` may.
fn local_bytes(size: usize, most: usize, usable: usize) -> usize {
    if size <= most {
        return size;
    }
    let least = (usable - 12) * 32 / 255 - 23;
    let local = least + (size - least) % (usable - 4);
    if local <= most { local } else { least }
}

/// The most that a row of a table may keep on its page.
fn table_local(usable: usize) -> usize {
    usable - 35
}

/// The most that a key of an index may keep on its page.
fn index_local(usable: usize) -> usize {
    (usable - 12) * 64 / 255 - 23
}
