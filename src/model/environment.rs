//! The names of the environments that one run tests in, such as `3.12` or `python 3.12`.

use std::str::FromStr;

/// Of a name, in bytes.
const LIMIT: usize = 40;

/// What a name must be to stand in reports and, made smaller, in names of artifacts.
///
/// # Errors
/// Says what it may be.
pub(crate) fn check(name: &str) -> Result<(), String> {
    let allowed = |letter: char| letter.is_alphanumeric() || " ._+-/()".contains(letter);
    let fits = (1..=LIMIT).contains(&name.len()) && name.chars().all(allowed);
    if fits && name.trim() == name {
        Ok(())
    } else {
        Err(format!(
            "`{}` cannot name an environment: use 1 to {LIMIT} letters, digits, inner spaces and ._+-/()",
            name.chars()
                .take(LIMIT)
                .flat_map(char::escape_debug)
                .collect::<String>()
        ))
    }
}

/// Names with commas between, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Environments(pub(crate) Vec<String>);

impl FromStr for Environments {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut names: Vec<String> = Vec::new();
        for name in text
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
        {
            check(name)?;
            if names.iter().any(|known| known == name) {
                return Err(format!("`{name}` is there twice"));
            }
            names.push(name.to_owned());
        }
        Ok(Self(names))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_between_commas() {
        let names = |text: &str| text.parse::<Environments>().map(|all| all.0);
        assert_eq!(
            names("3.11, python 3.12,"),
            Ok(vec!["3.11".to_owned(), "python 3.12".to_owned()])
        );
        for wrong in ["3.11,3.11", "a\nb", "<b>", "`x`", &"x".repeat(41)] {
            assert!(names(wrong).is_err(), "{wrong}");
        }
        assert!(check("").is_err() && check(" x").is_err());
    }
}
