//! What the reader of any format collects.

use super::dialect::{Program, RawCase};
use super::fold::Fold;
use super::found::{JunitRead, ReadEnd};

/// More of them say nothing new.
pub(super) const MAX_WARNINGS: usize = 20;
/// Takes a case.
pub(super) type Add<'a> = &'a mut dyn FnMut(RawCase);

#[derive(Default)]
pub(super) struct Collected {
    /// The name of the first suite that has one.
    pub(super) suite: Option<String>,
    fold: Fold,
    warnings: Warnings,
}

impl Collected {
    /// Returns whether it is the first one of its test.
    pub(super) fn add(&mut self, case: &mut RawCase, program: Program) -> bool {
        self.fold.add(case, program)
    }

    pub(super) fn warn(&mut self, warning: impl FnOnce() -> String) {
        self.warnings.push(warning);
    }

    pub(super) fn finish(mut self, end: ReadEnd) -> JunitRead {
        let (cases, folded) = self.fold.finish();
        for warning in folded {
            self.warnings.push(|| warning);
        }
        JunitRead {
            suite: self.suite,
            cases,
            warnings: self.warnings.finish(),
            end,
        }
    }
}

#[derive(Default)]
struct Warnings {
    said: Vec<String>,
    more: usize,
}

impl Warnings {
    fn push(&mut self, warning: impl FnOnce() -> String) {
        if self.said.len() < MAX_WARNINGS {
            self.said.push(warning());
        } else {
            self.more += 1;
        }
    }

    fn finish(mut self) -> Vec<String> {
        if self.more > 0 {
            self.said.push(format!("and {} more oddities", self.more));
        }
        self.said
    }
}
