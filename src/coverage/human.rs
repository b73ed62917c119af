//! The order people expect: runs of digits count as numbers, `sub9` before `sub10`.

/// Sorts by parts, each text and the number behind it, which compares by length first; the whole
/// text tells `a1` from `a01`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct HumanKey {
    parts: Vec<(String, Option<(usize, String)>)>,
    pub(super) whole: String,
}

pub(super) fn human_key(text: &str) -> HumanKey {
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        let start = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (before, digits) = rest.split_at(start);
        if digits.is_empty() {
            parts.push((before.to_owned(), None));
            return HumanKey {
                parts,
                whole: text.to_owned(),
            };
        }
        let end = digits
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(digits.len());
        let number = digits[..end].trim_start_matches('0');
        parts.push((before.to_owned(), Some((number.len(), number.to_owned()))));
        rest = &digits[end..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_compared_as_numbers() {
        let mut names = ["b", "a10", "a9", "a", "a9b", "10", "9"];
        names.sort_by_key(|name| human_key(name));
        assert_eq!(names, ["9", "10", "a", "a9", "a9b", "a10", "b"]);
    }
}
