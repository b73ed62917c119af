//! Lines that do not count, though they have code: marked ones, with all that is below them.

use std::collections::BTreeSet;

use ruff_python_ast::token::{TokenKind, Tokens};
use ruff_python_ast::{Decorator, Stmt};
use ruff_text_size::Ranged as _;

use super::statements::{docstring, is_last_resort};
use super::text::{Lines, bodies, is_blank};
use crate::model::coverage::Line;

/// The lines that match any of some expressions, anywhere in the text.
pub(super) fn matching(text: &str, pattern: &fancy_regex::Regex, lines: &Lines) -> BTreeSet<Line> {
    let mut found = BTreeSet::new();
    for place in pattern.find_iter(text).map_while(Result::ok) {
        let offset = |at: usize| ruff_text_size::TextSize::try_from(at).unwrap_or_default();
        for line in lines.at(offset(place.start()))..=lines.at(offset(place.end())) {
            found.insert(lines.first(line));
        }
    }
    found
}

/// Extends marked lines over the suites they open: a marked colon excludes what is indented below.
pub(super) fn suites(marked: &BTreeSet<Line>, tokens: &Tokens, lines: &Lines) -> BTreeSet<Line> {
    let mut excluded = marked.clone();
    let (mut indent, mut nesting) = (0_usize, 0_usize);
    // The indent of the suite that is being excluded.
    let mut excluding: Option<usize> = None;
    let mut start = None;
    for token in tokens {
        match token.kind() {
            TokenKind::Indent => indent += 1,
            TokenKind::Dedent => indent = indent.saturating_sub(1),
            TokenKind::Newline => start = None,
            kind if is_blank(kind) => {}
            kind => {
                match kind {
                    TokenKind::Lpar | TokenKind::Lsqb | TokenKind::Lbrace => nesting += 1,
                    TokenKind::Rpar | TokenKind::Rsqb | TokenKind::Rbrace => {
                        nesting = nesting.saturating_sub(1);
                    }
                    TokenKind::Colon if nesting == 0 && excluding.is_none() => {
                        let end = lines.at(token.end());
                        if excluded.range(start.unwrap_or(end)..=end).next().is_some() {
                            excluded.insert(end);
                            excluding = Some(indent);
                        }
                    }
                    _ => {}
                }
                if start.is_none() {
                    start = Some(lines.at(token.start()));
                    excluding = excluding.filter(|level| indent > *level);
                    if excluding.is_some() {
                        excluded.insert(lines.at(token.end()));
                    }
                }
            }
        }
    }
    excluded.into_iter().map(|line| lines.first(line)).collect()
}

/// The rest, which takes the syntax tree: whole definitions of which the head is excluded, and
/// catch-all cases of which the body is. Collects the lines of docstrings on the way.
pub(super) struct Definitions<'a> {
    pub(super) lines: &'a Lines,
    pub(super) with_code: &'a BTreeSet<Line>,
    pub(super) excluded: BTreeSet<Line>,
    pub(super) docstrings: BTreeSet<Line>,
}

impl Definitions<'_> {
    pub(super) fn module(&mut self, body: &[Stmt]) {
        self.docstring(body);
        self.body(body);
    }

    fn docstring(&mut self, body: &[Stmt]) {
        if let Some(text) = docstring(body) {
            self.docstrings
                .extend(self.lines.of(text)..=self.lines.end_of(text));
        }
    }

    fn definition(&mut self, statement: &Stmt, decorators: &[Decorator], body: &[Stmt]) {
        self.docstring(body);
        let def = self.lines.of(statement);
        let start = decorators
            .first()
            .map_or(def, |first| self.lines.at(first.start()));
        if self.excluded.range(start..=def).next().is_some() {
            self.excluded.extend(start..=self.lines.end_of(statement));
        }
        self.body(body);
    }

    /// From the last statement to the first, as coverage.py does: one may hide the next.
    fn body(&mut self, body: &[Stmt]) {
        for statement in body.iter().rev() {
            match statement {
                Stmt::FunctionDef(def) => {
                    self.definition(statement, &def.decorator_list, &def.body);
                }
                Stmt::ClassDef(class) => {
                    self.definition(statement, &class.decorator_list, &class.body);
                }
                Stmt::Match(choice) => {
                    for case in choice.cases.iter().rev() {
                        if is_last_resort(case) {
                            self.last_resort(&case.body, case.pattern.range());
                        }
                        self.body(&case.body);
                    }
                }
                other => bodies(other)
                    .into_iter()
                    .rev()
                    .for_each(|body| self.body(body)),
            }
        }
    }

    fn last_resort(&mut self, body: &[Stmt], pattern: ruff_text_size::TextRange) {
        let (Some(first), Some(last)) = (body.first(), body.last()) else {
            return;
        };
        let lines = self.lines.of(first)..=self.lines.end_of(last);
        let mut with_code = self.with_code.range(lines).peekable();
        if with_code.peek().is_some() && with_code.all(|line| self.excluded.contains(line)) {
            self.excluded
                .extend(self.lines.at(pattern.start())..=self.lines.at(pattern.end()));
        }
    }
}
