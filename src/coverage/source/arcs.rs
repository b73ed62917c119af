//! The ways that control can go from line to line.

use std::collections::{BTreeMap, BTreeSet};

use ruff_python_ast::{
    Decorator, ExceptHandler, Stmt, StmtFor, StmtIf, StmtMatch, StmtTry, StmtWhile, StmtWith,
};
use ruff_text_size::Ranged as _;

use super::constant::obvious;
use super::statements::is_last_resort;
use super::text::Lines;
use crate::model::coverage::{Arc, Line};

/// Lines from which control goes on to whatever comes next.
type Exits = BTreeSet<Line>;

#[derive(Debug, Default)]
pub(super) struct Arcs {
    pub(super) possible: BTreeSet<Arc>,
    /// What a way out of a code object is, for those that have a name.
    pub(super) exits: BTreeMap<Arc, String>,
    /// Arcs that tracers see and nobody wants to: out of a `with` control goes back to its line.
    /// `None` drops one.
    detours: BTreeMap<Arc, Option<Arc>>,
}

impl Arcs {
    /// All arcs of a module. `with_code` are first lines of logical lines.
    pub(super) fn new(module: &[Stmt], with_code: &BTreeSet<Line>, lines: &Lines) -> Self {
        let mut follow = Follow {
            lines,
            with_code,
            arcs: BTreeSet::new(),
            exits: BTreeMap::new(),
            blocks: Vec::new(),
            open_withs: Vec::new(),
            withs: BTreeSet::new(),
            with_entries: BTreeSet::new(),
            with_exits: BTreeSet::new(),
        };
        let start = lines.first(1);
        if module.is_empty() {
            follow.add(start, -start.cast_signed());
        }
        for line in follow.body(module, Exits::new()) {
            follow.leave(line, start, || "exit the module".to_owned());
        }
        follow.definitions(module);
        let detours = follow.detours();
        let mut arcs = Self {
            possible: BTreeSet::new(),
            exits: follow.exits,
            detours,
        };
        let straight = arcs.straight(follow.arcs, lines);
        arcs.possible = straight
            .into_iter()
            .filter(|(from, to)| from != to)
            .collect();
        arcs
    }

    /// Arcs without detours, between first lines.
    pub(super) fn straight(
        &self,
        arcs: impl IntoIterator<Item = Arc>,
        lines: &Lines,
    ) -> BTreeSet<Arc> {
        let known = arcs
            .into_iter()
            .filter_map(|arc| match self.detours.get(&arc) {
                Some(detour) => *detour,
                None => Some(arc),
            });
        known
            .map(|(from, to)| (lines.first_of_end(from), lines.first_of_end(to)))
            .collect()
    }
}

/// What a `break`, `continue`, `raise` or `return` may be in.
enum Block {
    Loop {
        start: Line,
        breaks: Exits,
    },
    Function {
        start: Line,
        name: String,
    },
    /// With the line of its first handler, as long as that can be reached.
    Try {
        handler: Option<Line>,
    },
}

struct Follow<'a> {
    lines: &'a Lines,
    with_code: &'a BTreeSet<Line>,
    arcs: BTreeSet<Arc>,
    exits: BTreeMap<Arc, String>,
    blocks: Vec<Block>,
    /// The `with` statements whose bodies we are in.
    open_withs: Vec<Line>,
    withs: BTreeSet<Line>,
    with_entries: BTreeSet<Arc>,
    with_exits: BTreeSet<Arc>,
}

impl Follow<'_> {
    fn add(&mut self, from: Line, to: i32) {
        let arc = (from.cast_signed(), to);
        self.arcs.insert(arc);
        if self.open_withs.contains(&from) {
            self.with_entries.insert(arc);
        }
    }

    /// An arc out of the code object that starts at a line.
    fn leave(&mut self, from: Line, start: Line, how: impl FnOnce() -> String) {
        let to = -start.cast_signed();
        self.add(from, to);
        self.exits
            .entry((from.cast_signed(), to))
            .or_insert_with(how);
    }

    /// The line that stands for a statement.
    fn line(&self, statement: &Stmt) -> Line {
        // A decorated definition starts at its first decorator.
        self.lines.first_at(statement.start())
    }

    /// Every definition is a code object of its own.
    fn definitions(&mut self, body: &[Stmt]) {
        for statement in body {
            match statement {
                Stmt::FunctionDef(def) => {
                    let start = self.line(statement);
                    self.blocks.push(Block::Function {
                        start,
                        name: def.name.to_string(),
                    });
                    for line in self.body(&def.body, Exits::new()) {
                        self.return_from(line);
                    }
                    self.blocks.pop();
                    self.definitions(&def.body);
                }
                Stmt::ClassDef(class) => {
                    let start = self.line(statement);
                    for line in self.body(&class.body, Exits::new()) {
                        self.leave(line, start, || format!("exit class '{}'", class.name));
                    }
                    self.definitions(&class.body);
                }
                other => {
                    for body in super::text::bodies(other) {
                        self.definitions(body);
                    }
                }
            }
        }
    }

    /// Follows a body that is entered from some lines, and returns those that leave it.
    fn body(&mut self, body: &[Stmt], from: Exits) -> Exits {
        let mut from = from;
        for statement in body {
            let line = self.line(statement);
            if !self.with_code.contains(&line) {
                continue;
            }
            self.enter(&from, line);
            from = self.statement(statement, line);
        }
        from
    }

    fn enter(&mut self, from: &Exits, line: Line) {
        for from in from {
            self.add(*from, line.cast_signed());
        }
    }

    fn statement(&mut self, statement: &Stmt, line: Line) -> Exits {
        match statement {
            Stmt::FunctionDef(def) => self.decorated(&def.decorator_list, def.name.start()),
            Stmt::ClassDef(class) => self.decorated(&class.decorator_list, class.name.start()),
            Stmt::If(branch) => self.branch(branch, line),
            Stmt::While(repeat) => self.repeat_while(repeat, line),
            Stmt::For(repeat) => self.repeat_for(repeat, line),
            Stmt::With(with) => self.with(with, line),
            Stmt::Try(attempt) => self.attempt(attempt, line),
            Stmt::Match(choice) => self.choice(choice, line),
            Stmt::Return(_) => {
                self.return_from(line);
                Exits::new()
            }
            Stmt::Raise(_) => {
                self.raise_from(line);
                Exits::new()
            }
            Stmt::Break(_) => {
                let around = self.blocks.iter_mut().rev().find_map(|block| match block {
                    Block::Loop { breaks, .. } => Some(breaks),
                    _ => None,
                });
                if let Some(breaks) = around {
                    breaks.insert(line);
                }
                Exits::new()
            }
            Stmt::Continue(_) => {
                let around = self.blocks.iter().rev().find_map(|block| match block {
                    Block::Loop { start, .. } => Some(*start),
                    _ => None,
                });
                if let Some(start) = around {
                    self.add(line, start.cast_signed());
                }
                Exits::new()
            }
            _ => Exits::from([line]),
        }
    }

    fn return_from(&mut self, line: Line) {
        let around = self.blocks.iter().rev().find_map(|block| match block {
            Block::Function { start, name } => Some((*start, name.clone())),
            _ => None,
        });
        if let Some((start, name)) = around {
            self.leave(line, start, || format!("return from function '{name}'"));
        }
    }

    fn raise_from(&mut self, line: Line) {
        for block in self.blocks.iter().rev() {
            match block {
                Block::Loop { .. } => {}
                Block::Try { handler } => {
                    if let Some(handler) = *handler {
                        self.add(line, handler.cast_signed());
                    }
                    return;
                }
                Block::Function { start, name } => {
                    let (start, name) = (*start, name.clone());
                    self.leave(line, start, || format!("except from function '{name}'"));
                    return;
                }
            }
        }
    }

    fn decorated(&mut self, decorators: &[Decorator], name: ruff_text_size::TextSize) -> Exits {
        let def = self.lines.first_at(name);
        let mut last = None;
        for decorator in decorators {
            let line = self.lines.first_at(decorator.start());
            if let Some(last) = last.filter(|last| *last != line) {
                self.add(last, line.cast_signed());
            }
            last = Some(line);
        }
        if let Some(last) = last {
            self.add(last, def.cast_signed());
        }
        Exits::from([def])
    }

    fn branch(&mut self, branch: &StmtIf, line: Line) -> Exits {
        let mut exits = Exits::new();
        let mut line = line;
        let mut test = Some(&*branch.test);
        let mut body = &branch.body;
        let mut clauses = branch.elif_else_clauses.iter();
        loop {
            let known = test.map_or(Some(true), obvious);
            if known != Some(false) {
                exits.extend(self.body(body, Exits::from([line])));
            }
            if known == Some(true) {
                return exits;
            }
            let from = line;
            let Some(clause) = clauses.next() else {
                exits.insert(from);
                return exits;
            };
            (test, body) = (clause.test.as_ref(), &clause.body);
            if test.is_some() {
                line = self.lines.first_at(clause.start());
                if !self.with_code.contains(&line) {
                    exits.insert(from);
                    return exits;
                }
                self.add(from, line.cast_signed());
            }
        }
    }

    fn in_loop(&mut self, body: &[Stmt], line: Line) -> Exits {
        self.blocks.push(Block::Loop {
            start: line,
            breaks: Exits::new(),
        });
        for exit in self.body(body, Exits::from([line])) {
            self.add(exit, line.cast_signed());
        }
        match self.blocks.pop() {
            Some(Block::Loop { breaks, .. }) => breaks,
            _ => Exits::new(),
        }
    }

    fn repeat_for(&mut self, repeat: &StmtFor, line: Line) -> Exits {
        let mut exits = self.in_loop(&repeat.body, line);
        exits.extend(self.body(&repeat.orelse, Exits::from([line])));
        exits
    }

    fn repeat_while(&mut self, repeat: &StmtWhile, line: Line) -> Exits {
        let mut exits = self.in_loop(&repeat.body, line);
        if !repeat.orelse.is_empty() || obvious(&repeat.test).is_none() {
            exits.extend(self.body(&repeat.orelse, Exits::from([line])));
        }
        exits
    }

    fn with(&mut self, with: &StmtWith, line: Line) -> Exits {
        self.open_withs.push(line);
        self.withs.insert(line);
        let exits = self.body(&with.body, Exits::from([line]));
        self.open_withs.pop();
        for exit in &exits {
            self.add(*exit, line.cast_signed());
            self.with_exits
                .insert((exit.cast_signed(), line.cast_signed()));
        }
        if exits.is_empty() {
            exits
        } else {
            Exits::from([line])
        }
    }

    fn attempt(&mut self, attempt: &StmtTry, line: Line) -> Exits {
        let handlers = attempt
            .handlers
            .iter()
            .map(|ExceptHandler::ExceptHandler(handler)| handler);
        let handler = handlers
            .clone()
            .next()
            .map(|first| self.lines.first_at(first.start()));
        self.blocks.push(Block::Try { handler });
        let mut exits = self.body(&attempt.body, Exits::from([line]));
        // From here on `finally` still waits, but nothing is caught any more.
        self.blocks.pop();
        let waits = !attempt.finalbody.is_empty();
        if waits {
            self.blocks.push(Block::Try { handler: None });
        }
        let mut caught = Exits::new();
        for handler in handlers {
            let line = self.lines.first_at(handler.start());
            caught.extend(self.body(&handler.body, Exits::from([line])));
        }
        exits = self.body(&attempt.orelse, exits);
        exits.append(&mut caught);
        if waits {
            self.blocks.pop();
            let nothing_comes = exits.is_empty();
            let last = self.body(&attempt.finalbody, exits);
            exits = if nothing_comes { Exits::new() } else { last };
        }
        exits
    }

    fn choice(&mut self, choice: &StmtMatch, line: Line) -> Exits {
        let mut exits = Exits::new();
        let mut last = line;
        for case in &choice.cases {
            let line = self.lines.first_at(case.pattern.start());
            self.add(last, line.cast_signed());
            exits.extend(self.body(&case.body, Exits::from([line])));
            last = line;
        }
        if !choice.cases.last().is_some_and(is_last_resort) {
            exits.insert(last);
        }
        exits
    }

    /// Control that leaves a `with` goes back to its line first, and from there on: both become one
    /// arc from the end of the body to where it all leads.
    fn detours(&self) -> BTreeMap<Arc, Option<Arc>> {
        let mut next = BTreeMap::new();
        for line in self.withs.iter().map(|line| line.cast_signed()) {
            let out = self.arcs.range((line, i32::MIN)..=(line, i32::MAX));
            if let Some((_, to)) = out.clone().find(|arc| !self.with_entries.contains(arc)) {
                next.insert(line, *to);
            }
        }
        let destination = |with: i32| {
            let (mut at, mut to) = (with, *next.get(&with)?);
            // As many steps as there are: no circle.
            for _ in 0..next.len() {
                match next.get(&to) {
                    Some(further) if self.with_exits.contains(&(at, to)) => {
                        (at, to) = (to, *further);
                    }
                    _ => break,
                }
            }
            Some(to)
        };
        let mut detours = BTreeMap::new();
        for (end, with) in &self.with_exits {
            if let Some(to) = destination(*with) {
                detours.insert((*end, *with), Some((*end, to)));
            }
        }
        for (with, to) in &next {
            if !self.with_exits.contains(&(*with, *with)) {
                detours.insert((*with, *to), None);
            }
        }
        detours
    }
}
