//! Reads a report: lines and branches; functions follow from lines.

use std::io::BufRead;

use super::super::report::{Part, ReadError};
use crate::model::coverage::{FileCoverage, Line, unnamed};

/// Of one line, in bytes.
const MAX_LINE_BYTES: usize = 1 << 20;

/// # Errors
/// Not a whole lcov report: which line, and what is wrong with it.
pub(crate) fn read(mut input: impl BufRead) -> Result<Part, ReadError> {
    let mut part = Part::default();
    let mut open: Option<(String, FileCoverage)> = None;
    let mut counted = 0;
    let mut buffer = Vec::new();
    for number in 1_usize.. {
        let failed = |what: &str| ReadError::Lcov(format!("line {number} {what}"));
        buffer.clear();
        let mut limited = std::io::Read::take(&mut input, MAX_LINE_BYTES as u64);
        let size = limited
            .read_until(b'\n', &mut buffer)
            .map_err(|error| failed(&error.to_string()))?;
        if size == 0 {
            break;
        }
        if size == MAX_LINE_BYTES {
            return Err(failed("has more than 1 MiB"));
        }
        let text = String::from_utf8_lossy(&buffer);
        let text = text.trim_start_matches('\u{feff}').trim_end();
        let (key, value) = text.split_once(':').unwrap_or((text, ""));
        match (key, &mut open) {
            ("SF", None) => open = Some((value.trim().to_owned(), FileCoverage::default())),
            ("SF", Some(_)) => return Err(failed("begins a file inside of another")),
            ("end_of_record", Some(_)) => {
                if let Some((name, mut file)) = open.take() {
                    // Of branches that are counted and not listed the line is not known.
                    let hidden =
                        std::mem::take(&mut counted).max(file.branches()) - file.branches();
                    if hidden > 0 {
                        file.waived.insert(0, hidden);
                    }
                    let known = part.coverage.files.entry(name.into()).or_default();
                    super::super::merge::merge_file(known, file);
                }
            }
            ("DA", Some((_, file))) => {
                line(value, file).ok_or_else(|| failed("is no DA:line,hits"))?;
            }
            ("BRDA", Some((_, file))) => {
                branch(value, file).ok_or_else(|| failed("is no BRDA:line,block,branch,taken"))?;
                part.coverage.branch = true;
            }
            ("BRF", Some(_)) => {
                counted = value.trim().parse().unwrap_or(0);
                part.coverage.branch = true;
            }
            ("DA" | "BRDA", None) => return Err(failed("is of no file")),
            _ => {}
        }
    }
    if open.is_some() {
        return Err(ReadError::Lcov(
            "it ends in the middle of a file".to_owned(),
        ));
    }
    part.maybe_branch = !part.coverage.branch;
    Ok(part)
}

fn line(value: &str, file: &mut FileCoverage) -> Option<()> {
    let mut fields = value.split(',');
    let line = number(fields.next()?)?;
    let hits: f64 = fields.next()?.trim().parse().ok()?;
    if hits > 0.0 {
        file.missing.remove(&line);
        file.executed.insert(line);
    } else if !file.executed.contains(&line) {
        file.missing.insert(line);
    }
    Some(())
}

fn branch(value: &str, file: &mut FileCoverage) -> Option<()> {
    let (line, rest) = value.split_once(',')?;
    let (_block, rest) = rest.split_once(',')?;
    let (name, taken) = rest.rsplit_once(',')?;
    let line = number(line)?.cast_signed();
    let ways = (line, i32::MIN)..=(line, i32::MAX);
    let known =
        file.executed_arcs.range(ways.clone()).count() + file.missing_arcs.range(ways).count();
    let (to, exit) = match name.strip_prefix("jump to line ") {
        Some(target) => (number(target)?.cast_signed(), None),
        // Others number their branches; the place in the list tells them apart.
        None if name.trim().parse::<u64>().is_ok() => (unnamed::way(known), None),
        None => (unnamed::exit(known), Some(name)),
    };
    let ran = taken.trim() != "-" && taken.trim().parse::<f64>().ok()? > 0.0;
    let arcs = if ran {
        &mut file.executed_arcs
    } else {
        &mut file.missing_arcs
    };
    arcs.insert((line, to));
    if let Some(exit) = exit {
        file.exits.insert((line, to), exit.to_owned());
    }
    Some(())
}

fn number(text: &str) -> Option<Line> {
    text.trim().parse().ok().filter(|line| *line < 1 << 24)
}

#[cfg(test)]
mod tests {
    use super::super::super::fixtures::{BRANCH, LINE, read as read_json};
    use super::*;

    fn part(text: &str) -> Part {
        read(text.as_bytes()).expect("a report")
    }

    #[test]
    fn what_is_written_counts_the_same_when_read() {
        for recording in [BRANCH, LINE] {
            let coverage = read_json(recording.json);
            let mut text = Vec::new();
            super::super::write(&coverage, false, &mut text).expect("no error of a vector");
            let read = part(&String::from_utf8(text).expect("UTF-8")).coverage;
            assert_eq!(
                (read.branch, read.totals()),
                (coverage.branch, coverage.totals())
            );
        }
    }

    #[test]
    fn reads_the_dialects_of_others() {
        let text = "TN:x\nVER:1\nSF:src/a.js\nFN:1,f\nFNDA:3,f\nDA:1,3,abc\nDA:2,0\nDA:2,1\nBRDA:1,0,0,3\nBRDA:1,0,1,0\nBRDA:2,e0,0,-\nBRF:3\nBRH:1\nend_of_record\nSF:src/a.js\nDA:7,0\nend_of_record\n";
        let read = part(text);
        let file = &read.coverage.files[camino::Utf8Path::new("src/a.js")];
        assert_eq!(
            (&file.executed, &file.missing),
            (&[1, 2].into(), &[7].into())
        );
        assert_eq!((file.branches(), file.executed_arcs.len()), (3, 1));
    }

    #[test]
    fn says_what_is_wrong() {
        let message = |text: &str| read(text.as_bytes()).expect_err("no report").to_string();
        insta::assert_snapshot!(message("SF:a\nDA:1\n"), @"it is not an lcov report: line 2 is no DA:line,hits");
        insta::assert_snapshot!(message("SF:a\nDA:1,1\n"), @"it is not an lcov report: it ends in the middle of a file");
        insta::assert_snapshot!(message("SF:a\nSF:b\n"), @"it is not an lcov report: line 2 begins a file inside of another");
        insta::assert_snapshot!(message("DA:1,1\n"), @"it is not an lcov report: line 1 is of no file");
    }
}
