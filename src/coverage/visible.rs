//! Text for a field of one line: what is not printable becomes `?`, as in coverage.py. The name of a
//! file may hold anything.

use std::borrow::Cow;

pub(super) fn printable(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_printable) {
        return Cow::Borrowed(text);
    }
    let shown = text.chars().map(|c| if is_printable(c) { c } else { '?' });
    Cow::Owned(shown.collect())
}

/// Python's `str.isprintable`. Rust's debug escape follows the same tables, but for a combining
/// character at the start of a string.
fn is_printable(c: char) -> bool {
    if c.is_ascii() {
        return !c.is_ascii_control();
    }
    let mut escaped = String::from_iter(['a', c]);
    escaped = escaped.escape_debug().to_string();
    !escaped.starts_with("a\\u")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unprintable_characters_are_replaced() {
        let name = "a\u{301}ü中\u{1b}\u{200b}\u{202e}\u{a0}\u{e000}🎉.py";
        // Python: ''.join(c if c.isprintable() else '?' for c in name)
        assert_eq!(printable(name), "a\u{301}ü中?????🎉.py");
    }
}
