//! Keeps secrets out of what is shown and kept of an output.

use std::borrow::Cow;
use std::collections::BTreeSet;

use anyhow::Result;
use camino::Utf8Path;
use fs_err as fs;

use crate::workspace::write_atomic;

const SHOWN: &[u8] = b"***";

/// Replaces secrets in a stream, also those that arrive in two pieces.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mask {
    /// The longest first, none empty.
    secrets: Vec<Vec<u8>>,
    /// The last bytes, as long as they may be the beginning of a secret.
    held: Vec<u8>,
}

impl Mask {
    pub(crate) fn new(secrets: &[String]) -> Self {
        // As itself, and as it stands in JSON.
        let in_json = |secret: &String| serde_json::to_string(secret).unwrap_or_default();
        let escaped: Vec<String> = secrets.iter().map(in_json).collect();
        let escaped = escaped.iter().map(|text| text.trim_matches('"').to_owned());
        let secrets: BTreeSet<String> = escaped.chain(secrets.iter().cloned()).collect();
        let secrets = secrets.into_iter().map(String::into_bytes);
        let mut secrets: Vec<Vec<u8>> = secrets.filter(|secret| !secret.is_empty()).collect();
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self {
            secrets,
            held: Vec::new(),
        }
    }

    /// What can be shown now that this has arrived.
    pub(crate) fn pass<'a>(&mut self, chunk: &'a [u8]) -> Cow<'a, [u8]> {
        if self.secrets.is_empty() {
            return Cow::Borrowed(chunk);
        }
        let mut bytes = std::mem::take(&mut self.held);
        bytes.extend_from_slice(chunk);
        let (shown, rest) = self.replace(&bytes, true);
        self.held = rest.to_vec();
        Cow::Owned(shown)
    }

    /// What was held back when nothing more comes.
    pub(crate) fn end(&mut self) -> Vec<u8> {
        let held = std::mem::take(&mut self.held);
        self.replace(&held, false).0
    }

    /// What can be shown, and the rest that may become a secret if more comes.
    fn replace<'a>(&self, bytes: &'a [u8], more_comes: bool) -> (Vec<u8>, &'a [u8]) {
        let mut shown = Vec::with_capacity(bytes.len());
        let mut rest = bytes;
        while let Some(first) = rest.first() {
            let may_begin =
                |secret: &Vec<u8>| secret.len() > rest.len() && secret.starts_with(rest);
            if more_comes && self.secrets.iter().any(may_begin) {
                break;
            }
            if let Some(secret) = self.secrets.iter().find(|secret| rest.starts_with(secret)) {
                shown.extend_from_slice(SHOWN);
                rest = &rest[secret.len()..];
            } else {
                shown.push(*first);
                rest = &rest[1..];
            }
        }
        (shown, rest)
    }

    /// Takes the secrets out of a file, if there is one.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn file(&self, path: &Utf8Path) -> Result<()> {
        if self.secrets.is_empty() || !path.exists() {
            return Ok(());
        }
        let bytes = fs::read(path)?;
        let (shown, _) = self.replace(&bytes, false);
        if shown == bytes {
            return Ok(());
        }
        // Not into the file: it may belong to the container's user.
        write_atomic(path, &shown)
    }

    /// A whole text without secrets.
    pub(crate) fn text(&self, text: &str) -> String {
        let (shown, _) = self.replace(text.as_bytes(), false);
        String::from_utf8_lossy(&shown).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn masked(secrets: &[&str], chunks: &[&str]) -> String {
        let mut mask = Mask::new(
            &secrets
                .iter()
                .map(|it| (*it).to_owned())
                .collect::<Vec<_>>(),
        );
        let mut shown = Vec::new();
        for chunk in chunks {
            shown.extend_from_slice(&mask.pass(chunk.as_bytes()));
        }
        shown.extend(mask.end());
        String::from_utf8(shown).expect("text")
    }

    #[test]
    fn a_secret_is_never_shown_however_it_arrives() {
        let secrets = ["secret", "secret-longer"];
        assert_eq!(masked(&secrets, &["a secret b"]), "a *** b");
        assert_eq!(masked(&secrets, &["a se", "cr", "et"]), "a ***");
        assert_eq!(masked(&secrets, &["secret", "-longer!"]), "***!");
        assert_eq!(masked(&secrets, &["secret-long"]), "***-long");
        assert_eq!(masked(&secrets, &["sesecret"]), "se***");
        assert_eq!(masked(&[""], &["a", "b"]), "ab");
        assert_eq!(masked(&["a\"b"], &[r#"{"x":"a\"b"}"#]), r#"{"x":"***"}"#);
        assert_eq!(Mask::new(&["x1".to_owned()]).text("ax1b"), "a***b");
    }

    proptest! {
        #[test]
        fn the_pieces_do_not_matter(chunks in prop::collection::vec("[abc]{0,4}", 0..8)) {
            let pieces: Vec<&str> = chunks.iter().map(String::as_str).collect();
            let whole = chunks.concat();
            prop_assert_eq!(masked(&["abca"], &pieces), whole.replace("abca", "***"));
        }
    }
}
