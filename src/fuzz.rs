//! Doors for the fuzzers in `fuzz/`: bytes of a stranger into every reader that meets them. The laws
//! that hold for whatever comes out are checked here too.
//!
//! A test replays the seeds and mutations of them; `make fuzz` goes on for as long as one likes.

use std::io::{self, Cursor};

use crate::coverage::numbits::Numbits;
use crate::coverage::{cobertura, data_file, json, lcov};
use crate::github::artifact::archive::{self, Limits};
use crate::junit::{found, read, unite, write};
use crate::pytest::log::ShardLog;

/// What was read of a report is read the same from the report that we write of it.
pub fn junit(data: &[u8]) {
    let report = unite::unite(vec![("one".to_owned(), read::read(data))]);
    let mut written = Vec::new();
    write::write(&report, &mut written).expect("a vector takes all");
    let again = read::read(written.as_slice());
    assert_eq!(again.end, found::ReadEnd::Complete);
    assert_eq!(again.cases.len(), report.cases.len());
    for (case, before) in again.cases.briefs().zip(report.cases.iter()) {
        let before = before.brief();
        assert_eq!((case.name, case.outcome), (before.name, before.outcome));
    }
}

/// What is read is written such that it is read the same.
pub fn data_file(data: &[u8]) {
    if let Ok(raw) = data_file::read(data)
        && !raw.is_mixed()
    {
        let mut written = Vec::new();
        data_file::write(&raw, "1", &mut written).expect("a vector takes all");
        let again = data_file::read(written.as_slice()).expect("our own file");
        assert_eq!(again.files, raw.files);
    }
}

pub fn numbits(data: &[u8]) {
    let set = Numbits::from_bytes(data);
    let again: Numbits = set.lines().collect();
    assert!(again.lines().eq(set.lines()));
    let mut both = set.clone();
    both.unite(&again);
    assert_eq!(both, set);
}

/// Totals are no more than the whole.
pub fn lcov(data: &[u8]) {
    if let Ok(part) = lcov::read(data) {
        let mut written = Vec::new();
        lcov::write(&part.coverage, false, &mut written).expect("a vector takes all");
        let again = lcov::read(written.as_slice()).expect("our own report");
        assert_eq!(again.coverage.files.len(), part.coverage.files.len());
        let totals = part.coverage.totals();
        assert!(totals.covered <= totals.statements);
        assert!(totals.covered_branches <= totals.branches);
    }
}

pub fn cobertura(data: &[u8]) {
    if let Ok(part) = cobertura::read(data) {
        let totals = part.coverage.totals();
        assert!(totals.covered <= totals.statements);
        assert!(totals.covered_branches <= totals.branches);
    }
}

pub fn coverage_json(data: &[u8]) {
    if let Ok(part) = json::read(data) {
        let totals = part.coverage.totals();
        assert!(totals.covered <= totals.statements);
        assert!(totals.covered_branches <= totals.branches);
    }
}

/// Never hands out more than the limits allow.
pub fn zip(data: &[u8]) {
    let mut limits = Limits {
        entry: 1 << 20,
        total: 4 << 20,
        ..Limits::default()
    };
    let most = limits.total;
    let mut taken = 0;
    let _ = archive::read(
        Cursor::new(data),
        &mut limits,
        |_| true,
        |_, content| {
            taken += io::copy(content, &mut io::sink())?;
            Ok(())
        },
    );
    assert!(taken <= most);
}

pub fn events(data: &[u8]) {
    ShardLog::read(data).expect("a slice is always readable");
}

#[cfg(test)]
mod replay {
    use std::io::Write as _;
    use std::path::Path;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::coverage::raw::{RawData, RawFile};

    /// Seconds for each reader.
    const SECONDS: &str = "PARALLEL_PYTEST_FUZZ_SECONDS";
    /// A folder to write the seeds to, instead of trying them.
    const SEEDS: &str = "PARALLEL_PYTEST_FUZZ_SEEDS";

    /// Bits that formats are sensitive to.
    const WORDS: [&[u8]; 16] = [
        b"<",
        b">",
        b"\"",
        b"&#x0;",
        b"]]>",
        b"<![CDATA[",
        b"<!DOCTYPE",
        b"\0",
        b"\xff\xff\xff\xff",
        b"\x80",
        b"-1",
        b"1e999",
        b"\n",
        b"{",
        b"]",
        b"99999999999999999999",
    ];

    /// xorshift64*, so that a failure can be had again.
    struct Chance(u64);

    impl Chance {
        fn below(&mut self, limit: usize) -> usize {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
            usize::try_from(number).expect("31 bits") % limit.max(1)
        }

        fn mutate(&mut self, data: &mut Vec<u8>, other: &[u8]) {
            for _ in 0..=self.below(4) {
                let at = self.below(data.len() + 1);
                let end = (at + self.below(64)).min(data.len());
                match self.below(7) {
                    0 if at < data.len() => data[at] ^= 1 << self.below(8),
                    1 if at < data.len() => {
                        data[at] = u8::try_from(self.below(256)).expect("a byte");
                    }
                    2 => drop(data.drain(at..end)),
                    3 => {
                        let piece = data[at..end].to_vec();
                        data.splice(at..at, piece);
                    }
                    4 => drop(data.splice(at..at, WORDS[self.below(WORDS.len())].iter().copied())),
                    5 => {
                        let from = self.below(other.len());
                        let to = (from + self.below(256)).min(other.len());
                        data.splice(at..at, other[from..to].iter().copied());
                    }
                    _ => data.truncate(at),
                }
            }
        }
    }

    fn replay(name: &str, seeds: &[Vec<u8>], reader: fn(&[u8])) {
        if let Ok(folder) = std::env::var(SEEDS) {
            let folder = Path::new(&folder).join(name);
            std::fs::create_dir_all(&folder).expect("a folder");
            for (number, seed) in seeds.iter().enumerate() {
                std::fs::write(folder.join(number.to_string()), seed).expect("a file");
            }
            return;
        }
        for seed in seeds {
            reader(seed);
        }
        let seconds = std::env::var(SECONDS).map_or(2, |text| text.parse().expect("seconds"));
        let end = Instant::now() + Duration::from_secs(seconds);
        let mut chance = Chance(0x5eed);
        while Instant::now() < end {
            let mut data = seeds[chance.below(seeds.len())].clone();
            let other = &seeds[chance.below(seeds.len())];
            chance.mutate(&mut data, other);
            let caught = std::panic::catch_unwind(|| reader(&data));
            assert!(caught.is_ok(), "{name}: {}", data.escape_ascii());
        }
    }

    fn fixtures(folder: &str, extensions: &[&str]) -> Vec<Vec<u8>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures")
            .join(folder);
        let files = std::fs::read_dir(folder).expect("fixtures").flatten();
        let mut paths: Vec<_> = files.map(|file| file.path()).collect();
        paths.retain(|path| {
            path.extension()
                .is_some_and(|end| extensions.iter().any(|known| end == *known))
        });
        paths.sort();
        assert!(!paths.is_empty());
        paths
            .iter()
            .map(|path| std::fs::read(path).expect("a fixture"))
            .collect()
    }

    #[test]
    fn junit_reports() {
        let mut seeds = fixtures("junit/producers", &["xml", "trx", "tap", "json"]);
        seeds.extend(fixtures("junit", &["xml"]));
        replay("junit", &seeds, junit);
    }

    #[test]
    fn data_files() {
        let seed = |arcs: bool| {
            let mut data = RawData {
                has_lines: !arcs,
                has_arcs: arcs,
                ..RawData::default()
            };
            for number in 0..40 {
                let mut file = RawFile::default();
                if arcs {
                    file.arcs
                        .extend((1..99).map(|line| (line - 1, line * number)));
                } else {
                    file.lines = (1..99)
                        .map(|line| line * (number.unsigned_abs() + 1))
                        .collect();
                }
                data.files
                    .insert(format!("/app/pkg/module{number}.py"), file);
            }
            let mut written = Vec::new();
            data_file::write(&data, "1", &mut written).expect("written");
            written
        };
        replay("data_file", &[seed(false), seed(true)], data_file);
    }

    #[test]
    fn sets_of_lines() {
        replay(
            "numbits",
            &[vec![], vec![0xff, 1, 0x80], vec![0; 99]],
            numbits,
        );
    }

    #[test]
    fn lcov_reports() {
        let seeds = ["branch/combined.json", "line/combined.json"].map(|name| {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/coverage");
            let report = std::fs::read(folder.join(name)).expect("a fixture");
            let coverage = json::read(report.as_slice()).expect("a report").coverage;
            let mut written = Vec::new();
            lcov::write(&coverage, false, &mut written).expect("written");
            written
        });
        replay("lcov", &seeds, lcov);
    }

    #[test]
    fn cobertura_reports() {
        let mut seeds = fixtures("coverage/branch", &["xml"]);
        seeds.extend(fixtures("coverage/line", &["xml"]));
        replay("cobertura", &seeds, cobertura);
    }

    #[test]
    fn coverage_json_reports() {
        replay(
            "coverage_json",
            &fixtures("coverage/branch", &["json"]),
            coverage_json,
        );
    }

    #[test]
    fn zips() {
        let mut writer = ::zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, text) in [("shard.json", "{}"), ("logs/app.txt", "a line\n")] {
            writer
                .start_file(name, ::zip::write::SimpleFileOptions::default())
                .expect("a file");
            writer
                .write_all(text.repeat(99).as_bytes())
                .expect("written");
        }
        let seed = writer.finish().expect("a zip").into_inner();
        replay("zip", &[seed], zip);
    }

    #[test]
    fn event_logs() {
        let seed = include_bytes!("../tests/fixtures/events.jsonl");
        replay("events", &[seed.to_vec()], events);
    }
}
