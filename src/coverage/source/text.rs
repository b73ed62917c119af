//! The text of a source and its lines.

use ruff_python_ast::token::{TokenKind, Tokens};
use ruff_python_ast::{ExceptHandler, Stmt, StmtClassDef, StmtFunctionDef};
use ruff_text_size::{Ranged as _, TextSize};

use crate::model::coverage::Line;

/// The bytes of a source as Python reads them: one kind of line end, and one at the end; a form feed
/// is a blank.
pub(super) fn decode(bytes: &[u8]) -> String {
    let (bytes, marked) = match bytes.strip_prefix(b"\xef\xbb\xbf") {
        Some(rest) => (rest, true),
        None => (bytes, false),
    };
    let mut text: String = if !marked && declares_another_encoding(bytes) {
        // Of all the others only the bytes that are ASCII matter to lines and keywords.
        bytes.iter().map(|byte| char::from(*byte)).collect()
    } else {
        String::from_utf8_lossy(bytes).into_owned()
    };
    // Nearly every source has neither.
    if text.contains('\r') {
        text = text.replace("\r\n", "\n").replace('\r', "\n");
    }
    if text.contains('\x0c') {
        text = text.replace('\x0c', " ");
    }
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// PEP 263: a comment in one of the first two lines.
fn declares_another_encoding(bytes: &[u8]) -> bool {
    let lines = bytes.split(|byte| matches!(byte, b'\n' | b'\r')).take(2);
    let comments = lines.filter(|line| line.trim_ascii_start().starts_with(b"#"));
    let mut names = comments.filter_map(|line| {
        let line = String::from_utf8_lossy(line);
        let name = line
            .split_once("coding")?
            .1
            .strip_prefix([':', '='])?
            .trim_start()
            .to_lowercase();
        let end = name.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c)));
        Some(name[..end.unwrap_or(name.len())].replace('_', "-"))
    });
    names
        .next()
        .is_some_and(|name| !name.is_empty() && name != "utf8" && !name.starts_with("utf-8"))
}

/// Where lines start, and which of them are one logical line.
pub(super) struct Lines {
    /// The offset of each line.
    starts: Vec<u32>,
    /// By line, the first line of its logical line.
    first: Vec<Line>,
}

impl Lines {
    pub(super) fn new(text: &str, tokens: &Tokens) -> Self {
        let ends = text
            .bytes()
            .zip(1..)
            .filter(|(byte, _)| *byte == b'\n')
            .map(|(_, next)| next);
        let starts: Vec<u32> = std::iter::once(0).chain(ends).collect();
        let mut lines = Self {
            first: (0..=Line::try_from(starts.len()).unwrap_or(Line::MAX)).collect(),
            starts,
        };
        let mut start = None;
        for token in tokens {
            match token.kind() {
                TokenKind::Newline => {
                    let end = lines.at(token.start());
                    if let Some(start) = start.take() {
                        lines.first[start as usize..=end as usize].fill(start);
                    }
                }
                kind if is_blank(kind) => {}
                _ if start.is_none() => start = Some(lines.at(token.start())),
                _ => {}
            }
        }
        lines
    }

    /// The line of a place in the text.
    pub(super) fn at(&self, offset: TextSize) -> Line {
        let line = self
            .starts
            .partition_point(|start| *start <= u32::from(offset));
        Line::try_from(line).unwrap_or(Line::MAX)
    }

    /// The first line of the logical line that holds this one.
    pub(super) fn first(&self, line: Line) -> Line {
        self.first.get(line as usize).copied().unwrap_or(line)
    }

    /// The first line of the logical line of a place.
    pub(super) fn first_at(&self, offset: TextSize) -> Line {
        self.first(self.at(offset))
    }

    /// As [`Self::first`], for an end of an arc.
    pub(super) fn first_of_end(&self, end: i32) -> i32 {
        let line = self.first(end.unsigned_abs()).cast_signed();
        if end < 0 { -line } else { line }
    }

    pub(super) fn last(&self) -> Line {
        // Behind the last line end there is no line any more.
        Line::try_from(self.starts.len() - 1).unwrap_or(Line::MAX)
    }

    /// The line a statement begins on; a definition begins at `def` or `class`, not at a decorator.
    pub(super) fn of(&self, statement: &Stmt) -> Line {
        match statement {
            Stmt::FunctionDef(StmtFunctionDef { name, .. })
            | Stmt::ClassDef(StmtClassDef { name, .. }) => self.first_at(name.start()),
            other => self.at(other.start()),
        }
    }

    /// The line a statement ends on.
    pub(super) fn end_of(&self, statement: &Stmt) -> Line {
        self.at(statement.end())
    }
}

/// The bodies of a compound statement that is no definition.
pub(super) fn bodies(statement: &Stmt) -> Vec<&[Stmt]> {
    match statement {
        Stmt::If(branch) => {
            let clauses = branch.elif_else_clauses.iter().map(|clause| &*clause.body);
            std::iter::once(&*branch.body).chain(clauses).collect()
        }
        Stmt::While(repeat) => vec![&repeat.body, &repeat.orelse],
        Stmt::For(repeat) => vec![&repeat.body, &repeat.orelse],
        Stmt::With(with) => vec![&with.body],
        Stmt::Try(attempt) => {
            let handlers = attempt.handlers.iter();
            let handlers = handlers.map(|ExceptHandler::ExceptHandler(handler)| &*handler.body);
            let last = [&*attempt.orelse, &*attempt.finalbody];
            std::iter::once(&*attempt.body)
                .chain(handlers)
                .chain(last)
                .collect()
        }
        Stmt::Match(choice) => choice.cases.iter().map(|case| &*case.body).collect(),
        _ => Vec::new(),
    }
}

/// A token that begins no logical line.
pub(super) fn is_blank(kind: TokenKind) -> bool {
    matches!(
        kind,
        TokenKind::Comment
            | TokenKind::NonLogicalNewline
            | TokenKind::Newline
            | TokenKind::Indent
            | TokenKind::Dedent
            | TokenKind::EndOfFile
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_as_python_reads_it() {
        for (bytes, text) in [
            (b"".as_slice(), ""),
            (b"a\r\nb\rc\x0cd", "a\nb\nc d\n"),
            (b"\xef\xbb\xbfx = 1\n", "x = 1\n"),
            (
                b"# -*- coding: latin-1 -*-\n# \xe9\n",
                "# -*- coding: latin-1 -*-\n# \u{e9}\n",
            ),
            (
                b"#!x\n# vim: set fileencoding=utf_8 :\n\xc3\xa9",
                "#!x\n# vim: set fileencoding=utf_8 :\n\u{e9}\n",
            ),
            (b"\xe9\n", "\u{fffd}\n"),
        ] {
            assert_eq!(decode(bytes), text);
        }
    }
}
