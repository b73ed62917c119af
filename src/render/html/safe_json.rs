//! JSON inside of a `<script>` element: the one place where data becomes part of the page's markup.

use std::io;

use serde_json::Serializer;

/// Writes JSON without a character that could end the element, open a comment or begin an entity
/// (<https://html.spec.whatwg.org/multipage/scripting.html#restrictions-for-contents-of-script-elements>).
/// Such characters only ever stand inside of JSON's strings, where `\u003c` means the same.
pub(super) fn safe_json<W: io::Write>(out: W) -> Serializer<W, Escaping> {
    Serializer::with_formatter(out, Escaping)
}

pub(super) struct Escaping;

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

    use serde::Serialize;

    use super::*;
    use crate::render::gfm::hostile;

    fn shown(value: &impl Serialize) -> String {
        let mut bytes = Vec::new();
        value.serialize(&mut safe_json(&mut bytes)).expect("JSON");
        String::from_utf8(bytes).expect("UTF-8")
    }

    #[test]
    fn escapes_what_means_something_to_html() {
        let shown = shown(&["</script><!--&lt;", "é\u{2028}\n\""]);
        assert_eq!(
            shown,
            r#"["\u003c/script\u003e\u003c!--\u0026lt;","é\u2028\n\""]"#
        );
    }

    proptest! {
        #[test]
        fn says_the_same_without_markup(text in hostile()) {
            let shown = shown(&text);
            prop_assert!(!shown.contains(['<', '>', '&']));
            prop_assert_eq!(serde_json::from_str::<String>(&shown).expect("JSON"), text);
        }
    }
}
