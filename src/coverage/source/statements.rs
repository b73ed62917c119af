//! Which lines have code: those that CPython's compiler makes instructions for.
//!
//! A statement behind one that never ends, or in an arm that is never taken, is dead and has none.

use std::collections::BTreeSet;

use ruff_python_ast::{
    Decorator, ExceptHandler, Expr, MatchCase, Pattern, Stmt, StmtMatch, StmtTry,
};

use super::constant::compiled;
use super::text::Lines;
use crate::model::coverage::Line;

/// The first lines of all logical lines with code.
pub(super) fn lines_with_code(module: &[Stmt], lines: &Lines) -> BTreeSet<Line> {
    let mut walk = Walk {
        lines,
        found: BTreeSet::new(),
    };
    walk.body(module, Scope::MODULE);
    walk.found
}

/// What a body is part of.
#[derive(Clone, Copy)]
struct Scope {
    function: bool,
    /// In a function `__annotate__`: nothing of it counts, only what is defined in it.
    hidden: bool,
}

impl Scope {
    const MODULE: Self = Self {
        function: false,
        hidden: false,
    };
}

/// How a statement ends.
#[derive(Clone, Copy)]
struct End {
    /// What follows it can run.
    falls_through: bool,
    /// It may leave the loop around it by a `break`.
    breaks: bool,
}

impl End {
    const ON: Self = Self {
        falls_through: true,
        breaks: false,
    };
    const STOP: Self = Self {
        falls_through: false,
        breaks: false,
    };
}

struct Walk<'a> {
    lines: &'a Lines,
    found: BTreeSet<Line>,
}

impl Walk<'_> {
    fn body(&mut self, body: &[Stmt], scope: Scope) -> End {
        let mut breaks = false;
        for statement in body {
            let end = self.statement(statement, scope);
            breaks |= end.breaks;
            if !end.falls_through {
                return End {
                    falls_through: false,
                    breaks,
                };
            }
        }
        End {
            falls_through: true,
            breaks,
        }
    }

    fn add(&mut self, place: impl ruff_text_size::Ranged, scope: Scope) {
        if !scope.hidden {
            self.found.insert(self.lines.first_at(place.start()));
        }
    }

    fn statement(&mut self, statement: &Stmt, scope: Scope) -> End {
        match statement {
            Stmt::Global(_) | Stmt::Nonlocal(_) => return End::ON,
            Stmt::AnnAssign(assign)
                if assign.value.is_none() && scope.function && assign.target.is_name_expr() =>
            {
                return End::ON;
            }
            Stmt::Delete(delete) if delete.targets.iter().all(is_empty_tuple) => return End::ON,
            Stmt::FunctionDef(def) => {
                let inner = Scope {
                    function: true,
                    hidden: def.name.as_str() == "__annotate__",
                };
                self.definition(&def.decorator_list, &def.name, scope);
                self.body(without_docstring(&def.body), inner);
                return End::ON;
            }
            Stmt::ClassDef(class) => {
                self.definition(&class.decorator_list, &class.name, scope);
                self.body(&class.body, Scope::MODULE);
                return End::ON;
            }
            _ => self.add(statement, scope),
        }
        match statement {
            Stmt::Return(_) | Stmt::Raise(_) | Stmt::Continue(_) => End::STOP,
            Stmt::Break(_) => End {
                falls_through: false,
                breaks: true,
            },
            Stmt::Assert(assert) if compiled(&assert.test) == Some(false) => End::STOP,
            Stmt::If(branch) => {
                let mut end = End::STOP;
                let mut arm = |walk: &mut Self, test: Option<&Expr>, body: &[Stmt]| {
                    let known = test.map_or(Some(true), compiled);
                    if known != Some(false) {
                        let arm = walk.body(body, scope);
                        end.falls_through |= arm.falls_through;
                        end.breaks |= arm.breaks;
                    }
                    known == Some(true)
                };
                let mut decided = arm(self, Some(&branch.test), &branch.body);
                for clause in &branch.elif_else_clauses {
                    if decided {
                        break;
                    }
                    if clause.test.is_some() {
                        self.add(clause, scope);
                    }
                    decided = arm(self, clause.test.as_ref(), &clause.body);
                }
                end.falls_through |= !decided;
                end
            }
            Stmt::While(repeat) => {
                let known = compiled(&repeat.test);
                let body = match known {
                    Some(false) => End::STOP,
                    _ => self.body(&repeat.body, scope),
                };
                let otherwise = match known {
                    Some(true) => End::STOP,
                    _ => self.body(&repeat.orelse, scope),
                };
                after_loop(body, otherwise)
            }
            Stmt::For(repeat) => {
                let body = self.body(&repeat.body, scope);
                after_loop(body, self.body(&repeat.orelse, scope))
            }
            Stmt::With(with) => {
                let body = self.body(&with.body, scope);
                // The context may swallow an exception.
                End {
                    falls_through: true,
                    ..body
                }
            }
            Stmt::Try(attempt) => self.attempt(attempt, scope),
            Stmt::Match(choice) => self.choice(choice, scope),
            _ => End::ON,
        }
    }

    fn definition(
        &mut self,
        decorators: &[Decorator],
        name: &ruff_python_ast::Identifier,
        scope: Scope,
    ) {
        // The first line is one of the function's own code, too.
        match decorators.first() {
            Some(decorator) => self.add(decorator, Scope::MODULE),
            None => self.add(name, Scope::MODULE),
        }
        for decorator in decorators {
            self.add(decorator, scope);
        }
        self.add(name, scope);
    }

    fn attempt(&mut self, attempt: &StmtTry, scope: Scope) -> End {
        let mut end = self.body(&attempt.body, scope);
        if end.falls_through {
            let otherwise = self.body(&attempt.orelse, scope);
            end = End {
                falls_through: otherwise.falls_through,
                breaks: end.breaks | otherwise.breaks,
            };
        }
        for ExceptHandler::ExceptHandler(handler) in &attempt.handlers {
            self.add(handler, scope);
            let handled = self.body(&handler.body, scope);
            // Of a group some exceptions may be left, so `except*` never ends the way.
            end.falls_through |= handled.falls_through || attempt.is_star;
            end.breaks |= handled.breaks;
        }
        let finally = self.body(&attempt.finalbody, scope);
        End {
            falls_through: end.falls_through && finally.falls_through,
            breaks: end.breaks | finally.breaks,
        }
    }

    fn choice(&mut self, choice: &StmtMatch, scope: Scope) -> End {
        let mut end = End::STOP;
        for case in &choice.cases {
            self.add(&case.pattern, scope);
            let guard = case.guard.as_deref().map_or(Some(true), compiled);
            if guard != Some(false) {
                let body = self.body(&case.body, scope);
                end.falls_through |= body.falls_through;
                end.breaks |= body.breaks;
            }
            if guard == Some(true) && is_irrefutable(&case.pattern) {
                return end;
            }
        }
        End {
            falls_through: true,
            ..end
        }
    }
}

fn after_loop(body: End, otherwise: End) -> End {
    End {
        falls_through: otherwise.falls_through || body.breaks,
        breaks: otherwise.breaks,
    }
}

fn is_empty_tuple(target: &Expr) -> bool {
    target
        .as_tuple_expr()
        .is_some_and(|tuple| tuple.elts.is_empty())
}

/// The leading string of a body, if there is one.
pub(super) fn docstring(body: &[Stmt]) -> Option<&Stmt> {
    let first = body.first()?;
    first
        .as_expr_stmt()?
        .value
        .is_string_literal_expr()
        .then_some(first)
}

fn without_docstring(body: &[Stmt]) -> &[Stmt] {
    &body[usize::from(docstring(body).is_some())..]
}

/// A pattern that matches whatever comes.
pub(super) fn is_irrefutable(pattern: &Pattern) -> bool {
    let mut pattern = pattern;
    loop {
        pattern = match pattern {
            Pattern::MatchOr(either) => match either.patterns.last() {
                Some(last) => last,
                None => return false,
            },
            Pattern::MatchAs(name) => match &name.pattern {
                Some(inner) => inner,
                None => return true,
            },
            _ => return false,
        }
    }
}

/// A case like the `else` of an `if`.
pub(super) fn is_last_resort(case: &MatchCase) -> bool {
    case.guard.is_none() && is_irrefutable(&case.pattern)
}
