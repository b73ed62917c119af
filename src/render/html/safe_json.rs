//! JSON inside of a `<script>` element: the one place where data becomes part of the page's markup.

use std::io;

use serde::Serialize;

/// JSON without a character that could end the element, open a comment or begin an entity
/// (<https://html.spec.whatwg.org/multipage/scripting.html#restrictions-for-contents-of-script-elements>).
/// Such characters only ever stand inside of JSON's strings, where `\u003c` means the same.
///
/// # Errors
/// The value has a key that is no string, or a number that JSON cannot hold.
pub(super) fn safe_json(value: &impl Serialize) -> serde_json::Result<String> {
    let mut bytes = Vec::new();
    value.serialize(&mut serde_json::Serializer::with_formatter(
        &mut bytes, Escaping,
    ))?;
    // The formatter and the serializer write nothing but whole characters.
    Ok(String::from_utf8(bytes).expect("JSON is UTF-8"))
}

struct Escaping;

impl serde_json::ser::Formatter for Escaping {
    fn write_string_fragment<W>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()>
    where
        W: ?Sized + io::Write,
    {
        let mut rest = fragment;
        while let Some(at) = rest.find(['<', '>', '&', '\u{2028}', '\u{2029}']) {
            let (before, from) = rest.split_at(at);
            let character = from.chars().next().unwrap_or_default();
            write!(writer, "{before}\\u{:04x}", u32::from(character))?;
            rest = &from[character.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::render::gfm::hostile;

    #[test]
    fn escapes_what_means_something_to_html() {
        let shown = safe_json(&["</script><!--&lt;", "é\u{2028}\n\""]).expect("JSON");
        assert_eq!(
            shown,
            r#"["\u003c/script\u003e\u003c!--\u0026lt;","é\u2028\n\""]"#
        );
    }

    proptest! {
        #[test]
        fn says_the_same_without_markup(text in hostile()) {
            let shown = safe_json(&text).expect("JSON");
            prop_assert!(!shown.contains(['<', '>', '&']));
            prop_assert_eq!(serde_json::from_str::<String>(&shown).expect("JSON"), text);
        }
    }
}
