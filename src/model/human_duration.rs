//! `1h30m`: a duration as people write it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Unit and its milliseconds, from the greatest.
const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

/// Whole milliseconds: `250ms`, `60s`, `1.5m`, `1h30m`; a plain number is seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct HumanDuration(Duration);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum HumanDurationError {
    #[error("`{0}` is not a duration: write it as 250ms, 60s, 5m or 1h30m")]
    Shape(String),
    #[error("`{0}` is too long for a duration")]
    TooLong(String),
}

impl HumanDuration {
    /// Anything finer than a millisecond is dropped.
    pub(crate) fn new(duration: Duration) -> Self {
        Self(Duration::from_millis(
            u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
        ))
    }

    pub(crate) fn get(self) -> Duration {
        self.0
    }
}

impl fmt::Display for HumanDuration {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        if rest == 0 {
            return out.write_str("0s");
        }
        for (unit, size) in UNITS {
            if rest >= size {
                write!(out, "{}{unit}", rest / size)?;
                rest %= size;
            }
        }
        Ok(())
    }
}

impl FromStr for HumanDuration {
    type Err = HumanDurationError;

    fn from_str(text: &str) -> Result<Self, HumanDurationError> {
        let shape = || HumanDurationError::Shape(text.to_owned());
        let too_long = || HumanDurationError::TooLong(text.to_owned());
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(shape());
        }
        let mut sum = 0_u64;
        let mut units = UNITS.iter();
        while !rest.is_empty() {
            let number_end = rest
                .find(|c: char| !c.is_ascii_digit() && c != '.')
                .unwrap_or(rest.len());
            let (number, tail) = rest.split_at(number_end);
            let unit_end = tail
                .find(|c: char| !c.is_ascii_alphabetic())
                .unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(unit_end);
            let is_plain = unit.is_empty() && number.len() == text.trim().len();
            // Each unit once, the greater ones first.
            let (_, size) = units
                .find(|(name, _)| *name == if is_plain { "s" } else { unit })
                .ok_or_else(shape)?;
            if !is_decimal(number) {
                return Err(shape());
            }
            sum = milliseconds(number, *size)
                .and_then(|part| sum.checked_add(part))
                .ok_or_else(too_long)?;
            rest = tail;
        }
        Ok(Self(Duration::from_millis(sum)))
    }
}

/// `5` or `1.5`, not `.5`, `5.` or `1.2.3`.
fn is_decimal(number: &str) -> bool {
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    let are_digits =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    are_digits(whole) && are_digits(decimals)
}

/// `None` if it is too long. At most nine decimals count.
fn milliseconds(number: &str, size: u64) -> Option<u64> {
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    let decimals = &format!("{decimals:0<9}")[..9];
    let fraction = u128::from(size) * decimals.parse::<u128>().ok()? / 1_000_000_000;
    let whole = whole.parse::<u64>().ok()?.checked_mul(size)?;
    whole.checked_add(u64::try_from(fraction).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_people_write() {
        let milliseconds =
            |text: &str| text.parse::<HumanDuration>().expect(text).get().as_millis();
        for (text, expected) in [
            ("250ms", 250),
            ("60s", 60_000),
            ("60", 60_000),
            ("0.25", 250),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("1.5h", 5_400_000),
            (" 1d1ms ", 86_400_001),
            ("0", 0),
            ("0.0009s", 0),
        ] {
            assert_eq!(milliseconds(text), expected, "{text}");
        }
    }

    #[test]
    fn refuses_what_it_cannot_read() {
        let shape = |text: &str| HumanDurationError::Shape(text.into());
        for text in [
            "", "s", "5x", "-5s", "1 h", "30m1h", "1m1m", "1h30", "1.2.3s", ".s", "5.", "∞", "1e3",
            "5M",
        ] {
            assert_eq!(text.parse::<HumanDuration>(), Err(shape(text)), "{text}");
        }
        for text in ["99999999999999999999", "99999999999999999d"] {
            assert_eq!(
                text.parse::<HumanDuration>(),
                Err(HumanDurationError::TooLong(text.into()))
            );
        }
        assert_eq!(
            shape("5x").to_string(),
            "`5x` is not a duration: write it as 250ms, 60s, 5m or 1h30m"
        );
    }

    proptest! {
        #[test]
        fn reads_back_what_it_prints(milliseconds: u64) {
            let duration = HumanDuration::new(Duration::from_millis(milliseconds));
            prop_assert_eq!(duration.to_string().parse(), Ok(duration));
        }

        #[test]
        fn never_panics(text: String) {
            let _ = text.parse::<HumanDuration>();
        }
    }
}
