//! Characters that XML cannot hold, or that could deceive who reads a report, as text one can see.

use std::borrow::Cow;
use std::fmt::Write as _;

/// `\x1b` for a control character (but line feed, tab and carriage return), `\u{202e}` for one that
/// changes the direction of writing or is none at all in XML 1.0
/// (<https://www.w3.org/TR/xml/#charsets>).
pub(super) fn visible(text: &str) -> Cow<'_, str> {
    // Most text is plain, and there is much of it.
    let is_plain = |byte| matches!(byte, b' '..=b'~' | b'\n' | b'\t' | b'\r');
    if every(text, is_plain) {
        return Cow::Borrowed(text);
    }
    let Some(first) = text.find(is_hidden) else {
        return Cow::Borrowed(text);
    };
    let (clean, rest) = text.split_at(first);
    let mut shown = String::with_capacity(text.len() + 16);
    shown.push_str(clean);
    for c in rest.chars() {
        match u8::try_from(c) {
            _ if !is_hidden(c) => shown.push(c),
            Ok(byte) => push_byte(&mut shown, byte),
            Err(_) => push_code(&mut shown, c.into()),
        }
    }
    Cow::Owned(shown)
}

/// Looks at all bytes even where the first one is odd, as the processor takes many at once then.
pub(super) fn every(text: &str, is_so: impl Fn(u8) -> bool) -> bool {
    let odd = text.bytes().map(|byte| u8::from(!is_so(byte)));
    odd.fold(0, |any, odd| any | odd) == 0
}

/// A byte that is no text.
pub(super) fn push_byte(text: &mut String, byte: u8) {
    let _ = write!(text, "\\x{byte:02x}");
}

/// A character that cannot be shown, or a half of one.
pub(super) fn push_code(text: &mut String, code: u32) {
    let _ = write!(text, "\\u{{{code:x}}}");
}

fn is_hidden(c: char) -> bool {
    match c {
        '\n' | '\t' | '\r' => false,
        '\u{61c}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}'
        | '\u{fffe}'
        | '\u{ffff}' => true,
        other => other.is_control(),
    }
}

/// Of a name in a warning, in characters.
const MAX_NAME: usize = 100;

/// A name that fits into one line.
pub(super) fn shortened(name: &str) -> String {
    let mut short: String = name.chars().take(MAX_NAME).collect();
    if short.len() < name.len() {
        short.push('…');
    }
    short.replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_what_cannot_be_seen_and_nothing_else() {
        assert_eq!(
            visible("\x00\x1b[31m\x7f\u{85}"),
            "\\x00\\x1b[31m\\x7f\\x85"
        );
        assert_eq!(
            visible("a\u{202e}b\u{2066}\u{ffff}"),
            "a\\u{202e}b\\u{2066}\\u{ffff}"
        );
        assert_eq!(
            visible("\\x1b é 中 🎉\u{301}\t\r\n"),
            "\\x1b é 中 🎉\u{301}\t\r\n"
        );
    }
}
