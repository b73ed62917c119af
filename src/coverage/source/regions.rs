//! Functions and classes as parts of a file (`coverage/regions.py`).

use ruff_python_ast::Stmt;

use super::text::{Lines, bodies};
use crate::model::coverage::{Line, Region, RegionKind};

/// All functions and classes in the order of the text, then what is outside of functions, and of
/// classes. No line is in two functions, or two classes.
pub(super) fn regions(module: &[Stmt], lines: &Lines) -> Vec<Region> {
    let mut finder = Finder {
        lines,
        found: Vec::new(),
        owners: [
            vec![None; lines.last() as usize + 2],
            vec![None; lines.last() as usize + 2],
        ],
        context: Vec::new(),
    };
    finder.body(module);
    finder.finish()
}

struct Finder<'a> {
    lines: &'a Lines,
    found: Vec<Region>,
    /// For functions and for classes, the region of each line.
    owners: [Vec<Option<usize>>; 2],
    /// The definitions we are in.
    context: Vec<usize>,
}

impl Finder<'_> {
    fn body(&mut self, body: &[Stmt]) {
        for statement in body {
            match statement {
                Stmt::FunctionDef(def) => {
                    let (Some(first), Some(last)) = (def.body.first(), def.body.last()) else {
                        continue;
                    };
                    let inside = self.lines.of(first) as usize..=self.lines.end_of(last) as usize;
                    let class = self
                        .context
                        .last()
                        .copied()
                        .filter(|known| self.found[*known].kind == RegionKind::Class);
                    let number = self.open(RegionKind::Function, def.name.as_str(), statement);
                    self.owners[0][inside.clone()].fill(Some(number));
                    if class.is_some() {
                        self.owners[1][inside].fill(class);
                    }
                    self.body(&def.body);
                    self.context.pop();
                }
                Stmt::ClassDef(class) => {
                    self.open(RegionKind::Class, class.name.as_str(), statement);
                    self.body(&class.body);
                    self.context.pop();
                }
                other => bodies(other).into_iter().for_each(|body| self.body(body)),
            }
        }
    }

    fn open(&mut self, kind: RegionKind, name: &str, statement: &Stmt) -> usize {
        let name = match self.context.last() {
            Some(outer) => format!("{}.{name}", self.found[*outer].name),
            None => name.to_owned(),
        };
        let number = self.found.len();
        self.found.push(Region {
            kind,
            name,
            start: self.lines.of(statement),
            lines: Vec::new(),
        });
        self.context.push(number);
        number
    }

    fn finish(self) -> Vec<Region> {
        let mut found = self.found;
        let last = self.lines.last();
        for (kind, owners) in [RegionKind::Function, RegionKind::Class]
            .into_iter()
            .zip(self.owners)
        {
            let outside = found.len();
            let free = (1..)
                .zip(&owners[1..])
                .find(|(line, owner)| *line <= last && owner.is_none());
            found.push(Region {
                kind,
                name: String::new(),
                start: free.map_or(1, |(line, _)| line),
                lines: Vec::new(),
            });
            for (line, owner) in (0..=last).zip(owners).skip(1) {
                let owner = owner.unwrap_or(outside);
                let lines: &mut Vec<(Line, Line)> = &mut found[owner].lines;
                match lines.last_mut() {
                    Some((_, last)) if *last + 1 == line => *last = line,
                    _ => lines.push((line, line)),
                }
            }
        }
        found
    }
}
