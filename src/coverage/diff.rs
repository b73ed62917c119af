//! How much of a change is covered: only lines that it adds count.

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8PathBuf;

use super::table::missing;
use super::visible::printable;
use crate::model::coverage::{Coverage, CoverageTotals, FileCoverage, Line};

/// Added lines of each file, in its new version.
pub(crate) type Added = BTreeMap<Utf8PathBuf, BTreeSet<Line>>;

/// What a change adds, and to what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// In words: a commit or a branch.
    pub(crate) against: String,
    pub(crate) added: Added,
}

/// The part of the coverage that is of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Patch {
    pub(crate) against: String,
    /// Only files with a statement that the change adds.
    pub(crate) coverage: Coverage,
}

/// The added lines of the hunks of one file, without the heads of the diff.
///
/// # Errors
/// The line that is no part of a diff, and what is wrong with it.
pub(crate) fn added_by(hunks: &str) -> Result<BTreeSet<Line>, String> {
    let added = added_lines(format!("+++ b/x\n{}", hunks.trim_end_matches('\n')).as_bytes())?;
    Ok(added.into_values().next().unwrap_or_default())
}

/// Reads a diff of git, with any number of lines of context.
///
/// # Errors
/// The line that is no part of a diff, and what is wrong with it.
pub(crate) fn added_lines(diff: &[u8]) -> Result<Added, String> {
    let mut added = Added::new();
    let mut file: Option<Utf8PathBuf> = None;
    // Lines of the hunk that are still to come, of the old and of the new version.
    let (mut old, mut new) = (0_u32, 0_u32);
    let mut line = 0;
    for (number, text) in (1..).zip(diff.split(|byte| *byte == b'\n')) {
        let failed = |what: &str| format!("line {number} of the diff {what}");
        if old > 0 || new > 0 {
            match text.first() {
                Some(b'+') if new > 0 => {
                    if let Some(file) = &file {
                        added.entry(file.clone()).or_default().insert(line);
                    }
                    (line, new) = (line + 1, new - 1);
                }
                Some(b'-') if old > 0 => old -= 1,
                Some(b' ') | None if old > 0 && new > 0 => {
                    (line, old, new) = (line + 1, old - 1, new - 1);
                }
                Some(b'\\') => {}
                _ => return Err(failed("does not belong to its hunk")),
            }
            continue;
        }
        let text = String::from_utf8_lossy(text);
        if let Some(name) = text.strip_prefix("+++ ") {
            file = match name.trim_end_matches(['\t', '\r']) {
                "/dev/null" => None,
                name => Some(path_of(name).ok_or_else(|| failed("names no file"))?),
            };
        } else if text.starts_with("diff ") {
            file = None;
        } else if let Some(head) = text.strip_prefix("@@ ") {
            (old, line, new) = hunk(head).ok_or_else(|| failed("is no head of a hunk"))?;
        }
    }
    if old > 0 || new > 0 {
        return Err("the diff ends in the middle of a hunk".to_owned());
    }
    Ok(added)
}

/// `-1,2 +3,4 @@`: the number of old lines, the first new line and their number.
fn hunk(head: &str) -> Option<(u32, Line, u32)> {
    let (old, rest) = head.strip_prefix('-')?.split_once(" +")?;
    let (new, _) = rest.split_once(" @@")?;
    let range = |text: &str| match text.split_once(',') {
        Some((start, number)) => Some((start.parse().ok()?, number.parse().ok()?)),
        None => Some((text.parse().ok()?, 1)),
    };
    let (_, old): (u32, u32) = range(old)?;
    let (start, new) = range(new)?;
    Some((old, start, new))
}

/// `b/path`, or quoted as in C where the path holds what is not printable.
fn path_of(name: &str) -> Option<Utf8PathBuf> {
    let Some(quoted) = name
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
    else {
        return Some(name.strip_prefix("b/")?.into());
    };
    let mut bytes = Vec::new();
    let mut rest = quoted.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match (byte, byte == b'\\') {
            (_, false) => byte,
            _ => match rest.next()? {
                b'n' => b'\n',
                b't' => b'\t',
                b'r' => b'\r',
                b'a' => 7,
                b'b' => 8,
                b'f' => 12,
                b'v' => 11,
                digit @ b'0'..=b'3' => {
                    let digits = [digit, rest.next()?, rest.next()?];
                    u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 8).ok()?
                }
                other => other,
            },
        });
    }
    Some(String::from_utf8_lossy(&bytes).strip_prefix("b/")?.into())
}

/// The coverage of added lines: statements on them, and branches from them.
pub(crate) fn patch(coverage: &Coverage, added: &Added) -> Coverage {
    let part = |(path, lines): (&Utf8PathBuf, &BTreeSet<Line>)| {
        let stretches: Vec<(Line, Line)> = lines.iter().map(|line| (*line, *line)).collect();
        let part: FileCoverage = coverage.files.get(path)?.within(&stretches);
        (part.totals().statements > 0).then(|| (path.clone(), part))
    };
    Coverage {
        branch: coverage.branch,
        files: added.iter().filter_map(part).collect(),
    }
}

/// What a person reads: each file with what is missing of it, then the sum.
pub(crate) fn summary(patch: &Coverage, against: &str, precision: usize) -> String {
    const RULE: &str = "-------------";
    let percent = |totals: CoverageTotals| super::percent::display(totals.percent(), precision);
    let mut lines = vec![
        RULE.to_owned(),
        "Diff Coverage".to_owned(),
        format!("Diff: {against}"),
        RULE.to_owned(),
    ];
    for (path, file) in &patch.files {
        let missing = match missing(file) {
            none if none.is_empty() => String::new(),
            missing => format!(": Missing lines {missing}"),
        };
        lines.push(format!(
            "{} ({}%){missing}",
            printable(path.as_str()),
            percent(file.totals())
        ));
    }
    let totals = patch.totals();
    if patch.files.is_empty() {
        lines.push("No lines with coverage information in this diff.".to_owned());
    } else {
        let of =
            |what: &str, all: usize, missing: usize| format!("{what}: {all}, missing: {missing}");
        lines.push(RULE.to_owned());
        lines.push(of("Lines", totals.statements, totals.missing()));
        if patch.branch {
            lines.push(of(
                "Branches",
                totals.branches,
                totals.branches - totals.covered_branches,
            ));
        }
        lines.push(format!("Coverage: {}%", percent(totals)));
    }
    lines.push(RULE.to_owned());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_added_lines_count() {
        let diff = "diff --git a/a.py b/a.py\nindex 1..2 100644\n--- a/a.py\n+++ b/a.py\n@@ -1,4 +1,5 @@ def f():\n one\n-two\n+TWO\n+++ b/c.py\n three\n\n@@ -9 +10,0 @@\n-gone\n@@ -20,0 +20 @@\n+new\n\\ No newline at end of file\ndiff --git a/b.py b/b.py\n--- a/b.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\ndiff --git a/d b/d\n--- /dev/null\n+++ \"b/sp\\303\\251\\t.py\"\n@@ -0,0 +1,2 @@\n+1\n+2\n";
        let expected = [("a.py", vec![2, 3, 20]), ("sp\u{e9}\t.py", vec![1, 2])];
        let expected: Added = expected
            .into_iter()
            .map(|(path, lines)| (path.into(), lines.into_iter().collect()))
            .collect();
        assert_eq!(added_lines(diff.as_bytes()), Ok(expected));
        assert_eq!(added_lines(b""), Ok(Added::new()));
        let refused = |diff: &str| added_lines(diff.as_bytes()).expect_err("refused");
        insta::assert_snapshot!(refused("+++ b/a\n@@ -1 +1 @@\nx\n"), @"line 3 of the diff does not belong to its hunk");
        insta::assert_snapshot!(refused("+++ b/a\n@@ 1 @@\n"), @"line 2 of the diff is no head of a hunk");
        insta::assert_snapshot!(refused("+++ b/a\n@@ -0,0 +1,2 @@\n+1"), @"the diff ends in the middle of a hunk");
    }

    #[test]
    fn a_patch_is_judged_with_its_branches() {
        let file = FileCoverage {
            executed: [1, 2, 7].into(),
            missing: [3, 4, 9].into(),
            executed_arcs: [(2, 3)].into(),
            missing_arcs: [(2, -1), (4, 5), (4, 6)].into(),
            ..FileCoverage::default()
        };
        let coverage = Coverage {
            branch: true,
            files: [("a.py".into(), file)].into(),
        };
        let added = [
            ("a.py".into(), [2, 3, 5, 7].into()),
            ("b.py".into(), [1].into()),
        ]
        .into();
        insta::assert_snapshot!(summary(&patch(&coverage, &added), "main...", 0), @"
        -------------
        Diff Coverage
        Diff: main...
        -------------
        a.py (60%): Missing lines 2->exit, 3
        -------------
        Lines: 3, missing: 1
        Branches: 2, missing: 1
        Coverage: 60%
        -------------
        ");
        insta::assert_snapshot!(summary(&patch(&coverage, &Added::new()), "main...", 0), @"
        -------------
        Diff Coverage
        Diff: main...
        -------------
        No lines with coverage information in this diff.
        -------------
        ");
    }
}
