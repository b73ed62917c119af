//! Percent-encoding (<https://www.rfc-editor.org/rfc/rfc3986#section-2.1>), for addresses and for what
//! stands in a hidden marker.

use std::fmt::Write as _;

/// Leaves letters, digits and the bytes of `plain` as they are.
pub(super) fn encoded(text: &str, plain: &[u8]) -> String {
    let mut shown = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || plain.contains(&byte) {
            shown.push(char::from(byte));
        } else {
            let _ = write!(shown, "%{byte:02X}");
        }
    }
    shown
}

/// `None` for what [`encoded`] never writes.
pub(super) fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend_from_slice(before.as_bytes());
        bytes.push(u8::from_str_radix(after.get(..2)?, 16).ok()?);
        rest = &after[2..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(text in any::<String>()) {
            let shown = encoded(&text, b"-._");
            prop_assert!(shown.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._%".contains(&byte)));
            prop_assert_eq!(decoded(&shown), Some(text));
        }

        #[test]
        fn what_is_odd_is_refused_and_nothing_else_happens(text in "[%0-9A-Gé]{0,8}") {
            let _ = decoded(&text);
        }
    }
}
