//! A sentence of ours with names in it that are not ours, before any format.

use super::visible;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Words(String),
    /// Something to show as code: a node id, a path, a setting.
    Name(String),
}

/// Words and names in turn. Nothing is escaped yet: each format does that itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sentence(Vec<Part>);

impl Sentence {
    pub(crate) fn words(words: impl Into<String>) -> Self {
        Self::default().and(words)
    }

    pub(crate) fn and(mut self, words: impl Into<String>) -> Self {
        self.0.push(Part::Words(words.into()));
        self
    }

    pub(crate) fn name(mut self, name: impl Into<String>) -> Self {
        self.0.push(Part::Name(name.into()));
        self
    }

    /// At most `limit` names, as `a, b and 3 more`.
    pub(crate) fn names<T: ToString>(mut self, names: &[T], limit: usize) -> Self {
        let shown = names.len().min(limit);
        let hidden = names.len() - shown;
        for (position, name) in names[..shown].iter().enumerate() {
            if position > 0 {
                let last = position + 1 == shown && hidden == 0;
                self = self.and(if last { " and " } else { ", " });
            }
            self = self.name(name.to_string());
        }
        match hidden {
            0 => self,
            _ => self.and(format!(" and {} more", super::words::number(hidden))),
        }
    }

    pub(crate) fn join(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    pub(crate) fn parts(&self) -> &[Part] {
        &self.0
    }

    /// In one line, names in backticks.
    pub(crate) fn plain(&self) -> String {
        self.0.iter().fold(String::new(), |text, part| match part {
            Part::Words(words) => text + &visible::line(words),
            Part::Name(name) => format!("{text}`{}`", visible::line(name)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_names_up_to_a_limit() {
        let said = |names: &[&str]| Sentence::words("lost ").names(names, 2).plain();
        assert_eq!(said(&["a"]), "lost `a`");
        assert_eq!(said(&["a", "b"]), "lost `a` and `b`");
        assert_eq!(said(&["a", "b", "c"]), "lost `a`, `b` and 1 more");
    }
}
