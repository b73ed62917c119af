//! Writes a small database in one go: rows come in order, so that every b-tree is built from the
//! left, page after page.

use std::io::{self, Write};

use super::record::{Value, encode, push_varint};
use super::{
    FILE_HEADER, INDEX_INTERIOR, INDEX_LEAF, MAGIC, TABLE_INTERIOR, TABLE_LEAF, index_local,
    local_bytes, table_local,
};

const PAGE: usize = 4096;

/// The version of `SQLite` whose format this is: any since 3.7.
const SQLITE_VERSION: u32 = 3_040_001;

/// The pages of a database and its schema.
pub(crate) struct Builder {
    /// Without the first, which holds the schema.
    pages: Vec<Vec<u8>>,
    schema: Vec<Entry>,
}

struct Entry {
    kind: &'static str,
    name: String,
    table: String,
    root: u32,
    sql: Option<String>,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self {
            pages: Vec::new(),
            schema: Vec::new(),
        }
    }

    /// Adds a table of `rows` by ascending row id.
    pub(crate) fn table<'a>(
        &mut self,
        name: &str,
        sql: &str,
        rows: impl IntoIterator<Item = (i64, Vec<Value<'a>>)>,
    ) {
        let mut tree = Tree::new(true);
        for (id, values) in rows {
            let payload = encode(&values);
            let id = id.cast_unsigned();
            let mut head = Vec::new();
            push_varint(payload.len() as u64, &mut head);
            push_varint(id, &mut head);
            let cell = self.cell(head, &payload, table_local(PAGE));
            let mut key = Vec::new();
            push_varint(id, &mut key);
            tree.push(cell, key, &mut self.pages);
        }
        let root = tree.finish(&mut self.pages);
        self.schema.push(Entry {
            kind: "table",
            name: name.to_owned(),
            table: name.to_owned(),
            root,
            sql: Some(sql.to_owned()),
        });
    }

    /// Adds the index of the table's first `unique` constraint. `keys` are ascending, each with its
    /// row id as the last value.
    pub(crate) fn unique_index<'a>(
        &mut self,
        table: &str,
        keys: impl IntoIterator<Item = Vec<Value<'a>>>,
    ) {
        let mut tree = Tree::new(false);
        for key in keys {
            let payload = encode(&key);
            let mut head = Vec::new();
            push_varint(payload.len() as u64, &mut head);
            let cell = self.cell(head, &payload, index_local(PAGE));
            tree.push(cell, Vec::new(), &mut self.pages);
        }
        let root = tree.finish(&mut self.pages);
        self.schema.push(Entry {
            kind: "index",
            name: format!("sqlite_autoindex_{table}_1"),
            table: table.to_owned(),
            root,
            sql: None,
        });
    }

    /// A cell with as much of its payload as may stay on the page; the rest gets pages of its own.
    fn cell(&mut self, mut head: Vec<u8>, payload: &[u8], most: usize) -> Vec<u8> {
        let (local, rest) = payload.split_at(local_bytes(payload.len(), most, PAGE));
        head.extend_from_slice(local);
        if !rest.is_empty() {
            head.extend_from_slice(&next_number(&self.pages).to_be_bytes());
        }
        let mut chunks = rest.chunks(PAGE - 4).peekable();
        while let Some(chunk) = chunks.next() {
            let next = if chunks.peek().is_some() {
                next_number(&self.pages) + 1
            } else {
                0
            };
            let mut page = next.to_be_bytes().to_vec();
            page.extend_from_slice(chunk);
            page.resize(PAGE, 0);
            self.pages.push(page);
        }
        head
    }

    /// Writes the database.
    ///
    /// # Errors
    /// The writer's; a schema that does not fit the first page.
    pub(crate) fn write(self, mut out: impl Write) -> io::Result<()> {
        let cells: Vec<Vec<u8>> = (1..)
            .zip(&self.schema)
            .map(|(id, entry)| entry.cell(id))
            .collect();
        let size: usize = cells.iter().map(|cell| cell.len() + 2).sum();
        if size > PAGE - FILE_HEADER - 8 {
            return Err(io::Error::other("the schema does not fit one page"));
        }
        let mut first = page(TABLE_LEAF, None, &cells, FILE_HEADER);
        first[..FILE_HEADER].copy_from_slice(&header(next_number(&self.pages) - 1));
        out.write_all(&first)?;
        for page in &self.pages {
            out.write_all(page)?;
        }
        out.flush()
    }
}

impl Entry {
    fn cell(&self, id: u64) -> Vec<u8> {
        let payload = encode(&[
            Value::Text(self.kind.as_bytes()),
            Value::Text(self.name.as_bytes()),
            Value::Text(self.table.as_bytes()),
            Value::Integer(i64::from(self.root)),
            self.sql
                .as_ref()
                .map_or(Value::Null, |sql| Value::Text(sql.as_bytes())),
        ]);
        let mut cell = Vec::new();
        push_varint(payload.len() as u64, &mut cell);
        push_varint(id, &mut cell);
        cell.extend_from_slice(&payload);
        cell
    }
}

/// The number the next page gets; the first page is number 1.
fn next_number(pages: &[Vec<u8>]) -> u32 {
    u32::try_from(pages.len() + 2).unwrap_or(u32::MAX)
}

fn header(pages: u32) -> [u8; FILE_HEADER] {
    let mut header = [0; FILE_HEADER];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, MAGIC);
    put(16, &[16, 0]); // a page has 4096 bytes
    put(18, &[1, 1, 0, 64, 32, 32]); // plain journal; three numbers that are always these
    put(24, &1_u32.to_be_bytes());
    put(28, &pages.to_be_bytes());
    put(40, &1_u32.to_be_bytes());
    put(44, &4_u32.to_be_bytes());
    put(56, &1_u32.to_be_bytes()); // UTF-8
    put(92, &1_u32.to_be_bytes());
    put(96, &SQLITE_VERSION.to_be_bytes());
    header
}

/// A b-tree under construction: on each level the cells of the page that is being filled. A page is
/// closed only when a further cell comes, so that none is ever empty.
struct Tree {
    is_table: bool,
    levels: Vec<Level>,
}

#[derive(Default)]
struct Level {
    cells: Vec<Vec<u8>>,
    /// In bytes, with the pointers to the cells.
    size: usize,
    /// Of a table's leaf: the key of the last cell.
    last_key: Vec<u8>,
}

impl Level {
    fn push(&mut self, cell: Vec<u8>) {
        self.size += cell.len() + 2;
        self.cells.push(cell);
    }

    fn has_room(&self, cell: usize, head: usize) -> bool {
        self.cells.is_empty() || self.size + cell + 2 <= PAGE - head
    }
}

impl Tree {
    fn new(is_table: bool) -> Self {
        Self {
            is_table,
            levels: vec![Level::default()],
        }
    }

    /// Appends a cell to the leaves. Between two leaves the level above has a key: a table repeats
    /// the last one of the left leaf, an index moves it there.
    fn push(&mut self, cell: Vec<u8>, key: Vec<u8>, pages: &mut Vec<Vec<u8>>) {
        if !self.levels[0].has_room(cell.len(), 8) {
            let mut full = std::mem::take(&mut self.levels[0]);
            let up = if self.is_table {
                Some(full.last_key)
            } else {
                full.cells.pop()
            };
            let number = add(pages, page(self.kind(0), None, &full.cells, 0));
            self.promote(1, number, &up.unwrap_or_default(), pages);
        }
        self.levels[0].push(cell);
        self.levels[0].last_key = key;
    }

    /// Adds a finished page and the key that follows it to the level above.
    fn promote(&mut self, level: usize, child: u32, key: &[u8], pages: &mut Vec<Vec<u8>>) {
        if self.levels.len() == level {
            self.levels.push(Level::default());
        }
        if !self.levels[level].has_room(key.len() + 4, 12) {
            let mut full = std::mem::take(&mut self.levels[level]);
            let last = full.cells.pop().unwrap_or_default();
            let right = last.first_chunk().map(|number| u32::from_be_bytes(*number));
            let number = add(pages, page(self.kind(level), right, &full.cells, 0));
            self.promote(level + 1, number, &last[4..], pages);
        }
        let mut cell = child.to_be_bytes().to_vec();
        cell.extend_from_slice(key);
        self.levels[level].push(cell);
    }

    /// Writes what is open, and returns the root.
    fn finish(mut self, pages: &mut Vec<Vec<u8>>) -> u32 {
        let kinds: Vec<u8> = (0..self.levels.len())
            .map(|level| self.kind(level))
            .collect();
        let mut child = None;
        for (kind, level) in kinds.into_iter().zip(&mut self.levels) {
            child = Some(add(pages, page(kind, child, &level.cells, 0)));
        }
        child.unwrap_or(0)
    }

    fn kind(&self, level: usize) -> u8 {
        match (self.is_table, level) {
            (true, 0) => TABLE_LEAF,
            (true, _) => TABLE_INTERIOR,
            (false, 0) => INDEX_LEAF,
            (false, _) => INDEX_INTERIOR,
        }
    }
}

fn add(pages: &mut Vec<Vec<u8>>, page: Vec<u8>) -> u32 {
    let number = next_number(pages);
    pages.push(page);
    number
}

fn page(kind: u8, right: Option<u32>, cells: &[Vec<u8>], start: usize) -> Vec<u8> {
    let mut page = vec![0; PAGE];
    let mut end = PAGE;
    let short = |number: usize| u16::try_from(number).unwrap_or(0).to_be_bytes();
    let pointers = start + if right.is_some() { 12 } else { 8 };
    for (index, cell) in cells.iter().enumerate() {
        end -= cell.len();
        page[end..end + cell.len()].copy_from_slice(cell);
        page[pointers + 2 * index..pointers + 2 * index + 2].copy_from_slice(&short(end));
    }
    page[start] = kind;
    page[start + 3..start + 5].copy_from_slice(&short(cells.len()));
    page[start + 5..start + 7].copy_from_slice(&short(end));
    if let Some(right) = right {
        page[start + 8..start + 12].copy_from_slice(&right.to_be_bytes());
    }
    page
}

#[cfg(test)]
mod tests {
    use super::super::read::Database;
    use super::*;

    #[test]
    fn tables_of_any_size_are_read_back() {
        for count in [0, 1, 2, 100, 500, 70_000_i64] {
            let text = |id: i64| {
                vec![b'x'; usize::try_from(id * 37 % 9000 / (1 + count / 600)).unwrap_or(0)]
            };
            let texts: Vec<Vec<u8>> = (0..count).map(text).collect();
            let mut builder = Builder::new();
            let rows = texts.iter().zip(0_i64..);
            builder.table(
                "t",
                "CREATE TABLE t (a integer, b text, unique (a))",
                rows.map(|(text, id)| (id * 3, vec![Value::Integer(-id), Value::Text(text)])),
            );
            let keys = (0..count)
                .rev()
                .map(|id| vec![Value::Integer(-id), Value::Integer(id * 3)]);
            builder.unique_index("t", keys);
            let mut file = Vec::new();
            builder.write(&mut file).expect("no error of a vector");
            let database = Database::open(file.as_slice()).expect("a database");
            let mut expected = texts.iter().zip(0_i64..);
            let row = |id, [a, b]: [Value<'_>; 2]| {
                let (text, number) = expected.next().expect("a row");
                assert_eq!(
                    (id, a, b),
                    (number * 3, Value::Integer(-number), Value::Text(text))
                );
                Ok(())
            };
            database.rows("t", ["a", "b"], row).expect("rows");
            assert!(expected.next().is_none());
        }
    }
}
