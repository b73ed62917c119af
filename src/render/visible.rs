//! Makes text from tests harmless to look at: nothing that moves a cursor, turns the direction of
//! reading or hides itself is left.

use std::borrow::Cow;
use std::fmt::Write as _;

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Keeps line breaks and tabs, drops terminal sequences (ECMA-48 CSI and OSC, such as colours), and
/// writes every other control, bidirectional or invisible character as Python would: `\x1b`, `\u202e`.
pub(crate) fn lines(text: &str) -> String {
    let text = without_terminal_sequences(text);
    let text = text.replace("\r\n", "\n");
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\t' => shown.push(character),
            _ => push_visible(&mut shown, character),
        }
    }
    shown
}

/// Like [`lines`], but in one line: line breaks are shown as `\n`, tabs as `\t`.
pub(crate) fn line(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in without_terminal_sequences(text).chars() {
        match character {
            '\n' => shown.push_str("\\n"),
            '\t' => shown.push_str("\\t"),
            _ => push_visible(&mut shown, character),
        }
    }
    shown
}

/// The first line that says something, made visible.
pub(crate) fn first_line(text: &str) -> String {
    // No terminal sequence that is dropped spans lines.
    let mut lines = text.lines().map(|one| line(one.trim_end_matches('\r')));
    lines
        .find(|line| !line.trim().is_empty())
        .map_or_else(String::new, |line| line.trim().to_owned())
}

/// The API of check runs is upset by characters above U+FFFF: they become `\U0001f600`.
pub(crate) fn basic_plane(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|character| character > '\u{ffff}') {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() * 2);
    for character in text.chars() {
        if character > '\u{ffff}' {
            push_escape(&mut shown, character);
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

/// At most so many bytes, ended by `…` where something was cut; never cut inside a character.
pub(crate) fn cut(text: &str, bytes: usize) -> Cow<'_, str> {
    const MARK: char = '…';
    if text.len() <= bytes {
        return Cow::Borrowed(text);
    }
    let Some(room) = bytes.checked_sub(MARK.len_utf8()) else {
        return Cow::Borrowed("");
    };
    Cow::Owned(format!("{}{MARK}", &text[..floor_boundary(text, room)]))
}

/// At most so many bytes of a traceback: its beginning and, mostly, its end, where the error is.
pub(crate) fn cut_middle(text: &str, bytes: usize) -> Cow<'_, str> {
    const MARK: &str = "\n… (cut) …\n";
    if text.len() <= bytes {
        return Cow::Borrowed(text);
    }
    let Some(room) = bytes.checked_sub(MARK.len()) else {
        return cut(text, bytes);
    };
    let head = &text[..floor_boundary(text, room / 4)];
    let tail = &text[ceil_boundary(text, text.len() - (room - room / 4))..];
    let head = head.rfind('\n').map_or(head, |end| &head[..end]);
    let tail = tail.find('\n').map_or(tail, |start| &tail[start + 1..]);
    Cow::Owned(format!("{head}{MARK}{tail}"))
}

/// At most so many bytes once it is visible.
pub(crate) fn excerpt(text: &str, bytes: usize) -> String {
    let shown = lines(&cut_middle(text, bytes * 2));
    cut_middle(shown.trim_end(), bytes).into_owned()
}

/// How many columns of a terminal it takes.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// At most so many columns; the end is kept where `keep_end`, since a node id differs there.
pub(crate) fn fit_width(text: &str, columns: usize, keep_end: bool) -> Cow<'_, str> {
    if width(text) <= columns {
        return Cow::Borrowed(text);
    }
    if columns == 0 {
        return Cow::Borrowed("");
    }
    let fitting = |characters: &mut dyn Iterator<Item = char>| {
        let mut room = columns - 1;
        let mut kept = Vec::new();
        for character in characters {
            let Some(left) = room.checked_sub(character.width().unwrap_or(0)) else {
                break;
            };
            room = left;
            kept.push(character);
        }
        kept
    };
    Cow::Owned(if keep_end {
        let kept = fitting(&mut text.chars().rev());
        std::iter::once('…').chain(kept.into_iter().rev()).collect()
    } else {
        fitting(&mut text.chars())
            .into_iter()
            .chain(std::iter::once('…'))
            .collect()
    })
}

fn floor_boundary(text: &str, bytes: usize) -> usize {
    (0..=bytes.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0)
}

fn ceil_boundary(text: &str, bytes: usize) -> usize {
    (bytes..text.len())
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(text.len())
}

fn push_visible(shown: &mut String, character: char) {
    if is_hidden(character) {
        push_escape(shown, character);
    } else {
        shown.push(character);
    }
}

fn push_escape(shown: &mut String, character: char) {
    let code = u32::from(character);
    let _ = match code {
        0x0D => write!(shown, "\\r"),
        0..=0xFF => write!(shown, "\\x{code:02x}"),
        0x100..=0xFFFF => write!(shown, "\\u{code:04x}"),
        _ => write!(shown, "\\U{code:08x}"),
    };
}

/// Controls, direction marks, line separators and what has no width; the joiners that emoji and
/// Indic scripts need are left.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

fn without_terminal_sequences(text: &str) -> Cow<'_, str> {
    if !text.contains(['\u{1b}', '\u{9b}', '\u{9d}']) {
        return Cow::Borrowed(text);
    }
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(['\u{1b}', '\u{9b}', '\u{9d}']) {
        kept.push_str(&rest[..start]);
        rest = &rest[start..];
        let escape = rest.chars().next().map_or(0, char::len_utf8);
        let length = sequence_length(rest).unwrap_or_else(|| {
            kept.push_str(&rest[..escape]);
            escape
        });
        rest = &rest[length..];
    }
    kept.push_str(rest);
    Cow::Owned(kept)
}

/// The bytes of the whole sequence at the start of the text; `None` for one that does not end.
fn sequence_length(text: &str) -> Option<usize> {
    let (introducer, osc) = match text {
        _ if text.starts_with("\u{1b}[") => (2, false),
        _ if text.starts_with("\u{1b}]") => (2, true),
        _ if text.starts_with('\u{9b}') => (2, false),
        _ if text.starts_with('\u{9d}') => (2, true),
        _ => return None,
    };
    let body = &text[introducer..];
    if osc {
        // An OSC never spans lines: a forged one must not swallow the rest of a traceback.
        let end = body.find(['\u{7}', '\u{1b}', '\u{9c}', '\n'])?;
        let terminator = match &body[end..] {
            rest if rest.starts_with('\u{7}') => 1,
            rest if rest.starts_with("\u{1b}\\") || rest.starts_with('\u{9c}') => 2,
            _ => return None,
        };
        return Some(introducer + end + terminator);
    }
    let parameters = body
        .bytes()
        .take_while(|byte| (0x20..=0x3F).contains(byte))
        .count();
    let last = body.as_bytes().get(parameters)?;
    (0x40..=0x7E)
        .contains(last)
        .then_some(introducer + parameters + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn drops_colours_and_links_of_a_terminal() {
        assert_eq!(lines("\u{1b}[31mred\u{1b}[0m\r\n\tend"), "red\n\tend");
        assert_eq!(
            lines("\u{1b}]8;;http://e\u{1b}\\link\u{1b}]8;;\u{7}"),
            "link"
        );
        assert_eq!(line("\u{9b}2Jx"), "x");
    }

    #[test]
    fn shows_what_hides() {
        assert_eq!(
            line("a\u{202e}b\u{0}c\u{7f}\u{85}\n\rd"),
            "a\\u202eb\\x00c\\x7f\\x85\\n\\rd"
        );
        assert_eq!(line("\u{1b}]no end"), "\\x1b]no end");
        assert_eq!(line("\u{e0041}👩\u{200d}💻"), "\\U000e0041👩\u{200d}💻");
    }

    #[test]
    fn finds_the_line_that_says_something() {
        assert_eq!(
            first_line("\n \u{1b}[1m\u{1b}[0m\n  assert 1 == 2  \nmore"),
            "assert 1 == 2"
        );
        assert_eq!(first_line(""), "");
    }

    #[test]
    fn cuts_between_characters() {
        for bytes in 0..12 {
            let text = "ab😀cdéf";
            let cut = cut(text, bytes);
            assert!(cut.len() <= bytes, "{cut} at {bytes}");
        }
        assert_eq!(cut("12345", 5), "12345");
        assert_eq!(cut("123456", 5), "12…");
        let traceback = "first\nsecond\nthird\nfourth\nfifth\nsixth\nlast line";
        assert_eq!(cut_middle(traceback, traceback.len()), traceback);
        assert_eq!(
            cut_middle(traceback, 46),
            "first\n… (cut) …\nfifth\nsixth\nlast line"
        );
        assert_eq!(cut_middle(&"x".repeat(99), 19), "x\n… (cut) …\nxxx");
    }

    #[test]
    fn keeps_the_end_of_a_node_id() {
        assert_eq!(fit_width("tests/test_a.py::test_x", 9, true), "…::test_x");
        assert_eq!(fit_width("日本語", 4, false), "日…");
        assert_eq!(fit_width("日本語", 6, false), "日本語");
        assert_eq!(fit_width("abc", 0, false), "");
    }

    #[test]
    fn writes_high_characters_for_the_api() {
        assert_eq!(basic_plane("✅ 😀"), "✅ \\U0001f600");
    }

    proptest! {
        #[test]
        fn leaves_nothing_that_hides(text in r"(\x1b|\x9b|\x9d|\x07|[\[\]0-9;mK\\]|\PC|\p{Cc}|\p{Cf}){0,40}") {
            let shown = line(&text);
            prop_assert!(!shown.contains(is_hidden), "{shown:?}");
            prop_assert_eq!(line(&shown), shown.clone());
            prop_assert!(!lines(&text).contains(|c| is_hidden(c) && c != '\n' && c != '\t'));
        }

        #[test]
        fn cutting_keeps_to_the_limit(text in r"(\PC|\n){0,80}", bytes in 0_usize..200, keep_end: bool) {
            prop_assert!(cut(&text, bytes).len() <= bytes);
            prop_assert!(cut_middle(&text, bytes).len() <= bytes);
            prop_assert!(width(&fit_width(&line(&text), bytes, keep_end)) <= bytes);
        }
    }
}
