//! Reads whole tables, each page once.

use std::collections::BTreeMap;
use std::io;

use super::record::{Value, decode, varint};
use super::{FILE_HEADER, MAGIC, TABLE_INTERIOR, TABLE_LEAF, local_bytes, table_local};

/// Deeper than any table of a real file.
const MAX_DEPTH: usize = 20;

/// A value is never larger than this, in bytes: a set of lines of that size holds line 33,000,000.
const MAX_PAYLOAD: usize = 4 << 20;

/// Text of a schema entry, in bytes.
const MAX_TABLES: usize = 64;

#[derive(Debug, thiserror::Error)]
pub(crate) enum DatabaseError {
    #[error("the file is empty")]
    Empty,
    #[error("it is not a SQLite database")]
    NotADatabase,
    #[error("the database is cut off: page {page} of {pages} is missing")]
    CutOff { page: u32, pages: u32 },
    #[error("the database is broken: page {page} {what}")]
    Broken { page: u32, what: &'static str },
    #[error("the database is of a kind that coverage.py does not write: {0}")]
    Foreign(String),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Bytes that can be read from anywhere.
pub(crate) trait ReadAt {
    fn size(&self) -> io::Result<u64>;
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
}

impl ReadAt for std::fs::File {
    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(self, buffer, offset)
    }
}

impl ReadAt for &[u8] {
    fn size(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let bytes = self.get(start..).and_then(|rest| rest.get(..buffer.len()));
        buffer.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// An entry of the schema.
#[derive(Clone, Debug)]
struct Entry {
    is_table: bool,
    root: u32,
    sql: String,
}

#[derive(Debug)]
pub(crate) struct Database<R> {
    source: R,
    page_size: usize,
    /// Bytes of a page without its reserved end.
    usable: usize,
    pages: u32,
    entries: BTreeMap<String, Entry>,
}

impl<R: ReadAt> Database<R> {
    /// Reads the schema.
    pub(crate) fn open(source: R) -> Result<Self, DatabaseError> {
        let size = source.size()?;
        if size == 0 {
            return Err(DatabaseError::Empty);
        }
        let mut header = [0; FILE_HEADER];
        if size < header.len() as u64 {
            return Err(DatabaseError::NotADatabase);
        }
        source.read_at(&mut header, 0)?;
        if !header.starts_with(MAGIC) {
            return Err(DatabaseError::NotADatabase);
        }
        let page_size = match u16::from_be_bytes([header[16], header[17]]) {
            1 => 65_536,
            power if power >= 512 && power.is_power_of_two() => usize::from(power),
            other => return Err(DatabaseError::Foreign(format!("a page size of {other}"))),
        };
        let usable = page_size - usize::from(header[20]);
        if usable < 480 {
            let reserved = format!("{} reserved bytes of a page", header[20]);
            return Err(DatabaseError::Foreign(reserved));
        }
        if header[18] != 1 || header[19] != 1 {
            let journal = "a write-ahead log, whose rows may be in another file";
            return Err(DatabaseError::Foreign(journal.to_owned()));
        }
        if !matches!(header[56..60], [0, 0, 0, 0 | 1]) {
            return Err(DatabaseError::Foreign("text in UTF-16".to_owned()));
        }
        let pages = u32::try_from(size / page_size as u64).unwrap_or(u32::MAX);
        let counted = u32::from_be_bytes([header[28], header[29], header[30], header[31]]);
        if counted > pages {
            return Err(DatabaseError::CutOff {
                page: pages + 1,
                pages: counted,
            });
        }
        let mut database = Self {
            source,
            page_size,
            usable,
            pages,
            entries: BTreeMap::new(),
        };
        database.entries = database.schema()?;
        Ok(database)
    }

    fn schema(&self) -> Result<BTreeMap<String, Entry>, DatabaseError> {
        let mut entries = BTreeMap::new();
        let mut number = 0;
        self.scan(1, |_, [kind, name, _, root, sql]: [Value<'_>; 5]| {
            number += 1;
            if number > MAX_TABLES {
                return Err(DatabaseError::Foreign(format!(
                    "more than {MAX_TABLES} tables"
                )));
            }
            let text = |value: Value<'_>| {
                String::from_utf8_lossy(value.text().unwrap_or_default()).into_owned()
            };
            let entry = Entry {
                is_table: kind.text() == Some(b"table"),
                root: root
                    .integer()
                    .and_then(|root| u32::try_from(root).ok())
                    .unwrap_or(0),
                sql: text(sql),
            };
            entries.insert(text(name), entry);
            Ok(())
        })?;
        Ok(entries)
    }

    pub(crate) fn has_table(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// Every row of a table by its row id, in order, as the values of its first `N` columns, which
    /// must be those of `columns`.
    ///
    /// A column `integer primary key` is the row id, and is null in the row itself.
    pub(crate) fn rows<const N: usize>(
        &self,
        table: &str,
        columns: [&str; N],
        row: impl FnMut(i64, [Value<'_>; N]) -> Result<(), DatabaseError>,
    ) -> Result<(), DatabaseError> {
        let foreign = |what: &str| DatabaseError::Foreign(format!("{what} `{table}`"));
        let entry = self
            .entries
            .get(table)
            .ok_or_else(|| foreign("there is no table"))?;
        if !entry.is_table || entry.root < 2 {
            return Err(foreign("there is no plain table"));
        }
        if !first_columns(&entry.sql).eq(columns) {
            return Err(foreign("there are other columns in the table"));
        }
        self.scan(entry.root, row)
    }

    fn scan<const N: usize>(
        &self,
        root: u32,
        mut row: impl FnMut(i64, [Value<'_>; N]) -> Result<(), DatabaseError>,
    ) -> Result<(), DatabaseError> {
        // A page that is met twice is a circle: with as many pages as there are, all are read.
        let mut budget = self.pages;
        let mut open = vec![(root, 0)];
        let mut page = vec![0; self.page_size];
        let mut spilled = Vec::new();
        while let Some((number, depth)) = open.pop() {
            self.read_page(number, &mut page, &mut budget)?;
            let broken = |what| DatabaseError::Broken { page: number, what };
            let start = if number == 1 { FILE_HEADER } else { 0 };
            let content = &page[..self.usable];
            let cells = usize::from(u16::from_be_bytes([content[start + 3], content[start + 4]]));
            let pointers = start
                + if content[start] == TABLE_INTERIOR {
                    12
                } else {
                    8
                };
            let cell = |index: usize| {
                let at = content.get(pointers + 2 * index..pointers + 2 * index + 2)?;
                content.get(usize::from(u16::from_be_bytes([at[0], at[1]]))..)
            };
            match content[start] {
                TABLE_INTERIOR if depth < MAX_DEPTH => {
                    let right = &content[start + 8..start + 12];
                    open.push((
                        child(right).ok_or_else(|| broken("has no child"))?,
                        depth + 1,
                    ));
                    if cells > self.usable / 6 {
                        return Err(broken("counts more cells than it can hold"));
                    }
                    for index in (0..cells).rev() {
                        let left = cell(index).and_then(child);
                        open.push((left.ok_or_else(|| broken("has no child"))?, depth + 1));
                    }
                }
                TABLE_LEAF => {
                    let mut used = 0;
                    for index in 0..cells {
                        let bytes =
                            cell(index).ok_or_else(|| broken("has a cell outside of it"))?;
                        let Some(((size, one), (id, two))) =
                            varint(bytes).and_then(|size| Some((size, varint(&bytes[size.1..])?)))
                        else {
                            return Err(broken("has a broken cell"));
                        };
                        let size = usize::try_from(size).unwrap_or(usize::MAX);
                        if size > MAX_PAYLOAD {
                            return Err(broken("has a row of more than 4 MiB"));
                        }
                        let local = local_bytes(size, table_local(self.usable), self.usable);
                        let rest = &bytes[one + two..];
                        let payload = rest
                            .get(..local)
                            .ok_or_else(|| broken("has a broken cell"))?;
                        used += local;
                        if used > self.usable {
                            return Err(broken("has cells that overlap"));
                        }
                        let payload = if local == size {
                            payload
                        } else {
                            let next = rest.get(local..).and_then(child);
                            let next = next.ok_or_else(|| broken("has a broken cell"))?;
                            spilled.clear();
                            spilled.extend_from_slice(payload);
                            self.follow(next, size, &mut spilled, &mut budget)?;
                            &spilled
                        };
                        let values = decode(payload).ok_or_else(|| broken("has a broken row"))?;
                        row(id.cast_signed(), values)?;
                    }
                }
                _ => return Err(broken("is not of a table")),
            }
        }
        Ok(())
    }

    /// The rest of a payload, from its overflow pages.
    fn follow(
        &self,
        mut next: u32,
        size: usize,
        payload: &mut Vec<u8>,
        budget: &mut u32,
    ) -> Result<(), DatabaseError> {
        let mut page = vec![0; self.page_size];
        while payload.len() < size {
            self.read_page(next, &mut page, budget)?;
            let take = (size - payload.len()).min(self.usable - 4);
            payload.extend_from_slice(&page[4..4 + take]);
            next = u32::from_be_bytes([page[0], page[1], page[2], page[3]]);
        }
        Ok(())
    }

    fn read_page(
        &self,
        number: u32,
        page: &mut [u8],
        budget: &mut u32,
    ) -> Result<(), DatabaseError> {
        if number == 0 || number > self.pages {
            return Err(DatabaseError::CutOff {
                page: number,
                pages: self.pages,
            });
        }
        let circle = DatabaseError::Broken {
            page: number,
            what: "is used twice",
        };
        *budget = budget.checked_sub(1).ok_or(circle)?;
        let offset = u64::from(number - 1) * self.page_size as u64;
        Ok(self.source.read_at(page, offset)?)
    }
}

fn child(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.first_chunk()?))
}

/// The names of the columns in the text of a `CREATE TABLE`, up to the constraints.
fn first_columns(sql: &str) -> impl Iterator<Item = &str> {
    let body = sql.split_once('(').map_or("", |(_, body)| body);
    body.lines()
        .map(|line| line.split_once("--").map_or(line, |(code, _)| code))
        .flat_map(|line| line.split(','))
        .filter_map(|column| column.split_whitespace().next())
        .take_while(|word| !matches!(*word, "foreign" | "unique" | ")" | ");"))
        .map(|word| word.trim_end_matches(')'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_read_from_the_text_of_the_table() {
        let names = |sql| first_columns(sql).collect::<Vec<_>>().join(" ");
        let sql = "CREATE TABLE arc (\n    -- If, a row (x)\n    file_id integer,  -- to `file`.\n    tono integer,\n    foreign key (file_id) references file (id),\n    unique (file_id, tono)\n)";
        assert_eq!(names(sql), "file_id tono");
        assert_eq!(names("CREATE TABLE v (version integer)"), "version");
        assert_eq!(
            names("CREATE TABLE f (id integer primary key, path text, unique (path))"),
            "id path"
        );
        assert_eq!(names(""), "");
    }
}
