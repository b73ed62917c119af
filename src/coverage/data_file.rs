//! coverage.py's data files, `.coverage` and `.coverage.*`: `SQLite`, schema 7, as every coverage.py
//! since 5.0 writes them (`coverage/sqldata.py`).

use std::collections::HashMap;
use std::io::{self, Write};

use super::numbits::Numbits;
use super::raw::{RawData, RawFile};
use super::sqlite::read::{Database, DatabaseError, ReadAt};
use super::sqlite::record::Value;
use super::sqlite::write::Builder;
use crate::model::coverage::Arc;

const SCHEMA: i64 = 7;

/// The last line a data file may speak of.
const MAX_LINE: u64 = 1 << 24;

/// Files that one data file may speak of.
const MAX_FILES: usize = 1_000_000;

/// Bytes of a path.
const MAX_PATH: usize = 4096;

#[derive(Debug, thiserror::Error)]
pub(crate) enum DataFileError {
    #[error("it is not a data file of coverage.py: {0}")]
    Database(#[from] DatabaseError),
    #[error(
        "it is of coverage.py 4 or older, whose data cannot be read: run the tests with coverage.py 5 or newer"
    )]
    Old,
    #[error("its schema is {0} instead of {SCHEMA}: this version of coverage.py is not supported")]
    Schema(i64),
    #[error("a row of table `{table}` {what}")]
    Row { table: &'static str, what: String },
}

/// Reads one data file. Contexts are joined.
///
/// # Errors
/// Whatever makes it unreadable, also in part: half of the data would be a lie.
pub(crate) fn read(source: impl ReadAt) -> Result<RawData, DataFileError> {
    let mut start = [0; 14];
    if source.read_at(&mut start, 0).is_ok() && &start == b"!coverage.py: " {
        return Err(DataFileError::Old);
    }
    let database = Database::open(source)?;
    let mut version = None;
    database.rows("coverage_schema", ["version"], |_, [value]| {
        version = version.or(value.integer());
        Ok(())
    })?;
    match version {
        Some(SCHEMA) => {}
        other => return Err(DataFileError::Schema(other.unwrap_or(0))),
    }
    let mut reader = Reader::default();
    reader.read_files(&database)?;
    reader.read_lines(&database)?;
    reader.read_arcs(&database)?;
    if database.has_table("tracer") {
        reader.read_tracers(&database)?;
    }
    Ok(reader.finish())
}

#[derive(Default)]
struct Reader {
    files: Vec<(String, RawFile)>,
    /// By the number of the row, the index into `files`.
    by_id: HashMap<i64, usize>,
    has_lines: bool,
    has_arcs: bool,
}

impl Reader {
    fn read_files(&mut self, database: &Database<impl ReadAt>) -> Result<(), DataFileError> {
        let (files, by_id) = (&mut self.files, &mut self.by_id);
        let mut failure = None;
        let rows = database.rows("file", ["id", "path"], |id, [_, path]| {
            let path = path.text().unwrap_or_default();
            let fine = !path.is_empty() && path.len() <= MAX_PATH && files.len() < MAX_FILES;
            if !fine {
                failure = Some("has no path, a path of more than 4096 bytes, or is one too many");
                return Err(DatabaseError::Empty);
            }
            by_id.insert(id, files.len());
            files.push((
                String::from_utf8_lossy(path).into_owned(),
                RawFile::default(),
            ));
            Ok(())
        });
        finish("file", rows, failure.map(str::to_owned))
    }

    fn read_lines(&mut self, database: &Database<impl ReadAt>) -> Result<(), DataFileError> {
        let columns = ["file_id", "context_id", "numbits"];
        let mut failure = None;
        let rows = database.rows("line_bits", columns, |_, [file, _, numbits]| {
            let slot = file.integer().and_then(|id| self.by_id.get(&id));
            let bytes = numbits
                .blob()
                .filter(|bytes| bytes.len() as u64 <= MAX_LINE / 8);
            let (Some(slot), Some(bytes)) = (slot, bytes) else {
                failure = Some("is of no file, or holds no lines".to_owned());
                return Err(DatabaseError::Empty);
            };
            self.files[*slot].1.lines.unite(&Numbits::from_bytes(bytes));
            self.has_lines = true;
            Ok(())
        });
        finish("line_bits", rows, failure)
    }

    fn read_arcs(&mut self, database: &Database<impl ReadAt>) -> Result<(), DataFileError> {
        let columns = ["file_id", "context_id", "fromno", "tono"];
        let mut failure = None;
        // Rows of one file follow each other.
        let mut last = (None, 0);
        let rows = database.rows("arc", columns, |_, [file, _, from, to]: [Value<'_>; 4]| {
            let id = file.integer();
            if last.0 != id || id.is_none() {
                let Some(slot) = id.and_then(|id| self.by_id.get(&id)) else {
                    failure = Some("is of no file".to_owned());
                    return Err(DatabaseError::Empty);
                };
                last = (id, *slot);
            }
            let (Some(from), Some(to)) = (line(from), line(to)) else {
                failure = Some(format!("is no arc between two of {MAX_LINE} lines"));
                return Err(DatabaseError::Empty);
            };
            push(&mut self.files[last.1].1.arcs, (from, to));
            self.has_arcs = true;
            Ok(())
        });
        finish("arc", rows, failure)
    }

    fn read_tracers(&mut self, database: &Database<impl ReadAt>) -> Result<(), DataFileError> {
        let rows = database.rows("tracer", ["file_id", "tracer"], |id, [_, tracer]| {
            if let (Some(slot), Some(name)) = (self.by_id.get(&id), tracer.text()) {
                let name = String::from_utf8_lossy(name).into_owned();
                self.files[*slot].1.tracer = Some(name).filter(|name| !name.is_empty());
            }
            Ok(())
        });
        finish("tracer", rows, None)
    }

    fn finish(self) -> RawData {
        let mut data = RawData {
            has_lines: self.has_lines,
            has_arcs: self.has_arcs,
            ..RawData::default()
        };
        for (path, mut file) in self.files {
            file.arcs.sort_unstable();
            file.arcs.dedup();
            // Two rows of one path: the text was not UTF-8, or the index is broken.
            data.files.entry(path).or_default().unite(file);
        }
        data
    }
}

fn finish(
    table: &'static str,
    rows: Result<(), DatabaseError>,
    failure: Option<String>,
) -> Result<(), DataFileError> {
    match failure {
        Some(what) => Err(DataFileError::Row { table, what }),
        None => Ok(rows?),
    }
}

fn line(value: Value<'_>) -> Option<i32> {
    let number = value
        .integer()
        .filter(|number| number.unsigned_abs() < MAX_LINE)?;
    i32::try_from(number).ok()
}

/// Adds an arc; every context repeats them, so repetitions go before the vector grows.
fn push(arcs: &mut Vec<Arc>, arc: Arc) {
    if arcs.len() == arcs.capacity() && arcs.len() >= 1024 {
        arcs.sort_unstable();
        arcs.dedup();
    }
    arcs.push(arc);
}

fn text(text: &str) -> Value<'_> {
    Value::Text(text.as_bytes())
}

const TABLES: [(&str, &str); 7] = [
    ("coverage_schema", "version integer"),
    ("meta", "key text,\n value text,\n unique (key)"),
    (
        "file",
        "id integer primary key,\n path text,\n unique (path)",
    ),
    (
        "context",
        "id integer primary key,\n context text,\n unique (context)",
    ),
    (
        "line_bits",
        "file_id integer,\n context_id integer,\n numbits blob,\n foreign key (file_id) references file (id),\n foreign key (context_id) references context (id),\n unique (file_id, context_id)",
    ),
    (
        "arc",
        "file_id integer,\n context_id integer,\n fromno integer,\n tono integer,\n foreign key (file_id) references file (id),\n foreign key (context_id) references context (id),\n unique (file_id, context_id, fromno, tono)",
    ),
    (
        "tracer",
        "file_id integer primary key,\n tracer text,\n foreign key (file_id) references file (id)",
    ),
];

/// Writes a data file that coverage.py opens, without contexts. A mix of lines and branches is
/// written by lines: coverage.py knows no file of both.
///
/// # Errors
/// The writer's.
pub(crate) fn write(data: &RawData, version: &str, out: impl Write) -> io::Result<()> {
    let by_arcs = data.has_arcs && !data.has_lines;
    let lines: Vec<Numbits> = if by_arcs {
        Vec::new()
    } else {
        data.files.values().map(RawFile::executed).collect()
    };
    let int = Value::Integer;
    let has_arcs: &[u8] = if by_arcs { b"1" } else { b"0" };
    let mut meta = vec![vec![
        Value::Text(b"version"),
        Value::Text(version.as_bytes()),
    ]];
    if data.has_arcs || data.has_lines {
        meta.insert(0, vec![Value::Text(b"has_arcs"), Value::Text(has_arcs)]);
    }
    let files = || (1_i64..).zip(&data.files);
    let mut builder = Builder::new();
    for (name, columns) in TABLES {
        let sql = format!("CREATE TABLE {name} (\n {columns}\n)");
        match name {
            "coverage_schema" => builder.table(name, &sql, [(1, vec![int(SCHEMA)])]),
            "meta" => {
                builder.table(name, &sql, (1..).zip(meta.iter().cloned()));
                let keys = (1..).zip(&meta).map(|(id, row)| vec![row[0], int(id)]);
                builder.unique_index(name, keys);
            }
            "file" => {
                builder.table(
                    name,
                    &sql,
                    files().map(|(id, file)| (id, vec![Value::Null, text(file.0)])),
                );
                builder.unique_index(name, files().map(|(id, file)| vec![text(file.0), int(id)]));
            }
            "context" => {
                builder.table(name, &sql, [(1, vec![Value::Null, Value::Text(b"")])]);
                builder.unique_index(name, [vec![Value::Text(b""), int(1)]]);
            }
            "line_bits" => {
                let rows = || (1..).zip(files().zip(&lines).filter(|(_, lines)| !lines.is_empty()));
                builder.table(
                    name,
                    &sql,
                    rows().map(|(id, ((file, _), lines))| {
                        (id, vec![int(file), int(1), Value::Blob(lines.as_bytes())])
                    }),
                );
                builder.unique_index(
                    name,
                    rows().map(|(id, ((file, _), _))| vec![int(file), int(1), int(id)]),
                );
            }
            "arc" => {
                let arcs = || {
                    let files = files().filter(|_| by_arcs);
                    let arcs = files
                        .flat_map(|(id, (_, file))| file.arcs.iter().map(move |arc| (id, *arc)));
                    (1..).zip(arcs)
                };
                let values = |(file, (from, to)): (i64, Arc)| {
                    [int(file), int(1), int(from.into()), int(to.into())]
                };
                builder.table(
                    name,
                    &sql,
                    arcs().map(|(id, arc)| (id, values(arc).to_vec())),
                );
                builder.unique_index(
                    name,
                    arcs().map(|(id, arc)| [&values(arc)[..], &[int(id)]].concat()),
                );
            }
            _ => {
                let tracers =
                    files().filter_map(|(id, (_, file))| Some((id, file.tracer.as_deref()?)));
                builder.table(
                    name,
                    &sql,
                    tracers.map(|(id, tracer)| {
                        (id, vec![Value::Null, Value::Text(tracer.as_bytes())])
                    }),
                );
            }
        }
    }
    builder.write(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::raw::tests::any_data;
    use super::*;

    fn written(data: &RawData) -> Vec<u8> {
        let mut file = Vec::new();
        write(data, "7.17.3", &mut file).expect("no error of a vector");
        file
    }

    fn of_one_kind(mut data: RawData) -> RawData {
        data.has_lines = !data.has_arcs;
        for file in data.files.values_mut() {
            if data.has_arcs {
                file.lines = Numbits::default();
            } else {
                file.arcs.clear();
            }
        }
        let ran = data
            .files
            .values()
            .any(|file| !file.arcs.is_empty() || !file.lines.is_empty());
        data.has_lines &= ran;
        data.has_arcs &= ran;
        data
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(data in any_data()) {
            let data = of_one_kind(data);
            prop_assert_eq!(read(written(&data).as_slice()).expect("a data file"), data);
        }

        #[test]
        fn a_broken_file_is_refused_or_read_but_never_worse(
            data in any_data(),
            flips in prop::collection::vec((0_usize..60_000, any::<u8>()), 1..4),
            end in prop::option::of(0_usize..60_000),
        ) {
            let mut file = written(&of_one_kind(data));
            for (at, byte) in flips {
                let size = file.len();
                file[at % size] = byte;
            }
            if let Some(end) = end {
                file.truncate(end);
            }
            let _ = read(file.as_slice());
        }
    }

    #[test]
    fn a_mix_is_written_by_lines() {
        let one = RawFile {
            arcs: vec![(-1, 1), (1, 2), (2, -1)],
            ..RawFile::default()
        };
        let two = RawFile {
            lines: [7].into_iter().collect(),
            ..RawFile::default()
        };
        let data = RawData {
            has_lines: true,
            has_arcs: true,
            files: [("a.py".to_owned(), one), ("b.py".to_owned(), two)].into(),
        };
        let read = read(written(&data).as_slice()).expect("a data file");
        let lines = |path: &str| read.files[path].lines.lines().collect::<Vec<_>>();
        assert_eq!((read.has_lines, read.has_arcs), (true, false));
        assert_eq!((lines("a.py"), lines("b.py")), (vec![1, 2], vec![7]));
    }

    #[test]
    fn says_what_else_a_file_is() {
        let message = |bytes: &[u8]| read(bytes).expect_err("no data file").to_string();
        insta::assert_snapshot!(message(b""), @"it is not a data file of coverage.py: the file is empty");
        insta::assert_snapshot!(message(b"<coverage/>"), @"it is not a data file of coverage.py: it is not a SQLite database");
        insta::assert_snapshot!(message(b"!coverage.py: This is a private format"), @"it is of coverage.py 4 or older, whose data cannot be read: run the tests with coverage.py 5 or newer");
        let whole = written(&RawData::default());
        insta::assert_snapshot!(message(&whole[..9000]), @"it is not a data file of coverage.py: the database is cut off: page 3 of 13 is missing");
        let mut write_ahead = whole.clone();
        write_ahead[18] = 2;
        insta::assert_snapshot!(message(&write_ahead), @"it is not a data file of coverage.py: the database is of a kind that coverage.py does not write: a write-ahead log, whose rows may be in another file");
        let at = whole
            .windows(9)
            .position(|text| text == b"path text")
            .expect("the column");
        let mut other = whole.clone();
        other[at] = b'm';
        insta::assert_snapshot!(message(&other), @"it is not a data file of coverage.py: the database is of a kind that coverage.py does not write: there are other columns in the table `file`");
    }
}
