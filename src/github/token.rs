//! The token of the API.

use std::fmt;

use anyhow::anyhow;

/// A token of the API. It is never shown.
#[derive(Clone)]
pub(crate) struct Token(String);

impl Token {
    /// Trims the text, since a secret pasted with a line break is a common slip.
    pub(crate) fn new(text: &str) -> anyhow::Result<Self> {
        let text = text.trim();
        if text.is_empty() {
            return Err(anyhow!(
                "the GitHub token is empty: pass `token: ${{{{ github.token }}}}`"
            ));
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(anyhow!(
                "the GitHub token contains characters that no token has: check the secret"
            ));
        }
        Ok(Self(text.to_owned()))
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_trimmed_and_never_shown() {
        let token = Token::new(" ghs_abc\n").expect("a token");
        assert_eq!(token.reveal(), "ghs_abc");
        assert_eq!(format!("{token:?}"), "Token(…)");
        assert!(Token::new(" \n").is_err());
        assert!(Token::new("two words").is_err());
    }
}
